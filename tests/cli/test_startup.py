"""A command begins at once: what a process imports before it talks to a node."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.fake import running

HEAVY = ("trio", "cryptography", "ssl", "rich", "sqlite3", "asyncio")
PROBE = """
import sys
from samebox.__main__ import main
try:
    main(sys.argv[1:], prog_name="samebox")
finally:
    print(*sorted(set(sys.modules) & set({heavy!r}.split())), file=sys.stderr)
"""


@pytest.mark.parametrize("words", [["ls"], ["create", "b"], ["status"]], ids=lambda words: words[0])
def test_a_command_imports_neither_trio_nor_cryptography(tmp_path: Path, words: list[str]) -> None:
    probe = PROBE.format(heavy=" ".join(HEAVY))
    with running(tmp_path) as served:
        typed = [sys.executable, "-c", probe, *words, "--json", "--socket", str(served.socket)]
        done = subprocess.run(typed, capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr == "\n"


def test_a_command_that_finds_its_node_by_the_list_does_not_either(tmp_path: Path) -> None:
    nodes = 'cluster: x\nnodes: {a: {address: "h:1"}}\nsocket: a.sock\n'
    nodes_yaml = str(tmp_path / "nodes.yaml")
    Path(nodes_yaml).write_text(nodes)
    probe = PROBE.format(heavy=" ".join(HEAVY))
    with running(tmp_path):
        typed = [sys.executable, "-c", probe, "ls", "--json", "--config", nodes_yaml]
        done = subprocess.run(typed, capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr == "\n"
