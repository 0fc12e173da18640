"""Operations that meet: what two sides of a cut line do to one thing, and how it has to end.

    python examples/meetings.py [TOPIC...]

plays them between two nodes of this machine: the line is cut, each side does its part, the line is
healed, and both have to show one of the ends that are allowed. To see what your own application
makes of a cut, write meetings of its requests. examples/demo.py plays these with three nodes.

Each meeting has a box name of its own as the beginning of all its names, so that what is seen of it
can be told apart. `seen` says in one line what a node shows of it.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from samebox import (
    DELETED,
    Address,
    Create,
    Delete,
    Dot,
    Expunge,
    Kind,
    Mode,
    Rename,
    RequestId,
    Store,
)
from samebox.testing import Conversation, LocalCluster

BOX = "mail/demo"
ONCE = RequestId(b"demo-one", 1)
Act: TypeAlias = Callable[[Conversation], object]


class Meeting(NamedTuple):
    """`ends` are the outcomes allowed; more than one where nobody can say who is later."""

    topic: str
    before: Act
    at: str
    left: tuple[str, Act]
    right: tuple[str, Act]
    ends: tuple[str, ...]
    because: str


def place(path: str = "") -> Address:
    return Address(BOX, path)


def message(subject: str) -> bytes:
    return f"Subject: {subject}\r\n\r\nAbout: {subject}.\r\n".encode()


def make(path: str, *subjects: str) -> Act:
    """A mailbox with these messages."""

    def act(node: Conversation) -> None:
        node.ask(Create(place(path)))
        for subject in subjects:
            node.append(place(path), message(subject))

    return act


def both(*acts: Act) -> Act:
    def act(node: Conversation) -> None:
        for one in acts:
            one(node)

    return act


def append(path: str, subject: str, *flags: str, id: RequestId | None = None) -> Act:
    return lambda node: node.append(place(path), message(subject), *flags, id=id)


def delete(path: str) -> Act:
    return lambda node: node.ask(Delete(place(path)))


def rename(path: str, to: str) -> Act:
    return lambda node: node.ask(Rename(place(path), place(to)))


def store(path: str, flag: str, mode: Mode = Mode.ADD) -> Act:
    return lambda node: node.ask(Store(place(path), all_in(node, path), (flag,), mode))


def move(path: str, to: str) -> Act:
    return lambda node: node.ask(Rename(place(path), place(to), all_in(node, path)))


def expunge(path: str) -> Act:
    return lambda node: node.ask(Expunge(place(path), all_in(node, path)))


def all_in(node: Conversation, path: str) -> tuple[Dot, ...]:
    return tuple(entry.id for entry in node.entries(place(path)))


def write(path: str, text: str) -> Act:
    return lambda node: node.write_file(place(path), text.encode())


def create_file(path: str, text: str) -> Act:
    return lambda node: node.create_file(place(path), text.encode())


def nothing(node: Conversation) -> None:
    pass


MEETINGS = (
    Meeting(
        "Plans", make("Plans", "hall booked"), "a",
        ("rename to 'Plans 2025'", rename("Plans", "Plans 2025")),
        ("delete", delete("Plans")),
        ("Plans 2025 [hall booked]",),
        "who renames, keeps",
    ),
    Meeting(
        "Old", make("Old", "long ago"), "b",
        ("append 'just in'", append("Old", "just in")),
        ("delete", delete("Old")),
        ("Old [just in]",),
        "what came at the same time stays",
    ),
    Meeting(
        "Flags", make("Flags", "question"), "a",
        ("+\\Flagged", store("Flags", "\\Flagged")),
        ("+work", store("Flags", "work")),
        ("Flags [question \\Flagged work]",),
        "flag by flag",
    ),
    Meeting(
        "Bin", both(make("Bin"), append("Bin", "perhaps", DELETED)), "b",
        ("+\\Deleted again", store("Bin", DELETED)),
        ("-\\Deleted", store("Bin", DELETED, Mode.REMOVE)),
        ("Bin [perhaps]",),
        "who takes the mark away, keeps",
    ),
    Meeting(
        "Swept", both(make("Swept"), append("Swept", "not yet", DELETED)), "a",
        ("expunge", expunge("Swept")),
        ("-\\Deleted", store("Swept", DELETED, Mode.REMOVE)),
        ("Swept [not yet]",),
        "who takes the mark away, keeps",
    ),
    Meeting(
        "Trips", nothing, "b",
        ("create, append 'by train'", make("Trips", "by train")),
        ("create, append 'by ferry'", make("Trips", "by ferry")),
        ("Trips [by ferry, by train]",),
        "two mailboxes of one name are one",
    ),
    Meeting(
        "notes", create_file("notes.txt", "nothing yet"), "a",
        ("write 'milk'", write("notes.txt", "milk")),
        ("write 'bread'", write("notes.txt", "bread")),
        ("notes.txt = milk; notes~….txt = bread", "notes.txt = bread; notes~….txt = milk"),
        "both are kept, side by side",
    ),
    Meeting(
        "Desk", both(make("Desk", "contract"), make("Desk done")), "b",
        ("move into 'Desk done'", move("Desk", "Desk done")),
        ("expunge", expunge("Desk")),
        ("Desk []; Desk done [contract]",),
        "who moves, keeps",
    ),
    Meeting(
        "Wind", both(make("Wind east"), make("Wind west")), "a",
        ("put east into west", rename("Wind east", "Wind west/Wind east")),
        ("put west into east", rename("Wind west", "Wind east/Wind west")),
        ("Wind west []; Wind west/Wind east []", "Wind east []; Wind east/Wind west []"),
        "the later move is ignored",
    ),
    Meeting(
        "Paid", make("Paid"), "b",
        ("append 'invoice'", append("Paid", "invoice", id=ONCE)),
        ("the same request again", append("Paid", "invoice", id=ONCE)),
        ("Paid [invoice]",),
        "one request has one effect",
    ),
)  # fmt: skip


def seen(node: Conversation, topic: str) -> str:
    """What `node` shows of a topic, in the same words wherever the same is shown."""
    shown = "; ".join(lines(node, "", topic)) or "nothing"
    return re.sub(r"~[0-9a-f]{4,64}", "~…", shown)


def lines(node: Conversation, above: str, topic: str) -> Iterator[str]:
    for listed in node.look(place(above))[1:]:
        child = listed.node
        path = f"{above}/{child.name}".lstrip("/")
        if not child.name.startswith(topic):
            continue
        if child.kind is Kind.FILE:
            yield f"{path} = {node.read(place(path)).decode()}"
        else:
            yield f"{path} [{', '.join(sorted(subjects(node, path)))}]"
            yield from lines(node, path, topic)


def subjects(node: Conversation, path: str) -> Iterator[str]:
    for entry in node.entries(place(path)):
        first = node.read(place(path), entry.id).decode().splitlines()[0]
        yield " ".join([first.removeprefix("Subject: "), *entry.flags])


# --- The play ---------------------------------------------------------------------------------


def main() -> int:
    known = {meeting.topic: meeting for meeting in MEETINGS}
    topics = sys.argv[1:] or list(known)
    if unknown := [topic for topic in topics if topic not in known]:
        print(f"expected topics among {', '.join(known)}; found {', '.join(unknown)}")
        return 2
    with tempfile.TemporaryDirectory() as folder, LocalCluster(Path(folder), ("a", "b")) as cluster:
        return play(cluster, [known[topic] for topic in topics])


def play(cluster: LocalCluster, meetings: Sequence[Meeting]) -> int:
    """Tells every meeting; 1 where one ended as it must not."""
    with cluster.talking("a", "b") as (a, b):
        a.ask(Create(place()))
        for meeting in meetings:
            meeting.before(a)
        cluster.agree()
        cluster.cut("a")
        for meeting in meetings:
            meeting.left[1](a)
            meeting.right[1](b)
        apart = [(seen(a, meeting.topic), seen(b, meeting.topic)) for meeting in meetings]
        cluster.heal()
        cluster.agree()
        wrong = 0
        for meeting, (at_a, at_b) in zip(meetings, apart, strict=True):
            found = {seen(a, meeting.topic), seen(b, meeting.topic)}
            right = len(found) == 1 and found <= set(meeting.ends)
            wrong += not right
            print(meeting.topic)
            print(f"    a, cut off: {meeting.left[0]}, and sees {at_a}")
            print(f"    b, cut off: {meeting.right[0]}, and sees {at_b}")
            print(f"    both, then: {' | '.join(sorted(found))} ({meeting.because})")
            if not right:
                print(f"    WRONG, expected {' or '.join(meeting.ends)}")
    print(f"{len(meetings) - wrong} of {len(meetings)} ended as they have to")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
