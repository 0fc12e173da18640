"""What users rely on, said without the rules: of the oracle, and so of the state that equals it.

Histories here are honest: nobody asks for what their replica does not show.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from random import Random

import pytest
from hypothesis import given, settings

from crdt import (
    BoxMade,
    Dot,
    EntriesExpunged,
    EntriesMoved,
    EntryAppended,
    EntryCopied,
    EntryView,
    FileMade,
    FileWritten,
    FlagsStored,
    FolderMade,
    Kind,
    NodesDeleted,
    NodesRenamed,
    NodeView,
    Operation,
    View,
    inbox_of,
    is_inbox,
)
from tests import oracle
from tests.histories import World, named_in
from tests.oracle.history import History, concurrent
from tests.oracle.names import key_of
from tests.scripts import Script, random_script, scripts
from tests.site import Site, all_of

FEW, MANY = range(12), range(12, 100)
SEEDS = pytest.mark.parametrize(
    "seeds", [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.slow)]
)
LENGTH = 40


@cache
def sites_of(seed: int) -> list[Site]:
    return World(random_script(Random(seed), LENGTH, honest=True)).sites


def nodes_of(view: View) -> Iterator[tuple[NodeView, NodeView | None]]:
    """Every node with the one above it, conflict copies too."""
    waiting: list[tuple[NodeView, NodeView | None]] = [(box, None) for box in view.boxes]
    for node, above in waiting:
        yield node, above
        waiting += [(child, node) for child in node.children]


def ids_in(view: View) -> set[Dot]:
    shown = {dot for node, _ in nodes_of(view) for dot in node.ids}
    return shown | {entry.id for node, _ in nodes_of(view) for entry in node.entries}


# What was asked for is there, or somebody who had seen all of it removed it


def interest_in(history: History) -> dict[Dot, list[Operation]]:
    """Id -> the operations that made it, brought it back, renamed, moved or wrote it."""
    interest: dict[Dot, list[Operation]] = {}
    for operation in history.operations:
        body = operation.body
        kept: tuple[Dot, ...] = ()
        if isinstance(body, (BoxMade, FolderMade, FileMade, EntryAppended, EntryCopied)):
            kept = (operation.dot,)
        elif isinstance(body, (NodesRenamed, FileWritten)):
            kept = body.nodes
        elif isinstance(body, EntriesMoved):
            kept = body.entries
        elif isinstance(body, FlagsStored):
            kept = body.undelete
        for target in kept:
            meant = history.stands_for.get(target, target)
            # A repeated request has been done already: it keeps no message that it repeats.
            if operation.dot not in history.stands_for or not _of_entries(operation):
                interest.setdefault(meant, []).append(operation)
    return interest


def _of_entries(operation: Operation) -> bool:
    return isinstance(operation.body, (EntryAppended, EntryCopied, EntriesMoved, FlagsStored))


def removed_by(history: History, target: Dot) -> list[Operation]:
    """Who removed a node; of an entry, every delete counts: it may have been in the folder."""
    entries = (EntryAppended, EntryCopied)
    is_entry = isinstance(history.by_dot[target].body, entries)
    found: list[Operation] = []
    for operation in history.operations:
        body = operation.body
        if isinstance(body, NodesDeleted):
            listed = {history.stands_for.get(dot, dot) for dot, _ in body.nodes}
            if is_entry or target in listed:
                found.append(operation)
        elif isinstance(body, EntriesExpunged):
            if target in {history.stands_for.get(dot, dot) for dot in body.entries}:
                found.append(operation)
    return found


@SEEDS
def test_whatever_is_not_shown_was_removed_by_who_had_seen_all_of_it(seeds: range) -> None:
    explained = 0
    for sites in map(sites_of, seeds):
        history = History.of(all_of(sites))
        shown = ids_in(oracle.view(history.operations))
        for target, interest in interest_in(history).items():
            if target not in shown:
                removers = removed_by(history, target)
                together = [o for o in interest if not any(r.saw(o.dot) for r in removers)]
                assert not together, f"{target} is gone, {together} unseen by {removers}"
                if isinstance(history.by_dot[target].body, (EntryAppended, EntryCopied)):
                    assert any(all(r.saw(o.dot) for o in interest) for r in removers)
                explained += 1
    assert explained > len(seeds)


# A local operation


def flat(view: View, new: Dot) -> dict[object, object]:
    """Everything but names, by id; what `new` makes is left out of the ids of its group."""
    own = {new, inbox_of(new)}

    def group(node: NodeView | None) -> frozenset[Dot]:
        return frozenset(node.ids if node else ()) - own

    things: dict[object, object] = {}
    for node, above in nodes_of(view):
        things[group(node), node.conflict] = (node.kind, group(above), node.container, node.blob)
        for entry in node.entries:
            things[entry.id] = (group(node), entry)
    return things


def node_groups(things: dict[object, object]) -> list[frozenset[Dot]]:
    return [thing[0] for thing in things if isinstance(thing, tuple) and not isinstance(thing, Dot)]


@SEEDS
def test_a_local_operation_changes_only_what_it_names(seeds: range) -> None:
    """But for names: what leaves or takes a name may take a suffix off its siblings, or give one.

    A container goes with the last of what is below it. A file that gets the content of its
    namesake is one with it.
    """
    changes = 0
    for sites in map(sites_of, seeds):
        for site in sites:
            for count in range(1, len(site.delivered)):
                operation = site.delivered[count]
                if operation.dot.actor != site.actor or operation.dot.seq == 1:
                    continue
                before = flat(oracle.view(site.delivered[:count]), operation.dot)
                after = flat(oracle.view(site.delivered[: count + 1]), operation.dot)
                named = {*named_in(operation.body), operation.dot, inbox_of(operation.dot)}
                meant = History.of(site.delivered).stands_for
                named |= {meant.get(dot, dot) for dot in named}
                if isinstance(operation.body, FileWritten):
                    named |= {dot for ids in node_groups(after) if ids & named for dot in ids}
                for thing in before.keys() | after.keys():
                    if before.get(thing) != after.get(thing):
                        changes += 1
                        gone = before.get(thing) if thing not in after else None
                        allowed = _is_named(thing, named) or _goes_along(gone, operation, named)
                        assert allowed, (operation, thing, before.get(thing), after.get(thing))
    assert changes > len(seeds)


def _is_named(thing: object, named: set[Dot]) -> bool:
    if isinstance(thing, Dot):
        return thing in named
    assert isinstance(thing, tuple)
    return not thing[0] or bool(thing[0] & named)


def _goes_along(gone: object, operation: Operation, named: set[Dot]) -> bool:
    """A container with what was below it; a message with its folder, which is named."""
    match gone:
        case (Kind(), _, container, _):
            return bool(container)
        case (frozenset() as folder, EntryView()):
            return isinstance(operation.body, NodesDeleted) and bool(folder & named)
        case _:
            return False


# What was removed


@SEEDS
def test_nothing_that_was_removed_returns_without_a_concurrent_keep(seeds: range) -> None:
    """At each replica, step by step: only an operation that did not know of a removal undoes it."""
    returned = 0
    for sites in map(sites_of, seeds):
        for site in sites:
            seen, shown = set[Dot](), set[Dot]()
            for count, new in enumerate(site.delivered):
                before, shown = shown, ids_in(oracle.view(site.delivered[: count + 1]))
                for dot in (shown - before) & seen:
                    removers = [o for o in site.delivered[:count] if isinstance(
                        o.body, (NodesDeleted, EntriesExpunged))]  # fmt: skip
                    assert any(concurrent(new, remover) for remover in removers), (dot, new)
                    assert not isinstance(new.body, (NodesDeleted, EntriesExpunged)), (dot, new)
                    returned += 1
                seen |= shown
    assert returned > 0


# The tree as it is shown


@SEEDS
def test_each_id_is_shown_once_and_siblings_have_names_of_their_own(seeds: range) -> None:
    for sites in map(sites_of, seeds):
        operations = all_of(sites)
        folds = {o.dot: o.body.fold for o in operations if isinstance(o.body, BoxMade)}
        view = oracle.view(operations)
        shown = [dot for node, _ in nodes_of(view) if node.conflict is None for dot in node.ids]
        shown += [entry.id for node, _ in nodes_of(view) for entry in node.entries]
        assert len(set(shown)) == len(shown)
        for box in view.boxes:
            assert sum(any(map(is_inbox, child.ids)) for child in box.children) == 1
            for node, _ in nodes_of(View((box,))):
                key = partial(key_of, fold=folds[box.ids[0]], top=node is box)
                keys = [key(child.name) for child in node.children]
                assert len(set(keys)) == len(keys), keys
        names = [box.name for box in view.boxes]
        assert len(set(names)) == len(names)


@SEEDS
def test_messages_stand_in_the_order_of_their_stamps(seeds: range) -> None:
    for sites in map(sites_of, seeds):
        operations = all_of(sites)
        stamps = {operation.dot: operation.stamp for operation in operations}
        for node, _ in nodes_of(oracle.view(operations)):
            order = [stamps[entry.id] for entry in node.entries]
            assert order == sorted(order)


@settings(max_examples=25)
@given(scripts(honest=True))
def test_a_copy_never_shows_more_than_what_was_written(script: Script) -> None:
    """Every blob shown was put there by some operation: nothing is made up, nothing is mixed."""
    operations = World(script).operations()
    written = {getattr(operation.body, "blob", None) for operation in operations}
    for node, _ in nodes_of(oracle.view(operations)):
        assert {entry.blob for entry in node.entries} <= written
        assert node.blob is None or node.blob in written or node.blob.size == 0
