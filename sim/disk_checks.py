"""Checks of what a node keeps: at every start, and whenever a batch is called durable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from crdt import Actor, Blob, Dot, Record, covers
from samebox.events import Batch
from samebox.making import blob_of
from samebox.store import Store
from sim.book import Book
from sim.disk import PowerCut
from storage import StorageError

if TYPE_CHECKING:
    from sim.host import Host
    from sim.shell import Shell

REFUSED_STARTS_MAX = 200
AT_THE_EDGES = 2
"""Records around a damaged sector whose frames are spoilt though their own bytes are not."""
SEARCHED_BYTES_MIN = 24
"""Of a record that is looked for in the files of a log: a shorter one may be found by chance."""


class DiskChecks(Book):
    """`_files` is what lay in a log before its start, if one place of it is spoilt."""

    _files: dict[str, bytes]

    # --- Starts --------------------------------------------------------------------------------

    def opening(self, host: Host, open_it: Callable[[], Store]) -> Store:
        if self.suspect.get(host.name) == 1:
            self._files = host.machine.contents("log/")
            self.last_batches[host.name].opened(self._files)
        try:
            return open_it()
        except (StorageError, PowerCut):
            raise
        except Exception as error:
            raise self.broken("10", host.name, f"a start failed: {error!r}") from error

    def start_refused(self, host: Host, error: StorageError) -> None:
        if host.name not in self.troubled:
            raise self.broken("O6", host.name, f"start refused: {error}")
        if host.refused_starts > REFUSED_STARTS_MAX:
            raise self.broken("O6", host.name, f"starts refused for ever, at last: {error}")

    def check_start(self, shell: Shell) -> None:
        """Nothing that was synced is gone; what shows for the first time has one content."""
        node, clock = shell.name, dict(shell.replica.clock)
        lost = [
            Dot(actor, number)
            for actor, seq in self.durable[node].items()
            if actor not in self.forks
            for number in range(clock.get(actor, 0) + 1, seq + 1)
        ]
        if lost:
            self._check_loss(shell, lost)
        for actor, head in shell.replica.heads.items():
            if actor in self.forks:
                continue
            self._register_behind(shell, actor, head.seq)
            if self.chains[actor][head.seq - 1] != head.chain:
                raise self.broken("O2", node, f"{Dot(actor, head.seq)} has two contents")
        self.durable[node] = clock
        self.last_batches[node].goes_on(shell.store.log)
        self.alarmed.pop(node, None)

    def _register_behind(self, shell: Shell, actor: Actor, last: int) -> None:
        """A batch that was synced without anyone being told may show now for the first time."""
        first = len(self.chains.setdefault(actor, [])) + 1
        while first <= last:
            for record in shell.store.log.read(actor, first, last, max_bytes=1 << 20):
                self._register(shell, record)
                first = record.seq + 1

    def _check_loss(self, shell: Shell, lost: list[Dot]) -> None:
        node = shell.name
        names = ", ".join(map(str, lost[:8]))
        if node not in self.suspect:
            raise self.broken("8", node, f"synced, and gone after a start: {names}")
        if node not in self.alarmed:
            raise self.broken("O1", node, f"lost without a word: {names}")
        if self.suspect[node] == 1:
            undamaged = list(self._thrown_away(shell, lost))
            if len(undamaged) > AT_THE_EDGES:
                names = ", ".join(map(str, undamaged))
                raise self.broken("O1", node, f"undamaged in the log, and not used: {names}")

    def _thrown_away(self, shell: Shell, lost: list[Dot]) -> Iterator[Dot]:
        """Records that one spoilt place cannot have taken, and that the log does not know. What
        nothing tells from a torn batch may go."""
        torn = self.last_batches[shell.name].torn
        for dot in lost:
            content = self.contents[dot.actor][dot.seq - 1]
            if len(content) < SEARCHED_BYTES_MIN or dot in torn:
                continue
            is_there = any(content in file for file in self._files.values())
            if is_there and shell.store.log.chain_at(*dot) is None:
                yield dot

    def found_behind_holes(self, shell: Shell, dots: Iterable[Dot]) -> None:
        """What is delivered out of the log, without a batch of its own: it lay there behind a hole
        that is filled by now. It has to be its turn, and the medium has to hold it as it was."""
        durable, disk = self.durable[shell.name], shell.host.machine.disk
        for actor, seq in dots:
            if seq == durable.get(actor, 0) + 1:
                record = self._record_bytes(shell, Dot(actor, seq))
                if record is not None and disk.is_durable("log/", record):
                    durable[actor] = seq

    def _record_bytes(self, shell: Shell, dot: Dot) -> bytes | None:
        """As they lie in a log; of a forked actor, those that this node says it has."""
        actor, seq = dot
        if actor in self.forks:
            (record,) = shell.store.log.read(actor, seq, seq, max_bytes=1 << 20)
            chain, content = record.chain, record.data
        elif seq <= len(self.chains.get(actor, ())):
            chain, content = self.chains[actor][seq - 1], self.contents[actor][seq - 1]
        else:
            return None
        return actor + seq.to_bytes(8, "little") + chain + content

    # --- Batches -------------------------------------------------------------------------------

    def appended(self, shell: Shell, batch: Batch) -> None:
        """`append` has returned: all of it has to be durable, its blobs included."""
        disk = shell.host.machine.disk
        unsynced = disk.unsynced(".segment")
        if shell.name not in self.troubled:
            unsynced += [
                f"the blob {hash_.hex()[:8]}"
                for hash_, data in batch.blobs
                if disk.is_in_the_cache_alone("packs/", hash_ + data)
            ]
        if unsynced:
            text = f"batch {batch.number} is called synced, {', '.join(unsynced)} is not"
            raise self.broken("2", shell.name, text)
        durable = self.durable[shell.name]
        for record in batch.records:
            self._register(shell, record)
            durable[record.actor] = max(record.seq, durable.get(record.actor, 0))
        dots = tuple(Dot(r.actor, r.seq) for r in batch.records)
        self.last_batches[shell.name].synced(dots, shell.store.log, disk)
        for blob in batch.blobs:
            self.dropped[shell.name].pop(blob.hash, None)
            if not shell.store.packs.has(blob.hash):
                text = f"a blob of batch {batch.number} is not held: {blob.hash.hex()[:8]}"
                raise self.broken("12", shell.name, text)

    def _register(self, shell: Shell, record: Record) -> None:
        """One dot, one content, whoever holds it."""
        actor, seq, chain, data = record
        if actor in self.forks:
            return
        known = self.chains.setdefault(actor, [])
        if seq == len(known) + 1:
            known.append(chain)
            self.contents.setdefault(actor, []).append(data)
        elif seq > len(known):
            raise self.broken("O2", shell.name, f"{Dot(actor, seq)} comes from nowhere")
        elif known[seq - 1] != chain:
            raise self.broken("O2", shell.name, f"{Dot(actor, seq)} has two contents")

    def compacted(self, shell: Shell) -> None:
        """What went is used by nothing that this node has committed."""
        missing = {blob.hash for blob in shell.replica.missing.blobs()}
        for dot, operation in self.operations.items():
            blob = blob_of(operation)
            if blob is None or not covers(shell.replica.clock, dot):
                continue
            hash_ = blob.hash
            if shell.store.packs.has(hash_) or hash_ in missing:
                continue
            if hash_ in self.dropped[shell.name]:
                continue
            is_used = shell.look(lambda state, dot=dot: state.names_blob(dot))  # type: ignore[misc]
            if is_used and shell.name not in self.suspect:
                raise self.broken("5", shell.name, f"the blob of {dot} went with a compaction")
            self.dropped[shell.name][hash_] = None

    def blob_stored(self, shell: Shell, blob: Blob) -> None:
        self.dropped[shell.name].pop(blob.hash, None)
        if not shell.store.packs.has(blob.hash):
            raise self.broken("5", shell.name, f"blob {blob.hash.hex()[:8]} is not held")
