"""What is read of a state part by part is what its whole view shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import count, takewhile
from random import Random

from msgspec.structs import replace

from crdt import (
    DELETED,
    Address,
    Dot,
    Located,
    MemoryRows,
    NodeView,
    State,
    View,
    digest_of,
    watched,
)
from tests import oracle
from tests.crdt.implementations import state_of
from tests.histories import Shown, World, delete_of
from tests.mutants import Mutant, planted
from tests.oracle.history import History
from tests.oracle.names import EMPTY
from tests.scripts import random_script

HISTORIES = 10
LENGTH = 60


@cache
def states() -> list[tuple[State, View, set[Dot]]]:
    """Each with the view that it should have, and every id that ever was and means itself.

    Made once: all that is done with them is reading.
    """
    found = []
    for seed in range(HISTORIES):
        operations = World(random_script(Random(seed), LENGTH)).operations()
        history = History.of(operations)
        dots = history.by_dot.keys() - history.stands_for.keys()
        found.append((state_of(operations, MemoryRows()), oracle.view(operations), dots))
    return found


def alone(node: NodeView) -> NodeView:
    return replace(node, children=(), entries=())


def addressed(view: View) -> Iterator[tuple[Address, NodeView]]:
    """Every node of a view, parents first."""
    waiting = [(Address(box.name), box) for box in view.boxes]
    for address, node in waiting:
        yield address, node
        for child in node.children:
            path = f"{address.path}/{child.name}" if address.path else child.name
            waiting.append((Address(address.box, path), child))


def way_to(address: Address, view: View) -> list[NodeView]:
    shown = {where: alone(node) for where, node in addressed(view)}
    names = address.path.split("/") if address.path else []
    ways = ("/".join(names[:depth]) for depth in range(len(names) + 1))
    return [shown[Address(address.box, way)] for way in ways]


def test_boxes_and_children() -> None:
    for state, view, _ in states():
        assert state.boxes() == [alone(box) for box in view.boxes]
        for _, node in addressed(view):
            if node.conflict is None:
                assert state.node_children(node.ids) == list(map(alone, node.children))


def test_a_node_is_found_where_it_shows_and_says_where_that_is() -> None:
    for state, view, dots in states():
        shown = set()
        for address, node in addressed(view):
            assert state.find(address) == alone(node)
            nothing = Address(address.box, f"{address.path}/no such")
            assert state.find(nothing) is None
            assert state.way(nothing) == state.way(address) == way_to(address, view)
            if node.conflict is None:
                shown |= set(node.ids)
                assert all(state.address_of(dot) == address for dot in node.ids)
        assert not [dot for dot in sorted(dots - shown) if state.address_of(dot) is not None]


def test_messages_of_a_mailbox_whole_in_pages_and_one_by_one() -> None:
    for state, view, dots in states():
        shown = set()
        for _, node in addressed(view):
            if node.conflict is None:
                assert tuple(state.entries(node.ids)) == node.entries
                assert state.count(node.ids) == len(node.entries)
                marked = [entry.id for entry in node.entries if DELETED in entry.flags]
                assert list(state.marked(node.ids)) == marked
                for place, entry in enumerate(node.entries):
                    behind = node.entries[place + 1 :][:2]
                    assert tuple(state.entries(node.ids, after=entry.id, limit=2)) == behind
                    found = state.entry(entry.id)
                    assert found is not None and found[0] == entry and found[1] in node.ids
                    where = Located(entry.id, found[1], DELETED in entry.flags)
                    assert state.locate(entry.id) == where
                    shown.add(entry.id)
        assert not [dot for dot in sorted(dots - shown) if state.entry(dot) is not None]
        assert not [dot for dot in sorted(dots - shown) if state.locate(dot) is not None]


def reads_as_it_shows(seed: int) -> bool:
    """A state that is read again and again while operations arrive."""
    operations = World(random_script(Random(seed), LENGTH)).operations()
    state = State(MemoryRows())
    for place, operation in enumerate(operations, 1):
        state.rows.begin()
        state.apply(operation)
        state.rows.commit()
        if place % 4 == 0:
            for address, node in addressed(oracle.view(operations[:place])):
                if state.find(address) != alone(node):
                    return False
                ids = node.ids if node.conflict is None else ()
                if any(state.address_of(id) != address for id in ids):
                    return False
                entries = node.entries if node.conflict is None else ()
                if any(state.locate(entry.id) is None for entry in entries):
                    return False
    return True


def test_what_was_read_is_forgotten_when_it_changes() -> None:
    assert all(map(reads_as_it_shows, range(10)))


def test_that_what_was_read_is_remembered_too_long_is_noticed() -> None:
    old = "if table in TREE:\n            self._forget()\n        self._put"
    mistake = Mutant("R8", "what a put changes is remembered as before", watched, old, "self._put")
    with planted(mistake):
        assert not all(map(reads_as_it_shows, range(10)))


def test_the_digest_is_that_of_the_view() -> None:
    for state, view, _ in states():
        assert state.digest() == digest_of(view)


def test_what_a_delete_has_to_list() -> None:
    for seed in range(HISTORIES):
        site = World(random_script(Random(seed), LENGTH)).sites[0]
        state, shown = state_of(site.delivered, MemoryRows()), Shown(site)
        for node in shown.changeable:
            expected = delete_of(node, shown.memory).nodes
            assert _parents(state.subtree(node.ids)) == _parents(expected)


def _parents(listed: Sequence[tuple[Dot, int]]) -> dict[Dot, Dot | None]:
    """Each node with its parent inside the delete; parents come first."""
    assert all(parent < place for place, (_, parent) in enumerate(listed))
    return {dot: None if parent < 0 else listed[parent][0] for dot, parent in listed}


def test_what_was_made_of_a_request() -> None:
    for seed in range(HISTORIES):
        operations = World(random_script(Random(seed), LENGTH)).operations()
        state = state_of(operations, MemoryRows())
        first: dict[tuple[bytes, int], dict[int, Dot]] = {}
        for operation in operations:  # by stamp
            if operation.issue is not None:
                client, number, part, _ = operation.issue
                first.setdefault((client, number), {}).setdefault(part, operation.dot)
        for request, parts in first.items():
            found = [(issued.part, issued.dot) for issued in state.issued(*request)]
            whole = takewhile(parts.__contains__, count())  # origins leave no part out
            assert found == [(part, parts[part]) for part in whole]


def test_every_blob_that_shows_is_among_those_that_are_held() -> None:
    for state, view, _ in states():
        held = {blob for blob, _ in state.blobs()} | {EMPTY}
        for _, node in addressed(view):
            assert {entry.blob for entry in node.entries} <= held
            assert node.blob is None or node.blob in held
