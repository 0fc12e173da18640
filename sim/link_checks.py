"""Checks of what a node says to others: nothing that it does not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comm import MEMBER, Ack, Greeting, Message, Records, Refusal
from crdt import Dot, EntryAppended, EntryCopied, Operation
from samebox.making import blob_of
from sim.book import Book

if TYPE_CHECKING:
    from sim.shell import Shell


class LinkChecks(Book):
    def greeting(self, shell: Shell, greeting: Greeting) -> None:
        for actor, seq, chain in greeting.histories:
            if self.durable[shell.name].get(actor, 0) < seq:
                raise self.broken("3", shell.name, f"greets with {Dot(actor, seq)}, not synced")
            if actor not in self.forks and self.chains[actor][seq - 1] != chain:
                raise self.broken("O2", shell.name, f"greets with another {Dot(actor, seq)}")

    def sending(self, shell: Shell, peer: str, message: Message) -> None:
        durable = self.durable[shell.name]
        match message:
            case Records():
                actor, last = message.actor, message.last
                if durable.get(actor, 0) < last:
                    text = f"{Dot(actor, last)} is sent before it is synced"
                    raise self.broken("3", shell.name, text)
            case Ack():
                for actor, seq in message.clock:
                    if durable.get(actor, 0) < seq:
                        text = f"{Dot(actor, seq)} is acknowledged before it is synced"
                        raise self.broken("5", shell.name, text)
                self._check_blobs(shell, message)
            case _:
                pass

    def _check_blobs(self, shell: Shell, ack: Ack) -> None:
        """What is acknowledged has its blobs here, or is listed as lacking them. A blob that no
        operation can bring back any more may be gone, and a power cut may then bring back the rows
        of an earlier commit, which name it; it does not show there either."""
        checked = self.lives[shell.name].blobs_checked
        if ack.more_missing or shell.name in self.suspect:
            return
        for actor, seq in ack.clock:
            for number in range(checked.get(actor, 0) + 1, seq + 1):
                dot = Dot(actor, number)
                operation = self.operations.get(dot)
                blob = None if operation is None else blob_of(operation)
                if blob is None or shell.store.packs.has(blob.hash):
                    continue
                if not shell.replica.state.names_blob(dot) or is_removed(shell, operation):
                    continue
                if dot not in ack.missing and blob.hash not in self.dropped[shell.name]:
                    raise self.broken("5", shell.name, f"{dot} is acknowledged without its blob")
            checked[actor] = max(seq, checked.get(actor, 0))

    def refused(self, shell: Shell, peer: str, refusal: Refusal) -> None:
        if refusal.code == MEMBER and peer not in shell.store.place.members:
            return
        raise self.broken("O8", shell.name, f"refused {peer}: {refusal.text}")

    def broke(self, shell: Shell, peer: str, reason: str) -> None:
        if peer in self.liars:
            return
        raise self.broken("O8", shell.name, f"a peer is said to break the protocol: {reason}")


def is_removed(shell: Shell, operation: Operation | None) -> bool:
    """Whether what it made shows nowhere: an entry that was removed, contents written over or in a
    file that was deleted."""
    if operation is None:
        return False
    state, dot = shell.replica.state, operation.dot
    if isinstance(operation.body, EntryAppended | EntryCopied):
        return state.entry(dot) is None
    own = dot.actor + (dot.seq + (1 << 63)).to_bytes(8, "big")
    held = [key for key, _ in state.rows.scan("contents", b"", b"\xff" * 64) if key.endswith(own)]
    files = [Dot(key[:16], int.from_bytes(key[16:24], "big") - (1 << 63)) for key in held]
    return all(state.address_of(file) is None for file in files)
