"""run: what it says when it cannot start, how it logs; and log: what it prints."""

from __future__ import annotations

import gc
import logging
import os
import re
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crdt import (
    Blob,
    Born,
    BoxMade,
    Dot,
    Draft,
    EntryAppended,
    Issue,
    Record,
    first_head,
    inbox_of,
    write,
)
from samebox.__main__ import main
from samebox.io.collecting import CONTAINERS_MAX
from samebox.io.commands import running
from samebox.io.commands.printing_log import Reader
from samebox.io.commands.running import OneLine
from storage import Log
from storage.io import FileDisk
from tests.cli.fake import ACTOR, CLUSTER


def typed(*words: str) -> Result:
    return CliRunner().invoke(main, words)


# --- run -----------------------------------------------------------------------------------------


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture
def nodes(tmp_path: Path, gc_as_before: None) -> Path:
    """A node list for one node, with its certificates."""
    (port,) = free_ports(1)
    words = ["--folder", str(tmp_path), "--certificates", "--node", f"a=127.0.0.1:{port}"]
    assert typed("init", *words).exit_code == 0
    return tmp_path / "nodes.yaml"


def test_a_node_list_with_problems_ends_with_status_2_and_all_of_them(tmp_path: Path) -> None:
    (tmp_path / "nodes.yaml").write_text("nodes: {a: {address: nowhere}}\nunknown: 1\n")
    done = typed("run", "--config", str(tmp_path / "nodes.yaml"), "--node", "a")
    assert done.exit_code == 2
    assert "cluster" in done.stderr and "unknown" in done.stderr and "address" in done.stderr


def test_want_of_memory_ends_a_node_with_a_reason_and_no_trace(
    nodes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def short_of_memory(config: Path, name: str) -> None:
        raise ExceptionGroup("of a nursery", [MemoryError()])

    monkeypatch.setattr(running, "run_until_told", short_of_memory)
    done = typed("run", "--config", str(nodes))
    assert done.exit_code == 1
    assert "no memory left" in done.stderr and "Traceback" not in done.stderr


def test_a_node_is_looked_for_where_other_commands_look(
    nodes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In nodes.yaml of this folder; one that is alone there need not be named."""
    monkeypatch.chdir(nodes.parent)
    (nodes.parent / "run").mkdir()
    (nodes.parent / "run" / "a.sock").touch()  # or it would run
    for words in (["run"], ["run", "--node", "a"]):
        done = typed(*words)
        assert done.exit_code == 2 and "expected a socket or nothing" in done.stderr
    done = typed("run", "--node", "b")
    assert done.exit_code == 2 and "expected --node, one of a in nodes.yaml" in done.stderr
    done = typed("ls")
    assert (
        done.exit_code == 4 and "start it: samebox run --config nodes.yaml --node a" in done.stderr
    )


def test_a_socket_that_is_taken_ends_the_node_with_the_reason(nodes: Path) -> None:
    taken = nodes.parent / "run" / "a.sock"
    taken.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(taken))
        other.listen()
        done = typed("run", "--config", str(nodes), "--node", "a")
    assert done.exit_code == 1 and "a running node behind it" in done.stderr
    assert "Traceback" not in done.stderr
    assert gc.get_threshold()[0] == CONTAINERS_MAX, "garbage is looked for seldom from the start on"


def test_a_file_where_the_socket_has_to_be_is_a_problem_of_the_node_list(nodes: Path) -> None:
    (nodes.parent / "run").mkdir()
    (nodes.parent / "run" / "a.sock").touch()
    done = typed("run", "--config", str(nodes), "--node", "a")
    assert done.exit_code == 2 and "expected a socket or nothing" in done.stderr


def test_an_event_is_one_line_with_time_level_and_words() -> None:
    formatter = OneLine("%(asctime)s %(levelname)s %(message)s")
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        exc_info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "peer %s: down", ("b",), exc_info)
    (line,) = formatter.format(record).splitlines()
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ERROR peer b: down \| ", line)
    assert line.endswith("ValueError: two | lines")


# --- log -----------------------------------------------------------------------------------------


def test_a_log_is_printed_with_its_operations(tmp_path: Path) -> None:
    folder = tmp_path / "shards" / "main" / "log"
    folder.mkdir(parents=True)
    disk = FileDisk(folder)
    log, _ = Log.open(disk, cluster=CLUSTER, shard="main", entropy=os.urandom)
    head = first_head(CLUSTER, "main", ACTOR)
    box = Dot(ACTOR, 2)
    appended = EntryAppended(inbox_of(box), Blob(bytes(32), 5), ("\\Seen",), 7)
    issue = Issue(b"client..", 3, 0, b"four")
    drafts = [
        Draft(Born("a", b"key", None), 1, {}),
        Draft(BoxMade("b", fold=False), 2, {}),
        Draft(appended, 3, {}, box, issue),
    ]
    records = []
    for draft in drafts:
        _, record, head = write(head, draft)
        records.append(record)
    log.append(records, {ACTOR: head.encode()})
    lines = typed("log", str(tmp_path), "--records").stdout
    assert f"{folder}:" in lines and CLUSTER in lines
    assert re.search(r"a1b2c3d4:2 .* BoxMade name='b' fold=False", lines)
    assert "folder=a1b2c3d4:-2 blob=00000000(5 bytes) flags=['\\\\Seen'] date_ms=7" in lines
    assert f"request {b'client..'.hex()}:3" in lines
    assert "BoxMade" not in typed("log", str(tmp_path)).stdout


def test_a_record_that_is_no_operation_is_printed_as_such() -> None:
    record = Record(ACTOR, 1, bytes(32), b"nonsense")
    assert Reader().words(record).startswith("no operation: ")


def test_a_directory_without_logs_is_no_data_directory(tmp_path: Path) -> None:
    done = typed("log", str(tmp_path))
    assert done.exit_code == 1 and "expected a data directory" in done.stderr
