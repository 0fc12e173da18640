"""What operations leave behind that may be forgotten one day: noted when it happens, in the order
of delivery, so that nobody ever has to look for it.

Notes are kept in three queues of rows, each read from its front: of what hangs on nodes, of what
hangs on entries and contents, and of requests. crdt.folding reads them.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from crdt.ids import ACTOR_BYTES, Actor, Clock, Dot, includes
from crdt.keys import id_key
from crdt.operations import Operation
from crdt.rows import Rows
from crdt.tables import CLOCK, FOLDABLE, JOINED, TAKERS, UNKNOWN, Kind, seq_of, seq_value

NODES_QUEUE, ENTRIES_QUEUE, ISSUES_QUEUE = QUEUES = b"n", b"e", b"i"
LAST = b"\xff" * 64
NUMBER_BYTES = 8
NOTES_PER_ROW = 64
KEY_BYTES = 24
"""Of a part of a request: see crdt.aliases.part_key."""
KEYS_PER_ROW = 256
KEYS_PER_NOTE = 64
"""Of what is shadowed: a row of notes is written again as often as folding stops inside it."""

DELETED, RENAMED, VANISHED, EXPUNGED, OVERWRITTEN, SHADOWED = range(6)
OF_NODES = (DELETED, RENAMED, VANISHED)


class Note(Struct, array_like=True, gc=False):
    """`by` is the operation that has to be stable first, `of` the one that it was noted of, `keys`
    are the things concerned. `at` is how far folding has come with the first of them, if it had to
    stop there; `later` are those that wait for `blocker` to be stable."""

    by: bytes
    of: bytes
    kind: int
    keys: list[bytes]
    at: bytes = b""
    later: list[bytes] = []
    blocker: bytes = b""

    def wait(self, key: bytes, blocker: bytes) -> None:
        self.later.append(key)
        self.blocker = blocker

    def rest(self) -> Note | None:
        """What is to be noted again, once all keys were looked at."""
        return Note(self.blocker, self.of, self.kind, self.later) if self.later else None


class Issues(Struct, array_like=True, gc=False):
    """Requests that may be forgotten: `applied` is how many operations had been when they came,
    `clock` holds all that came for them, `keys` are the rows in ISSUES, one behind the other."""

    applied: int
    clock: dict[Actor, int]
    keys: bytes


NOTES: Kind[list[Note]] = Kind(list[Note])
REQUESTS: Kind[Issues] = Kind(Issues)


class Notes:
    """Of one transaction, until it is committed. `takers` is by actor the last operation that may
    have taken something from where it was: moved, removed, undeleted, or became an alias. `joined`
    are the issues of several operations; true where these made nodes, and may get another meaning.
    What is asked with every batch is kept in memory. Before `_fronts`, the queues are empty."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._noted: list[Note] = []
        self._shadowing: dict[Actor, tuple[int, dict[bytes, None]]] = {}
        self._issues: list[bytes] = []
        self._issued_by: dict[Actor, int] = {}
        self._operation: Operation | None = None
        self._taken: dict[Actor, int] = {}
        self._applied = 0
        self._joined: dict[bytes, bool] = {}
        self._is_unknown = False
        self.takers: dict[Actor, int] = {}
        self.joined: dict[bytes, bool] = {}
        self.reread()

    def reread(self) -> None:
        """The transaction came to nothing, or there is none yet."""
        self._drop()
        rows, last = self._rows, b"\xff" * ACTOR_BYTES
        self.takers = {actor: seq_of(seq) for actor, seq in rows.scan(TAKERS, b"", last)}
        self.applied = sum(seq_of(seq) for _, seq in rows.scan(CLOCK, b"", last))
        self.has_unknown = next(rows.scan(UNKNOWN, b"", LAST), None) is not None
        self.joined = {key: value != b"" for key, value in rows.scan(JOINED, b"", LAST)}
        self._next = {queue: self._after_last(queue) for queue in QUEUES}
        self._heads: dict[bytes, bytes | None] = {}
        self._fronts = {queue: queue for queue in QUEUES}

    def _after_last(self, queue: bytes) -> int:
        for key, _ in self._rows.scan(FOLDABLE, queue, _end(queue), reverse=True):
            return 1 + int.from_bytes(key[1:], "big")
        return 0

    # While operations are applied

    def begin(self, operation: Operation) -> None:
        """From now on it is `operation` that things are noted of."""
        self._operation = operation
        self._applied += 1

    def note(self, kind: int, keys: list[bytes]) -> None:
        assert self._operation is not None, "effects are those of an operation"
        id = id_key(self._operation.dot)
        self._noted.append(Note(id, id, kind, keys))

    def shadowed(self, keys: list[bytes]) -> None:
        """Below something of these, something else is. What an actor did so in one transaction is
        one note, which waits for the last of it."""
        assert self._operation is not None, "effects are those of an operation"
        actor, seq = self._operation.dot
        known = self._shadowing.get(actor)
        every: dict[bytes, None] = {} if known is None else known[1]
        for key in keys:
            every[key] = None
        self._shadowing[actor] = seq, every

    def again(self, note: Note) -> None:
        """To be looked at once more."""
        self._noted.append(note)

    def takes_away(self) -> None:
        assert self._operation is not None, "effects are those of an operation"
        actor, seq = self._operation.dot
        self._taken[actor] = seq

    def issued(self, key: bytes) -> None:
        """The operation came for this issue; or what it had made is forgotten."""
        self._issues.append(key)
        if self._operation is not None:
            actor, seq = self._operation.dot
            self._issued_by[actor] = seq

    def join(self, key: bytes, *, nodes: bool) -> None:
        """There are several operations of this issue."""
        is_open = nodes or self._joined.get(key, self.joined.get(key, False))
        self._joined[key] = is_open
        self._rows.put(JOINED, key, b"n" if is_open else b"")

    def settle(self, key: bytes) -> None:
        """None of the nodes that were made for it gets another meaning."""
        self.joined[key] = False
        self._rows.put(JOINED, key, b"")

    def is_joined(self, key: bytes) -> bool:
        return key in self.joined or key in self._joined

    def unsettled(self) -> list[bytes]:
        """The issues of nodes that may get another meaning."""
        return [key for key, is_open in (self.joined | self._joined).items() if is_open]

    def part(self, key: bytes) -> None:
        """The issue is forgotten."""
        if self.joined.pop(key, None) is not None:
            self._rows.remove(JOINED, key)

    def unknown(self) -> None:
        assert self._operation is not None, "effects are those of an operation"
        self._is_unknown = True
        self._rows.put(UNKNOWN, id_key(self._operation.dot), b"")

    # With the transaction

    def write(self) -> None:
        """Mostly there is little of it, and a transaction may be one operation."""
        self.applied += self._applied
        self._applied = 0
        if self._taken or self._joined or self._is_unknown:
            self._write_rare()
        if self._shadowing:
            self._note_shadows()
        if self._noted:
            self._write_noted()
        if self._issues:
            self._write_issues()

    def _write_rare(self) -> None:
        for actor, seq in self._taken.items():
            self._rows.put(TAKERS, actor, seq_value(seq))
        self.takers |= self._taken
        self.joined |= self._joined
        self.has_unknown = self.has_unknown or self._is_unknown
        self._taken.clear()
        self._joined.clear()
        self._is_unknown = False

    def _note_shadows(self) -> None:
        for actor, (seq, every) in self._shadowing.items():
            id, keys = id_key(Dot(actor, seq)), list(every)
            for first in range(0, len(keys), KEYS_PER_NOTE):
                self._noted.append(Note(id, id, SHADOWED, keys[first : first + KEYS_PER_NOTE]))
        self._shadowing.clear()

    def _write_noted(self) -> None:
        of_nodes = [note for note in self._noted if note.kind in OF_NODES]
        others = [note for note in self._noted if note.kind not in OF_NODES]
        for queue, notes in ((NODES_QUEUE, of_nodes), (ENTRIES_QUEUE, others)):
            for first in range(0, len(notes), NOTES_PER_ROW):
                self._put(queue, NOTES.encode(notes[first : first + NOTES_PER_ROW]))
        self._noted.clear()

    def _write_issues(self) -> None:
        for first in range(0, len(self._issues), KEYS_PER_ROW):
            keys = self._issues[first : first + KEYS_PER_ROW]
            issues = Issues(self.applied, self._issued_by, b"".join(keys))
            self._put(ISSUES_QUEUE, REQUESTS.encode(issues))
        self._issues.clear()
        self._issued_by.clear()

    def _put(self, queue: bytes, value: bytes) -> None:
        number = self._next[queue]
        self._next[queue] = number + 1
        self._rows.put(FOLDABLE, queue + number.to_bytes(NUMBER_BYTES, "big"), value)
        if self._heads.get(queue, b"") is None:
            self._heads[queue] = value

    def _drop(self) -> None:
        self._noted.clear()
        self._shadowing.clear()
        self._issues.clear()
        self._issued_by.clear()
        self._taken.clear()
        self._joined.clear()
        self._is_unknown = False
        self._applied = 0

    # Reading

    def taken_within(self, clock: Clock) -> bool:
        """Whether all that may have taken something away is inside `clock`."""
        return includes(clock, self.takers) and includes(clock, self._taken)

    def head(self, queue: bytes) -> bytes | None:
        """The first row of a queue."""
        if queue not in self._heads:
            self._heads[queue] = next((value for _, value in self.queue(queue)), None)
        return self._heads[queue]

    def queue(self, queue: bytes) -> Iterator[tuple[bytes, bytes]]:
        """From the front, which is remembered: an image still has many of the rows before it, that
        were removed lately."""
        return self._rows.scan(FOLDABLE, self._fronts[queue], _end(queue))

    def leave(self, key: bytes, value: bytes | None) -> None:
        """What stays of the row at the front of its queue."""
        self._heads.pop(key[:1], None)
        if value is None:
            self._rows.remove(FOLDABLE, key)
            self._fronts[key[:1]] = key + b"\0"
        else:
            self._rows.put(FOLDABLE, key, value)

    def rows_waiting(self) -> int:
        """Of both queues of what was removed: each up to NOTES_PER_ROW notes."""
        return sum(self._next[queue] - self._first(queue) for queue in (NODES_QUEUE, ENTRIES_QUEUE))

    def _first(self, queue: bytes) -> int:
        for key, _ in self.queue(queue):
            return int.from_bytes(key[1:], "big")
        return self._next[queue]


def _end(queue: bytes) -> bytes:
    return bytes((queue[0] + 1,))
