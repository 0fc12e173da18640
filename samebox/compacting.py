"""The compaction of a shard's packs, as steps for whoever drives the shard.

Between two steps anything may happen. A step at rest is done in the loop, when no batch is under
way: then every operation that was told that its blob is held is in the state. What a round does,
and why that is safe, stands in storage.compaction.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeAlias

from msgspec import Struct

from crdt import Blob, State
from samebox.chunk_list import chunks_in
from samebox.held import Held
from samebox.marking import Marking
from storage import (
    Ask,
    BlobDamaged,
    BlobMissing,
    Compacted,
    Compaction,
    DiskReadFailed,
    Packs,
)


class AtRest(Struct, frozen=True):
    """To be called in the loop while no batch is under way; its result is handed in."""

    do: Callable[[State], object]


class OnDisk(Struct, frozen=True):
    """To be called in the thread that drives the disk; its result is handed in."""

    do: Callable[[], object]


Steps: TypeAlias = Generator[AtRest | OnDisk, object, Compacted | None]


class Compacting:
    """One compaction: `steps`, and when they have ended, however they did, `ended`."""

    def __init__(self, packs: Packs, held: Held, marking: Marking) -> None:
        self._packs = packs
        self._held = held
        self._marking = marking
        self._round = Compaction(packs)

    def steps(self) -> Steps:
        """Returns what was done; None where nothing says what is used: a list of chunks is still to
        come from a peer, or the state was lost meanwhile and is another one."""
        yield AtRest(self._marking.begin)
        while (is_more := (yield AtRest(self._page))) is not False:
            if is_more is None:
                return None
        for step in self._round.steps():
            if not isinstance(step, Ask):
                yield OnDisk(step.do)
                continue
            while (is_done := (yield AtRest(self._asking(step)))) is not True:
                if is_done is None or not (yield from self._read_lists()):
                    return None
        return self._round.result

    def ended(self) -> OnDisk:
        """In the loop; the step that comes back is to be done at last."""
        self._marking.end()
        return OnDisk(self._round.abandon)

    def _page(self, state: State) -> bool | None:
        return self._marking.page() if self._marking.is_of(state) else None

    def _asking(self, step: Ask) -> Callable[[State], bool | None]:
        def ask(state: State) -> bool | None:
            if not self._marking.is_of(state):
                return None
            if self._marking.unread:
                return False
            step.do(self._marking.uses)
            self._held.forget_long(self._marking.leased())
            return True

        return ask

    def _read_lists(self) -> Generator[AtRest | OnDisk, object, bool]:
        while self._marking.unread:
            blob = self._marking.unread[-1]
            chunks = yield OnDisk(lambda blob=blob: self._chunks(blob))  # type: ignore[misc]
            if not isinstance(chunks, list):
                return False
            self._marking.read(chunks)
            self._marking.unread.remove(blob)
        return True

    def _chunks(self, blob: Blob) -> list[bytes] | None:
        assert blob.chunks is not None, "a short blob has no list"
        try:
            listed = self._packs.get(blob.chunks)
        except (BlobMissing, BlobDamaged, DiskReadFailed):
            return None
        return chunks_in(blob, listed) or []
