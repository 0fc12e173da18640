"""What a figure depends on: the machine, its disk, the versions."""

from __future__ import annotations

import os
import platform
import sqlite3
import ssl
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import monotonic_ns, process_time_ns

from msgspec import Struct

from benchmarks.children import PROJECT
from benchmarks.load import NS_PER_MS

LIBRARIES = ("trio", "msgspec", "crc32c", "cryptography", "sortedcontainers")
IN_MEMORY = ("tmpfs", "ramfs")
RECORD_BYTES = 128
STEPS, PLACES = 1_000_000, 1024
BUSY_S_MIN = 1.0
"""In less, the clock of the kernel, a hundredth of a second coarse, says nothing."""


class Machine(Struct, frozen=True):
    processor: str
    cores: int
    memory_bytes: int
    kernel: str
    disk: str
    python: str
    versions: dict[str, str]
    revision: str
    date: str
    load_1min: float


def machine(folder: Path) -> Machine:
    return Machine(
        processor=processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
        disk=" ".join(mount_of(folder)),
        python=" ".join(sys.version.split()),
        versions={
            **{name: version(name) for name in LIBRARIES},
            "sqlite": sqlite3.sqlite_version,
            "openssl": ssl.OPENSSL_VERSION,
        },
        revision=revision(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        load_1min=round(os.getloadavg()[0], 2),
    )


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def revision() -> str:
    """The commit, and whether something is changed on top of it."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def mount_of(folder: Path) -> tuple[str, str]:
    """Device and file system type of the mount that a folder lies in."""
    resolved = folder.resolve()
    found = ("unknown", "unknown")
    longest = -1
    for line in Path("/proc/self/mounts").read_text().splitlines():
        device, point, kind = line.split()[:3]
        if resolved.is_relative_to(point) and len(point) >= longest:
            found, longest = (device, kind), len(point)
    return found


def disk_folder() -> Path:
    """A folder for temporary files on a real disk: a sync in memory says nothing."""
    for folder in (Path(tempfile.gettempdir()), Path("/var/tmp"), PROJECT):
        if folder.is_dir() and mount_of(folder)[1] not in IN_MEMORY:
            return folder
    raise SystemExit(
        f"temporary folder: expected one on a disk, found {tempfile.gettempdir()} and others in "
        "memory; set TMPDIR"
    )


def sync_ms(folder: Path, *, count: int) -> list[float]:
    """Append and fdatasync of one small record, `count` times, in a file of its own."""
    waits = []
    with tempfile.NamedTemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(count):
            start = monotonic_ns()
            file.write(bytes(RECORD_BYTES))
            os.fdatasync(file.fileno())
            waits.append((monotonic_ns() - start) / NS_PER_MS)
    return waits


def python_ns() -> float:
    """What a call, a tuple and a dictionary take: it tells one build of Python, or one hour of a
    shared machine, from another."""
    last: dict[int, tuple[int, int]] = {}
    start = process_time_ns()
    for number in range(STEPS):
        last[number % PLACES] = _pair(number)
    return (process_time_ns() - start) / STEPS


def _pair(number: int) -> tuple[int, int]:
    return number, number + 1


def resident_mb() -> float:
    """Of this process, in MiB."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


class Busy:
    """What the processor does for others while the children of this process are measured."""

    def __init__(self) -> None:
        self._start = monotonic_ns(), busy_s(), own_s()

    def others(self) -> float:
        """Cores kept busy by other processes since the start; children count once they ended."""
        start, busy, own = self._start
        elapsed = max((monotonic_ns() - start) / 1e9, BUSY_S_MIN)
        return round(max(0.0, busy_s() - busy - (own_s() - own)) / elapsed, 2)


def busy_s() -> float:
    """CPU seconds that all cores spent on anything since boot (proc(5): not idle, not waiting)."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, fields[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def own_s() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system
