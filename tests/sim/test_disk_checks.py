"""What a log may lose, and what it holds behind a hole, as the watch of a world judges it."""

from __future__ import annotations

from typing import Any

import pytest

import storage.recovery
from crdt import Address, Create, Dot, RequestId, StateLost
from sim.book import Violation
from sim.last_batches import MARK_FRAME_BYTES
from sim.watch import ASKED
from sim.world import SECOND
from storage.verdict import Verdict, judge
from tests.sim.few_nodes import FewNodes, segments_of, shell_of
from tests.sim.planted import cuts_damage_in_the_middle_of_the_log

MANY = 4
"""In one batch: more than lie at the edges of a damaged sector."""


class TwoBatches:
    """Written by a node that is alone, and was killed behind them: a long one and a short one."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.nodes = FewNodes("a", sink=self.lines.append)
        self.host = self.nodes.hosts["a"]
        self.nodes.start()
        self.nodes.world.run(SECOND)
        self.first = self._end()
        self._write(range(MANY))
        self.second = self._end()
        self._write(range(MANY, MANY + 1))
        self.end = self._end()
        self.clock = dict(shell_of(self.host).replica.clock)
        self.host.kill(60 * SECOND)

    def _write(self, numbers: range) -> None:
        shell = shell_of(self.host)
        for number in numbers:
            request, id = Create(Address(f"box {number}")), RequestId(b"a client", number)
            shell.ask(request, lambda _: None, id=id, copies=1, within_us=None, carried=())
        self.nodes.world.run(self.nodes.world.now + SECOND)

    def _end(self) -> int:
        (name,) = segments_of(self.host)
        return self.host.machine.disk.size(name)

    @property
    def mark(self) -> int:
        """Of the first one of the two."""
        return self.second - MARK_FRAME_BYTES

    def start_without(self, begin: int, end: int) -> dict[bytes, int]:
        """The clock after a start, once these bytes are spoilt."""
        (name,) = segments_of(self.host)
        self.nodes.watch.medium_damaged("a")
        self.host.machine.disk.overwrite(name, begin, bytes(end - begin))
        self.host.start()
        return dict(shell_of(self.host).replica.clock)


def test_a_batch_whose_mark_is_spoilt_together_with_the_last_one_may_be_lost() -> None:
    """What is left of it may as well be a batch of which the write was broken off."""
    world = TwoBatches()
    assert list(world.start_without(world.mark, world.end).values()) == [1]
    cut = f"{world.end - world.first} bytes from offset {world.first} on were torn and cut"
    assert any(cut in line for line in world.lines)


def test_a_batch_whose_mark_is_spoilt_below_one_that_reads_is_not_lost() -> None:
    world = TwoBatches()
    assert world.start_without(world.mark, world.second) == world.clock


def test_it_is_found_out_where_that_one_is_cut_though_the_last_mark_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuts_damage_in_the_middle_of_the_log(monkeypatch)
    for end in ("second", "last record"):
        world = TwoBatches()
        spoilt = world.second if end == "second" else world.end - MARK_FRAME_BYTES
        with pytest.raises(Violation, match="O1 .* undamaged in the log, and not used"):
            world.start_without(world.mark, spoilt)


def test_it_is_found_out_where_a_whole_batch_is_cut_below_the_last_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuts_all_but_the_first_batch(monkeypatch)
    world = TwoBatches()
    with pytest.raises(Violation, match="O1 .* undamaged in the log, and not used"):
        world.start_without(world.second, world.end)


def cuts_all_but_the_first_batch(patch: pytest.MonkeyPatch) -> None:
    def cutting(*args: Any, **kwargs: Any) -> Verdict:
        verdict = judge(*args, **kwargs)
        return Verdict(verdict.kept[:1], verdict.kept[1].start)

    patch.setattr(storage.recovery, "judge", cutting)


class HoleFilled:
    """Two nodes: what one of them has is taken from the log of the other one, which then lacks
    one record before others that are on its medium, and is sent that one again."""

    def __init__(self, *, forked: bool = False) -> None:
        """`forked`: of their actor there is another history somewhere."""
        self.nodes = FewNodes("a", "b")
        self.a, self.b = self.nodes.hosts.values()
        self.nodes.start()
        self.nodes.create("b", 1)
        self.nodes.network.cut("a", "b")
        self.nodes.network.cut("b", "a")
        actor = shell_of(self.b).replica.actor
        assert actor is not None
        self.hole = Dot(actor, shell_of(self.a).replica.clock[actor])
        if forked:
            self.nodes.watch.forks[actor] = "b"
        self._write_more()
        self._lose_one()
        self.nodes.network.mend_all()
        self.nodes.world.run(self.nodes.world.now + 60 * SECOND, self._is_filled)

    def _write_more(self) -> None:
        shell = shell_of(self.b)
        for number in range(1, MANY):
            request, id = Create(Address(f"box {number}")), RequestId(b"a client", number)
            shell.ask(request, lambda _: None, id=id, copies=1, within_us=None, carried=())
        self.nodes.world.run(self.nodes.world.now + SECOND)

    def _lose_one(self) -> None:
        self.b.stop(f"{ASKED} to")
        (name,) = segments_of(self.b)
        content = self.nodes.watch.contents[self.hole.actor][self.hole.seq - 1]
        disk = self.b.machine.disk
        self.nodes.watch.medium_damaged("b")
        disk.flip(name, disk.content(name, 0, disk.size(name)).index(content))
        self.b.start()
        assert self.b_has() == self.hole.seq - 1

    def _is_filled(self) -> bool:
        return self.b_has() == self.hole.seq

    def b_has(self) -> int:
        return shell_of(self.b).replica.clock.get(self.hole.actor, 0)


@pytest.mark.parametrize("forked", [False, True])
def test_what_lay_behind_a_hole_may_be_delivered_without_a_batch_once_it_is_filled(
    forked: bool,
) -> None:
    """A state that is made again at that moment is made of all that the log holds."""
    world = HoleFilled(forked=forked)
    last = world.hole.seq + MANY - 1
    shell_of(world.b).restore(StateLost("by a test"))
    world.nodes.world.run(world.nodes.world.now + SECOND, lambda: world.b_has() > world.hole.seq)
    assert world.b_has() == world.nodes.watch.durable["b"][world.hole.actor] == last
    assert world.nodes.watch.lives["b"].batch is None


@pytest.mark.parametrize("forked", [False, True])
def test_what_is_not_on_the_medium_may_not(forked: bool) -> None:
    world = HoleFilled(forked=forked)
    actor, seq = world.hole
    (record,) = shell_of(world.b).store.log.read(actor, seq + 1, seq + 1, max_bytes=1 << 20)
    for name in segments_of(world.b):
        file = world.b.machine.disk._durable[name]
        at = file.durable.find(record.data)
        if at >= 0:
            file.durable[at] ^= 1
    shell_of(world.b).restore(StateLost("by a test"))
    with pytest.raises(Violation, match="3 .* is called delivered before it is synced"):
        world.nodes.world.run(world.nodes.world.now + SECOND)


def test_nor_may_what_comes_behind_another_hole() -> None:
    world = HoleFilled()
    shell, durable = shell_of(world.b), world.nodes.watch.durable["b"]
    actor, seq = world.hole
    world.nodes.watch.found_behind_holes(shell, [Dot(actor, seq + 2)])
    assert durable[actor] == seq
    world.nodes.watch.found_behind_holes(shell, [Dot(actor, seq + 1), Dot(actor, seq + 2)])
    assert durable[actor] == seq + 2
