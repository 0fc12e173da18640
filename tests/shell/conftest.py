"""One node list, with its certificates, for all tests of this folder."""

from pathlib import Path

import pytest

from samebox.testing import local_node_list


@pytest.fixture(scope="session")
def node_list(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of nodes a, b and c."""
    return local_node_list(tmp_path_factory.mktemp("shell"))
