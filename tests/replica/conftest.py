"""A cluster that has met, and of which node a is left alone with what b and c say."""

from __future__ import annotations

import pytest

from samebox.events import (
    LinkUp,
)
from sim import SimCluster, SimNode
from tests.replica.lies import (
    B,
    C,
)


@pytest.fixture
def cluster() -> SimCluster:
    """All three have met, and then only a and the words of b and c are left."""
    made = SimCluster(["a", "b", "c"])
    made.heal()
    for one, other in ("ab", "bc", "ac"):
        made.cut(one, other)
    a = made.nodes["a"]
    a.tell(LinkUp(B, "b", dict(a.replica.clock)), LinkUp(C, "c", dict(a.replica.clock)))
    return made


@pytest.fixture
def a(cluster: SimCluster) -> SimNode:
    return cluster.nodes["a"]
