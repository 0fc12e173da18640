"""Commands, as a user types them, against a served node."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crdt import Append
from samebox.__main__ import main
from samebox.state_check import Compared
from storage import Damage, Missing
from tests.cli.fake import ACTOR, Running, running

ID = "a1b2c3d4:4"


class User:
    """Types commands at one node."""

    def __init__(self, served: Running) -> None:
        self.served = served
        self.node = served.node.main

    def type(self, *words: str, input: bytes = b"", exit_code: int = 0) -> Result:
        done = CliRunner().invoke(main, [*words, "--socket", str(self.served.socket)], input=input)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == exit_code, done.output
        return done

    def json(self, *words: str, input: bytes = b"", exit_code: int = 0) -> list[dict[str, object]]:
        done = self.type(*words, "--json", input=input, exit_code=exit_code)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def names(self, *words: str) -> list[object]:
        return [shown["address"] for shown in self.json("ls", *words)]


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    with running(tmp_path) as served:
        yield User(served)


@pytest.fixture
def mail(user: User) -> User:
    """With one message in mail/alice:Work; its id is ID."""
    user.type("create", "mail/alice")
    user.type("create", "mail/alice:Work")
    user.type("append", "mail/alice:Work", "--flag", "\\Seen", input=b"hello")
    return user


# --- The seven operations ----------------------------------------


def test_a_flag_without_its_backslash_is_stored_and_noted(mail: User) -> None:
    done = mail.type("store", "mail/alice:Work", "--add", "Flagged")
    assert "note: Flagged is a flag of your own; mail programs set '\\Flagged'" in done.stderr
    assert (
        mail.type("store", "mail/alice:Work", "--add", "\\Flagged", "--add", "$Work").stderr == ""
    )


def test_create_makes_a_box_a_mailbox_and_a_file(user: User, tmp_path: Path) -> None:
    (tmp_path / "n").write_bytes(b"notes")
    assert user.type("create", "b").stdout == "created b: a1b2c3d4:2, confirmed at a\n"
    assert "(--parents)" in user.type("create", "b:x/y", exit_code=1).stderr
    user.type("create", "b:x/y", "--parents")
    user.type("create", "b:f", "--file", str(tmp_path / "n"))
    user.type("create", "b:g", "--file", input=b"from standard input")
    assert user.names("b", "-r") == ["b:INBOX", "b:f", "b:g", "b:x", "b:x/y"]
    assert user.type("cat", "b:g").stdout_bytes == b"from standard input"


def test_append_tells_the_id_under_which_cat_finds_the_bytes(mail: User) -> None:
    data = bytes(range(256)) * 4000
    said = mail.type("append", "mail/alice:Work", input=data).stdout
    assert said == "appended to mail/alice:Work: a1b2c3d4:5, confirmed at a\n"
    assert mail.type("cat", "mail/alice:Work", "a1b2c3d4:5").stdout_bytes == data


def test_append_takes_flags_and_a_date(mail: User) -> None:
    mail.type("append", "mail/alice:Work", "--date", "2024-01-02T03:04:05+0000", "--flag", "x")
    request = mail.node.asked[-1]
    assert isinstance(request, Append)
    assert (request.flags, request.date_ms) == (("x",), 1_704_164_645_000)


def test_copy_rename_store_expunge_and_delete(mail: User) -> None:
    mail.type("copy", "mail/alice:Work", "mail/alice:INBOX", "--entry", ID)
    moved = mail.type("rename", "mail/alice:Work", "mail/alice:INBOX", "--entry", ID).stdout
    assert moved.startswith("moved to mail/alice:INBOX: ")
    mail.type("store", "mail/alice:INBOX", "--add", "\\Deleted", "--entry", ID)
    shown = mail.json("ls", "--entries", "mail/alice:INBOX")
    assert [(one["id"], one["flags"]) for one in shown] == [
        (ID, ["\\Deleted", "\\Seen"]),
        ("a1b2c3d4:5", ["\\Seen"]),
    ]
    mail.type("expunge", "mail/alice:INBOX")
    assert len(mail.json("ls", "--entries", "mail/alice:INBOX")) == 1
    renamed = mail.type("rename", "mail/alice:Work", "mail/alice:Old").stdout
    assert renamed.startswith("renamed to mail/alice:Old: ")
    mail.type("delete", "mail/alice:Old")
    assert mail.names("mail/alice") == ["mail/alice:INBOX"]


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        (["--remove", "\\Seen"], []),
        (["--replace", "a", "--replace", "b"], ["a", "b"]),
        (["--clear"], []),
    ],
)
def test_store_has_four_ways_with_flags(mail: User, words: list[str], flags: list[str]) -> None:
    mail.type("store", "mail/alice:Work", *words)
    assert mail.json("ls", "--entries", "mail/alice:Work")[0]["flags"] == flags


def test_store_replaces_the_content_of_a_file(user: User) -> None:
    user.type("create", "b")
    user.type("create", "b:f", "--file", input=b"one")
    user.type("store", "b:f", "--file", input=b"two")
    assert user.type("cat", "b:f").stdout_bytes == b"two"
    user.type("store", "b:f", "--file", input=b"3")
    said = user.type("watch", "--since", "main@", "--count", "5").stdout.splitlines()
    assert [line.split("  ")[-1] for line in said[-2:]] == ["3 bytes", "1 byte"]


def test_a_store_of_nothing_or_of_two_things_is_wrong_usage(mail: User) -> None:
    mail.type("store", "mail/alice:Work", exit_code=2)
    mail.type("store", "mail/alice:Work", "--add", "a", "--remove", "b", exit_code=2)
    mail.type("store", "mail/alice:Work", "--file", "-", "--entry", ID, exit_code=2)


def test_what_changes_nothing_says_so(mail: User) -> None:
    mail.type("expunge", "mail/alice:Work")
    assert "nothing had to change" in mail.type("expunge", "mail/alice:Work").stdout


# --- Confirmation ----------------------------------------


def test_a_level_that_is_reached_is_told_with_its_nodes(user: User) -> None:
    user.node.holders = ("a", "b")
    assert user.type("create", "b", "--copies", "2").stdout.endswith("confirmed at a, b\n")


def test_a_deadline_ends_with_status_3_and_what_holds(user: User) -> None:
    done = user.type("create", "b", "--copies", "all", "--timeout", "0", exit_code=3)
    assert "held by a: the deadline passed" in done.stderr
    receipt = done.stderr.split("--receipt ")[1].split()[0]
    assert user.type("wait", "--receipt", receipt).stdout == "confirmed at a\n"
    user.type("wait", "--receipt", receipt, "--copies", "2", "--timeout", "0", exit_code=3)


def test_the_json_of_a_write_keeps_its_shape(user: User) -> None:
    (shape,) = user.json("create", "b", "--request-id", "00112233445566aa:7")
    assert shape == {
        "confirmed": True,
        "copies": 1,
        "nodes": ["a"],
        "operations": ["a1b2c3d4:2"],
        "receipt": f"main@a1b2c3d4{'0' * 24}=2",
        "request_id": "00112233445566aa:7",
    }


def test_a_request_that_is_repeated_under_its_id_is_done_once(mail: User) -> None:
    words = ["append", "mail/alice:Work", "--request-id", "0" * 16, "--date", "2024-01-02"]
    first = mail.type(*words, input=b"x").stdout
    assert mail.type(*words, input=b"x").stdout == first
    assert len(mail.json("ls", "--entries", "mail/alice:Work")) == 2
    assert "found another one" in mail.type(*words, input=b"y", exit_code=1).stderr


def test_a_disk_that_is_full_ends_with_status_1(user: User) -> None:
    user.node.fails = "no space left"
    assert "nothing was changed: no space" in user.type("create", "b", exit_code=1).stderr


@pytest.mark.parametrize("copies", ["0", "-1", "two", "1.5", ""])
def test_a_level_that_is_none_is_wrong_usage(user: User, copies: str) -> None:
    user.type("create", "b", "--copies", copies, exit_code=2)


# --- Looking ----------------------------------------


def test_ls_shows_boxes_then_what_is_in_them_then_entries(mail: User) -> None:
    assert mail.type("ls").stdout.split() == ["box", "mail/alice"]
    assert mail.type("ls", "mail/alice").stdout.splitlines() == [
        "folder        0 entries  mail/alice:INBOX",
        "folder          1 entry  mail/alice:Work",
    ]
    line = mail.type("ls", "--entries", "mail/alice:Work").stdout
    assert line.startswith(ID) and line.endswith("5 B  \\Seen\n")


def test_ls_of_a_mailbox_without_folders_says_what_there_is(mail: User) -> None:
    done = mail.type("ls", "mail/alice:Work")
    assert done.stdout == ""
    assert "1 entry: samebox ls --entries mail/alice:Work" in done.stderr
    assert mail.type("ls", "mail/alice:INBOX").stderr == "nothing is in mail/alice:INBOX yet\n"
    assert mail.type("ls", "mail/alice").stderr == ""
    assert mail.type("ls", "mail/alice:Work", "--json").stderr == ""


def test_ls_of_a_file_shows_it(user: User) -> None:
    user.type("create", "b")
    user.type("create", "b:f", "--file", input=b"one")
    (shape,) = user.json("ls", "b:f")
    assert shape["kind"] == "file" and shape["size"] == 3


def test_ls_of_what_is_not_there_ends_with_status_1(user: User) -> None:
    assert "samebox ls" in user.type("ls", "nothing", exit_code=1).stderr
    user.type("ls", "--entries", exit_code=2)


def test_status_tells_lag_and_why_a_link_is_down(mail: User) -> None:
    said = mail.type("status", "--digest").stdout
    assert "connection refused" in said and "2 operations" in said and "STOPPED" in said
    (shape,) = mail.json("status")
    assert shape["clock"] == f"main@a1b2c3d4{'0' * 24}=4" and shape["digest"] is None
    peers = shape["peers"]
    assert isinstance(peers, list) and peers[1]["lag_operations"] == 2


def test_status_tells_what_waits_for_whom_and_raises_an_alarm(mail: User) -> None:
    said = mail.type("status").stdout
    assert "2 operations not held by all members yet, about 200 B; for 8 d" in said
    assert "    c lacks 2 operations: not heard of\n" in said
    assert "nothing is forgotten: an operation of a later version is here" in said
    assert "ALARM: operations have waited over 7 days to be stable" in said
    (shape,) = mail.json("status")
    assert shape["limbo"] == {
        "stable": f"main@a1b2c3d4{'0' * 24}=2",
        "operations": 2,
        "bytes": 200,
        "seconds": 700_000.0,
        "removals": 1,
        "held_back_by": [{"node": "c", "operations": 2, "reason": "not heard of"}],
        "blocked": "an operation of a later version is here",
        "alarms": ["operations have waited over 7 days to be stable"],
    }


def test_watch_shows_changes_and_goes_on_from_a_cursor(mail: User) -> None:
    changes = mail.json("watch", "--since", "main@", "--count", "4")
    assert [change["kind"] for change in changes] == ["birth", "create", "create", "append"]
    cursor = str(changes[2]["cursor"])
    said = mail.type("watch", "--since", cursor, "--count", "1").stdout
    assert f"append  mail/alice:Work  {ID}  \\Seen" in said
    mail.type("watch", "--since", cursor, "--shard", "other", exit_code=2)


def test_watch_of_a_box_that_is_not_there_says_so_and_waits(mail: User) -> None:
    since = ("--since", "main@", "--count", "1")
    done = mail.type("watch", "mail/alcie", *since)
    assert "there is no box mail/alcie yet" in done.stderr
    assert mail.type("watch", "mail/alice", *since).stderr == ""
    assert "watch mail/alice" in mail.type("watch", "mail/alice:Work", exit_code=2).stderr


# --- Which node ----------------------------------------


def test_without_a_node_the_error_says_how_to_start_one(tmp_path: Path) -> None:
    (tmp_path / "nodes.yaml").write_text(
        'cluster: x\nnodes: {a: {address: "h:1"}, b: {address: "h:2"}}\n'
    )
    config = str(tmp_path / "nodes.yaml")
    done = CliRunner().invoke(main, ["ls", "--config", config, "--node", "a"])
    assert done.exit_code == 4
    assert f"start it: samebox run --config {config} --node a" in done.stderr
    assert CliRunner().invoke(main, ["ls", "--config", config]).exit_code == 2
    assert CliRunner().invoke(main, ["ls", "--config", config, "--node", "z"]).exit_code == 2
    assert CliRunner().invoke(main, ["ls", "--config", config + "x"]).exit_code == 2


def test_the_environment_names_the_node_and_a_typed_option_goes_before_it(mail: User) -> None:
    there = {"SAMEBOX_SOCKET": str(mail.served.socket)}
    assert CliRunner().invoke(main, ["ls"], env=there).exit_code == 0
    elsewhere = ["ls", "--config", "none.yaml", "--node", "a"]
    assert CliRunner().invoke(main, elsewhere, env=there).exit_code == 2
    assert CliRunner().invoke(main, ["ls"], env={"SAMEBOX_SOCKET": None}).exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("create", "mail/\udcff"),
        ("rename", "mail/alice:Work", "mail/alice:\udcff"),
        ("store", "mail/alice:Work", "--add", "\udcff"),
        ("watch", "\udcff"),
        ("watch", "--shard", "\udcff"),
        ("verify", "--shard", "\udcff"),
    ],
)
def test_what_was_typed_in_another_encoding_is_not_sent(words: tuple[str, ...], mail: User) -> None:
    """Python shows a byte of an argument that is no UTF-8 as such a surrogate."""
    done = mail.type(*words, exit_code=2)
    assert "expected text in UTF-8, found b'" in done.stderr and "\\xff" in done.stderr


def test_every_command_explains_itself_with_an_example() -> None:
    for name in main.list_commands(main.make_context("samebox", ["ls"])):
        done = CliRunner().invoke(main, [name, "--help"])
        assert done.exit_code == 0 and f"samebox {name}" in done.stdout, name


def test_a_file_that_cannot_be_read_is_wrong_usage(user: User) -> None:
    user.type("create", "b")
    done = user.type("create", "b:f", "--file", os.devnull + "x", exit_code=2)
    assert "no such file" in done.stderr


# --- Verification ---------------------------------------------------------------------------


def test_verify_tells_what_is_damaged_and_fails(user: User) -> None:
    assert user.type("verify").stdout == (
        "shard main: 3 records, 1 blob, 150 B; state compared with the log at 3 operations; "
        "0 places damaged\n"
    )
    user.node.damages = [
        Damage(file="log-0000000001.segment", what="bad", records=(Missing(ACTOR, 2, 4),)),
        Damage(file="pack-0000000001.pack", what="worse", blob=bytes(32)),
        Damage(file="pack-0000000001.pack", what="spoilt", is_spare=True),
    ]
    user.node.compared = Compared(why_not="a reason")
    lines = user.type("verify", "--rate", "5", exit_code=1).stdout.splitlines()
    assert user.node.verified_at == 5 << 20
    assert lines == [
        "DAMAGED: shard main: log-0000000001.segment: bad",
        f"  records {ACTOR.hex()}:2-4",
        "DAMAGED: shard main: pack-0000000001.pack: worse",
        f"  blob {bytes(32).hex()}",
        "spare copy damaged: shard main: pack-0000000001.pack: spoilt",
        "shard main: 3 records, 1 blob, 150 B; state not compared: a reason; 2 places damaged",
    ]
    first, *_, last = user.json("verify", exit_code=1)
    assert first["records"] == [f"{ACTOR.hex()}:2-4"]
    assert last == {
        "shard": "main",
        "bytes": 150,
        "records": 3,
        "blobs": 1,
        "damaged": 2,
        "compared": 0,
        "not_compared": "a reason",
    }
    assert "expected a shard" in user.type("verify", "--shard", "other", exit_code=1).output
