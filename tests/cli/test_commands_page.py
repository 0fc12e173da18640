"""docs/commands.md names every field that --json prints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.fake import running
from tests.cli.test_commands import User

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    with running(tmp_path) as served:
        yield User(served)


def names(shape: object) -> set[str]:
    match shape:
        case dict():
            return set(shape) | {name for peer in shape.get("peers", []) for name in names(peer)}
        case _:
            raise AssertionError(shape)


def test_the_page_names_every_field(user: User, tmp_path: Path) -> None:
    (tmp_path / "m").write_text("From me Fri Feb 13 23:31:30 2009\n\nx\n")
    shown: set[str] = set()
    for words in (
        ["create", "b"],
        ["import", str(tmp_path / "m"), "b"],
        ["ls", "b"],
        ["ls", "--entries", "b:INBOX"],
        ["status", "--digest"],
        ["watch", "--since", "main@", "--count", "1"],
        ["wait", "--receipt", "main@"],
        ["export", "b", str(tmp_path / "out"), "--format", "mbox"],
    ):
        (shape, *_) = user.json(*words)
        shown |= names(shape)
    page = PAGE.read_text()
    missing = {name for name in shown if f"`{name}`" not in page and f'"{name}"' not in page}
    assert not missing
