"""How fast does a mailbox come into a node, against what the disk takes?

python -m benchmarks.imports [--messages N]

The command line imports an mbox file into a node that is alone, both processes of their own. The
floor writes the same bytes into one file, and syncs it as often as a node has batches: every 8 MiB.
"""

from __future__ import annotations

import argparse
import os
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from benchmarks.figures import Figure, at_least, print_table
from benchmarks.load import SEED
from benchmarks.machine import disk_folder
from benchmarks.rounds import Bench
from samebox.io.local_cluster import LocalCluster

MESSAGES = 20_000
"""Of the short set; the target speaks of 100,000."""
MESSAGE_BYTES = 10_000
LINE_BYTES = 77
SYNC_BYTES = 8 << 20
TARGET_MB_PER_S = 60.0
OF_DISK = 0.5
IMPORT_S = 1200.0


def measure(bench: Bench, messages: int = MESSAGES) -> list[Figure]:
    with TemporaryDirectory(prefix="samebox-import-", dir=bench.folder) as name:
        folder = Path(name)
        mbox = folder / "mail.mbox"
        write_mbox(mbox, messages)
        mb = messages * MESSAGE_BYTES / 1e6
        disk = mb / copied_s(mbox, folder / "copy")
        imported = mb / imported_s(mbox, folder, messages)
    limit = min(TARGET_MB_PER_S, OF_DISK * disk)
    words = f"{TARGET_MB_PER_S:.0f} MB/s, or {OF_DISK} of the disk"
    return [
        Figure(
            "imports",
            f"{messages:,} messages of {MESSAGE_BYTES // 1000} kB from an mbox file",
            "MB/s",
            imported,
            floor=disk,
            target=at_least(limit, words),
        )
    ]


def write_mbox(path: Path, messages: int) -> None:
    """No two messages are alike; all lines are of ordinary length."""
    draw = random.Random(SEED)
    lines = MESSAGE_BYTES // LINE_BYTES
    with path.open("wb") as out:
        for number in range(messages):
            text = draw.randbytes(lines * (LINE_BYTES - 1) // 2).hex().encode()
            body = b"\n".join(
                text[at : at + LINE_BYTES - 1] for at in range(0, len(text), LINE_BYTES - 1)
            )
            out.write(b"From bench@example.org Mon Jan  1 00:00:00 2024\n")
            out.write(b"Subject: message %d\n\n" % number + body + b"\n\n")


def copied_s(source: Path, target: Path) -> float:
    start, data = monotonic(), source.read_bytes()
    with target.open("wb", buffering=0) as out:
        for at in range(0, len(data), SYNC_BYTES):
            out.write(data[at : at + SYNC_BYTES])
            os.fdatasync(out.fileno())
    return monotonic() - start


def imported_s(mbox: Path, folder: Path, messages: int) -> float:
    with LocalCluster(folder, ("a",)) as cluster:
        start = monotonic()
        cluster.command("a", "import", str(mbox), "mail/bench", "--create", seconds=IMPORT_S)
        seconds = monotonic() - start
        with cluster.talk("a") as talk:
            held = sum(talk.status().status.clock.values())
    assert held >= messages, f"expected {messages} messages, found {held} operations"
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    options = parser.parse_args()
    print_table(measure(Bench(3.0, 1, disk_folder()), options.messages))


if __name__ == "__main__":
    main()
