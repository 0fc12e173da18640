"""Concrete actions on one small tree, done together in every causal relation.

`python -m tests.pairs` writes docs/semantics-pairs.md: what users find after every two of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

from crdt import View
from tests import oracle
from tests.deeds import Deeds, Doing, Relation
from tests.outline import outline
from tests.site import all_of
from tests.user import Refused, User, meet, users

PAGE = Path(__file__).parents[1] / "docs" / "semantics-pairs.md"

ACTIONS: Mapping[str, Doing] = {
    "create N": lambda u: u.create("mail/N"),
    "create A/N": lambda u: u.create("mail/A/N"),
    "create A/B/N": lambda u: u.create("mail/A/B/N"),
    "create file N": lambda u: u.create("mail/N", "text"),
    "create file A/N": lambda u: u.create("mail/A/N", "text"),
    "create file N, other": lambda u: u.create("mail/N", "other"),
    "delete A": lambda u: u.delete("mail/A"),
    "delete A, create it again": lambda u: (u.delete("mail/A"), u.create("mail/A")),
    "delete A/B": lambda u: u.delete("mail/A/B"),
    "delete C": lambda u: u.delete("mail/C"),
    "delete f": lambda u: u.delete("mail/f"),
    "append to A": lambda u: u.append("mail/A", "new"),
    "append to A/B": lambda u: u.append("mail/A/B", "new"),
    "append to C": lambda u: u.append("mail/C", "new"),
    "append to INBOX": lambda u: u.append("mail/INBOX", "new"),
    "copy one to C": lambda u: u.copy("mail/A", "one", "mail/C"),
    "copy four to A/B": lambda u: u.copy("mail/C", "four", "mail/A/B"),
    "rename A to N": lambda u: u.rename("mail/A", "mail/N"),
    "rename A/B to A/N": lambda u: u.rename("mail/A/B", "mail/A/N"),
    "rename C to N": lambda u: u.rename("mail/C", "mail/N"),
    "rename f to N": lambda u: u.rename("mail/f", "mail/N"),
    "rename INBOX to N": lambda u: u.rename("mail/INBOX", "mail/N"),
    "move A into C": lambda u: u.rename("mail/A", "mail/C/A"),
    "move C into A/B": lambda u: u.rename("mail/C", "mail/A/B/C"),
    "move A/B to the top": lambda u: u.rename("mail/A/B", "mail/B"),
    "move f into A": lambda u: u.rename("mail/f", "mail/A/f"),
    "move one to C": lambda u: u.move("mail/A", "one", "mail/C"),
    "move one to A/B": lambda u: u.move("mail/A", "one", "mail/A/B"),
    "flag one Seen": lambda u: u.flag("mail/A", "one", "Seen"),
    "unflag one Old": lambda u: u.unflag("mail/A", "one", "Old"),
    "set flags of one to New": lambda u: u.set_flags("mail/A", "one", "New"),
    "set flags of two to Deleted": lambda u: u.set_flags("mail/A", "two", "\\Deleted"),
    "set flags of two to New": lambda u: u.set_flags("mail/A", "two", "New"),
    "mark one deleted": lambda u: u.flag("mail/A", "one", "\\Deleted"),
    "mark two deleted": lambda u: u.flag("mail/A", "two", "\\Deleted"),
    "undelete two": lambda u: u.unflag("mail/A", "two", "\\Deleted"),
    "expunge one": lambda u: u.expunge("mail/A", "one"),
    "expunge A": lambda u: u.expunge("mail/A"),
    "write f": lambda u: u.write("mail/f", "text"),
    "write f, other": lambda u: u.write("mail/f", "other"),
}


def base() -> list[User]:
    """Three users who have seen the same; C is two folders that were made at the same time."""
    *three, d, e = users("abcde")
    d.create_box("mail")
    e.sees(d)
    d.create("mail/C")
    e.create("mail/C")
    e.append("mail/C", "four")
    d.sees(e)
    d.append("mail/INBOX", "in")
    d.create("mail/A")
    d.create("mail/A/B")
    d.append("mail/A", "one", "Old")
    d.append("mail/A", "two", "\\Deleted")
    d.append("mail/A/B", "three")
    d.create("mail/f", "old")
    meet([*three, d])
    return three


def relations(actions: int) -> list[Relation]:
    """Every partial order of so many actions, told apart by position: 1, 3, 19, …"""
    arrows = list(itertools.permutations(range(actions), 2))
    chosen = itertools.chain.from_iterable(
        itertools.combinations(arrows, count) for count in range(len(arrows) + 1)
    )
    return [relation for relation in map(frozenset, chosen) if _is_order(relation)]


def _is_order(relation: Relation) -> bool:
    pairs = itertools.product(relation, relation)
    transitive = all((i, m) in relation for (i, k), (j, m) in pairs if k == j and i != m)
    return transitive and not any((after, before) in relation for before, after in relation)


# The page


def page() -> str:
    deeds = Deeds(base())
    begun = outline(deeds.users[0].view()).split("\n")
    lines = [HEAD, *(f"    {line}" for line in begun), "", CELLS]
    for first, second in itertools.combinations_with_replacement(ACTIONS, 2):
        lines.append(f"- **{first} ‖ {second}**: {_outcome(deeds, first, second)}")
    return "\n".join(lines) + "\n"


def _outcome(deeds: Deeds, first: str, second: str) -> str:
    both = [ACTIONS[first], ACTIONS[second]]
    together, otherwise = frozenset[tuple[int, int]](), frozenset({(0, 1)})
    forwards = _found(deeds, both, together)
    backwards = _found(deeds, both[::-1], together)
    after = _found(deeds, both, otherwise)
    before = _found(deeds, both[::-1], otherwise)
    found = forwards if forwards == backwards else f"{forwards} — or, by stamps — {backwards}"
    if forwards == backwards == after == before:
        return f"{found} (*as in both sequences*)"
    if first == second:
        return f"{found} (*one after the other: {after}*)"
    if forwards == backwards and after == forwards:
        return f"{found} (*as the first, then the second; the other way: {before}*)"
    if forwards == backwards and before == forwards:
        return f"{found} (*as the second, then the first; the other way: {after}*)"
    if after == before:
        return f"{found} (*in both sequences: {after}*)"
    return f"{found} (*the first, then the second: {after}; the other way: {before}*)"


def _found(deeds: Deeds, doings: list[Doing], relation: Relation) -> str:
    try:
        acting = deeds.happen(doings, relation)
    except Refused:
        return "refused"
    return _difference(deeds.users[0].view(), oracle.view(all_of(acting)))


def _difference(before: View, after: View) -> str:
    """What a reader of the small tree finds changed, path by path."""
    old, new = _paths(before), _paths(after)
    gone = [path for path in old if path not in new]
    gone = [path for path in gone if path.rpartition("/")[0] not in gone]
    changed = [f"{path} {content}" for path, content in new.items() if old.get(path) != content]
    return "; ".join([*changed, *(f"{path} is gone" for path in gone)]) or "nothing changes"


def _paths(found: View) -> dict[str, str]:
    """Path -> what it holds, from the outline."""
    paths = {"INBOX": "is empty"}
    above: list[str] = []
    for line in outline(found).split("\n"):
        depth = (len(line) - len(line.lstrip())) // 2
        name, separator, content = line.strip().partition(" = ")
        if separator:
            content = f"= {content}"
        else:
            name, _, content = name.partition(": ")
            content = f"holds {content}" if content else "is empty"
        name, merged, count = name.partition(" ×")
        if name.startswith("("):
            name, content = name.strip("()"), f"is a container, {content}"
        above[depth:] = [name]
        path, twins = "/".join(above), 1
        while path in paths and path != "INBOX":  # equal but for the digits of the suffix
            twins += 1
            path = f"{'/'.join(above)} ({twins})"
        paths[path] = f"({count} as one) {content}" if merged else content
    return paths


HEAD = """# What two users find after any two actions

Made by `python -m tests.pairs` from the oracle, kept current by a test, and read line by line
against [semantics.md](semantics.md). Both users begin with the box below (`two` is marked as
deleted; `C` shows two folders that were made at the same time as one) and each does one thing
without having seen the other's.
"""

CELLS = """Each line says what differs from that box once both have met, and in brackets how it
ends if one user had seen the other's action first. `~…` is a suffix; a container is a deleted
folder that still shows for what is below it.
"""

if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"written: {PAGE}")
