"""The ways to compute a view."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crdt import Operation, View
from tests import oracle

Viewer = Callable[[Sequence[Operation]], View]
"""View after operations that are delivered in the order given."""

VIEWERS: dict[str, Viewer] = {"oracle": oracle.view}
