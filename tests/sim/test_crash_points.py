"""A whole node is interrupted at every operation of its disk, in turn: while it is born, commits,
receives, rolls over to a new segment or pack, ends, starts again, and mends what was damaged.

Whatever survives of the unsynced writes, all that was confirmed is there, every dot has one
content, the state is what the operations mean, and the node goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random

import pytest

from crdt import Actor, Address, Create, Record, covers
from samebox.making import blob_of
from sim.disk import Draw, PowerCut, keep_all, lose_all
from storage import RecordsMissing
from tests.oracle import view
from tests.sim.one_node import TEXTS, OneNode, mail

Work = Callable[[OneNode], None]


def others_records() -> list[Record]:
    other = OneNode("b")
    other.start()
    other.ask(*(Create(Address(name)) for name in ("x", "y", "z")))
    return other.records(other.actor)


THEIRS = others_records()


def life(node: OneNode) -> None:
    """Birth, commits with contents, a received batch, a roll of segment and pack, an end, a start
    on what was sealed, and one more commit."""
    node.start()
    node.ask(Create(Address("mail")))
    node.ask(*(mail(text) for text in TEXTS[:3]))
    node.bring(THEIRS)
    for text in TEXTS[3:9]:
        node.ask(mail(text))
    node.store.close()
    node.start()
    node.ask(mail(TEXTS[9]))


def draws(count: int) -> list[Draw | None]:
    """What of the unsynced writes is kept; None where the process alone dies."""
    return [None, lose_all, keep_all, *(Random(seed).randrange for seed in range(count))]


SOME = pytest.param(Random(1).randrange, marks=pytest.mark.slow)
"""In `make check` all or nothing is kept."""


def crashes(work: Work, draw: Draw | None) -> Iterator[tuple[OneNode, str]]:
    """`work` with a crash at each of its disk operations; what the disk is then."""
    at = 0
    while True:
        at += 1
        node = OneNode("a")
        node.machine.disk.crash_at = at
        try:
            work(node)
        except PowerCut:
            after(node, draw)
            yield node, f"operation {at}"
        else:
            return


def after(node: OneNode, draw: Draw | None) -> None:
    if draw is None:
        node.machine.disk.end_process()
    else:
        node.machine.disk.lose_power(draw)


def check(node: OneNode, where: str) -> None:
    """It starts, holds what it has to, goes on, and a second crash takes nothing back."""
    node.start()
    check_holds(node, where)
    before = {**node.store.replica.clock}
    node.ask(Create(Address("more")))
    node.machine.disk.lose_power(lose_all)
    node.start()
    check_holds(node, f"{where}, then again")
    assert (
        node.store.replica.clock.items()
        >= {actor: seq for actor, seq in before.items() if actor != node.actor}.items()
    ), where


def check_holds(node: OneNode, where: str) -> None:
    replica = node.store.replica
    for dot in node.confirmed:
        assert covers(replica.clock, dot), f"{where}: {dot} was confirmed and is gone"
    assert replica.state.clock() == replica.clock, where
    operations = node.operations()
    assert len(operations) == sum(replica.clock.values()), where
    assert replica.state.view() == view(operations), where
    missing = [blob.hash for blob in replica.missing.blobs()]
    for operation in operations:
        blob = blob_of(operation)
        if blob is not None and operation.dot in node.confirmed:
            assert blob.hash not in missing, f"{where}: {operation.dot} without its blob"
            assert len(node.store.packs.get(blob.hash)) == blob.size, where


def test_the_life_rolls_over_segments_and_packs() -> None:
    node = OneNode("a")
    life(node)
    names = node.machine.disk.names()
    assert sum(name.endswith(".segment") for name in names) >= 2, names
    assert sum(name.endswith(".pack") for name in names) >= 2, names


@pytest.mark.parametrize("draw", [None, lose_all, keep_all, SOME])
def test_a_crash_at_every_disk_operation_of_a_life(draw: Draw | None) -> None:
    count = 0
    for node, where in crashes(life, draw):
        check(node, where)
        count += 1
    assert count > 50


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 16))
def test_a_crash_at_every_disk_operation_of_a_life_however_it_ends(seed: int) -> None:
    for node, where in crashes(life, Random(seed).randrange):
        check(node, where)


def interrupted_start(node: OneNode, draw: Draw | None) -> Iterator[int]:
    """Starts that are interrupted at their first disk operation, their second, … until one is
    not. The disk is left as it is from one to the next."""
    at = 0
    while True:
        at += 1
        disk = node.machine.disk
        disk.crash_at = disk.operations + at
        try:
            node.start()
        except PowerCut:
            after(node, draw)
            yield at
        else:
            disk.crash_at = None
            return


@pytest.mark.parametrize("draw", [lose_all, SOME])
def test_a_recovery_that_is_interrupted_again_and_again_gets_there(draw: Draw) -> None:
    for place, (node, where) in enumerate(crashes(life, Random(2).randrange)):
        if place % 4:
            continue
        interruptions = list(interrupted_start(node, draw))
        assert len(interruptions) > 3, where
        check_holds(node, where)


def with_a_damaged_segment() -> tuple[OneNode, dict[Actor, int]]:
    """Of three records of another node one is spoilt, in a sealed segment; the clock before."""
    node = OneNode("a")
    node.start()
    node.ask(Create(Address("mail")))
    node.bring(THEIRS)
    node.ask(mail(TEXTS[0]))
    node.store.close()
    clock = {**node.store.replica.clock}
    node.damage(THEIRS[1])
    return node, clock


def check_quarantined(node: OneNode, clock: Mapping[Actor, int], where: str) -> None:
    """What was damaged is lost alone; whoever depends on it waits, and is there again when a peer
    has brought it."""
    actor = THEIRS[1].actor
    assert node.store.replica.clock[actor] == 1, where
    with pytest.raises(RecordsMissing):
        node.store.log.read(actor, 2, 2, max_bytes=0)
    assert node.store.log.read(actor, 3, 3, max_bytes=0) == [THEIRS[2]], f"{where}: it is cut"
    node.bring(THEIRS)
    node.machine.disk.lose_power(lose_all)
    node.start()
    assert node.store.replica.clock.items() >= clock.items(), where
    check_holds(node, f"{where}, mended")


@pytest.mark.parametrize("draw", draws(2))
def test_a_quarantine_interrupted_at_every_disk_operation_loses_what_was_damaged_alone(
    draw: Draw | None,
) -> None:
    at = 0
    while True:
        at += 1
        node, clock = with_a_damaged_segment()
        disk = node.machine.disk
        disk.crash_at = disk.operations + at
        try:
            node.start()
        except PowerCut:
            after(node, draw)
        else:
            break
        node.start()
        check_quarantined(node, clock, f"operation {at}")
    assert at > 12


@pytest.mark.parametrize("draw", draws(2))
def test_a_quarantine_interrupted_again_and_again_gets_there(draw: Draw | None) -> None:
    node, clock = with_a_damaged_segment()
    assert len(list(interrupted_start(node, draw))) >= 4
    check_quarantined(node, clock, "at last")


@pytest.mark.parametrize("draw", draws(2))
def test_a_start_interrupted_at_any_disk_operation_forgets_no_loss_that_it_met(
    draw: Draw | None,
) -> None:
    """The last confirmed record is spoilt: nothing tells it from a torn one, and it is cut. Its dot
    is never given to another operation, whenever the start that cuts it dies; and it is told."""
    at = 0
    while True:
        at += 1
        node = OneNode("a")
        node.start()
        node.ask(Create(Address("mail")))
        node.ask(Create(Address("lost")))
        old, disk = node.actor, node.machine.disk
        node.damage(node.records(old)[-1])
        disk.crash_at = disk.operations + at
        try:
            node.start()
        except PowerCut:
            after(node, draw)
        else:
            break
        node.start()
        assert node.actor != old, f"operation {at}"
        assert any(notice.alarm for notice in node.told), f"operation {at}"
    assert at > 15
