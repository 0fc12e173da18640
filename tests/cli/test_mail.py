"""import and export, as a user types them."""

from __future__ import annotations

import json
import mailbox
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner

from samebox.__main__ import main
from samebox.control import CALLS_MAX, CALLS_UNSAID, Greeting
from samebox.io import control_server
from samebox.io.commands import importing
from samebox.io.commands.reading_ahead import AHEAD_BYTES_MAX
from tests.cli.fake import FakeShard, Running, running


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as found:
        yield found


def typed(served: Running, *words: str, exit_code: int = 0) -> str:
    done = CliRunner().invoke(main, [*words, "--socket", str(served.socket)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == exit_code, done.output
    return done.stdout if exit_code == 0 else done.stderr


def counts(served: Running, *words: str, exit_code: int = 0) -> tuple[int, int]:
    done = CliRunner().invoke(main, [*words, "--json", "--socket", str(served.socket)])
    assert done.exit_code == exit_code, done.output
    shape = json.loads(done.stdout)
    return shape["imported"], shape["known"]


def entries(served: Running, address: str) -> list[tuple[int, list[str], int]]:
    said = typed(served, "ls", "--entries", address, "--json")
    shown = map(json.loads, said.splitlines())
    return [(one["size"], one["flags"], one["date_ms"]) for one in shown]


def mbox(path: Path, count: int, *, body: str = "x") -> Path:
    """Message n is n characters longer than `body`; every second one was read."""
    with path.open("w") as file:
        for number in range(count):
            status = "Status: RO\n" if number % 2 else ""
            file.write(f"From me Fri Feb 13 23:31:{number % 60:02} 2009\n{status}\n")
            file.write(f"{body}{'y' * number}\n\n")
    return path


def maildir(path: Path) -> Path:
    box = mailbox.Maildir(path)
    for folder, body in ((box, "in"), (box.add_folder("Work.2024"), "at work")):
        message = mailbox.MaildirMessage(f"Subject: x\n\n{body}\n")
        message.set_subdir("cur")
        message.set_flags("FS")
        message.set_date(1_700_000_000)
        folder.add(message)
    return path


# --- Import --------------------------------------------------------------------------------------


def test_an_mbox_comes_in_with_flags_and_dates_in_its_order(
    served: Running, tmp_path: Path
) -> None:
    source = str(mbox(tmp_path / "m", 3))
    said = typed(served, "import", source, "mail/alice", "--create")
    assert said == "imported 3 messages into mail/alice:INBOX, confirmed at a\n"
    assert entries(served, "mail/alice:INBOX") == [
        (3, [], 1_234_567_860_000),
        (15, ["\\Seen"], 1_234_567_861_000),
        (5, [], 1_234_567_862_000),
    ]


def test_an_import_run_again_adds_nothing_and_then_only_what_is_new(
    served: Running, tmp_path: Path
) -> None:
    source = mbox(tmp_path / "m", 3)
    words = ["import", str(source), "mail/alice:Old/2009", "--create"]
    assert counts(served, *words) == (3, 0)
    assert counts(served, *words) == (0, 3)
    mbox(source, 5)
    assert counts(served, *words) == (2, 3)
    assert len(entries(served, "mail/alice:Old/2009")) == 5


def test_what_was_expunged_comes_again_only_under_another_name(
    served: Running, tmp_path: Path
) -> None:
    words = ["import", str(mbox(tmp_path / "m", 2)), "mail/alice", "--create"]
    counts(served, *words)
    typed(served, "store", "mail/alice:INBOX", "--add", "\\Deleted")
    typed(served, "expunge", "mail/alice:INBOX")
    assert counts(served, *words) == (0, 2)
    assert counts(served, *words, "--as", "restored") == (2, 0)


def test_more_messages_than_may_be_under_way_all_come_in_once(
    served: Running, tmp_path: Path
) -> None:
    count = CALLS_MAX * 5
    words = ["import", str(mbox(tmp_path / "m", count)), "mail/alice", "--create"]
    assert counts(served, *words) == (count, 0)
    assert counts(served, *words) == (0, count)
    sizes = [size for size, _, _ in entries(served, "mail/alice:INBOX")]
    assert sizes[::2] == sorted(sizes[::2]) and len(sizes) == count


def test_a_node_of_an_earlier_version_is_asked_for_no_more_at_once_than_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_server, "CALLS_MAX", CALLS_UNSAID)
    monkeypatch.setattr(
        control_server, "Greeting", lambda cluster, node, **_: Greeting(cluster, node)
    )

    async def slowly(shard: FakeShard) -> None:
        await trio.sleep(0.1)

    monkeypatch.setattr(FakeShard, "_pass_gate", slowly)
    with running(tmp_path) as earlier:
        words = ["import", str(mbox(tmp_path / "m", CALLS_MAX * 2)), "mail/alice", "--create"]
        assert counts(earlier, *words) == (CALLS_MAX * 2, 0)


def test_a_maildir_comes_in_with_its_folders(served: Running, tmp_path: Path) -> None:
    source = str(maildir(tmp_path / "Maildir"))
    said = typed(served, "import", source, "mail/alice", "--create")
    assert said == "imported 2 messages into 2 mailboxes, confirmed at a\n"
    flags = ["\\Flagged", "\\Seen"]
    assert entries(served, "mail/alice:INBOX") == [(15, flags, 1_700_000_000_000)]
    assert entries(served, "mail/alice:Work/2024") == [(20, flags, 1_700_000_000_000)]
    typed(served, "import", source, "mail/alice:Backup", "--create")
    assert len(entries(served, "mail/alice:Backup")) == 1
    assert len(entries(served, "mail/alice:Backup/Work/2024")) == 1


def test_a_mailbox_that_is_not_there_is_not_made_unasked(served: Running, tmp_path: Path) -> None:
    typed(served, "create", "mail/alice")
    source = str(mbox(tmp_path / "m", 2))
    said = typed(served, "import", source, "mail/alice:No", exit_code=1)
    assert "with --create it is made" in said


def test_a_source_that_is_neither_is_told(served: Running, tmp_path: Path) -> None:
    (tmp_path / "m").write_text("Subject: not an mbox\n\n")
    said = typed(served, "import", str(tmp_path / "m"), "mail/alice", "--create", exit_code=1)
    assert str(tmp_path / "m") in said
    said = typed(served, "import", str(tmp_path), "mail/alice", "--create", exit_code=1)
    assert "found a folder without them" in said
    assert typed(served, "ls", "--json") == ""


def test_an_interrupted_import_says_that_it_can_go_on(
    served: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(served, "create", "mail/alice")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(importing.Import, "_append", interrupted)
    words = ["import", str(mbox(tmp_path / "m", 2)), "mail/alice"]
    assert "adds nothing twice" in typed(served, *words, exit_code=1)


def test_a_disk_that_fills_up_stops_the_import_at_the_message(
    served: Running, tmp_path: Path
) -> None:
    typed(served, "create", "mail/alice")
    served.node.main.fails = "no space left"
    source = str(mbox(tmp_path / "m", 2))
    said = typed(served, "import", source, "mail/alice", exit_code=1)
    assert "byte 0" in said and "no space left" in said
    served.node.main.fails = None
    typed(served, "import", source, "mail/alice")
    assert len(entries(served, "mail/alice:INBOX")) == 2


def test_an_import_whose_copies_come_late_says_so(served: Running, tmp_path: Path) -> None:
    typed(served, "create", "mail/alice")
    words = ["import", str(mbox(tmp_path / "m", 2)), "mail/alice", "--copies", "2", "--timeout"]
    assert "deadline of 2 messages" in typed(served, *words, "0", exit_code=3)


# --- Export --------------------------------------------------------------------------------------


def test_what_was_imported_is_exported_and_imported_the_same(
    served: Running, tmp_path: Path
) -> None:
    typed(served, "import", str(mbox(tmp_path / "m", 100)), "mail/alice", "--create")
    out = tmp_path / "out"
    said = typed(served, "export", "mail/alice", str(out), "--format", "mbox")
    assert said == f"exported 100 messages of mail/alice:INBOX to {out}\n"
    typed(served, "import", str(out), "mail/bob", "--create")
    assert entries(served, "mail/bob:INBOX") == entries(served, "mail/alice:INBOX")
    assert "found a file" in typed(
        served, "export", "mail/alice", str(out), "--format", "mbox", exit_code=1
    )


def test_a_box_is_exported_as_a_maildir_with_its_folders(served: Running, tmp_path: Path) -> None:
    typed(served, "import", str(maildir(tmp_path / "Maildir")), "mail/alice", "--create")
    typed(served, "create", "mail/alice:a file", "--file", "/dev/null")
    out = tmp_path / "out"
    typed(served, "export", "mail/alice", str(out), "--format", "maildir")
    found = mailbox.Maildir(out, create=False)
    assert sorted(found.list_folders()) == ["Work", "Work.2024"]
    for folder in (found, found.get_folder("Work.2024")):
        (message,) = folder
        assert isinstance(message, mailbox.MaildirMessage)
        assert message.get_flags() == "FS" and message.get_date() == 1_700_000_000


def test_a_folder_is_exported_as_a_maildir_of_its_own(served: Running, tmp_path: Path) -> None:
    typed(served, "import", str(maildir(tmp_path / "Maildir")), "mail/alice", "--create")
    out = tmp_path / "out"
    typed(served, "export", "mail/alice:Work", str(out), "--format", "maildir")
    assert mailbox.Maildir(out, create=False).list_folders() == ["2024"]


def test_messages_longer_than_what_is_read_ahead_are_streamed(
    served: Running, tmp_path: Path
) -> None:
    body = "z" * (AHEAD_BYTES_MAX // 3)
    source = mbox(tmp_path / "m", 5, body=body)
    with source.open("a") as file:
        file.write(f"From me Fri Feb 13 23:31:30 2009\n\n{'z' * (AHEAD_BYTES_MAX + 1)}\n\n")
    typed(served, "import", str(source), "mail/alice", "--create")
    typed(served, "export", "mail/alice", str(tmp_path / "out"), "--format", "mbox")
    typed(served, "import", str(tmp_path / "out"), "mail/bob", "--create")
    assert entries(served, "mail/bob:INBOX") == entries(served, "mail/alice:INBOX")


def test_a_file_is_no_mailbox(served: Running, tmp_path: Path) -> None:
    typed(served, "create", "b")
    typed(served, "create", "b:f", "--file", "/dev/null")
    words = ["export", "b:f", str(tmp_path / "out"), "--format", "mbox"]
    assert "samebox cat" in typed(served, *words, exit_code=2)
