"""What users do on a known base, each having seen just those things done that a relation says.

Nothing is done, and nothing looked at, twice: the same deed with the same causes is the same
operation in every relation, and what its user saw before does not depend on the order it came in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from crdt import View
from tests import oracle
from tests.user import Refused, User

Doing: TypeAlias = Callable[[User], object]

Relation: TypeAlias = frozenset[tuple[int, int]]
"""Which action (by position) saw which: (before, after), transitive."""

KEPT_CAUSES = 1
"""Deeds with more causes than this hardly come again."""
VIEWS_MAX = 5_000
"""Some tens of megabytes."""


class Deed(NamedTuple):
    """`position`: of the user who does it. `causes`: all deeds that were seen, by position."""

    position: int
    doing: Doing
    causes: tuple[Deed, ...]


class Deeds:
    def __init__(self, users: Sequence[User]) -> None:
        self.users = users
        for user in users:
            user.view()
        self._done: dict[Deed, User | None] = {}
        self._views: dict[tuple[Deed, ...], View] = {}

    def happen(self, doings: Sequence[Doing], relation: Relation) -> list[User]:
        """Each doing at a user of its own who has seen just those before it; may raise Refused.

        The users belong to this object: look, and change nothing.
        """
        acting: list[User] = []
        for deed in deeds_of(doings, relation):
            user = self._user(deed)
            if user is None:
                raise Refused("one of the deeds was refused")
            acting.append(user)
        return acting

    def _user(self, deed: Deed) -> User | None:
        """Who did it, just afterwards; None where it was refused."""
        if deed in self._done:
            return self._done[deed]
        user = self._do(deed)
        if len(deed.causes) <= KEPT_CAUSES:
            self._done[deed] = user
        return user

    def _do(self, deed: Deed) -> User | None:
        user = self.users[deed.position].fork()
        if deed.causes:
            for cause in deed.causes:
                other = self._user(cause)
                if other is None:
                    return None
                user.sees(other)
            user.shows(self._view(deed.causes, user))
        try:
            deed.doing(user)
        except Refused:
            return None
        return user

    def _view(self, deeds: tuple[Deed, ...], user: User) -> View:
        """What the user shows who has seen just these."""
        if deeds not in self._views:
            if len(self._views) >= VIEWS_MAX:
                self._views.clear()
            self._views[deeds] = oracle.view(user.delivered)
        return self._views[deeds]


def deeds_of(doings: Sequence[Doing], relation: Relation) -> list[Deed]:
    positions = range(len(doings))
    causes = [[i for i in positions if (i, after) in relation] for after in positions]
    made: dict[int, Deed] = {}
    for position in sorted(positions, key=lambda position: len(causes[position])):
        before = tuple(made[cause] for cause in causes[position])
        made[position] = Deed(position, doings[position], before)
    return [made[position] for position in positions]
