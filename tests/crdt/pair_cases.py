"""The pair table of docs/semantics.md as cases: what each of two users does, what both find."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from crdt import Issue
from tests.user import User, meet, users

BASE = """
A: one, two
  B: three
C: four [Old \\Deleted]
f.txt = old
"""


def base() -> tuple[User, User]:
    a, b = users("ab")
    a.create_box("mail")
    a.create("mail/A")
    a.create("mail/A/B")
    a.create("mail/C")
    a.append("mail/A", "one")
    a.append("mail/A", "two")
    a.append("mail/A/B", "three")
    a.append("mail/C", "four", "\\Deleted", "Old")
    a.create("mail/f.txt", "old")
    meet([a, b])
    return a, b


Doing = Callable[[User], object]


class Case(NamedTuple):
    row: str
    title: str
    a: Doing
    b: Doing
    found: str


def _both(*doings: Doing) -> Doing:
    return lambda user: [doing(user) for doing in doings]


def _same_request(doing: Doing) -> Doing:
    def ask(user: User) -> None:
        user.issue = Issue(b"client-1", 1, 0, b"same")
        doing(user)

    return ask


CASES = [
    Case(
        "create ‖ create",
        "mailboxes of one name are one, with both contents",
        _both(lambda a: a.create("mail/N"), lambda a: a.append("mail/N", "x")),
        _both(lambda b: b.create("mail/N"), lambda b: b.append("mail/N", "y")),
        "A: one, two\n  B: three\nC: four [Old \\Deleted]\nN ×2: x, y\nf.txt = old",
    ),
    Case(
        "create ‖ create",
        "files of one name are both there",
        lambda a: a.create("mail/n.txt", "x"),
        lambda b: b.create("mail/n.txt", "y"),
        f"{BASE}n.txt = x\nn~….txt = y",
    ),
    Case(
        "create ‖ create",
        "files of one name and content are one",
        lambda a: a.create("mail/n.txt", "x"),
        lambda b: b.create("mail/n.txt", "x"),
        f"{BASE}n.txt ×2 = x",
    ),
    Case(
        "create ‖ delete",
        "made anew under the same name: the new one stays, the old content is gone",
        lambda a: a.delete("mail/A"),
        _both(lambda b: b.delete("mail/A"), lambda b: b.create("mail/A")),
        "A\nC: four [Old \\Deleted]\nf.txt = old",
    ),
    Case(
        "create ‖ delete",
        "a child made in the deleted folder stays, its parent with it",
        lambda a: a.delete("mail/A"),
        lambda b: b.create("mail/A/N"),
        "A\n  N\nC: four [Old \\Deleted]\nf.txt = old",
    ),
    Case(
        "create ‖ delete",
        "a child made deeper in the deleted folder stays in a container",
        lambda a: a.delete("mail/A"),
        lambda b: b.create("mail/A/B/N"),
        "(A)\n  B\n    N\nC: four [Old \\Deleted]\nf.txt = old",
    ),
    Case(
        "create ‖ append, copy, store, expunge",
        "the union shows under the merged name",
        _both(
            lambda a: a.create("mail/N"),
            lambda a: a.append("mail/N", "x"),
            lambda a: a.copy("mail/A", "one", "mail/N"),
            lambda a: a.flag("mail/N", "x", "New"),
        ),
        _both(
            lambda b: b.create("mail/N"),
            lambda b: b.append("mail/N", "y"),
            lambda b: b.append("mail/N", "z"),
            lambda b: b.expunge("mail/N", "y"),
        ),
        "A: one, two\n  B: three\nC: four [Old \\Deleted]\nN ×2: x [New], one, z\nf.txt = old",
    ),
    Case(
        "create ‖ rename onto that name",
        "the created one keeps the name, the renamed one gets a suffix",
        _both(lambda a: a.create("mail/N"), lambda a: a.append("mail/N", "x")),
        lambda b: b.rename("mail/A", "mail/N"),
        "C: four [Old \\Deleted]\nN: x\nN~…: one, two\n  B: three\nf.txt = old",
    ),
    Case(
        "create ‖ rename onto that name",
        "a child made in the renamed folder is found under the new name",
        lambda a: a.create("mail/A/N"),
        lambda b: b.rename("mail/A", "mail/Z"),
        "C: four [Old \\Deleted]\nZ: one, two\n  B: three\n  N\nf.txt = old",
    ),
    Case(
        "delete ‖ delete",
        "gone once",
        _both(lambda a: a.delete("mail/A"), lambda a: a.delete("mail/f.txt")),
        _both(lambda b: b.delete("mail/A"), lambda b: b.delete("mail/f.txt")),
        "C: four [Old \\Deleted]",
    ),
    Case(
        "delete ‖ append",
        "only the appended entry survives",
        lambda a: a.delete("mail/A"),
        lambda b: b.append("mail/A", "x"),
        "A: x\nC: four [Old \\Deleted]\nf.txt = old",
    ),
    Case(
        "delete ‖ copy",
        "copied in: that copy alone survives",
        lambda a: a.delete("mail/A"),
        lambda b: b.copy("mail/C", "four", "mail/A"),
        "A: four [Old \\Deleted]\nC: four [Old \\Deleted]\nf.txt = old",
    ),
    Case(
        "delete ‖ copy",
        "copied out: the copy survives",
        lambda a: a.delete("mail/A"),
        lambda b: b.copy("mail/A", "one", "mail/C"),
        "C: four [Old \\Deleted], one\nf.txt = old",
    ),
    Case(
        "delete ‖ rename, move",
        "renamed: all survives under the new name",
        lambda a: a.delete("mail/A"),
        lambda b: b.rename("mail/A", "mail/Z"),
        "C: four [Old \\Deleted]\nZ: one, two\n  B: three\nf.txt = old",
    ),
    Case(
        "delete ‖ rename, move",
        "moved elsewhere: all survives at the new place",
        lambda a: a.delete("mail/A"),
        lambda b: b.rename("mail/A", "mail/C/A"),
        "C: four [Old \\Deleted]\n  A: one, two\n    B: three\nf.txt = old",
    ),
    Case(
        "delete ‖ rename, move",
        "a folder moved out survives",
        lambda a: a.delete("mail/A"),
        lambda b: b.rename("mail/A/B", "mail/C/B"),
        "C: four [Old \\Deleted]\n  B: three\nf.txt = old",
    ),
    Case(
        "delete ‖ rename, move",
        "a child renamed where it is survives, in a container",
        lambda a: a.delete("mail/A"),
        lambda b: b.rename("mail/A/B", "mail/A/Z"),
        "(A)\n  Z: three\nC: four [Old \\Deleted]\nf.txt = old",
    ),
    Case(
        "delete ‖ rename, move",
        "a folder moved in survives, and what it moved into",
        lambda a: a.delete("mail/A"),
        lambda b: b.rename("mail/C", "mail/A/C"),
        "A\n  C: four [Old \\Deleted]\nf.txt = old",
    ),
    Case(
        "delete ‖ rename, move",
        "a message moved in survives, and what it moved into",
        lambda a: a.delete("mail/A"),
        lambda b: b.move("mail/C", "four", "mail/A"),
        "A: four [Old \\Deleted]\nC\nf.txt = old",
    ),
    Case(
        "delete ‖ store",
        "a flag saves nothing",
        lambda a: a.delete("mail/A"),
        lambda b: b.flag("mail/A", "one", "\\Seen"),
        "C: four [Old \\Deleted]\nf.txt = old",
    ),
    Case(
        "delete ‖ store",
        "an undelete saves its message",
        lambda a: a.delete("mail/C"),
        lambda b: b.unflag("mail/C", "four", "\\Deleted"),
        "A: one, two\n  B: three\nC: four [Old]\nf.txt = old",
    ),
    Case(
        "delete ‖ store",
        "a write saves its file, with the new content",
        lambda a: a.delete("mail/f.txt"),
        lambda b: b.write("mail/f.txt", "new"),
        "A: one, two\n  B: three\nC: four [Old \\Deleted]\nf.txt = new",
    ),
    Case(
        "delete ‖ expunge",
        "gone, and no ghost folder",
        lambda a: a.delete("mail/C"),
        lambda b: b.expunge("mail/C"),
        "A: one, two\n  B: three\nf.txt = old",
    ),
    Case(
        "append ‖ append, copy, store, expunge",
        "all apply",
        _both(lambda a: a.append("mail/A", "x"), lambda a: a.append("mail/A", "y")),
        _both(
            lambda b: b.append("mail/A", "z"),
            lambda b: b.copy("mail/A/B", "three", "mail/A"),
            lambda b: b.flag("mail/A", "two", "\\Seen"),
            lambda b: b.expunge("mail/A", "one"),
        ),
        "A: two [\\Seen], x, z, y, three\n  B: three\nC: four [Old \\Deleted]\nf.txt = old",
    ),
    Case(
        "append ‖ rename",
        "the message is in the renamed folder",
        lambda a: a.append("mail/A", "x"),
        lambda b: b.rename("mail/A", "mail/Z"),
        "C: four [Old \\Deleted]\nZ: one, two, x\n  B: three\nf.txt = old",
    ),
    Case(
        "copy ‖ copy",
        "both asked: two",
        lambda a: a.copy("mail/A", "one", "mail/C"),
        lambda b: b.copy("mail/A", "one", "mail/C"),
        "A: one, two\n  B: three\nC: four [Old \\Deleted], one, one\nf.txt = old",
    ),
    Case(
        "copy ‖ copy",
        "the same request: one",
        _same_request(lambda a: a.copy("mail/A", "one", "mail/C")),
        _same_request(lambda b: b.copy("mail/A", "one", "mail/C")),
        "A: one, two\n  B: three\nC: four [Old \\Deleted], one\nf.txt = old",
    ),
    Case(
        "copy ‖ rename",
        "the copy lands in the renamed folder",
        lambda a: a.copy("mail/A", "one", "mail/C"),
        lambda b: b.rename("mail/C", "mail/Z"),
        "A: one, two\n  B: three\nZ: four [Old \\Deleted], one\nf.txt = old",
    ),
    Case(
        "copy ‖ store",
        "the copy has the flags that its origin saw",
        lambda a: a.copy("mail/C", "four", "mail/A"),
        lambda b: b.set_flags("mail/C", "four", "New"),
        "A: one, two, four [Old \\Deleted]\n  B: three\nC: four [New]\nf.txt = old",
    ),
    Case(
        "copy ‖ expunge",
        "the copy survives, the source is gone",
        lambda a: a.copy("mail/A", "one", "mail/C"),
        lambda b: b.expunge("mail/A", "one"),
        "A: two\n  B: three\nC: four [Old \\Deleted], one\nf.txt = old",
    ),
    Case(
        "rename ‖ rename",
        "one folder, under the name with the greatest stamp",
        lambda a: a.rename("mail/A", "mail/Y"),
        lambda b: b.rename("mail/A", "mail/Z"),
        "C: four [Old \\Deleted]\nZ: one, two\n  B: three\nf.txt = old",
    ),
    Case(
        "rename ‖ rename",
        "place and name each count",
        lambda a: a.rename("mail/A", "mail/C/A"),
        lambda b: b.rename("mail/A", "mail/Z"),
        "C: four [Old \\Deleted]\n  Z: one, two\n    B: three\nf.txt = old",
    ),
    Case(
        "rename ‖ rename",
        "one into the other and back: the later move is ignored",
        lambda a: a.rename("mail/A", "mail/C/A"),
        lambda b: b.rename("mail/C", "mail/A/C"),
        "C: four [Old \\Deleted]\n  A: one, two\n    B: three\nf.txt = old",
    ),
    Case(
        "rename ‖ rename",
        "two folders to one name: a suffix on the later made",
        lambda a: a.rename("mail/C", "mail/N"),
        lambda b: b.rename("mail/A", "mail/N"),
        "N: one, two\n  B: three\nN~…: four [Old \\Deleted]\nf.txt = old",
    ),
    Case(
        "rename ‖ store, expunge",
        "both apply: nothing is left behind, nothing comes back",
        lambda a: a.rename("mail/A", "mail/Z"),
        _both(lambda b: b.flag("mail/A", "two", "\\Seen"), lambda b: b.expunge("mail/A", "one")),
        "C: four [Old \\Deleted]\nZ: two [\\Seen]\n  B: three\nf.txt = old",
    ),
    Case(
        "store ‖ store",
        "add wins, flag by flag",
        _both(lambda a: a.unflag("mail/C", "four", "Old"), lambda a: a.flag("mail/A", "one", "X")),
        _both(
            lambda b: b.flag("mail/C", "four", "old"),
            lambda b: b.set_flags("mail/A", "one", "Y"),
        ),
        "A: one [X Y], two\n  B: three\nC: four [\\Deleted old]\nf.txt = old",
    ),
    Case(
        "store ‖ store",
        "an undelete wins over marking as deleted",
        lambda a: a.unflag("mail/C", "four", "\\Deleted"),
        lambda b: b.flag("mail/C", "four", "\\Deleted"),
        "A: one, two\n  B: three\nC: four [Old]\nf.txt = old",
    ),
    Case(
        "store ‖ store",
        "of two writes the greater stamp holds the name",
        lambda a: a.write("mail/f.txt", "x"),
        lambda b: b.write("mail/f.txt", "y"),
        "A: one, two\n  B: three\nC: four [Old \\Deleted]\nf.txt = y\nf~….txt = x (copy)",
    ),
    Case(
        "store ‖ expunge",
        "a flag brings nothing back",
        lambda a: a.flag("mail/A", "one", "\\Seen"),
        lambda b: b.expunge("mail/A", "one"),
        "A: two\n  B: three\nC: four [Old \\Deleted]\nf.txt = old",
    ),
    Case(
        "store ‖ expunge",
        "an undelete brings it back",
        lambda a: a.unflag("mail/C", "four", "\\Deleted"),
        lambda b: b.expunge("mail/C"),
        "A: one, two\n  B: three\nC: four [Old]\nf.txt = old",
    ),
    Case(
        "store ‖ expunge",
        "a move brings it back",
        lambda a: a.move("mail/A", "one", "mail/C"),
        lambda b: b.expunge("mail/A", "one"),
        "A: two\n  B: three\nC: one, four [Old \\Deleted]\nf.txt = old",
    ),
    Case(
        "expunge ‖ expunge",
        "gone once",
        lambda a: a.expunge("mail/A", "one"),
        lambda b: b.expunge("mail/A", "one"),
        "A: two\n  B: three\nC: four [Old \\Deleted]\nf.txt = old",
    ),
    Case(
        "move ‖ move of one entry",
        "one message, where the greatest stamp put it",
        lambda a: a.move("mail/A", "one", "mail/C"),
        lambda b: b.move("mail/A", "one", "mail/A/B"),
        "A: two\n  B: one, three\nC: four [Old \\Deleted]\nf.txt = old",
    ),
    Case(
        "move ‖ move of one entry",
        "moved and flagged, moved and appended: both",
        lambda a: a.move("mail/A", "one", "mail/C"),
        _both(lambda b: b.flag("mail/A", "one", "\\Seen"), lambda b: b.append("mail/C", "x")),
        "A: two\n  B: three\nC: one [\\Seen], four [Old \\Deleted], x\nf.txt = old",
    ),
    Case(
        "move ‖ move of one entry",
        "moved out of a folder that is deleted: it survives",
        lambda a: a.move("mail/A", "one", "mail/C"),
        lambda b: b.delete("mail/A"),
        "C: one, four [Old \\Deleted]\nf.txt = old",
    ),
    Case(
        "move ‖ move of one entry",
        "moved while another marks it deleted: it arrives marked",
        lambda a: a.move("mail/A", "one", "mail/C"),
        lambda b: b.flag("mail/A", "one", "\\Deleted"),
        "A: two\n  B: three\nC: one [\\Deleted], four [Old \\Deleted]\nf.txt = old",
    ),
]
