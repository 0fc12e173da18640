"""What was confirmed is there, once; what was asked again, too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from samebox import Address, Create
from samebox.testing import LocalCluster, SteadyWriter

BOX = Address("mail/alice")


def make_mailbox(cluster: LocalCluster, path: str) -> Address:
    """A mailbox in mail/alice, on every running node."""
    address = Address(BOX.box, path)
    running = [name for name in cluster.names if cluster.nodes[name].is_running]
    with cluster.talk(running[0]) as node:
        answered = node.ask(Create(address, parents=True))
    for name in running[1:]:
        with cluster.talk(name) as node:
            node.wait(answered.receipt)
    return address


def shown(cluster: LocalCluster, name: str, address: Address) -> Counter[bytes]:
    """How often each message, by its SHA-256, stands in a mailbox."""
    with cluster.talk(name) as node:
        return Counter(entry.blob.hash for entry in node.entries(address))


def assert_confirmed_once(
    cluster: LocalCluster, writers: Iterable[SteadyWriter], *, names: Sequence[str] = ()
) -> None:
    """Confirmed: once. Asked alone: at most once. On every node."""
    for writer in writers:
        for name in names or cluster.names:
            there = shown(cluster, name, writer.target)
            confirmed = {n: there[writer.sha256(n)] for n in writer.confirmed}
            others = {n: there[writer.sha256(n)] for n in writer.unconfirmed}
            lost = {n: times for n, times in confirmed.items() if times != 1}
            twice = {n: times for n, times in others.items() if times > 1}
            where = f"at node {name}, of what {writer.node.name} was asked"
            assert not lost, f"{where}: confirmed, and not there once: {lost}"
            assert not twice, f"{where}: unconfirmed, and there twice: {twice}"


def assert_repeated_once(
    cluster: LocalCluster, writers: Iterable[SteadyWriter], *, at: str
) -> None:
    """Ask all that was not confirmed again at another node: then everything is there once."""
    for writer in writers:
        with cluster.talk(at) as node:
            for number in writer.unconfirmed:
                writer.ask_again(number, node)
    cluster.agree()
    for writer in writers:
        there = shown(cluster, at, writer.target)
        wrong = {n: there[writer.sha256(n)] for n in range(1, writer.asked + 1)}
        wrong = {n: times for n, times in wrong.items() if times != 1}
        assert not wrong, f"asked again at {at}, and not there once: {wrong}"
