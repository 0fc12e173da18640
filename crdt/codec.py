"""Operations as records: each holds only what changed since the same actor's previous one.

A record is the MessagePack array
    [kind, lamport step, time step, changes, box, issue, principal, body, {extension: bytes}]
read on top of the actor's *head*, the little that its next record builds on. `changes` is flat:
[position, growth] for an actor already in the table, [16 bytes, seq] for a new one. `issue` is
[number step, part, digest] for the same client as before, [client, number, part, digest] for
another, [] for none. Extensions with an odd number must be understood, else the operation is kept
and not applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec
from msgspec import Raw, Struct

from crdt.ids import ACTOR_BYTES, Actor, Dot
from crdt.operations import Blob, Body, Issue, Operation, Unknown
from crdt.records import RECORD_BYTES_MAX, Record, first_chain, next_chain
from crdt.short_ids import Malformed, Table
from crdt.wire import KIND_BY_NUMBER, KINDS, WITH_BLOB

CLIENT_BYTES = 8
DIGEST_BYTES = 4
LAMPORT_MAX = 1 << 62
NUMBER_END = 1 << 63
PRINCIPAL_BYTES_MAX = 255
EXTENSIONS_MAX = 16
EIGHT_ITEMS = 0x98
"""How MessagePack begins an array of eight."""

Others: TypeAlias = Mapping[Actor, int]
WireBody = TypeVar("WireBody")


class WireRecord(Struct, Generic[WireBody], array_like=True, gc=False):
    kind: int
    lamport: int
    time: int
    changes: list[int | bytes]
    box: tuple[int, int] | None
    issue: list[int | bytes]
    principal: str
    body: WireBody
    extensions: dict[int, bytes] = {}


def _record_of(wire: type[Struct]) -> type[WireRecord[Any]]:
    """What a record with such a body decodes as."""
    return WireRecord[wire]  # type: ignore[valid-type]


class Head(Struct, frozen=True, gc=False):
    """All that the next record of one actor builds on, after its operation `seq`.

    `others` is the context of operation `seq` without the actor's own entry; the order of its
    keys is the table of short actors, behind the own actor at position 0.
    """

    actor: Actor
    seq: int
    chain: bytes
    lamport: int = 0
    time_ms: int = 0
    others: dict[Actor, int] = {}
    client: bytes = b""
    number: int = 0

    def encode(self) -> bytes:
        return _encode(self)

    @staticmethod
    def decode(data: bytes) -> Head:
        return _decode_head(data)


class Draft(Struct, frozen=True, gc=False):
    """What an origin says of its next operation, before it has bytes. `others` has at least the
    entries of its context that grew since the actor's operation before it."""

    body: Body
    lamport: int
    others: Others
    box: Dot | None = None
    issue: Issue | None = None
    principal: str = ""
    time_ms: int = 0


_new = tuple.__new__  # see crdt.keys
_encode = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(Head).decode
_decode_any = msgspec.msgpack.Decoder(WireRecord[Raw]).decode
_decode_body = {
    kind.number: msgspec.msgpack.Decoder(kind.wire).decode for kind in KIND_BY_NUMBER.values()
}
_decode_known = {
    bytes((EIGHT_ITEMS, kind.number)): msgspec.msgpack.Decoder(_record_of(kind.wire)).decode
    for kind in KIND_BY_NUMBER.values()
}
"""By how a record of that kind without extensions begins: then all of it is read in one go."""
_WITHOUT_BLOB = frozenset(start for start in _decode_known if start[1] not in WITH_BLOB)


def first_head(cluster: str, shard: str, actor: Actor) -> Head:
    return Head(actor, 0, first_chain(cluster, shard, actor))


def write(head: Head, draft: Draft) -> tuple[Operation, Record, Head]:
    """The next operation of `head.actor`, its record, and the head after it."""
    kind = KINDS[type(draft.body)]
    changes, flat = _changes(head, draft.others) if draft.others else ((), [])
    others = {**head.others, **dict(changes)} if changes else head.others
    table = Table(head.actor, head.seq, others)
    wire = (
        kind.number,
        draft.lamport - head.lamport,
        draft.time_ms - head.time_ms,
        flat,
        draft.box and table.short(draft.box),
        _issue_parts(head, draft.issue),
        draft.principal,
        kind.pack(draft.body, table),
    )
    data = _encode(wire)
    if len(data) > RECORD_BYTES_MAX:
        raise ValueError(f"an operation of {len(data)} bytes; at most {RECORD_BYTES_MAX}")
    operation = Operation(
        _new(Dot, (head.actor, head.seq + 1)),
        draft.lamport,
        others,
        draft.body,
        draft.box,
        draft.issue,
        draft.principal,
        draft.time_ms,
        changes,
    )
    return operation, *_advance(head, operation, others, data)


def read(head: Head, data: bytes) -> tuple[Operation, Record, Head]:
    """The operation that `data` adds to `head`.

    Raises Malformed for whatever no honest origin writes. Whether `lamport` is right can only be
    judged at delivery, when the operations in `changes` are known.
    """
    if len(data) > RECORD_BYTES_MAX:
        raise Malformed(f"a record of {len(data)} bytes; at most {RECORD_BYTES_MAX}")
    try:
        return _read(head, data)
    except (msgspec.DecodeError, OverflowError, UnicodeError) as error:
        name = f"{head.actor.hex()[:8]}:{head.seq + 1}"
        raise Malformed(f"record {name} is not an operation: {error}") from error


def blob_in(data: bytes) -> Blob | None:
    """The blob that a record names. `data` is the record of an operation that was read before."""
    if data[:2] in _WITHOUT_BLOB:
        return None
    wire, body = _decoded(data)
    return None if body is None or wire.kind not in WITH_BLOB else Blob(*body.blob)


def _read(head: Head, data: bytes) -> tuple[Operation, Record, Head]:
    wire, wire_body = _decoded(data)
    changes = _growth(head, wire.changes) if wire.changes else ()
    others = {**head.others, **dict(changes)} if changes else head.others
    table = Table(head.actor, head.seq, others)
    _check(head, wire)
    body: Body
    if wire_body is None:
        body = Unknown(wire.kind)
    else:
        body = KIND_BY_NUMBER[wire.kind].unpack(wire_body, table)
    operation = Operation(
        _new(Dot, (head.actor, head.seq + 1)),
        head.lamport + wire.lamport,
        others,
        body,
        wire.box and table.dot(wire.box),
        _issue(head, wire.issue),
        wire.principal,
        head.time_ms + wire.time,
        changes,
        wire.extensions,
    )
    return operation, *_advance(head, operation, others, data)


def _decoded(data: bytes) -> tuple[WireRecord[Any], Any]:
    """A record, and its body where this version understands it."""
    known = _decode_known.get(data[:2])
    if known is not None:
        wire = known(data)
        return wire, wire.body
    wire = _decode_any(data)
    decode = _decode_body.get(wire.kind)
    if decode is None or any(number % 2 for number in wire.extensions):
        return wire, None
    return wire, decode(wire.body)


def _advance(
    head: Head, operation: Operation, others: dict[Actor, int], data: bytes
) -> tuple[Record, Head]:
    chain = next_chain(head.chain, data)
    issue = operation.issue
    after = Head(
        head.actor,
        head.seq + 1,
        chain,
        operation.lamport,
        operation.time_ms,
        others,
        head.client if issue is None else issue.client,
        head.number if issue is None else issue.number,
    )
    return _new(Record, (head.actor, after.seq, chain, data)), after


def _changes(head: Head, others: Others) -> tuple[tuple[tuple[Actor, int], ...], list[int | bytes]]:
    before = head.others
    changes = [
        (actor, seq)
        for actor, seq in others.items()
        if seq > before.get(actor, 0) and actor != head.actor
    ]
    known: dict[Actor, int] = {}
    if any(actor in before for actor, _ in changes):
        known = {actor: place for place, actor in enumerate(before, start=1)}
    flat: list[int | bytes] = []
    for actor, seq in changes:
        flat += (known[actor], seq - before[actor]) if actor in known else (actor, seq)
    return tuple(changes), flat


def _growth(head: Head, flat: list[int | bytes]) -> tuple[tuple[Actor, int], ...]:
    actors = tuple(head.others)
    changes: dict[Actor, int] = {}
    if len(flat) % 2:
        raise Malformed("the changes of a context come in pairs")
    for name, growth in zip(flat[::2], flat[1::2], strict=True):
        if not isinstance(growth, int) or growth < 1:
            raise Malformed(f"a context grows by at least 1, found {growth!r}")
        if isinstance(name, int):
            if not 1 <= name <= len(actors):
                raise Malformed(f"a context of {len(actors)} actors has none at {name}")
            actor, seq = actors[name - 1], head.others[actors[name - 1]] + growth
        else:
            actor, seq = name, growth
            if len(actor) != ACTOR_BYTES or actor in head.others or actor == head.actor:
                raise Malformed("a new actor in a context is 16 bytes that were not there before")
        if actor in changes:
            raise Malformed("a context names an actor once")
        changes[actor] = seq
    return tuple(changes.items())


def _check(head: Head, wire: WireRecord[Any]) -> None:
    if wire.lamport < 1 or head.lamport + wire.lamport > LAMPORT_MAX:
        raise Malformed(f"a Lamport time grows by at least 1 up to 2^62, found {wire.lamport}")
    if wire.principal and len(wire.principal.encode()) > PRINCIPAL_BYTES_MAX:
        raise Malformed(f"a principal has at most {PRINCIPAL_BYTES_MAX} bytes")
    if len(wire.extensions) > EXTENSIONS_MAX:
        raise Malformed(f"an operation has at most {EXTENSIONS_MAX} extensions")


def _issue_parts(head: Head, issue: Issue | None) -> tuple[int | bytes, ...]:
    if issue is None:
        return ()
    if issue.client == head.client:
        return (issue.number - head.number, issue.part, issue.digest)
    return tuple(issue)


def _issue(head: Head, parts: list[int | bytes]) -> Issue | None:
    if not parts:
        return None
    match parts:
        case [int() as step, int() as part, bytes() as digest]:
            client, number = head.client, head.number + step
        case [bytes() as client, int() as number, int() as part, bytes() as digest]:
            pass
        case _:
            raise Malformed(f"an issue has 3 or 4 parts, found {parts!r}")
    sized = len(client) == CLIENT_BYTES and len(digest) == DIGEST_BYTES
    if not sized or number < 0 or part < 0 or number >= NUMBER_END:
        raise Malformed(f"an issue is 8 bytes, two counts and 4 bytes, found {parts!r}")
    return _new(Issue, (client, number, part, digest))
