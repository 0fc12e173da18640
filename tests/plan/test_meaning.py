"""Any request, on whatever random conflicts have left behind, does what its words say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import TypeAlias

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
    MemoryRows,
    Mode,
    NodeView,
    Reading,
    Refused,
    Rename,
    Request,
    State,
    Store,
    plan,
)
from tests.histories import World
from tests.plan.naive import Tree
from tests.plan.oracle_reading import OracleReading, addressed
from tests.scripts import random_script
from tests.site import Site, blob_of

FLAGS = ("\\Seen", "work", DELETED)
NAMES = ("A", "B", "new", "Inbox", "f.txt", "A/new", "..")
REQUESTS_EACH = 12


Shown: TypeAlias = tuple[Reading, tuple[NodeView, ...]]
"""What a site shows: to planning, and whole."""
Shows: TypeAlias = Callable[[Site], Shown]


def by_oracle(site: Site) -> Shown:
    reading = OracleReading(site.delivered)
    return reading, reading.boxes


def by_state(site: Site) -> Shown:
    state = State(MemoryRows())
    state.rows.begin()
    for operation in site.delivered:
        state.apply(operation)
    return state, state.view().boxes


def asked(random: Random, boxes: tuple[NodeView, ...]) -> Request:
    views = dict(addressed(boxes))
    addresses = [*views] or [Address("none")]
    folders = [a for a, view in views.items() if view.kind is Kind.FOLDER] or addresses
    one = random.choice(addresses)
    mailbox = random.choice(folders) if random.random() < 0.9 else one
    shown = views[mailbox].entries if mailbox in views else ()
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


def goal(random: Random, addresses: list[Address]) -> Address:
    above = random.choice([*addresses, Address("none")])
    return Address(above.box, f"{above.path}/{random.choice(NAMES)}".lstrip("/"))


def ask(site: Site, random: Random, shown: Shown, shows: Shows) -> tuple[str, Shown]:
    """What became of a random request, its code where it is refused, else its kind; and what the
    site shows then."""
    reading, boxes = shown
    request = asked(random, boxes)
    seq = site.clock[site.actor]
    try:
        planned = plan(reading, request, lambda place: Dot(site.actor, seq + 1 + place))
    except Refused as refused:
        return refused.code, shown
    dots = [site.do(body, box=planned.box) for body in planned.bodies]
    assert dots == [Dot(site.actor, seq + 1 + place) for place in range(len(dots))]
    after = shows(site)
    expected, found = Tree(reading, boxes), Tree(*after)
    if not dots:
        assert found.shown() == expected.shown()
    elif expected.is_plain():
        expected.ask(request)
        assert found.shown() == expected.shown(), request
    return type(request).__name__, after


def asked_there(seed: int, shows: Shows) -> Counter[str]:
    """What became of random requests to one site of a random history, each compared."""
    random = Random(seed)
    site = random.choice(World(random_script(random, 30, honest=True)).sites)
    shown = shows(site)
    outcomes: Counter[str] = Counter()
    for _ in range(REQUESTS_EACH):
        outcome, shown = ask(site, random, shown, shows)
        outcomes[outcome] += 1
    return outcomes


@pytest.mark.parametrize("seeds", [range(12), pytest.param(range(12, 300), marks=pytest.mark.slow)])
@pytest.mark.parametrize("shows", [by_oracle, by_state])
def test_a_request_changes_what_it_names_and_nothing_else(seeds: range, shows: Shows) -> None:
    outcomes: Counter[str] = Counter()
    for seed in seeds:
        outcomes += asked_there(seed, shows)
    kinds = {"Create", "Delete", "Append", "Copy", "Rename", "Store", "Expunge"}
    assert kinds <= {*outcomes} and len(outcomes) > 12
