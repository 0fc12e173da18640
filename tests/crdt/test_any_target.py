"""Every kind of operation on every kind of target, fit or not: it has an effect, and one alone.

No honest origin makes most of these. They arrive all the same, from a member that errs, and must
neither end a process nor tell two nodes apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from crdt import (
    DELETED,
    ROOT,
    Body,
    BoxMade,
    Dot,
    EntriesExpunged,
    EntriesMoved,
    EntryAppended,
    EntryCopied,
    FileMade,
    FileWritten,
    FlagsStored,
    FolderMade,
    Issue,
    MemoryRows,
    NodesDeleted,
    NodesRenamed,
    Operation,
    inbox_of,
)
from tests import oracle
from tests.crdt.agreement import marked_agree
from tests.crdt.implementations import state_of
from tests.site import Site, actor_named, all_of, blob_of
from tests.user import User, meet, users

BLOB = blob_of("x")
SAME = Issue(b"client-1", 1, 0, b"same")


def everything() -> tuple[User, User, dict[str, Dot]]:
    """Two users, and an id of each kind, in whatever state a thing can be."""
    a, b = users("ab")
    box = a.create_box("mail")
    found = {"the root": ROOT, "a box": box, "an INBOX": inbox_of(box)}
    found["a folder"] = a.create("mail/A")
    found["a folder inside it"] = a.create("mail/A/B")
    found["a message"] = a.append("mail/A", "one")
    found["a marked message"] = a.append("mail/A", "two", DELETED)
    found["a file"] = a.create("mail/f", "text")
    found["a deleted folder"] = a.create("mail/gone")
    found["a message in it"] = a.append("mail/gone", "gone")
    a.delete("mail/gone")
    found["a deleted file"] = a.create("mail/g", "text")
    a.delete("mail/g")
    found["an expunged message"] = a.append("mail/A", "three")
    a.expunge("mail/A", "three")
    found["a homeless folder"] = a.do(FolderMade(found["a message"], "nowhere"))
    found["an operation that makes nothing"] = a.do(EntriesExpunged((found["a file"],)))
    meet([a, b])
    for user, kind in ((a, "a folder made once"), (b, "the same folder made again")):
        found[kind] = user.do(FolderMade(box, "twice"), SAME)
    meet([a, b])
    found["what its origin did not know"] = a.create("mail/new")
    found["what nobody ever made"] = Dot(actor_named("z"), 7)
    found["an INBOX of no box"] = inbox_of(found["a folder"])
    return a, b, found


OTHERS = ("a folder", "a message", "a file", "a deleted folder", "a folder made once", "a box")
"""What stands beside the target in the operations that name two things."""

BODIES: Mapping[str, Callable[[Dot, Dot], Body]] = {
    "folder below": lambda dot, other: FolderMade(dot, "N"),
    "file below": lambda dot, other: FileMade(dot, "N", BLOB),
    "append": lambda dot, other: EntryAppended(dot, BLOB, ("f",), 0),
    "copy": lambda dot, other: EntryCopied(dot, dot, BLOB, (), 0),
    "move of it": lambda dot, other: EntriesMoved((dot, dot), other),
    "move into it": lambda dot, other: EntriesMoved((other,), dot),
    "mark": lambda dot, other: FlagsStored(dot, (dot,), (DELETED, "f"), (), False, ()),
    "clear": lambda dot, other: FlagsStored(dot, (dot,), (), (DELETED, "f"), False, (dot, dot)),
    "set": lambda dot, other: FlagsStored(other, (dot,), ("f", "F"), (), True, (dot,)),
    "write": lambda dot, other: FileWritten((dot, dot), BLOB),
    "expunge": lambda dot, other: EntriesExpunged((dot, dot)),
    "rename": lambda dot, other: NodesRenamed((dot,), None, "N"),
    "move of a node": lambda dot, other: NodesRenamed((dot, dot), other, "N"),
    "move into it of a node": lambda dot, other: NodesRenamed((other,), dot, None),
    "move into itself": lambda dot, other: NodesRenamed((dot,), dot, None),
    "delete": lambda dot, other: NodesDeleted(((dot, -1), (dot, 0))),
    "delete with another": lambda dot, other: NodesDeleted(((other, -1), (dot, 0), (other, 1))),
}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize(
    "others", [OTHERS[:1], pytest.param(OTHERS[1:], marks=pytest.mark.slow)], ids=["one", "more"]
)
def test_every_operation_has_one_effect_on_every_target(kind: str, others: Sequence[str]) -> None:
    a, b, targets = everything()
    for name, dot in targets.items():
        for other_name in others:
            other = targets[other_name]
            made, beside = b.fork(), a.fork()
            made.do(BODIES[kind](dot, other))
            beside.append("mail/A", "beside")
            for first, second in ((made, beside), (beside, made)):
                operations = [*first.delivered, *_missing(first, second)]
                expected = oracle.view(operations)
                state = state_of(operations, MemoryRows())
                assert state.view() == expected, (kind, name, other_name)
                assert marked_agree(state, expected), (kind, name, other_name)


def _missing(first: Site, second: Site) -> list[Operation]:
    return [o for o in all_of([first, second]) if not first.knows(o.dot)]


def test_a_box_may_be_made_beside_all_of_it() -> None:
    a, b, _ = everything()
    a.do(BoxMade("mail", True))
    b.do(BoxMade("mail", False))
    operations = all_of([a, b])
    assert state_of(operations, MemoryRows()).view() == oracle.view(operations)
