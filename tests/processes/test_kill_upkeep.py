"""kill -9 in the middle of snapshots, cuts of the log, compactions and adoptions, under writes."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import pytest

from samebox import Address, Create, Delete
from samebox.io.local_cluster import until
from samebox.testing import LocalCluster, SteadyWriter
from tests.processes.account import assert_confirmed_once, make_mailbox

SEED = 5
LITTLE = 60
"""Kilobytes of log, by which a snapshot is due."""
OPERATIONS = {"snapshot": 12, "truncation": 6, "compaction": 12, "adoption": 30}
"""Of the disk, at most: at one of so many a work is killed."""
SIZE, OUTSTANDING = 1000, 1
WASTE, WASTED_AT_ONCE = 120, 3
"""Messages that are deleted again. They are three of four in some packs, so these are compacted."""
STRUCK_S = 120.0


@contextmanager
def doom(text: str) -> Iterator[None]:
    """Nodes that are started meanwhile keep little, and end where it says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent / "doomed")
        patch.setenv("DOOM", text)
        yield


class Rounds:
    """What was killed, and all that was asked."""

    def __init__(self, cluster: LocalCluster, target: Address, seed: int) -> None:
        self.writers: list[SteadyWriter] = []
        self.killed: list[str] = []
        self._wasted = 0
        self._cluster = cluster
        self._target = target
        self._random = Random(seed)

    @contextmanager
    def load(self, names: Sequence[str]) -> Iterator[None]:
        with ExitStack() as under_load:
            for name in names:
                node = self._cluster.nodes[name]
                writer = SteadyWriter(
                    node, self._target, copies=2, outstanding=OUTSTANDING, size=SIZE
                )
                self.writers.append(under_load.enter_context(writer))
            yield

    def waste(self, name: str) -> None:
        with self._cluster.talk(name) as node:
            target = Address(self._target.box, f"Waste {len(self.writers)} {self._wasted}")
            node.ask(Create(target))
            place = self._cluster.nodes[name]
            with SteadyWriter(place, target, outstanding=WASTED_AT_ONCE, size=SIZE) as writer:
                writer.wait_confirmed(WASTE)
            node.ask(Delete(target))
        self._wasted += 1

    def kill_in(self, work: str, names: Sequence[str]) -> None:
        """One of `names` ends in that work, while all write; then it is started again."""
        victim = self._cluster.nodes[self._random.choice(names)]
        other = next(name for name in names if name != victim.name)
        victim.kill()
        with doom(f"{LITTLE} {work} {self._random.randint(1, OPERATIONS[work])}"):
            self._cluster.start(victim.name)
        with self.load([victim.name, other]):
            while work == "compaction" and victim.is_running:
                self.waste(other)
            self._wait_killed(victim.name, work)
        with doom(f"{LITTLE}"):
            self._cluster.start(victim.name)

    def stay_away(self, name: str, others: Sequence[str]) -> None:
        """Until both others have cut their logs behind all that it holds."""
        self._cluster.kill(name)
        last = {other: self._segments(other)[-1] for other in others}
        with self.load(others):
            for other in others:
                self._wait_cut(other, last[other])

    def kill_in_adoption(self, name: str) -> None:
        with doom(f"{LITTLE} adoption {self._random.randint(1, OPERATIONS['adoption'])}"):
            self._cluster.nodes[name].start()
        self._wait_killed(name, "adoption")

    def _wait_killed(self, name: str, work: str) -> None:
        node = self._cluster.nodes[name]
        assert node.wait_ended(seconds=STRUCK_S) == -signal.SIGKILL, node.last_lines()
        self.killed.append(node.log.read_text().splitlines()[-1])
        assert f"killed in {work}" in self.killed[-1], node.last_lines()

    def _segments(self, name: str) -> list[int]:
        folder = self._cluster.nodes[name].data / "shards/main/log"
        return sorted(int(path.stem.split("-")[1]) for path in folder.glob("log-*.segment"))

    def _wait_cut(self, name: str, last: int) -> None:
        """The one that was written when the other went may have been full then, so one more."""
        node = self._cluster.nodes[name]
        until(lambda: self._segments(name)[0] > last + 1 or None, STRUCK_S, node.last_lines)


def survive_kills(cluster: LocalCluster, works: Sequence[str], seed: int) -> list[str]:
    """One kill for each of `works`; then every confirmed write is there, all agree, and all that
    each of them keeps verifies. Returns where they were killed."""
    rounds = Rounds(cluster, make_mailbox(cluster, "In"), seed)
    for work in works:
        if work != "adoption":
            rounds.kill_in(work, cluster.names)
    if "adoption" in works:
        away, *others = cluster.names
        rounds.stay_away(away, others)
        for _ in range(works.count("adoption")):
            rounds.kill_in_adoption(away)
        with doom(f"{LITTLE}"):
            cluster.start(away)
    cluster.agree()
    assert_confirmed_once(cluster, rounds.writers)
    for name in cluster.names:
        said = cluster.command(name, "verify", "--rate", "1000").stdout.decode()
        assert "state compared" in said and "; 0 places damaged" in said, said
    return rounds.killed


@pytest.mark.slow
def test_what_was_confirmed_outlives_a_kill_in_the_middle_of_any_upkeep(folder: Path) -> None:
    works = ["snapshot", "truncation", "compaction", "adoption"]
    cluster = LocalCluster(folder)
    try:
        with doom(f"{LITTLE}"), cluster:
            killed = survive_kills(cluster, works, SEED)
    finally:
        print(cluster.logs())
    assert len(set(killed)) == len(works), killed
