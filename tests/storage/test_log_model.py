"""The log against the plainest model of one: a list of batches and a clock."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from crdt import Record
from sim.disk import SimulatedDisk, keep_all, lose_all
from storage import DiskFull, Log, LogLimits, RecordsMissing, Tip
from tests.storage.phrases import ANN, BOB, EVE, entropy, head_of, heads_after, history

ACTORS = st.sampled_from([ANN, BOB, EVE])
CONTENTS = st.lists(st.binary(max_size=200), min_size=1, max_size=5)
BATCH = st.lists(st.tuples(ACTORS, CONTENTS), min_size=1, max_size=4)


class LogMachine(RuleBasedStateMachine):
    @initialize(
        segment_bytes=st.sampled_from([1, 4500, 5500, 1 << 20]),
        recent_bytes=st.sampled_from([0, 1500, 1 << 20]),
    )
    def begin(self, segment_bytes: int, recent_bytes: int) -> None:
        self.limits = LogLimits(segment_bytes=segment_bytes, recent_bytes=recent_bytes)
        self.disk = SimulatedDisk()
        self.model: list[Record] = []
        self.batches = 0
        self.open()

    def open(self) -> None:
        self.log, self.recovery = Log.open(
            self.disk, cluster="example.org", shard="main", entropy=entropy, limits=self.limits
        )
        assert self.recovery.problems == ()
        self.log.set_heads({actor: head_of(seq) for actor, seq in self.clock().items()})

    def clock(self) -> Mapping[bytes, int]:
        return {record.actor: record.seq for record in self.model}

    def of(self, actor: bytes) -> list[Record]:
        return [record for record in self.model if record.actor == actor]

    def next_batch(self, parts: list[tuple[bytes, list[bytes]]]) -> list[Record]:
        batch: list[Record] = []
        for actor, contents in parts:
            known = [*self.of(actor), *(record for record in batch if record.actor == actor)]
            batch += history(actor, contents, after=known[-1] if known else None)
        return batch

    @rule(parts=BATCH)
    def append(self, parts: list[tuple[bytes, list[bytes]]]) -> None:
        batch = self.next_batch(parts)
        self.batches += 1
        assert self.log.append(batch, heads_after(batch)) == self.batches
        self.model += batch

    @rule(parts=BATCH, space=st.integers(0, 300))
    def append_to_a_full_disk(self, parts: list[tuple[bytes, list[bytes]]], space: int) -> None:
        batch = self.next_batch(parts)
        self.disk.capacity = sum(map(self.disk.size, self.disk.names())) + space
        try:
            self.log.append(batch, heads_after(batch))
        except DiskFull:
            pass
        else:
            self.model += batch
            self.batches += 1
        self.disk.capacity = None

    @rule(clean=st.booleans(), power=st.sampled_from([None, lose_all, keep_all]))
    def restart(self, clean: bool, power: object) -> None:
        if clean:
            self.log.close()
        if callable(power):
            self.disk.lose_power(power)
        self.open()
        assert {a: t.seq for a, t in self.recovery.tips.items()} == self.clock()
        assert self.recovery.clock == self.clock()

    @rule(actor=ACTORS, data=st.data())
    def read(self, actor: bytes, data: st.DataObject) -> None:
        held = self.of(actor)
        first = data.draw(st.integers(1, len(held) + 2))
        last = data.draw(st.integers(first, first + 20))
        max_bytes = data.draw(st.integers(0, 2000))
        if first > len(held):
            with pytest.raises(RecordsMissing):
                self.log.read(actor, first, last, max_bytes=max_bytes)
            return
        found = self.log.read(actor, first, last, max_bytes=max_bytes)
        assert found == held[first - 1 : first - 1 + len(found)]
        size = sum(len(record.data) for record in found)
        assert len(found) == 1 or size <= max_bytes
        follower = held[first - 1 + len(found) : last][:1]
        assert not follower or size + len(follower[0].data) > max_bytes

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def replay_after(self, data: st.DataObject) -> None:
        """What a clock covers may be left out, but only whole segments at the front."""
        prefix = data.draw(st.integers(0, len(self.model)))
        after = {record.actor: record.seq for record in self.model[:prefix]}
        found: list[Record] = []
        bases: list[tuple[int, Mapping[bytes, Tip]]] = []
        for segment in self.log.replay_segments(after):
            bases.append((len(found), segment.base))
            found += segment.records
        skipped = len(self.model) - len(found)
        assert found == self.model[skipped:]
        assert all(r.seq <= after.get(r.actor, 0) for r in self.model[:skipped])
        for place, base in bases:
            before = {r.actor: (r.seq, r.chain) for r in self.model[: skipped + place]}
            assert {actor: (tip.seq, tip.chain) for actor, tip in base.items()} == before
            assert all(tip.head == head_of(tip.seq) for tip in base.values())

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def head_before(self, data: st.DataObject) -> None:
        record = data.draw(st.sampled_from(self.model))
        before = self.log.head_before(record.actor, record.seq)
        assert before.seq < record.seq
        assert before.head == (head_of(before.seq) if before.seq else None)
        assert self.log.chain_at(record.actor, record.seq) == record.chain

    @invariant()
    def same_as_the_model(self) -> None:
        if hasattr(self, "log"):
            assert list(self.log.replay()) == self.model
            assert self.log.clock() == self.clock()
            assert self.log.size().last_batch == self.batches


TestLogAgainstAList = LogMachine.TestCase
TestLogAgainstAList.settings = settings(stateful_step_count=25)
