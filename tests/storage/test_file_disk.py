"""The real disk: the same promises as its twins, over files of the operating system."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sim.disk import SimulatedDisk
from storage import (
    Disk,
    DiskFull,
    DiskReadFailed,
    DiskReadOnly,
    DiskWriteFailed,
    FileMissing,
    MemoryDisk,
    StorageError,
    SyncFailed,
)
from storage.io import FileDisk
from storage.io.disk import OPEN_FILES_MAX
from tests.storage.phrases import ANN, append, numbered, replayed, restarted


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FileDisk]:
    disk = FileDisk(tmp_path)
    yield disk
    disk.close()


@pytest.fixture(params=["file", "memory", "simulated"])
def any_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    makers: dict[str, Callable[[], Disk]] = {
        "file": lambda: FileDisk(tmp_path),
        "memory": MemoryDisk,
        "simulated": SimulatedDisk,
    }
    disk = makers[request.param]()
    yield disk
    disk.close()


def test_every_disk_keeps_the_law_of_the_port(any_disk: Disk) -> None:
    disk = any_disk
    assert disk.names() == []
    disk.create("b")
    disk.create("a")
    assert disk.names() == ["a", "b"]
    disk.write("a", 0, b"0123456789")
    disk.write("a", 3, b"abc")
    disk.write("a", 12, b"!")
    assert disk.size("a") == 13
    assert disk.read("a", 0, 100) == b"012abc6789\0\0!"
    assert disk.read("a", 4, 3) == b"bc6"
    assert disk.read("a", 13, 5) == b""
    disk.truncate("a", 4)
    disk.sync("a")
    assert disk.read("a", 0, 100) == b"012a"
    disk.write("a", 4, b"")
    disk.rename("a", "b")
    disk.sync_directory()
    assert disk.names() == ["b"]
    assert disk.read("b", 0, 100) == b"012a"
    disk.write("b", 4, b"more")
    disk.sync("b")
    assert disk.read("b", 0, 100) == b"012amore"
    disk.remove("b")
    assert disk.names() == []


def test_every_disk_says_that_a_file_is_missing(any_disk: Disk) -> None:
    disk = any_disk
    for ask in (
        lambda: disk.size("x"),
        lambda: disk.read("x", 0, 1),
        lambda: disk.write("x", 0, b"data"),
        lambda: disk.truncate("x", 0),
        lambda: disk.rename("x", "y"),
        lambda: disk.remove("x"),
    ):
        with pytest.raises(FileMissing):
            ask()


def test_every_disk_refuses_to_create_what_exists(any_disk: Disk) -> None:
    any_disk.create("a")
    any_disk.write("a", 0, b"kept")
    with pytest.raises(DiskWriteFailed):
        any_disk.create("a")
    assert any_disk.read("a", 0, 9) == b"kept"


def test_a_log_lives_on_a_real_disk(tmp_path: Path) -> None:
    disk = FileDisk(tmp_path)
    log = restarted(disk)
    append(log, numbered(ANN, 50))
    disk.close()
    disk = FileDisk(tmp_path)
    log = restarted(disk)
    assert replayed(log) == numbered(ANN, 50)
    log.close()
    assert replayed(restarted(disk)) == numbered(ANN, 50)
    disk.close()


def test_only_regular_files_are_names(disk: FileDisk, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    disk.create("file")
    assert disk.names() == ["file"]


def test_a_directory_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileMissing):
        FileDisk(tmp_path / "nowhere")


def test_files_are_for_their_owner_alone(disk: FileDisk, tmp_path: Path) -> None:
    disk.create("file")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def test_descriptors_are_bounded_and_not_inherited(disk: FileDisk) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for n in range(3 * OPEN_FILES_MAX):
        disk.create(f"file {n}")
        disk.write(f"file {n}", 0, b"content")
        disk.sync(f"file {n}")
    for n in range(3 * OPEN_FILES_MAX):
        assert disk.read(f"file {n}", 0, 9) == b"content"
    opened = [int(fd) for fd in os.listdir("/proc/self/fd")]
    assert len(opened) <= before + OPEN_FILES_MAX
    assert not any(os.get_inheritable(fd) for fd in disk_descriptors(disk))


def test_a_file_with_unsynced_writes_is_never_closed_to_make_room(disk: FileDisk) -> None:
    disk.create("unsynced")
    disk.write("unsynced", 0, b"x")
    kept = disk._files["unsynced"]
    for n in range(2 * OPEN_FILES_MAX):
        disk.create(f"file {n}")
    assert disk._files["unsynced"] == kept


def disk_descriptors(disk: FileDisk) -> list[int]:
    return [file for file, _ in disk._files.values()]


def test_short_writes_are_completed(disk: FileDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite

    def short(file: int, data: memoryview, offset: int) -> int:
        return real(file, data[:7], offset)

    monkeypatch.setattr(os, "pwrite", short)
    disk.create("file")
    disk.write("file", 2, bytes(range(100)))
    assert disk.read("file", 0, 200) == bytes(2) + bytes(range(100))


def test_short_reads_are_completed(disk: FileDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.create("file")
    disk.write("file", 0, bytes(range(100)))
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda file, n, offset: real(file, min(n, 7), offset))
    assert disk.read("file", 1, 200) == bytes(range(1, 100))


@pytest.mark.parametrize(
    ("call", "number", "error"),
    [
        ("pwrite", errno.ENOSPC, DiskFull),
        ("pwrite", errno.EDQUOT, DiskFull),
        ("pwrite", errno.EFBIG, DiskFull),
        ("pwrite", errno.EROFS, DiskReadOnly),
        ("pwrite", errno.EIO, DiskWriteFailed),
        ("pread", errno.EIO, DiskReadFailed),
        ("fdatasync", errno.EIO, SyncFailed),
        ("fdatasync", errno.ENOSPC, SyncFailed),
        ("fsync", errno.EIO, SyncFailed),
        ("ftruncate", errno.EROFS, DiskReadOnly),
        ("rename", errno.ENOSPC, DiskFull),
        ("unlink", errno.EPERM, DiskReadOnly),
    ],
)
def test_what_the_system_refuses_has_a_name(
    disk: FileDisk,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
    error: type[StorageError],
) -> None:
    disk.create("file")

    def refuse(*args: object, **more: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, refuse)
    asked: dict[str, Callable[[], object]] = {
        "pwrite": lambda: disk.write("file", 0, b"x"),
        "pread": lambda: disk.read("file", 0, 1),
        "fdatasync": lambda: disk.sync("file"),
        "fsync": disk.sync_directory,
        "ftruncate": lambda: disk.truncate("file", 0),
        "rename": lambda: disk.rename("file", "other"),
        "unlink": lambda: disk.remove("file"),
    }
    with pytest.raises(error, match=os.strerror(number)) as raised:
        asked[call]()
    assert type(raised.value) is error


def test_a_file_removed_while_in_use_is_noticed_at_the_next_sync(
    disk: FileDisk, tmp_path: Path
) -> None:
    log = restarted(disk)
    append(log, numbered(ANN, 1))
    shutil.rmtree(tmp_path)
    with pytest.raises(SyncFailed, match="was removed while in use"):
        append(log, numbered(ANN, 2)[1:])
    tmp_path.mkdir()


def test_a_directory_keeps_its_inode_and_a_copy_has_another(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    inodes = [inode_of(first), inode_of(first)]
    shutil.copytree(first, tmp_path / "copy")
    first.rename(tmp_path / "moved")
    assert inodes == [inode_of(tmp_path / "moved")] * 2
    assert inode_of(tmp_path / "copy") != inodes[0]


def inode_of(path: Path) -> int:
    disk = FileDisk(path)
    try:
        return disk.inode
    finally:
        disk.close()


FULL = """
import sys
from pathlib import Path
from tests.storage.phrases import ANN, append, numbered, replayed, restarted
from storage import DiskFull
from storage.io import FileDisk
disk = FileDisk(Path(sys.argv[1]))
log = restarted(disk)
records = numbered(ANN, 400)
done = 0
try:
    while True:
        append(log, records[done : done + 10])
        done += 10
except DiskFull as error:
    print(done, error)
assert replayed(log) == records[:done]
"""


def test_a_real_limit_of_file_size_refuses_the_batch(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    run = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    done, _, message = run.stdout.partition(" ")
    assert "File too large; make space" in message
    disk = FileDisk(tmp_path)
    log = restarted(disk)
    assert replayed(log) == numbered(ANN, int(done))
    append(log, numbered(ANN, 400)[int(done) :])
    disk.close()
