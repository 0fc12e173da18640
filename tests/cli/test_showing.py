"""What people are shown: words, names on a terminal, notes, and why an answer was not written."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest
from click.testing import CliRunner, Result

from samebox.__main__ import main
from samebox.io.ages import age_words
from samebox.io.commands.confirming import read_file
from samebox.io.commands.options import REFUSED
from samebox.io.commands.showing import UNANSWERED, Ended, escaped, say, size_words, when
from samebox.io.local_cluster import command, environment
from tests.cli.fake import Running, running

Sink: TypeAlias = Callable[[], AbstractContextManager[int]]
"""The number of a file that takes nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as found:
        yield found


def typed(served: Running, *words: str, input: bytes = b"", exit_code: int = 0) -> Result:
    done = CliRunner().invoke(main, [*words, "--socket", str(served.socket)], input=input)
    assert done.exit_code == exit_code, (done.output, done.exception)
    return done


# --- Words ----------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße 日本 👩\u200d👧", "Grüße 日本 👩\u200d👧"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\u202etxt.exe", "a\\u202etxt.exe"),
        ("a\u2066b\u2028c\nd", "a\\u2066b\\u2028c\\nd"),
        ("tag\U000e0041", "tag\\U000e0041"),
    ],
)
def test_a_name_cannot_move_the_cursor_or_turn_the_line_round(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_a_terminal_gets_names_escaped_and_a_pipe_gets_them_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say("a\u202eb")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    say("a\u202eb")
    assert capsys.readouterr().out == "a\u202eb\na\\u202eb\n"


def test_sizes_ages_and_odd_dates_have_words() -> None:
    assert [size_words(n) for n in (0, 999, 1000, 999_949, 10**6, 10**14)] == [
        *("0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "100.0 TB")
    ]
    assert [age_words(n) for n in (0, 119, 120, 7200, 172_800)] == [
        *("0 s", "119 s", "2 min", "2 h", "2 days")
    ]
    assert when(2**62) == f"{2**62} ms"


def test_the_reason_of_an_end_is_escaped_on_a_terminal_line_by_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Ended("a\u202eb\nto do").show()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    Ended("a\u202eb\nto do").show()
    plain, shown = "Error: a\u202eb\nto do\n", "Error: a\\u202eb\nto do\n"
    assert capsys.readouterr().err == plain + shown


# --- Notes ----------------------------------------


def test_an_empty_message_is_appended_and_noted(served: Running) -> None:
    typed(served, "create", "b")
    empty = typed(served, "append", "b:INBOX")
    assert (empty.stderr, "appended to b:INBOX" in empty.stdout) == (
        "note: the message is empty\n",
        True,
    )
    assert typed(served, "append", "b:INBOX", input=b"hello").stderr == ""


def test_an_empty_answer_of_ls_is_said_to_be_one(served: Running) -> None:
    nothing = typed(served, "ls")
    assert (nothing.stdout, "there is no box yet" in nothing.stderr) == ("", True)
    assert typed(served, "ls", "--json").output == ""
    typed(served, "create", "b")
    empty = typed(served, "ls", "--entries", "b:INBOX")
    assert (empty.stdout, empty.stderr) == ("", "no entry is in b:INBOX\n")
    assert typed(served, "ls", "--entries", "b:INBOX", "--json").output == ""


def test_files_that_a_maildir_cannot_hold_are_noted(served: Running, tmp_path: Path) -> None:
    typed(served, "create", "b")
    typed(served, "create", "b:f", "--file")
    assert (
        "note: 1 file is left out"
        in typed(served, "export", "b", str(tmp_path / "out"), "--format", "maildir").stderr
    )
    mbox = typed(served, "export", "b", str(tmp_path / "mbox"), "--format", "mbox")
    assert mbox.stderr == ""


def test_an_export_that_wrote_nothing_has_not_stopped(served: Running, tmp_path: Path) -> None:
    typed(served, "create", "b")
    words = ("export", "b", str(tmp_path / "no/out"), "--format", "mbox")
    assert typed(served, *words, exit_code=1).stderr.startswith(f"Error: {tmp_path}/no/out: ")


def test_a_line_of_an_entry_without_flags_has_no_blanks_at_its_end(served: Running) -> None:
    typed(served, "create", "b")
    typed(served, "append", "b:INBOX", input=b"hello")
    (line,) = typed(served, "ls", "--entries", "b:INBOX").stdout.splitlines()
    assert line.endswith("  5 B")


@pytest.mark.parametrize(
    ("copies", "words"),
    [
        ("all", "before all members held it. Nothing"),
        ("2", "before 2 members held it. Nothing"),
    ],
)
def test_a_deadline_says_what_was_not_reached(served: Running, copies: str, words: str) -> None:
    assert (
        words
        in typed(served, "create", "b", "--copies", copies, "--timeout", "0", exit_code=3).stderr
    )


def test_a_message_that_is_typed_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for terminal in (False, True):
        keyboard = io.TextIOWrapper(io.BytesIO(b"hello"))
        monkeypatch.setattr(keyboard, "isatty", partial(bool, terminal))
        monkeypatch.setattr("sys.stdin", keyboard)
        assert list(read_file("-")) == [b"hello"]
        assert ("Ctrl-D" in capsys.readouterr().err) is terminal


@pytest.mark.parametrize(("words", "shard"), [((), "main"), (("--shard", "second"), "second")])
def test_a_watch_that_has_nothing_to_show_yet_says_what_it_does(
    served: Running, words: tuple[str, ...], shard: str
) -> None:
    watching = subprocess.Popen(
        command("watch", *words, "--socket", str(served.socket)),
        env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with watching:
        assert watching.stderr is not None
        said = watching.stderr.readline()
        watching.kill()
    assert said.startswith(f"waiting for changes; --since {shard}@ begins")


# --- What is typed wrong, and what cannot be written --------------


@pytest.mark.parametrize("text", ["nan", "soon"])
def test_a_deadline_that_is_no_number_is_wrong_usage(served: Running, text: str) -> None:
    done = typed(served, "create", "b", "--timeout", text, exit_code=2)
    assert f"'{text}' is not a valid number of seconds." in done.stderr


@pytest.mark.parametrize("text", ["0", "-1", "ALL", "1" * 11, "1" * 5000, "\u0661"])
def test_a_number_of_copies_is_refused_as_it_was_typed(served: Running, text: str) -> None:
    done = typed(served, "create", "b", f"--copies={text}", exit_code=2)
    assert f"expected a number from 1, or all; found '{text}'" in done.stderr


def test_an_option_before_its_command_is_told_its_place() -> None:
    done = CliRunner().invoke(main, ["--node", "a", "ls"])
    assert (done.exit_code, "typed after it, as samebox ls --node a" in done.stderr) == (2, True)


def test_no_line_of_help_about_a_command_is_cut_short() -> None:
    assert "..." not in CliRunner().invoke(main, ["--help"]).output.replace("[ARGS]...", "")


def test_help_shows_all_as_it_is_typed(served: Running) -> None:
    assert "--copies K|all" in CliRunner().invoke(main, ["create", "--help"]).output


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("create", "b"), 0),
        (("ls", "none"), 1),
        (("export", "a", "out", "--format", "mbox"), 0),
        (("cat", "a:f"), 2),
    ],
)
def test_a_command_does_its_work_though_standard_output_and_error_are_closed(
    served: Running, tmp_path: Path, words: tuple[str, ...], status: int
) -> None:
    typed(served, "create", "a")
    typed(served, "create", "a:f", "--file", input=b"notes")
    closed = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh"]
    asked = command(*words, "--socket", str(served.socket))
    assert subprocess.run([*closed, *asked], env=environment(), cwd=tmp_path).returncode == status


MAKE = ("create", "b:g", "--file")
NO_SPACE = (
    "Error: expected to write the answer to standard output, found: no space left on device; "
    "what the command has done stays\n"
)


@contextmanager
def full_disk() -> Iterator[int]:
    with open("/dev/full", "wb") as full:
        yield full.fileno()


@contextmanager
def reader_gone() -> Iterator[int]:
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


@pytest.mark.parametrize(
    ("words", "sink", "said"),
    [
        (("ls",), full_disk, NO_SPACE),
        (("ls", "--json"), full_disk, NO_SPACE),
        (("cat", "b:f"), full_disk, NO_SPACE),
        (("cat", "b:f"), reader_gone, ""),
        (MAKE, full_disk, NO_SPACE),
        (MAKE, reader_gone, ""),
    ],
)
def test_where_the_answer_cannot_be_written_the_status_tells_it_from_work_that_was_not_done(
    served: Running, words: tuple[str, ...], sink: Sink, said: str
) -> None:
    typed(served, "create", "b")
    typed(served, "create", "b:f", "--file", input=b"notes")
    asked = command(*words, "--socket", str(served.socket))
    ask = partial(subprocess.run, asked, env=environment(), stdin=subprocess.DEVNULL, text=True)
    with sink() as write:
        done = ask(stdout=write, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (UNANSWERED, said)
    assert ("b:g" in typed(served, "ls", "b").stdout) == (words == MAKE)


@pytest.mark.parametrize(
    ("words", "sink", "status"),
    [
        (MAKE, full_disk, UNANSWERED),
        (MAKE, reader_gone, UNANSWERED),
        (("ls", "c"), full_disk, REFUSED),
    ],
)
def test_where_standard_error_takes_nothing_as_well_the_status_is_the_same(
    served: Running, words: tuple[str, ...], sink: Sink, status: int
) -> None:
    typed(served, "create", "b")
    asked = command(*words, "--socket", str(served.socket))
    with sink() as write:
        done = subprocess.run(
            asked, env=environment(), stdin=subprocess.DEVNULL, stdout=write, stderr=write
        )
    assert done.returncode == status
