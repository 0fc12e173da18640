"""What of an unsealed segment counts after a crash: the rule, as a pure function of its bytes.

The simple rule: batch n is known synced if a mark that reads well names n or more, or if the
segment was sealed or taken over with n in it. The first batch that does not read back whole

- is a *torn tail* if it is not known synced: it and all that follows is cut. It was not confirmed,
  or its confirmation and the proof of it are lost together; whoever relied on it is told by `cut`;
- is *damage* if it is known synced, and is never cut: every record in it that verifies counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from storage.frames import INDEX, MARK, Frame, Mark, batch_sum, frame_payload, mark_in, scan
from storage.index import Index, decode_part


@dataclass(frozen=True, slots=True)
class Cut:
    """`size` bytes from `offset` on of file `name` were no whole batch and were left behind."""

    name: str
    offset: int
    size: int


class Stretch(NamedTuple):
    """Bytes that count: one batch, or what lies around damage."""

    start: int
    end: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """`cut_at` is None where every byte is accounted for."""

    kept: tuple[Stretch, ...]
    cut_at: int | None

    @property
    def damaged(self) -> bool:
        return not all(stretch.whole for stretch in self.kept)


class _Piece(NamedTuple):
    """From one mark to the next; `number` is None where no mark that reads well ends it."""

    start: int
    end: int
    number: int | None
    whole: bool


def judge(
    buffer: bytes, start: int, *, seed: int, first_batch: int, synced: int, sealed_at: int | None
) -> Verdict:
    """`buffer` is the whole file, its batches begin at `start`, with batch `first_batch`.

    `synced` is the last batch that was synced before the file got its name. `sealed_at` is where
    the batches end according to a trailer that reads, though the index before it does not.
    """
    survey = _Survey(buffer, start, synced, sealed_at)
    pieces = list(survey.pieces(seed))
    kept: list[Stretch] = []
    expected = first_batch
    for piece in pieces:
        whole = piece.whole and piece.number == expected
        if not whole and expected > survey.synced and not survey.sealed:
            return Verdict(tuple(kept), piece.start)
        kept.append(Stretch(piece.start, piece.end, whole))
        expected = max(expected, (piece.number or 0) + 1)
    if expected <= survey.synced:
        kept.append(Stretch(survey.end, survey.end, False))
    return Verdict(tuple(kept), None)


class _Survey:
    """One pass over the frames. After it, `synced` is the highest number named anywhere."""

    def __init__(self, buffer: bytes, start: int, synced: int, sealed_at: int | None) -> None:
        self.synced = synced
        self.sealed = sealed_at is not None
        self.end = len(buffer) if sealed_at is None else sealed_at
        self._buffer = buffer
        self._start = start

    def pieces(self, seed: int) -> Iterator[_Piece]:
        for frame in scan(self._buffer, self._start, seed=seed):
            if frame.start >= self.end:
                break
            if frame.type == INDEX:
                self._sealed(frame)
                break
            if frame.type == MARK:
                yield from self._ended(frame, mark_in(self._buffer, frame))
        if self._start < self.end:
            yield _Piece(self._start, self.end, None, False)

    def _ended(self, frame: Frame, mark: Mark) -> Iterator[_Piece]:
        """The batch that `mark` ends, after what lies before it and belongs to no batch."""
        self.synced = max(self.synced, mark.synced)
        whole = self._start <= mark.start and _sums(self._buffer, frame, mark)
        if whole and mark.start > self._start:
            yield _Piece(self._start, mark.start, None, False)
            self._start = mark.start
        yield _Piece(self._start, frame.end, mark.number, whole)
        self._start = frame.end

    def _sealed(self, frame: Frame) -> None:
        """Sealing starts when every batch is synced, so what is torn here is no batch."""
        self.end = frame.start
        index = decode_part(frame_payload(self._buffer, frame), Index, "the index")
        self.synced = max(self.synced, index.last_batch)


def _sums(buffer: bytes, frame: Frame, mark: Mark) -> bool:
    return batch_sum(memoryview(buffer)[mark.start : frame.start]) == mark.sum
