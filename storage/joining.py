"""Whether records that are to be appended join what a log holds: seqs, chains, none twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from crdt import Dot, Record, next_chain
from storage.coverage import Coverage, Run
from storage.errors import ChainBroken
from storage.ground import Ground
from storage.index import Tip


class Joining:
    """`tips` and `coverage` are those of the log, which moves them on. `origin` gives what is
    before the first record of an actor, `chain_at` the chain after a record where that is known,
    `read` a record that is held; before what the `ground` stands for, nothing need be."""

    def __init__(
        self,
        tips: Mapping[bytes, Tip],
        coverage: Coverage,
        origin: Callable[[bytes], Tip],
        chain_at: Callable[[bytes, int], bytes | None],
        read: Callable[[bytes, int], Record],
        ground: Ground,
    ) -> None:
        self._tips = tips
        self._coverage = coverage
        self._origin = origin
        self._chain_at = chain_at
        self._read = read
        self._ground = ground

    def absent(self, records: Sequence[Record]) -> list[Record]:
        """See `Log.absent`."""
        absent: list[Record] = []
        held: dict[bytes, list[Record]] = {}
        for record in records:
            tip = self._tips.get(record.actor)
            if tip is None or record.seq > tip.seq or not self._holds(record):
                absent.append(record)
            else:
                held.setdefault(record.actor, []).append(record)
        for again in held.values():
            if not self._is_held(again[-1]):  # the chain of the last one speaks for all
                other = next(record for record in again if not self._is_held(record))
                text = f"{other.actor.hex()[:8]}:{other.seq} is held, and is another one"
                dot = Dot(other.actor, other.seq)
                raise ChainBroken(text, dot, sound=other.seq - 1)
        return absent

    def _is_held(self, record: Record) -> bool:
        return self._chain_at(record.actor, record.seq) == record.chain

    def _holds(self, record: Record) -> bool:
        return self._coverage.find(record.actor, record.seq) is not None

    def checked(
        self,
        records: Sequence[Record],
        runs: Sequence[Run],
        heads: Mapping[bytes, bytes],
        *,
        has_holes: bool,
    ) -> dict[bytes, Tip]:
        """The tips after the batch. What it asserts is what the caller promised; raises
        `ChainBroken`, `LogDamaged`."""
        tips: dict[bytes, Tip] = {}
        for actor, span, chain in runs:
            tip = tips.get(actor) or self._tips.get(actor) or self._origin(actor)
            place = f"{actor.hex()[:8]}:{span.first}-{span.last}"
            assert span.first <= tip.seq + 1, f"{place} leaves a hole after {tip.seq}"
            assert not self._coverage.overlaps(actor, span.first, span.last), f"{place} is held"
            if span.last > tip.seq:
                assert actor in heads, f"{place} comes without a head"
                tips[actor] = Tip(span.last, chain, heads[actor])
        if has_holes:
            self._check_refills(records)
        else:
            self._check_chains(records)
        return tips

    def _check_chains(self, records: Sequence[Record]) -> None:
        chains: dict[bytes, bytes] = {}
        for actor, seq, chain, data in records:
            before = chains.get(actor) or (self._tips.get(actor) or self._origin(actor)).chain
            assert next_chain(before, data) == chain, f"{actor.hex()[:8]}:{seq} breaks the chain"
            chains[actor] = chain

    def _check_refills(self, records: Sequence[Record]) -> None:
        """What was fetched again must join the chain on both sides. Raises `ChainBroken`."""
        batch: dict[tuple[bytes, int], Record] = {}
        for record in records:
            actor, seq = record.actor, record.seq
            before = batch.get((actor, seq - 1))
            chain = before.chain if before else self._chain_at(actor, seq - 1)
            known = chain is not None or seq - 1 <= self._ground.start.get(actor, 0)
            assert known, f"{actor.hex()[:8]}:{seq} comes before {seq - 1}: fill holes in order"
            joined = chain is None or next_chain(chain, record.data) == record.chain
            batch[actor, seq] = record
            if self._coverage.find(actor, seq + 1) is not None:
                after = self._read(actor, seq + 1)
                joined = joined and next_chain(record.chain, after.data) == after.chain
            tip = self._tips.get(actor)
            if tip is not None and tip.seq == seq:  # it was lost, and its chain is known
                joined = joined and record.chain == tip.chain
            if not joined:
                text = f"{actor.hex()[:8]}:{seq} does not join the chain; ask another peer"
                raise ChainBroken(text, Dot(actor, seq))
