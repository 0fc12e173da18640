"""One small world for the tests of plans, and the two things done with it."""

from __future__ import annotations

from crdt.codec import Draft, first_head, write
from crdt.ids import Dot
from crdt.operations import DELETED, Body
from crdt.plan import Planned, plan
from crdt.reading import Reading
from crdt.refusals import Code, Refused
from crdt.requests import Address, Request
from tests.plan.fake import FakeReading, box, dot, file, folder, message

ALICE, TEAM = dot(1), dot(2)
WORK, WORK_TOO, OLD, NOTES, NOTES_TOO, PLANS = dot(10), dot(11), dot(12), dot(13), dot(14), dot(15)
FIRST, SECOND, THIRD, ELSEWHERE, IN_INBOX = dot(21), dot(22), dot(23), dot(24), dot(25)
CONFLICT = dot(33)


def world(*, ignores_case: bool = False) -> FakeReading:
    """alice: INBOX, Work (two folders shown as one) with Old below, notes.txt with a conflict
    copy; team: Plans."""
    work = folder(
        WORK,
        WORK_TOO,
        first=[message(FIRST), message(THIRD, DELETED, "\\Seen")],
        second=[message(SECOND, DELETED)],
        below={"Old": folder(OLD)},
    )
    below = {
        "Work": work,
        "notes.txt": file(NOTES, NOTES_TOO, text="mine"),
        "notes~abcd.txt": file(NOTES, NOTES_TOO, text="yours", conflict=CONFLICT),
    }
    return FakeReading(
        {
            "alice": box(ALICE, below, message(IN_INBOX)),
            "team": box(TEAM, {"Plans": folder(PLANS, first=[message(ELSEWHERE)])}),
        },
        ignores_case=ignores_case,
    )


def next_dot(place: int) -> Dot:
    return dot(100 + place)


def at(text: str) -> Address:
    return Address.parse(text)


def planned(request: Request, reading: Reading | None = None) -> Planned:
    return plan(reading or world(), request, next_dot)


def bodies(request: Request, reading: Reading | None = None) -> tuple[Body, ...]:
    return planned(request, reading).bodies


def refusal(request: Request, reading: Reading | None = None) -> tuple[Code, str]:
    """The code, and where the refusal points."""
    try:
        made = planned(request, reading)
    except Refused as refused:
        assert "expected" in refused.message or refused.code in (Code.BAD_NAME, Code.BAD_FLAG)
        assert refused.message.startswith(str(refused.address))
        return refused.code, str(refused.address)
    raise AssertionError(f"not refused: {made}")


def record_bytes(body: Body) -> int:
    """Size of the record, in a context that makes positions and counts large."""
    others = {n.to_bytes(16, "big"): 1 << 60 for n in range(1, 300)}
    others[dot(1).actor] = 1 << 60
    _, record, _ = write(first_head("cluster", "shard", bytes(16)), Draft(body, 1, others))
    return len(record.data)
