"""Any request, on whatever random conflicts have left behind, does what its words say."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from crdt import (
    DELETED,
    Address,
    Append,
    Copy,
    Create,
    Delete,
    Dot,
    Expunge,
    Kind,
    Mode,
    Refused,
    Rename,
    Request,
    Store,
    plan,
)
from tests.histories import World, random_script
from tests.plan.naive import Tree
from tests.plan.oracle_reading import OracleReading
from tests.site import Site, blob_of

FLAGS = ("\\Seen", "work", DELETED)
NAMES = ("A", "B", "new", "Inbox", "f.txt", "A/new", "..")
REQUESTS_EACH = 12


def asked(random: Random, reading: OracleReading) -> Request:
    addresses = reading.addresses() or [Address("none")]
    folders = [a for a in addresses if is_kind(reading, a, Kind.FOLDER)] or addresses
    one = random.choice(addresses)
    mailbox = random.choice(folders) if random.random() < 0.9 else one
    view = reading.find(mailbox)
    shown = view.entries if view is not None else ()
    some = tuple(e.id for e in random.sample(shown, random.randint(0, len(shown))))
    entries = random.choice((None, some, some))
    flags = tuple(random.sample(FLAGS, random.randint(0, 3)))
    new = goal(random, addresses)
    blob = blob_of(str(random.randrange(1000)))
    requests: tuple[Request, ...] = (
        Create(new, random.choice((None, blob)), parents=random.random() < 0.5),
        Delete(one),
        Append(mailbox, blob, flags, random.randrange(100)),
        Copy(mailbox, random.choice(folders), entries),
        Copy(one, new),
        Rename(one, new),
        Rename(mailbox, random.choice(folders), some),
        Store(mailbox, entries, flags, random.choice(list(Mode))),
        Store(one, content=blob),
        Expunge(mailbox, entries),
    )
    return random.choice(requests)


def is_kind(reading: OracleReading, address: Address, kind: Kind) -> bool:
    view = reading.find(address)
    return view is not None and view.kind is kind


def goal(random: Random, addresses: list[Address]) -> Address:
    above = random.choice([*addresses, Address("none")])
    return Address(above.box, f"{above.path}/{random.choice(NAMES)}".lstrip("/"))


def ask(site: Site, random: Random) -> str:
    """What became of a random request: its code where it is refused, else its kind."""
    reading = OracleReading(site.delivered)
    request = asked(random, reading)
    seq = site.clock[site.actor]
    try:
        planned = plan(reading, request, lambda place: Dot(site.actor, seq + 1 + place))
    except Refused as refused:
        return refused.code
    dots = [site.do(body, box=planned.box) for body in planned.bodies]
    assert dots == [Dot(site.actor, seq + 1 + place) for place in range(len(dots))]
    expected, found = Tree(reading), Tree(OracleReading(site.delivered))
    if not dots:
        assert found.shown() == expected.shown()
    elif expected.is_plain():
        expected.ask(request)
        assert found.shown() == expected.shown(), request
    return type(request).__name__


@pytest.mark.parametrize(
    "seeds", [range(40), pytest.param(range(40, 1000), marks=pytest.mark.slow)]
)
def test_a_request_changes_what_it_names_and_nothing_else(seeds: range) -> None:
    outcomes: Counter[str] = Counter()
    for seed in seeds:
        random = Random(seed)
        site = random.choice(World(random_script(random, 30, honest=True)).sites)
        outcomes.update(ask(site, random) for _ in range(REQUESTS_EACH))
    kinds = {"Create", "Delete", "Append", "Copy", "Rename", "Store", "Expunge"}
    assert kinds <= {*outcomes} and len(outcomes) > 12
