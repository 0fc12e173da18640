"""The worst names, the whole way: request, plan, record, effect, view, on two nodes in two orders.

docs/names.md says what a name may be; its lists are those of this file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from unicodedata import ucd_3_2_0 as unicode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crdt import (
    Address,
    Append,
    Body,
    BoxMade,
    Code,
    Copy,
    Create,
    Delete,
    Dot,
    Draft,
    Expunge,
    FileMade,
    FolderMade,
    Kind,
    Malformed,
    MemoryRows,
    NodesRenamed,
    Refused,
    Rename,
    Request,
    Store,
    inbox_of,
    normal,
    read,
    write,
)
from tests import oracle
from tests.crdt.cluster import Replica
from tests.rows_kept import sqlite_rows
from tests.site import blob_of

BLOB, OTHER = blob_of("x"), blob_of("y")

FIT = [
    "CON",
    "nul.txt",
    "trailing dot.",
    " space ",
    "...",
    ".hidden",
    "~",
    "a~0123",
    "a~0123.txt",
    "a:b",
    "\\",
    "*?<>|\"'`$(rm)",
    "-rf",
    "%2F",
    "&-",
    "x" * 255,
    "\u00e9" * 127,
    "\U0001f600" * 63,
    "\u202etxt.exe",
    "\u200b",
    "\u200d",
    "\ufeff",
    "\u2066x",
    "\u00a0",
    "\ufffe",
    "\ue000",
    "\U0010ffff",
    "\u0378",
    "\u1e9e",
    "\u0130",
    "\u212b",
    "cafe\u0301",
    "\u0301",
    "\u1100\u1161",
]
"""What may look odd, or mean something to another program, and is a name."""

HALVES = ["\ud800", "a\udfff", "\udc80bytes", "\udfff\ud800"]
UNFIT = [
    *HALVES,
    "\0",
    "a\0b",
    "\t",
    "\n",
    "\r\n",
    "\x1b[2J",
    "\x7f",
    "\x85",
    "\x9f",
    "\u2028",
    "\u2029",
    ".",
    "..",
    "x" * 256,
    "\u00e9" * 128,
    "x" * 65_536,
    "\u0958" * 85,
]
"""The last has 255 bytes, and more in normal form C, which takes it apart."""

PLACES: dict[str, Callable[[str], Request]] = {
    "folder": lambda name: Create(Address("box", f"A/{name}")),
    "file": lambda name: Create(Address("box", f"A/{name}"), BLOB),
    "on the way": lambda name: Create(Address("box", f"A/{name}/x"), parents=True),
    "rename": lambda name: Rename(Address("box", "B"), Address("box", f"A/{name}")),
    "copy": lambda name: Copy(Address("box", "f"), Address("box", f"A/{name}")),
}


def two() -> tuple[Replica, Replica]:
    """Two nodes with "box" and what PLACES need."""
    a, b = Replica("a", MemoryRows()), Replica("b", sqlite_rows())
    for request in (
        Create(Address("box")),
        Create(Address("box", "A")),
        Create(Address("box", "B")),
        Create(Address("box", "f"), BLOB),
    ):
        a.asks(request)
    b.takes(a.records)
    return a, b


@pytest.fixture(scope="module")
def unchanged() -> Iterator[Replica]:
    """A node for many tests: all that is asked of it is refused."""
    node, _ = two()
    before = node.state.digest()
    yield node
    assert node.state.digest() == before


def shown_alike(a: Replica, b: Replica) -> None:
    """Each takes what the other has: in different orders, and as the rules say."""
    mine, yours = list(a.records), list(b.records)
    a.takes(yours)
    b.takes(mine)
    assert a.state.view() == b.state.view() == oracle.view(a.operations)
    assert a.state.digest() == b.state.digest()


def below(node: Replica, path: str) -> list[str]:
    found = node.state.find(Address("box", path))
    assert found is not None
    return [child.name for child in node.state.node_children(found.ids)]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", FIT, ids=ascii)
def test_a_name_that_is_fit_goes_everywhere(name: str, place: str) -> None:
    a, b = two()
    a.asks(PLACES[place](name))
    b.asks(Create(Address("box", "A/else"), OTHER))
    shown_alike(a, b)
    assert below(b, "A") == sorted([normal(name), "else"])
    for spelled in {name, normal(name), unicode.normalize("NFD", name)}:
        assert b.state.find(Address("box", f"A/{spelled}")) is not None
    b.asks(Delete(Address("box", f"A/{name}")))
    assert below(b, "A") == ["else"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", UNFIT, ids=lambda name: ascii(name[:9]))
def test_a_name_that_is_unfit_is_refused_at_the_origin(
    name: str, place: str, unchanged: Replica
) -> None:
    before = unchanged.state.digest()
    with pytest.raises(Refused) as refused:
        unchanged.asks(PLACES[place](name))
    assert refused.value.code == Code.BAD_NAME
    assert unchanged.state.digest() == before


@pytest.mark.parametrize("name", [*UNFIT, "", "a:b"], ids=lambda name: ascii(name[:9]))
def test_the_name_of_a_box_has_no_colon_besides(name: str, unchanged: Replica) -> None:
    with pytest.raises(Refused) as refused:
        unchanged.asks(Create(Address(name)))
    assert refused.value.code == Code.BAD_NAME


@pytest.mark.parametrize("name", [*UNFIT, "a//b", "/a", "a/"], ids=lambda name: ascii(name[:9]))
def test_who_asks_for_what_cannot_be_there_finds_nothing(name: str, unchanged: Replica) -> None:
    box, inside = Address(name), Address("box", name)
    for address in (box, inside, Address("box", f"{name}/x")):
        assert unchanged.state.find(address) is None
        for request in (
            Delete(address),
            Append(address, BLOB),
            Store(address, flags=("x",)),
            Expunge(address),
            Rename(address, Address("box", "new")),
            Copy(address, Address("box", "new")),
        ):
            with pytest.raises(Refused) as refused:
                unchanged.asks(request)
            assert refused.value.code.startswith("no-such")


# Records

BODIES: dict[str, Callable[[Replica, str], Body]] = {
    "folder": lambda node, name: FolderMade(box_of(node), name),
    "file": lambda node, name: FileMade(box_of(node), name, BLOB),
    "rename": lambda node, name: NodesRenamed((folder_of(node),), None, name),
    "box": lambda node, name: BoxMade(name, False),
}


def box_of(node: Replica) -> Dot:
    return node.state.boxes()[0].ids[0]


def folder_of(node: Replica) -> Dot:
    found = node.state.find(Address("box", "A"))
    assert found is not None
    return found.ids[0]


def crafted(node: Replica, kind: str, name: bytes) -> bytes:
    """A record with a name of any bytes."""
    _, record, _ = write(node.head, Draft(BODIES[kind](node, "NAME"), 1 << 40, {}))
    assert record.data.count(b"\xa4NAME") == 1
    head = b"\xdb" + len(name).to_bytes(4, "big")
    return record.data.replace(b"\xa4NAME", head + name)


ILL_FORMED = {
    **{ascii(name[:9]): name.encode("utf-8", "surrogatepass") for name in UNFIT},
    "empty": b"",
    "not UTF-8": b"caf\xe9",
    "cut off": "\u00e9".encode()[:1],
    "overlong": b"\xc0\xaf",
    "beyond Unicode": b"\xf4\x90\x80\x80",
    "not in form C": "cafe\u0301".encode(),
}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("name", ILL_FORMED)
def test_a_record_with_an_ill_formed_name_is_refused_with_a_reason(
    name: str, kind: str, unchanged: Replica
) -> None:
    with pytest.raises(Malformed) as malformed:
        read(unchanged.head, crafted(unchanged, kind, ILL_FORMED[name]))
    assert str(malformed.value).isprintable() and str(malformed.value)


def test_a_separator_separates_in_the_names_of_boxes_alone() -> None:
    a, _ = two()
    operation, _, _ = read(a.head, crafted(a, "box", b"a/b"))
    assert operation.body == BoxMade("a/b", False)
    for kind in ("folder", "file", "rename"):
        with pytest.raises(Malformed, match="'/'"):
            read(a.head, crafted(a, kind, b"a/b"))


# Twins

TWINS = [("caf\u00e9", "cafe\u0301"), ("\u212b", "A\u030a"), ("\uac00", "\u1100\u1161")]


@pytest.mark.parametrize(("composed", "apart"), TWINS, ids=ascii)
def test_composed_and_not_are_one_name(composed: str, apart: str) -> None:
    a, b = two()
    a.asks(Create(Address("box", composed)))
    b.asks(Create(Address("box", apart)))
    with pytest.raises(Refused):
        a.asks(Create(Address("box", apart)))
    shown_alike(a, b)
    found = b.state.find(Address("box", composed))
    assert found is not None and len(found.ids) == 2
    assert b.state.find(Address("box", apart)) == found


@pytest.mark.parametrize(
    ("left", "right"), [("CON", "con"), ("\u00c9", "e\u0301"), ("STRASSE", "stra\u00dfe")]
)
def test_names_that_differ_by_case_are_one_where_the_box_says_so(left: str, right: str) -> None:
    a, b = two()
    a.asks(Create(Address("folding"), fold=True))
    b.takes(a.records)
    for box, count in (("folding", 1), ("box", 2)):
        a.asks(Create(Address(box, left)))
        b.asks(Create(Address(box, right)))
        shown_alike(a, b)
        found = {a.state.find(Address(box, name)) for name in (left, right)}
        assert len(found) == count and None not in found


@pytest.mark.parametrize("name", ["inbox", "InBox", "INBOX"])
def test_inbox_is_the_inbox_at_the_top_alone(name: str) -> None:
    a, b = two()
    with pytest.raises(Refused) as refused:
        a.asks(Create(Address("box", name)))
    assert refused.value.code == Code.NAME_TAKEN
    a.asks(Create(Address("box", f"A/{name}")))
    b.do(FolderMade(box_of(b), name))
    shown_alike(a, b)
    found = b.state.find(Address("box", name))
    assert found is not None and inbox_of(box_of(b)) in found.ids and len(found.ids) == 2
    assert below(b, "A") == [name]


def test_a_suffix_may_make_a_name_longer_than_may_be_given_and_it_is_found() -> None:
    a, b = two()
    name = "n" * 251 + ".txt"
    a.asks(Create(Address("box", name), BLOB))
    b.asks(Create(Address("box", name), OTHER))
    shown_alike(a, b)
    (long,) = (child.name for child in b.state.node_children((box_of(b),)) if "~" in child.name)
    assert len(long) == 260
    b.asks(Rename(Address("box", long), Address("box", "short.txt")))
    shown_alike(a, b)
    assert {"short.txt", name} <= {n.name for n in a.state.node_children((box_of(a),))}


def test_what_looks_like_a_suffix_is_a_name_like_any_other() -> None:
    a, b = two()
    a.asks(Create(Address("box", "x.txt"), BLOB))
    b.asks(Create(Address("box", "x.txt"), OTHER))
    shown_alike(a, b)
    (suffixed,) = (n.name for n in a.state.node_children((box_of(a),)) if "~" in n.name)
    with pytest.raises(Refused) as refused:
        a.asks(Create(Address("box", suffixed)))
    assert refused.value.code == Code.NAME_TAKEN
    a.do(FolderMade(box_of(a), suffixed))
    shown_alike(a, b)
    names = [(n.name, n.kind) for n in b.state.node_children((box_of(b),)) if "~" in n.name]
    assert (suffixed, Kind.FOLDER) in names and len(names) == 2


# Any text

TEXT = st.text(st.characters(), max_size=40) | st.text("./a\0~\ud800\u0301e\u00e9", max_size=6)


@given(mine=TEXT, yours=TEXT)
@settings(max_examples=40)
@example("e\u0301", "\u00e9")
@example("INBOX", "inbox")
def test_any_two_texts_are_refused_or_shown_alike(mine: str, yours: str) -> None:
    a, b = two()
    for node, name in ((a, mine), (b, yours)):
        for request in (
            Create(Address("box", name), parents=True),
            Rename(Address("box", name), Address("box", f"A/{name}")),
        ):
            with suppress(Refused):
                node.asks(request)
    shown_alike(a, b)
    for box in a.state.view().boxes:
        names = [child.name for child in box.children]
        assert len({*names}) == len(names)
