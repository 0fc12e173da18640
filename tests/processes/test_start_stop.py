"""Clean ends, second starts, copied and restored data directories, and a disk that is full."""

from __future__ import annotations

import resource
import shutil
import signal
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from samebox import Address
from samebox.testing import (
    ClusterFailed,
    LocalCluster,
    LocalNode,
    NodeRefused,
    SteadyWriter,
    until,
)
from tests.processes.account import assert_confirmed_once, make_mailbox, shown

pytestmark = pytest.mark.slow

WRITES = 50


def write(cluster: LocalCluster, name: str, target: Address) -> SteadyWriter:
    with SteadyWriter(cluster.nodes[name], target, copies=2) as writer:
        writer.wait_confirmed(WRITES)
    return writer


def actor_of(cluster: LocalCluster, name: str) -> bytes:
    with cluster.talk(name) as node:
        actor = node.status().status.actor
    assert actor is not None
    return actor


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_node_cleanly(cluster: LocalCluster, by: signal.Signals) -> None:
    writer = write(cluster, "a", make_mailbox(cluster, "Log"))
    before = actor_of(cluster, "a")
    assert cluster.nodes["a"].stop(by=by) == 0
    assert not cluster.nodes["a"].socket.exists()
    assert "Traceback" not in cluster.nodes["a"].log.read_text()
    cluster.start("a")
    assert actor_of(cluster, "a") == before
    cluster.agree()
    assert_confirmed_once(cluster, [writer])


def test_a_second_process_on_one_data_directory_is_refused(cluster: LocalCluster) -> None:
    first = cluster.nodes["a"]
    node_list = cluster.folder / "nodes-second.yaml"
    node_list.write_text(first.node_list.read_text() + "socket: run/second-{node}.sock\n")
    second = LocalNode("a", cluster.folder, node_list)
    second.socket = cluster.folder / "run" / "second-a.sock"
    second.log = cluster.folder / "second.log"
    second.start()
    assert second.wait_ended() != 0
    said = second.log.read_text()
    assert str(first.data) in said
    assert "Traceback" not in said
    write(cluster, "a", make_mailbox(cluster, "Log"))


def test_a_copied_data_directory_writes_as_a_new_actor(cluster: LocalCluster) -> None:
    target = make_mailbox(cluster, "Log")
    earlier = write(cluster, "a", target)
    before = actor_of(cluster, "a")
    cluster.nodes["a"].stop()
    copied = cluster.folder / "copied"
    shutil.copytree(cluster.nodes["a"].data, copied)
    shutil.rmtree(cluster.nodes["a"].data)
    copied.rename(cluster.nodes["a"].data)
    cluster.start("a")
    assert actor_of(cluster, "a") != before
    later = write(cluster, "a", target)
    cluster.agree()
    assert_confirmed_once(cluster, [earlier, later])


def copy_away(cluster: LocalCluster, name: str) -> Path:
    """A backup of a stopped node, which then goes on."""
    cluster.nodes[name].stop()
    backup = cluster.folder / "backup"
    shutil.copytree(cluster.nodes[name].data, backup)
    cluster.start(name)
    return backup


def put_back(backup: Path, data: Path) -> None:
    shutil.rmtree(data)
    backup.rename(data)


def overwrite(backup: Path, data: Path) -> None:
    """As a machine does that is set back to a snapshot: the same files with older contents."""
    for path in sorted(data.rglob("*"), reverse=True):
        old = backup / path.relative_to(data)
        if path.is_dir():
            continue
        if old.exists():
            path.write_bytes(old.read_bytes())
        else:
            path.unlink()
    for old in backup.rglob("*"):
        path = data / old.relative_to(backup)
        if old.is_file() and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(old.read_bytes())


@pytest.mark.parametrize("restore", [put_back, overwrite])
def test_an_older_copy_of_the_data_directory_loses_nothing(
    cluster: LocalCluster, restore: Callable[[Path, Path], None]
) -> None:
    target = make_mailbox(cluster, "Log")
    earlier = write(cluster, "b", target)
    backup = copy_away(cluster, "b")
    between = write(cluster, "b", target)
    before = actor_of(cluster, "b")
    cluster.nodes["b"].stop()
    restore(backup, cluster.nodes["b"].data)
    cluster.start("b")
    cluster.agree()
    assert actor_of(cluster, "b") != before
    later = write(cluster, "b", target)
    cluster.agree()
    assert_confirmed_once(cluster, [earlier, between, later])


@pytest.mark.parametrize("more", [1, 500])
def test_a_machine_that_was_set_back_and_wrote_alone_is_found_out(
    cluster: LocalCluster, more: int
) -> None:
    """One actor has two histories then, and either may be the longer one. All take no more of it
    and say so; what was confirmed stays where it was confirmed; the node goes on as another.

    What it wrote alone stays with it: to bring that to the others is an operator's work yet.
    """
    target = make_mailbox(cluster, "Log")
    earlier = write(cluster, "b", target)
    backup = copy_away(cluster, "b")
    between = write(cluster, "b", target)
    cluster.agree()
    before = actor_of(cluster, "b")
    cluster.nodes["b"].stop()
    overwrite(backup, cluster.nodes["b"].data)
    cluster.cut("b")
    cluster.start("b")
    with cluster.talk("b") as b:
        for number in range(more):
            b.append(target, b"Subject: alone %d\n\n" % number)

    cluster.heal()
    until(lambda: actor_of(cluster, "b") != before or None, 30, lambda: "a new actor of b")
    until(lambda: stopped_at(cluster, before), 30, lambda: "all to stop the old actor of b")
    for name in ("a", "b", "c"):
        log = cluster.nodes[name].log.read_text()
        assert "WARNING" in log and before.hex()[:8] in log
    assert_confirmed_once(cluster, [earlier])
    assert_confirmed_once(cluster, [between], names="ac")
    assert shown(cluster, "b", target)[sha256(b"Subject: alone 0\n\n").digest()] == 1
    write(cluster, "a", target)
    with cluster.talk("b") as b:
        b.append(target, b"Subject: goes on\n\n", copies=1)


def stopped_at(cluster: LocalCluster, actor: bytes) -> bool | None:
    with cluster.talking("a", "b", "c") as talks:
        return all(actor in talk.status().status.stopped for talk in talks) or None


def test_a_full_disk_refuses_writes_and_takes_them_again_when_there_is_room(
    cluster: LocalCluster,
) -> None:
    """A limit on the size of files stands for the full disk: to a process it looks the same."""
    target = make_mailbox(cluster, "Log")
    earlier = write(cluster, "a", target)
    pid = cluster.nodes["a"].pid
    assert pid is not None
    limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, limits[1]))
    with cluster.talk("a") as node:
        with pytest.raises(NodeRefused) as refused:
            for _ in range(100):
                node.append(target, b"Subject: no room\n\n" + b"." * 8000)
        assert refused.value.code == "not-now"
        kept = sum(shown(cluster, "a", target).values())

        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        node.append(target, b"Subject: room again\n\n", copies="all")
        assert sum(shown(cluster, "a", target).values()) == kept + 1
    cluster.agree()
    assert_confirmed_once(cluster, [earlier])


def test_two_empty_nodes_join_at_once_under_load_while_one_and_the_source_are_killed(
    cluster: LocalCluster,
) -> None:
    target = make_mailbox(cluster, "Log")
    earlier = write(cluster, "a", target)
    cluster.agree()
    cluster.kill("b", "c")
    for name in "bc":
        shutil.rmtree(cluster.nodes[name].data)
    with SteadyWriter(cluster.nodes["a"], target, copies=1) as writer:
        writer.wait_confirmed(WRITES)
        cluster.start("b", "c")
        cluster.kill("b")
        cluster.start("b")
        cluster.cut("a", "c")
        cluster.kill("a")
        cluster.start("a")
        cluster.heal()
        writer.wait_confirmed(2 * WRITES)
    cluster.agree()
    assert_confirmed_once(cluster, [earlier, writer])


def test_a_data_directory_of_another_node_is_refused(cluster: LocalCluster) -> None:
    cluster.nodes["a"].stop()
    cluster.nodes["b"].stop()
    shutil.rmtree(cluster.nodes["a"].data)
    cluster.nodes["b"].data.rename(cluster.nodes["a"].data)
    with pytest.raises(ClusterFailed, match="ended at its start"):
        cluster.start("a")
    said = cluster.nodes["a"].log.read_text()
    assert "node b" in said
    assert "Traceback" not in said
