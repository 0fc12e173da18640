"""A real file system without room: a tmpfs in a namespace of its own, filled by somebody else.

Where the system allows no such namespace, the test says so and fails: what it shows is shown by
nothing else.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from samebox.io import local_cluster
from samebox.io.local_cluster import LocalNode
from samebox.testing import LocalCluster, NodeRefused, SteadyWriter
from tests.processes.account import assert_confirmed_once, make_mailbox, shown

pytestmark = pytest.mark.slow

SIZE = "192m"
"""Room for the first files of log and packs, which are made at their full length."""
LARGE = b"." * 200_000
LARGE_MAX = 1000
"""More than fits into all that was set aside."""


def on_small_disk(folder: Path, words: Sequence[str], *, size: str = SIZE) -> list[str]:
    """The command, with a tmpfs in the place of `folder` that nobody else sees."""
    mount = f"mount -t tmpfs -o size={size} tmpfs {shlex.quote(str(folder))}"
    return [
        *"unshare --user --map-root-user --mount sh -c".split(),
        f"{mount} && exec {shlex.join(words)}",
    ]


def inside(pid: int, script: str) -> subprocess.CompletedProcess[str]:
    """Where the process `pid` sees its small disk."""
    words = ["nsenter", "--target", str(pid), "--user", "--mount", "sh", "-c", script]
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


def said_of_the_disk(node: LocalNode, what: str) -> int:
    return node.log.read_text().count(f"the disk {what} what is to be written")


def test_a_file_system_without_room_refuses_writes_until_there_is_some(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = make_mailbox(cluster, "Log")
    node = cluster.nodes["c"]
    node.stop()
    node.data.rename(node.data.with_name("c-before"))
    node.data.mkdir()
    start = local_cluster.command("run", "--config", str(node.node_list), "--node", "c")
    with monkeypatch.context() as patch:
        patch.setattr(local_cluster, "command", lambda *_: on_small_disk(node.data, start))
        cluster.start("c")
    assert node.pid is not None
    assert str(node.data) in Path(f"/proc/{node.pid}/mounts").read_text(), node.last_lines()
    filler = shlex.quote(str(node.data / "filler"))
    filled = inside(node.pid, f"cat /dev/zero > {filler}")
    assert "No space left" in filled.stderr, filled

    kept = 0
    with cluster.talk("c") as c, pytest.raises(NodeRefused) as refused:
        for number in range(LARGE_MAX):
            c.append(target, b"Subject: %d\n\n" % number + LARGE)
            kept += 1
    assert refused.value.code == "not-now", refused.value
    with cluster.talk("c") as c:
        assert "No space left" in c.status().status.trouble
    assert sum(shown(cluster, "c", target).values()) == kept
    with SteadyWriter(cluster.nodes["a"], target, copies=2) as writer:
        writer.wait_confirmed(50)

    assert inside(node.pid, f"rm {filler}").returncode == 0
    with cluster.talk("c") as c:
        c.append(target, b"Subject: room again\n\n", copies="all")
    cluster.agree()
    assert said_of_the_disk(node, "refuses") == 1, node.last_lines()
    assert_confirmed_once(cluster, [writer])
    assert not list(node.data.iterdir()), "all of it was on the small disk"


FILLED = """
import os, sys
from pathlib import Path
from samebox.io.sqlite_image import SqliteImages

folder = Path(sys.argv[1])
image = SqliteImages(folder).open(lambda: None)
def write(numbers):
    image.write([(number.to_bytes(8, "big"), os.urandom(400)) for number in numbers])
    while image.is_writing:
        image.wait()
write(range(20_000))
write(())  # begins when the checkpoint behind the write before it has ended
try:
    with open(folder / "filler", "wb", buffering=0) as filler:
        while filler.write(bytes(65536)):
            pass
except OSError:
    pass
write(range(20_000, 35_000))  # into the room that the log of SQLite has; the file has none
image._jobs.put(None)
image._thread.join()
print(image.is_writing, len(image.page(b"", b"\\xff", 40_000)))
(folder / "filler").unlink()
image._writer.checkpoint()
print((folder / "rows.db").stat().st_size > 14_000_000)
image.close()
"""


def test_a_state_that_was_written_and_has_no_room_in_its_file_is_not_lost(tmp_path: Path) -> None:
    words = [sys.executable, "-c", FILLED, str(tmp_path)]
    done = subprocess.run(
        on_small_disk(tmp_path, words, size="40m"), capture_output=True, text=True
    )
    assert done.stdout.splitlines() == ["False 35000", "True"], done.stderr
