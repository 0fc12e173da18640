"""python -m certs: teaches, makes what is missing, refuses before it writes."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from certs import read_certificate
from certs.__main__ import main


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_the_first_call_makes_the_authority_and_a_later_one_uses_it(tmp_path: Path) -> None:
    first = run("--cluster", "example.org", "--folder", tmp_path / "new", "a", "b")
    authority = (tmp_path / "new" / "ca.pem").read_bytes()
    second = run("--cluster", "example.org", "--folder", tmp_path / "new", "c")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert [line.split(":")[0] for line in first.output.splitlines()] == [
        "authority",
        "node a",
        "node b",
    ]
    assert [line.split(":")[0] for line in second.output.splitlines()] == ["node c"]
    assert (tmp_path / "new" / "ca.pem").read_bytes() == authority


def test_validity_is_what_was_asked_for(tmp_path: Path) -> None:
    words = ["--days", "2", "--not-before", "2020-01-01", "a"]
    assert run("--cluster", "example.org", "--folder", tmp_path, *words).exit_code == 0
    found = read_certificate((tmp_path / "a.pem").read_bytes())
    assert (found.not_before, found.not_after) == (
        datetime(2020, 1, 1, tzinfo=UTC),
        datetime(2020, 1, 3, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--cluster", "example.org", "b", "a"], "expected no file yet at"),
        (["--cluster", "example.org", "b", "B"], "expected lower-case letters"),
        (["--cluster", "example.com", "b"], "use one folder per cluster"),
        (["--cluster", "-", "b"], "cluster name: expected"),
        (
            ["--cluster", "example.org", "b", "--host", "c=192.0.2.1"],
            "one of the nodes b, found c=",
        ),
        (["--cluster", "example.org", "b", "--host", "b"], "expected NODE=NAME"),
        (["--cluster", "example.org", "b", "--days", "0"], "--days"),
        (["--cluster", "example.org"], "NODE"),
    ],
)
def test_what_cannot_be_done_writes_nothing(tmp_path: Path, words: list[str], problem: str) -> None:
    run("--cluster", "example.org", "--folder", tmp_path, "a")
    before = sorted(tmp_path.iterdir())
    refused = run("--folder", tmp_path, *words)
    assert refused.exit_code in (1, 2)
    assert problem in refused.output
    assert sorted(tmp_path.iterdir()) == before


def test_help_says_which_files_a_node_needs() -> None:
    output = run("--help").output
    assert "its own certificate and its own key" in output
    assert "python -m certs --cluster example.org --folder certs a b c" in output
