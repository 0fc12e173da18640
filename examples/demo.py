"""Three nodes on this machine: a mailbox comes in, a line is cut, a node is killed, all heal.

    python examples/demo.py [MBOX_OR_MAILDIR]

The nodes are processes that talk mutual TLS 1.3 on loopback, each with a data directory in a
temporary folder. Between every two of them lies a line that the demo can cut; so each node gets a
node list of its own, which names the lines as the addresses of its peers. Exit status 0 says that
all three agree in the end, that every meeting ended as it has to, and that every confirmed write is
there.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from examples.meetings import BOX, MEETINGS, seen
from samebox import Address, Create, Kind
from samebox.testing import ClusterFailed, Conversation, LocalCluster, SteadyWriter

NODES = ("a", "b", "c")
SAMPLE = Path(__file__).with_name("sample.mbox")
IMPORTED = "mail/imported"
WRITTEN = Address("mail/demo", "Log")
CONFIRMED_BEFORE_KILL = 200
CONFIRMED_WITHOUT_B = 50
NARROWEST = 110
"""Columns where the output is no terminal."""

console = Console(highlight=False)
if not console.is_terminal:
    console = Console(highlight=False, width=NARROWEST)


class Wrong(Exception):
    """The nodes do not show what they have to."""


def main() -> int:
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE
    if not source.exists():
        console.print(f"expected an mbox file or a Maildir at {source}, found nothing")
        return 2
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="samebox-demo-") as folder:
        cluster = LocalCluster(Path(folder), NODES)
        try:
            with cluster:
                last = show(cluster, source)
        except (ClusterFailed, Wrong) as error:
            console.print(f"\n{escape(cluster.logs())}", soft_wrap=True)
            console.print(f"failed: {escape(str(error))}", soft_wrap=True)
            return 1
        except BaseException:
            console.print(escape(cluster.logs()))
            raise
    console.print(f"{last}\n({time.monotonic() - started:.0f} s)", soft_wrap=True)
    return 0


def show(cluster: LocalCluster, source: Path) -> str:
    """The whole story; its last line."""
    say(f"three nodes run: {', '.join(f'{n} (pid {cluster.nodes[n].pid})' for n in NODES)}")
    bring_in(cluster, source)
    prepare(cluster)
    agree(cluster, "everyone has everything")
    meet(cluster)
    first, second = write_and_kill(cluster)
    say("the line to c is healed, and b is started again on what its disk holds")
    cluster.heal()
    cluster.start("b")
    agree(cluster, "everyone has everything again")
    check_meetings(cluster)
    check_writes(cluster, [first, second])
    return last_line(cluster)


def say(text: str) -> None:
    console.print(f"\n* {text}", markup=False)


# --- The acts ---------------------------------------------------------------------------------


def bring_in(cluster: LocalCluster, source: Path) -> None:
    say(f"a imports {source} into {IMPORTED}")
    run = cluster.command("a", "import", str(source), IMPORTED, "--create", seconds=600)
    console.print(run.stdout.decode(errors="replace").strip(), markup=False)


def prepare(cluster: LocalCluster) -> None:
    """Every node makes a part of what the meetings are about."""
    with cluster.talk("a") as a:
        receipt = a.ask(Create(Address(BOX)), copies="all").receipt
        a.ask(Create(WRITTEN), copies="all")
    for number, meeting in enumerate(MEETINGS):
        with cluster.talk(NODES[number % len(NODES)]) as node:
            node.wait(receipt)
            meeting.before(node)


def meet(cluster: LocalCluster) -> None:
    say("the lines from c to a and b are cut; both sides go on, and their operations conflict")
    cluster.cut("c")
    with cluster.talking(*NODES) as (a, b, c):
        for meeting in MEETINGS:
            meeting.left[1](a if meeting.at == "a" else b)
            meeting.right[1](c)
        cluster.agree("a", "b")
        table = Table("", "at a or b", "a and b see", "at c", "c sees", box=SIMPLE_HEAD)
        for meeting in MEETINGS:
            left, right = meeting.left[0], meeting.right[0]
            row = [f"{meeting.at}: {left}", seen(a, meeting.topic), right, seen(c, meeting.topic)]
            table.add_row(meeting.topic, *map(escape, row))
    show_nodes(cluster)
    console.print(table)


def write_and_kill(cluster: LocalCluster) -> tuple[SteadyWriter, SteadyWriter]:
    with SteadyWriter(cluster.nodes["b"], WRITTEN) as at_b:
        at_b.wait_confirmed(CONFIRMED_BEFORE_KILL)
        cluster.kill("b")
    asked, confirmed = at_b.asked, len(at_b.confirmed)
    say(f"b was killed (kill -9) in the middle of writing: {asked} asked, {confirmed} confirmed")
    with SteadyWriter(cluster.nodes["a"], WRITTEN) as at_a:
        at_a.wait_confirmed(CONFIRMED_WITHOUT_B)
    say(f"a, alone now, has confirmed {len(at_a.confirmed)} more")
    return at_b, at_a


# --- What has to be true ----------------------------------------------------------------------


def agree(cluster: LocalCluster, text: str) -> None:
    started = time.monotonic()
    cluster.agree()
    say(f"{text} ({time.monotonic() - started:.1f} s)")
    show_nodes(cluster)


def show_nodes(cluster: LocalCluster) -> None:
    table = Table("node", "operations", "mailboxes", "entries", "files", "digest", box=SIMPLE_HEAD)
    for name in NODES:
        with cluster.talk(name) as node:
            status = node.status(digest=True)
            counts = counted(node)
            operations = sum(status.status.clock.values())
            row = [operations, counts["mailboxes"], counts["entries"], counts["files"]]
            table.add_row(name, *map(str, row), status.digest.hex()[:16])
    console.print(table)


def counted(node: Conversation) -> Counter[str]:
    """Mailboxes (folders that hold entries), entries and files that `node` shows in all boxes."""
    counts: Counter[str] = Counter(mailboxes=0, entries=0, files=0)
    waiting = [Address(box.node.name) for box in node.boxes()]
    for address in waiting:
        for listed in node.look(address)[1:]:
            child, entries = listed.node, listed.entries
            counts.update(entries=entries, mailboxes=entries > 0, files=child.kind is Kind.FILE)
            if child.kind is Kind.FOLDER:
                path = f"{address.path}/{child.name}".lstrip("/")
                waiting.append(Address(address.box, path))
    return counts


def check_meetings(cluster: LocalCluster) -> None:
    table = Table("", "all three see", "because", "", box=SIMPLE_HEAD)
    wrong = []
    with cluster.talking(*NODES) as nodes:
        for meeting in MEETINGS:
            found = [seen(node, meeting.topic) for node in nodes]
            right = len(set(found)) == 1 and found[0] in meeting.ends
            shown = found[0] if right else " | ".join(found)
            table.add_row(
                meeting.topic, escape(shown), meeting.because, "as it has to" if right else "WRONG"
            )
            if not right:
                wrong.append(f"{meeting.topic}: expected {meeting.ends}, found {found}")
    console.print(table)
    if wrong:
        raise Wrong("\n".join(wrong))


def check_writes(cluster: LocalCluster, writers: list[SteadyWriter]) -> None:
    """Every confirmed write is there once, with its contents; no other is there twice."""
    for name in NODES:
        with cluster.talk(name) as node:
            entries = node.entries(WRITTEN)
            shown = Counter(entry.blob.hash for entry in entries)
            for writer in writers:
                lost = [n for n in writer.confirmed if shown[writer.sha256(n)] != 1]
                twice = [n for n in writer.unconfirmed if shown[writer.sha256(n)] > 1]
                if lost or twice:
                    raise Wrong(
                        f"node {name}: writes confirmed by {writer.node.name} that are not there "
                        f"once: {lost[:10]}; others that are there twice: {twice[:10]}"
                    )
            for entry in (entries[0], entries[-1]):
                node.read(WRITTEN, entry.id)
    total = sum(len(writer.confirmed) for writer in writers)
    say(f"all {total} confirmed writes are there on every node, once")


def last_line(cluster: LocalCluster) -> str:
    agreed = cluster.agree()
    counts = []
    for name in NODES:
        with cluster.talk(name) as node:
            counts.append(counted(node))
    if any(one != counts[0] for one in counts):
        raise Wrong(f"the nodes show different numbers: {counts}")
    entries, mailboxes = counts[0]["entries"], counts[0]["mailboxes"]
    return (
        f"{len(NODES)} nodes agree: {entries} entries in {mailboxes} mailboxes, "
        f"digest {agreed.digest.hex()}"
    )


if __name__ == "__main__":
    sys.exit(main())
