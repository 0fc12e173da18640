"""What commands print: plain columns for people, one JSON object a line for programs."""

from __future__ import annotations

import errno
import json
import os
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import IO, Any

import click
from typing_extensions import override

from samebox.errors import reason

UNANSWERED = 5
"""Exit status; the others are beside the options. It tells what may be done from what is not."""
JOINERS = "\u200c\u200d"
"""Format characters that scripts and emoji need, and that move nothing."""


def on_terminal(stream: IO[str] | None) -> bool:
    """Of one that was closed before this process began there is none."""
    return stream is not None and stream.isatty()


class Ended(click.ClickException):
    """A command ends with its reason. On a terminal, names in it are escaped as in an answer."""

    @override
    def show(self, file: IO[Any] | None = None) -> None:
        lines = f"Error: {self.format_message()}".split("\n")
        if on_terminal(sys.stderr):
            lines = list(map(escaped, lines))
        remark("\n".join(lines), file)


class Unanswered(Ended):
    """The answer could not be written; what was asked may well be done."""

    exit_code = UNANSWERED


@contextmanager
def answering() -> Iterator[None]:
    """Around what writes an answer: where it cannot be written, on a full disk, that is said. A
    pipe that nobody reads any more ends a command without a word."""
    try:
        yield
    except OSError as error:
        give_up(sys.stdout)
        if error.errno == errno.EPIPE:
            raise click.exceptions.Exit(UNANSWERED) from None
        raise Unanswered(
            f"expected to write the answer to standard output, found: {reason(error)}; what the "
            "command has done stays"
        ) from None


def give_up(stream: IO[str]) -> None:
    """What is left in its buffer would fail once more at the end of the process, and change the
    exit status."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def remark(text: str, file: IO[Any] | None = None) -> None:
    """To standard error. Where it takes nothing there is nobody else to tell, and the exit status
    still says how the command ended."""
    try:
        click.echo(text, file=file, err=True)
    except OSError:
        give_up(file or sys.stderr)


def say(line: str) -> None:
    """On a terminal, what would move the cursor or turn the line round is escaped; elsewhere the
    line goes as it is."""
    with answering():
        click.echo(escaped(line) if on_terminal(sys.stdout) else line)


def hint(line: str) -> None:
    """To people, beside what was asked for: a script that reads the answer does not meet it."""
    remark(escaped(line) if on_terminal(sys.stderr) else line)


def say_json(**shape: object) -> None:
    with answering():
        click.echo(json.dumps(shape, ensure_ascii=True, separators=(", ", ": ")))


def escaped(text: str) -> str:
    return "".join(escape(char) if is_dangerous(char) else char for char in text)


def is_dangerous(char: str) -> bool:
    """Control, format (bidi among them), surrogate, and line or paragraph separator."""
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in JOINERS


def escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def table(rows: Sequence[Sequence[str]]) -> None:
    """Columns, two blanks apart; the last one is as long as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        say("  ".join(cells).rstrip())


def size_words(count: int) -> str:
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:.1f} TB"


def when(time_ms: int) -> str:
    """Local time, for people; a date outside the calendar is given in milliseconds."""
    try:
        return datetime.fromtimestamp(time_ms / 1000).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return f"{time_ms} ms"
