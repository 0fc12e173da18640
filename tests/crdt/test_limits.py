"""The limits that a real box meets, the whole way: request, plan, record, effect, view.

Counted in row operations and bytes; tests/state/test_limits.py counts the effects alone.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from crdt import (
    DELETED,
    Address,
    Append,
    Code,
    Create,
    Delete,
    Dot,
    Draft,
    EntriesExpunged,
    EntryAppended,
    Expunge,
    FlagsStored,
    FolderMade,
    Head,
    Malformed,
    Mode,
    NodesDeleted,
    NodesRenamed,
    Record,
    Refused,
    Rename,
    Request,
    Store,
    read,
    write,
)
from tests.crdt.cluster import Replica, first
from tests.site import blob_of
from tests.state.phrases import CountedRows

FEW, MANY = 10, 2_000
BLOB = blob_of("x")
ACTORS = {bytes([n]) * 16: 1 << 50 for n in range(1, 200)}
"""Those of a cluster that is old and large."""
RENAME_BYTES_MAX = 1_000


def at(path: str) -> Address:
    return Address("box", path)


MAILBOX = at("work/mailbox")


def dot_of(record: Record) -> Dot:
    return Dot(record.actor, record.seq)


class Box:
    """box: archive, work/mailbox with `size` entries, work/many with `size` folders."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.rows = CountedRows()
        self.node = Replica("a", self.rows)
        made: dict[str, Dot] = {}
        for path in ("", "archive", "work", "work/mailbox", "work/many"):
            (record,) = self.node.asks(Create(at(path)))
            made[path] = dot_of(record)
        append = EntryAppended(made["work/mailbox"], BLOB, (), 0)
        self.entries = tuple(dot_of(self.node.do(append)) for _ in range(size))
        for number in range(size):
            self.node.do(FolderMade(made["work/many"], f"f{number}"))

    def cost(self, request: Request) -> tuple[int, int]:
        """Row operations at the origin, and bytes on the wire."""
        self.rows.count = 0
        records = self.node.asks(request)
        assert records
        return self.rows.count, sum(len(record.data) for record in records)


REQUESTS: dict[str, Callable[[Box], Request]] = {  # one after the other
    "append": lambda box: Append(MAILBOX, BLOB),
    "store": lambda box: Store(MAILBOX, box.entries[3:4], ("\\Seen",)),
    "move of an entry": lambda box: Rename(MAILBOX, at("archive"), box.entries[4:5]),
    "expunge of one": lambda box: Expunge(MAILBOX, box.entries[5:6]),
    "create": lambda box: Create(at("work/many/new")),
    "rename of one": lambda box: Rename(at("work/many/f1"), at("work/many/g")),
    "delete of one": lambda box: Delete(at("work/many/f2")),
    "rename of all": lambda box: Rename(at("work"), at("works")),
    "move of all": lambda box: Rename(at("works"), at("archive/works")),
    "delete of a mailbox": lambda box: Delete(at("archive/works/mailbox")),
}


def test_a_request_costs_rows_and_bytes_for_its_own_targets_alone() -> None:
    few, many = Box(FEW), Box(MANY)
    for name, request in REQUESTS.items():
        few_rows, few_bytes = few.cost(request(few))
        many_rows, many_bytes = many.cost(request(many))
        assert many_rows <= few_rows + 2, name
        assert many_bytes <= min(few_bytes + 4, 100), name


def test_a_delete_of_many_folders_costs_each_of_them_once() -> None:
    box = Box(MANY)
    rows, size = box.cost(Delete(at("work")))
    assert rows <= 20 * (MANY + 10)
    assert size <= 10 * (MANY + 10)
    assert [node.name for node in box.node.state.node_children(box.node.state.boxes()[0].ids)] == [
        "INBOX",
        "archive",
    ]


def in_a_large_cluster() -> Head:
    """What an actor's next record is read on, long after its first."""
    _, _, head = write(first("z"), Draft(EntriesExpunged(()), 1, ACTORS))
    return msgspec.structs.replace(head, seq=1 << 50)


def test_a_rename_is_small_in_the_largest_cluster_with_the_longest_name() -> None:
    node, parent = (Dot(actor, 1 << 50) for actor in list(ACTORS)[-2:])
    draft = Draft(NodesRenamed((node,), parent, "n" * 255), 1 << 60, ACTORS, principal="p" * 255)
    _, record, _ = write(in_a_large_cluster(), draft)
    assert len(record.data) < RENAME_BYTES_MAX


# Ids


@pytest.mark.slow
def test_ten_thousand_ids_in_one_expunge() -> None:
    count = 10_000
    rows = CountedRows()
    node = Replica("a", rows)
    (_,) = node.asks(Create(at("")))
    (made,) = node.asks(Create(at("mailbox")))
    append = EntryAppended(dot_of(made), BLOB, (), 0)
    entries = tuple(dot_of(node.do(append)) for _ in range(2 * count))
    rows.count = 0
    (scattered,) = node.asks(Expunge(at("mailbox"), entries[::2]))
    assert rows.count <= 8 * count
    assert len(scattered.data) <= 6 * count
    node.asks(Expunge(at("mailbox"), entries[1:count:2]))
    found = node.state.find(at("mailbox"))
    assert found is not None
    assert [view.id for view in node.state.entries(found.ids)] == list(entries[count + 1 :: 2])


def test_neighbours_are_one_run() -> None:
    box = Box(MANY)
    _, size = box.cost(Expunge(MAILBOX, box.entries))
    assert size < 40


MILLION = 1_000_000


def crafted(body: object, kind: type[EntriesExpunged | NodesDeleted]) -> bytes:
    """A record of `kind` with the parts of a body as they are."""
    _, record, _ = write(first("z"), Draft(kind(()), 1, {}))
    parts = msgspec.msgpack.decode(record.data)
    parts[7] = body
    return msgspec.msgpack.encode(parts)


def after(seq: int) -> Head:
    return msgspec.structs.replace(first("z"), seq=seq)


def test_a_million_ids_in_one_expunge_are_refused_at_the_origin() -> None:
    box = Box(FEW)
    with pytest.raises(Refused) as refused:
        box.node.asks(Expunge(MAILBOX, box.entries[:1] * MILLION))
    assert refused.value.code == Code.TOO_LARGE


def test_a_million_ids_in_one_expunge_are_refused_at_decode_before_they_are_made() -> None:
    head = after(2 * MILLION)
    with pytest.raises(Malformed, match="1000000 ids in one operation"):
        read(head, crafted([[0, 1, MILLION]], EntriesExpunged))
    with pytest.raises(Malformed, match="1000000 ids in one operation"):
        read(head, crafted([[0, 1, MILLION // 2, 0, MILLION, MILLION // 2]], EntriesExpunged))
    runs = [part for n in range(MILLION) for part in (0, 1 + 2 * (n % MILLION), 1)]
    with pytest.raises(Malformed, match="bytes; at most"):
        read(head, crafted([runs], EntriesExpunged))


def test_as_many_ids_as_are_allowed_are_read() -> None:
    operation, _, _ = read(after(MILLION), crafted([[0, 1, 100_000]], EntriesExpunged))
    assert isinstance(operation.body, EntriesExpunged)
    assert len(operation.body.entries) == 100_000
    with pytest.raises(Malformed, match="100001 ids"):
        read(after(MILLION), crafted([[0, 1, 100_001]], EntriesExpunged))


@pytest.mark.slow
def test_a_delete_lists_no_more_nodes_than_an_operation_may() -> None:
    nodes = [[0, 1 + n, -1] for n in range(100_001)]
    operation, _, _ = read(after(MILLION), crafted([nodes[:-1]], NodesDeleted))
    assert isinstance(operation.body, NodesDeleted)
    with pytest.raises(Malformed, match="100001 nodes"):
        read(after(MILLION), crafted([nodes], NodesDeleted))


# Flags


def flags(count: int, letter: str = "k") -> tuple[str, ...]:
    return tuple(f"{letter}{number:03}" for number in range(count))


def test_a_thousand_flags_on_an_entry_are_one_row() -> None:
    box = Box(FEW)
    one, other = box.entries[:1], box.entries[1:2]
    _, size = box.cost(Store(MAILBOX, one, flags(999)))
    assert size < 6 * 1_000
    assert box.cost(Store(MAILBOX, one, ("new",))) == box.cost(Store(MAILBOX, other, ("new",)))
    found = box.node.state.entry(one[0])
    assert found is not None
    assert found[0].flags == (*flags(999), "new")
    box.cost(Store(MAILBOX, one, (*flags(500), DELETED), Mode.REMOVE))
    found = box.node.state.entry(one[0])
    assert found is not None
    assert found[0].flags == (*flags(999)[500:], "new")


def test_a_flag_costs_the_same_beside_a_thousand_others_in_the_mailbox() -> None:
    box = Box(MANY)
    one = box.entries[-1:]
    box.cost(Store(MAILBOX, one, ("first",)))
    before = box.cost(Store(MAILBOX, one, ("before",)))
    for entry, flag in zip(box.entries, flags(1_000), strict=False):
        box.node.asks(Store(MAILBOX, (entry,), (flag,)))
    assert box.cost(Store(MAILBOX, one, ("behind",))) == before


def test_one_flag_too_many_is_refused_at_the_origin_and_at_decode() -> None:
    box = Box(FEW)
    with pytest.raises(Refused) as refused:
        box.node.asks(Store(MAILBOX, box.entries, flags(1_001)))
    assert refused.value.code == Code.TOO_LARGE
    store = FlagsStored(box.entries[0], box.entries, flags(1_001), (), False, ())
    _, record, _ = write(box.node.head, Draft(store, 10**6, {}))
    with pytest.raises(Malformed, match="1001 flags"):
        read(box.node.head, record.data)


@pytest.mark.slow
def test_two_nodes_give_an_entry_more_flags_than_either_may_and_both_show_them_all() -> None:
    box = Box(FEW)
    other = Replica("b")
    other.takes(box.node.records)
    box.node.asks(Store(MAILBOX, box.entries[:1], flags(1_000, "m")))
    other.asks(Store(MAILBOX, box.entries[:1], flags(1_000, "y")))
    box.node.takes(other.records)
    other.takes(box.node.records)
    for node in (box.node, other):
        found = node.state.entry(box.entries[0])
        assert found is not None and len(found[0].flags) == 2_000


# Depth

NAMES_MAX = 100


def chain(letter: str, count: int) -> str:
    return "/".join(letter * count)


def test_two_hundred_folders_deep_by_requests_shows_alike_on_two_nodes() -> None:
    a, b = Replica("a"), Replica("b", CountedRows())
    a.asks(Create(at("")))
    b.takes(a.records)
    a.asks(Create(at(chain("a", NAMES_MAX)), parents=True))
    b.asks(Create(at(chain("b", NAMES_MAX)), parents=True))
    a.takes(b.records)
    a.asks(Rename(at("b"), at(f"{chain('a', NAMES_MAX - 1)}/b")))
    deepest = at(f"{chain('a', NAMES_MAX - 1)}/{chain('b', NAMES_MAX)}")
    (appended,) = a.asks(Append(deepest, BLOB))
    b.takes(a.records)
    assert b.state.digest() == a.state.digest()
    found = b.state.entry(dot_of(appended))
    assert found is not None and b.state.address_of(found[1]) == deepest
    with pytest.raises(Refused) as refused:
        b.asks(Create(at(f"{deepest.path}/c")))
    assert refused.value.code == Code.TOO_LARGE
    (deleted,) = b.asks(Delete(at("a")))
    assert len(deleted.data) < 8 * 2 * NAMES_MAX
    assert b.state.find(at("a")) is None


def test_what_is_deeper_than_a_request_may_name_is_no_less_a_tree() -> None:
    depth = 400
    a, b = Replica("a"), Replica("b")
    (record,) = a.asks(Create(at("")))
    parents = [dot_of(record)]
    for _ in range(depth):
        parents.append(dot_of(a.do(FolderMade(parents[-1], "d"))))
    b.takes(a.records)
    deepest = at(chain("d", depth))
    assert b.state.address_of(parents[-1]) == deepest
    assert b.state.digest() == a.state.digest()
    assert len(b.state.subtree(parents[1:2])) == depth
    b.asks(Append(deepest, BLOB))
    a.takes(b.records)
    found = a.state.find(deepest)
    assert found is not None and a.state.count(found.ids) == 1
    a.do(NodesRenamed((parents[1],), parents[-1], None))
    assert a.state.find(deepest) is not None, "what would go below itself stays"
    a.asks(Delete(at("d")))
    b.takes(a.records)
    assert b.state.find(at("d")) is None and b.state.digest() == a.state.digest()
