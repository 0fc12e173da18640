"""Every program in examples/ runs, as it stands, and is short."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from samebox.testing import environment, free_ports

EXAMPLES = Path(__file__).parent.parent / "examples"
LINES_MAX = 60
RUN_S = 120
SAYS = {
    "in_process.py": ["created, says a: held by a, b, c", "read at c: ('\\\\Seen',)"],
    "watch_changes.py": ["['mail/alice', 'One', 'Two']", "['Three', 'Four']"],
    "meetings.py": ["both, then: Plans 2025 [hall booked] (who renames, keeps)", "10 of 10 ended"],
    "read_your_writes.py": ["b, alone: not here yet", "found mail/alice"],
}
"""What a program has to print, beside ending well."""
SHORT = sorted(
    path for path in EXAMPLES.iterdir()
    if path.suffix in (".py", ".sh") and path.name not in ("__init__.py", "demo.py", "meetings.py")
)  # fmt: skip


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=RUN_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("path", SHORT, ids=lambda path: path.name)
def test_an_example_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LINES_MAX


@pytest.mark.slow
@pytest.mark.parametrize("name", SAYS)
def test_a_program_does_what_it_says(name: str, tmp_path: Path) -> None:
    said = run([sys.executable, str(EXAMPLES / name)], tmp_path)
    for words in SAYS[name]:
        assert words in said


@pytest.mark.slow
def test_the_commands_lead_from_nothing_to_a_message_on_every_node(tmp_path: Path) -> None:
    samebox = tmp_path / "samebox"
    samebox.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m samebox "$@"\n')
    samebox.chmod(0o755)
    first = min(free_ports(["a", "b", "c"]).values())
    env = environment() | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", str(EXAMPLES / "command_line.sh"), str(first)],
        env=env, capture_output=True, text=True, timeout=RUN_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "milk, bread" in done.stdout
    assert re.search(r"exported 1 message of mail/alice:Work", done.stdout)


@pytest.mark.slow
def test_the_property_test_passes(tmp_path: Path) -> None:
    options = ["-q", "-p", "no:cacheprovider"]
    said = run(
        [sys.executable, "-m", "pytest", *options, str(EXAMPLES / "property_test.py")], tmp_path
    )
    assert "1 passed" in said


@pytest.mark.slow
def test_the_demonstration_ends_in_agreement(tmp_path: Path) -> None:
    said = run([sys.executable, str(EXAMPLES / "demo.py")], tmp_path)
    assert re.search(
        r"^3 nodes agree: \d+ entries in \d+ mailboxes, digest [0-9a-f]{64}$", said, re.M
    )


def failed_with_another_end(example: str) -> str:
    """What one of the examples says that expects another end of the first meeting."""
    program = (
        f"import sys; from examples import {example} as example; "
        "example.MEETINGS = (example.MEETINGS[0]._replace(ends=('nothing',)),); "
        "sys.exit(example.main())"
    )
    env = environment() | {"PYTHONPATH": str(EXAMPLES.parent)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=RUN_S
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_demonstration_fails_where_something_did_not_end_as_it_has_to() -> None:
    said = failed_with_another_end("demo")
    assert "Plans: expected ('nothing',), found" in said
    assert "a| " in said
    assert "nodes agree" not in said
    for pid in re.findall(r"\(pid (\d+)\)", said):
        assert not Path(f"/proc/{pid}").exists()


@pytest.mark.slow
def test_a_meeting_that_did_not_end_as_it_has_to_is_wrong() -> None:
    said = failed_with_another_end("meetings")
    assert "WRONG, expected nothing\n0 of 1 ended as they have to" in said
