"""A snapshot of the state: all its rows as they were at one commit, in blocks of a snapshot file.

A block is a MessagePack array: the name of a table, then keys and values in turn. Rows that tell of
one data directory alone stay out. The rows are read from a view of the image that nothing changes,
so the loop of the shard knows nothing of it; what the snapshot stands for are the heads among them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

import msgspec
from msgspec import Struct

from crdt import FOLDED, Head, Rows, seq_of
from samebox.compacting import OnDisk
from samebox.errors import SameboxError
from samebox.history_rows import HEADS
from samebox.image import Frozen
from samebox.missing import MISSING
from samebox.recovery import ORIGIN, ROWS_VERSION, apart, is_begun
from samebox.unwritten import unsealed
from samebox.write_back import NAMES
from storage import (
    Beginning,
    Damaged,
    Disk,
    Log,
    Snapshot,
    SnapshotWriter,
    Tip,
    new_snapshot,
    present_snapshots,
    remove_snapshots,
)

LOCAL = (ORIGIN, MISSING)
PAGE_ROWS = 500
"""Read, encoded, written and synced at a time: some milliseconds. A value may be long."""
DUE_BYTES = 64 << 20
"""Of the log: what a start without a state reads in some seconds."""
DEMANDED_EVERY_S = 600.0
"""Snapshots that are made because a peer asks, and not for what the log has grown."""
ID_BYTES = 16
KEPT = 2
"""Snapshots: where one of them does not read back, the other one and the log behind it tell all."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[str, list[bytes]]).decode


class Taken(Struct, frozen=True):
    """A snapshot that was made."""

    number: int
    bytes: int


def is_due(log_bytes: int, snapshot_bytes: int) -> bool:
    """Whether so many bytes of log behind the last snapshot are worth another one of that length:
    so snapshots write no more than the log does."""
    return log_bytes >= max(DUE_BYTES, snapshot_bytes)


def sound(log: Log, disk: Disk) -> list[Snapshot]:
    """Those that the log goes on from, the newest first. Raises LogDamaged."""
    present = (one for one in present_snapshots(disk) if one.version == ROWS_VERSION)
    return [one for one in present if apart(one.told, log) is None]


def is_wanted(log: Log, disk: Disk) -> bool:
    """Whether one is due; also where a log that is cut has too few of them."""
    snapshots = sound(log, disk)
    if log.is_cut and len(snapshots) < KEPT:
        return True
    if not snapshots:
        return is_due(log.bytes_beyond({}), 0)
    newest = snapshots[0]
    return is_due(log.bytes_beyond(newest.clock), disk.size(newest.name.text))


class Demand:
    """Of peers, for a snapshot that is newer than those that are kept. A member that asks for one
    again and again has its disk written by others: so one is made at once, and the next later."""

    def __init__(self) -> None:
        self._free_at_s = 0.0

    def is_met(self, now_s: float) -> bool:
        return now_s >= self._free_at_s

    def made(self, now_s: float) -> None:
        self._free_at_s = now_s + DEMANDED_EVERY_S


class NotReady(SameboxError):
    """There are no rows yet of which a snapshot could be made."""


class Snapshotting:
    """One snapshot in the making: `steps`; when they ended early, `abandon` in the disk thread."""

    def __init__(self, disk: Disk, log: Log, frozen: Callable[[], Frozen | None]) -> None:
        self._disk = disk
        self._log = log
        self._freeze = frozen
        self._frozen: Frozen | None = None
        self._writer: SnapshotWriter | None = None

    def steps(
        self, *, number: int, id: bytes, cluster: str, shard: str
    ) -> Generator[OnDisk, object, Taken]:
        """Raises what the steps raise: `NotReady`, `DiskFull` and `DiskReadOnly` with nothing
        changed, and StateLost where rows do not read back: the state is to be made again."""

        def begin() -> list[tuple[bytes, str]]:
            self._frozen = self._freeze()
            if self._frozen is None:
                raise NotReady("no rows of the state are kept from which one could be made")
            tables = tables_of(self._frozen)
            if not is_kept(self._frozen, tables):
                raise NotReady("the rows of the state are not all written yet")
            self._writer = new_snapshot(
                self._disk,
                beginning_of(self._frozen, tables),
                number=number,
                id=id,
                cluster=cluster,
                shard=shard,
            )
            return tables

        tables = yield OnDisk(begin)
        assert isinstance(tables, list)
        for table, name in tables:
            after: object = b""
            while isinstance(after, bytes) and name not in LOCAL:
                after = yield OnDisk(self._adding(table, name, after))
        taken = yield OnDisk(lambda: self._finish(number))
        assert isinstance(taken, Taken)
        return taken

    def abandon(self) -> None:
        """Nothing is left of it. Raises `DiskError`."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.abandon()
        frozen, self._frozen = self._frozen, None
        if frozen is not None:
            frozen.close()

    def _adding(self, table: bytes, name: str, after: bytes) -> Callable[[], bytes | None]:
        """Writes a page of a table; where the next one begins, or None behind the last."""

        def add() -> bytes | None:
            assert self._frozen is not None and self._writer is not None
            stop = bytes((table[0] + 1,))
            page = self._frozen.page(table + after, stop, PAGE_ROWS)
            if page:
                rows: list[bytes] = []
                for key, value in page:
                    rows += (key[1:], unsealed(key, value))
                self._writer.add(_encode((name, rows)))
            return page[-1][0][1:] + b"\0" if len(page) == PAGE_ROWS else None

        return add

    def _finish(self, number: int) -> Taken:
        assert self._writer is not None
        name = self._writer.finish()
        self._writer = None
        size = self._disk.size(name.text)
        kept = [one.name.number for one in sound(self._log, self._disk)[:KEPT]]
        if number in kept:  # or the log has begun anew meanwhile
            remove_snapshots(self._disk, but=kept)
        return Taken(number, size)


def tables_of(frozen: Frozen) -> list[tuple[bytes, str]]:
    """Number, as it stands in front of keys, and name of every table."""
    found = frozen.page(NAMES, b"\1", 256)
    return [(unsealed(key, value), key[1:].decode()) for key, value in found]


def is_kept(frozen: Frozen, tables: Sequence[tuple[bytes, str]]) -> bool:
    """Whether all rows of a state are there."""
    return is_begun(_rows_of(frozen, tables, ORIGIN))


def beginning_of(frozen: Frozen, tables: Sequence[tuple[bytes, str]]) -> Beginning:
    heads = [Head.decode(value) for _, value in _rows_of(frozen, tables, HEADS)]
    tips = {head.actor: tip_of(head) for head in heads}
    folded = {actor: seq_of(value) for actor, value in _rows_of(frozen, tables, FOLDED)}
    return Beginning(ROWS_VERSION, tips, folded)


def _rows_of(
    frozen: Frozen, tables: Sequence[tuple[bytes, str]], wanted: str
) -> Iterator[tuple[bytes, bytes]]:
    for table in [table for table, name in tables if name == wanted]:
        after: bytes | None = b""
        while after is not None:
            page = frozen.page(table + after, bytes((table[0] + 1,)), PAGE_ROWS)
            for key, value in page:
                yield key[1:], unsealed(key, value)
            after = page[-1][0][1:] + b"\0" if len(page) == PAGE_ROWS else None


def tip_of(head: Head) -> Tip:
    return Tip(head.seq, head.chain, head.encode())


def heads_in(block: bytes) -> Iterator[Head]:
    """Of the actors that a block tells of. Raises `Damaged` where it is none."""
    table, pairs = _decoded(block)
    for _, value in _pairs(pairs):
        if table == HEADS:
            try:
                yield Head.decode(value)
            except (msgspec.MsgspecError, ValueError) as error:
                raise Damaged(f"a row of a snapshot is no head: {error}") from error


def load(rows: Rows, blocks: Iterable[bytes], *, committed: Callable[[], None]) -> None:
    """Puts all rows of a snapshot into empty `rows`. Raises `Damaged` where a block is none."""
    for _ in load_steps(rows, blocks):
        committed()


def load_steps(rows: Rows, blocks: Iterable[bytes]) -> Iterator[int]:
    """The same block by block, each in a transaction; their lengths."""
    for block in blocks:
        table, pairs = _decoded(block)
        rows.begin()
        for key, value in _pairs(pairs):
            rows.put(table, key, value)
        rows.commit()
        yield len(block)


def _decoded(block: bytes) -> tuple[str, list[bytes]]:
    try:
        return _decode(block)
    except msgspec.MsgspecError as error:
        raise Damaged(f"a block of a snapshot holds no rows: {error}") from error


def _pairs(pairs: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    if len(pairs) % 2:
        raise Damaged("a block of a snapshot ends with a key")
    return zip(pairs[::2], pairs[1::2], strict=True)
