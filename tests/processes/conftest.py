"""Three nodes in a temporary folder, which has gone when the test has ended."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from samebox.testing import LocalCluster


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, as it will hold sockets."""
    with tempfile.TemporaryDirectory(prefix="samebox-") as folder:
        yield Path(folder)


@pytest.fixture
def cluster(folder: Path) -> Iterator[LocalCluster]:
    """Nodes a, b and c run; what they logged is shown where the test fails."""
    cluster = LocalCluster(folder)
    try:
        with cluster:
            yield cluster
    finally:
        print(cluster.logs())
