"""A large box, killed in the middle of snapshots, cuts of its log and compactions, again and again.

python -m tests.killed_box [--entries N] [--kills N] [--seed S] [--folder DIR]

The box is that of benchmarks.big_box, and one node, alone in its node list. It is killed at a drawn
disk operation of a drawn work while it writes, deletes and confirms. In the end every confirmed
message is there once, and all that it keeps verifies, the state compared with the log. Minutes for
200,000 entries, an hour and more for a million.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random, SystemRandom

from benchmarks.big_box import BOX, prepare
from samebox import Address, Create, Delete
from samebox.io.local_cluster import LocalNode, command, environment, until
from samebox.testing import SteadyWriter
from tests.processes.test_kill_upkeep import doom

WORKS = {"snapshot": 20_000, "truncation": 6, "compaction": 12}
"""And at most at which disk operation one is killed."""
WEIGHTS = (7, 6, 7)
LITTLE = 100
IDLE = f"adoption {10**9}"
"""A node alone adopts nothing: it comes to none of the works."""
WASTE = 150
STARTED_S = 1800.0
STRUCK_S = 3600.0
RATE = 500
"""MB/s of the verification, so that a quarter of the processor is the bound."""


class KilledBox:
    def __init__(self, folder: Path, entries: int, seed: int) -> None:
        self.writers: list[SteadyWriter] = []
        self._random = Random(seed)
        self._target = Address(BOX, f"Written {os.getpid()}")
        began = time.monotonic()
        node_list = folder / "big/nodes.yaml"
        if not node_list.exists():
            prepare(folder / "big", entries, 0)
        print(f"{entries:,} entries in {time.monotonic() - began:.0f} s", flush=True)
        self.node = LocalNode("a", folder / "big", node_list)

    def begin(self) -> None:
        """The state is made, as usual."""
        began = time.monotonic()
        self.node.start()
        self.node.wait_started(seconds=STARTED_S)
        print(f"first start in {time.monotonic() - began:.0f} s", flush=True)
        with self.node.talk() as talk:
            talk.ask(Create(self._target))
        self.node.stop(seconds=STARTED_S)

    def kill(self, number: int) -> None:
        (work,) = self._random.choices(list(WORKS), WEIGHTS)
        if work == "compaction":
            self._waste(number)
        self._start(f"{LITTLE} {work} {self._random.randint(1, WORKS[work])}")
        with SteadyWriter(self.node, self._target, size=1000, outstanding=1) as writer:
            self.writers.append(writer)
            status = self.node.wait_ended(seconds=STRUCK_S)
        assert status == -signal.SIGKILL, self.node.last_lines()
        print(f"{number}: {self.node.log.read_text().splitlines()[-1]}", flush=True)

    def _waste(self, number: int) -> None:
        """Some packs of which nearly all is deleted, and forgotten."""
        target = Address(BOX, f"Waste {number} {os.getpid()}")
        self._start(f"{LITTLE} {IDLE}")
        with self.node.talk() as talk:
            talk.ask(Create(target))
            with SteadyWriter(self.node, target, size=1000, outstanding=16) as writer:
                writer.wait_confirmed(WASTE)
            talk.ask(Delete(target))
            until(
                lambda: talk.status().status.limbo.removals == 0 or None,
                STARTED_S,
                lambda: "what was deleted to be forgotten",
            )
        self.node.kill()

    def judge(self) -> None:
        self._start(f"{LITTLE} {IDLE}")
        with self.node.talk(timeout_s=STARTED_S) as talk:
            there = Counter(entry.blob.hash for entry in talk.entries(self._target))
        assert max(there.values()) == 1, f"there several times: {there.most_common(3)}"
        confirmed = 0
        for writer in self.writers:
            lost = [number for number in writer.confirmed if writer.sha256(number) not in there]
            assert not lost, f"confirmed, and not there: {lost}"
            confirmed += len(writer.confirmed)
        print(f"{confirmed:,} messages were confirmed, and each is there once", flush=True)
        self.node.stop()
        self.node.start()
        self.node.wait_started(seconds=STARTED_S)
        began = time.monotonic()
        print(self._verified(), f"in {time.monotonic() - began:.0f} s", flush=True)
        memory = Path(f"/proc/{self.node.pid}/status").read_text()
        print(next(line for line in memory.splitlines() if line.startswith("VmHWM")), flush=True)
        self.node.stop()

    def _verified(self) -> str:
        words = ("verify", "--json", "--rate", str(RATE))
        site = ("--config", str(self.node.node_list), "--node", "a")
        run = subprocess.run(command(*words, *site), env=environment(), capture_output=True)
        end = json.loads(run.stdout.splitlines()[-1])
        assert run.returncode == 0 and end["damaged"] == 0 and end["not_compared"] is None, end
        return str(end)

    def _start(self, text: str) -> None:
        with doom(text):
            self.node.start()
            began = time.monotonic()
            self.node.wait_started(seconds=STARTED_S)
            print(f"  started in {time.monotonic() - began:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--folder", type=Path, help="kept, and used again where the box is there")
    asked = parser.parse_args()
    seed = SystemRandom().randrange(10**9) if asked.seed is None else asked.seed
    with tempfile.TemporaryDirectory(prefix="samebox-") as temporary:
        folder = (asked.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        print(f"seed {seed}", flush=True)
        box = KilledBox(folder, asked.entries, seed)
        try:
            box.begin()
            for number in range(1, asked.kills + 1):
                box.kill(number)
            box.judge()
        finally:
            if box.node.is_running:
                box.node.kill()


if __name__ == "__main__":
    main()
