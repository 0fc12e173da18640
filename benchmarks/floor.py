"""The bare floor: the pipeline of benchmarks/bare_nodes.py as two processes over loopback.

Same libraries, same promises (sync before send, state and reply; one waiter woken per request;
mutual TLS 1.3; 16-byte actors; chain hash), no semantics. What the product takes beyond this is
what its meaning costs; what this takes is the machine's, and Python's.

    python -m benchmarks.floor        all of it, in half a minute
"""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic_ns

import msgspec
import trio
from msgspec import Struct

from benchmarks.bare_disk import Disk, DiskThread
from benchmarks.bare_nodes import ACTOR_A, BareStore, Origin, Peer
from benchmarks.children import CLUSTER, Children, say
from benchmarks.figures import percentile
from benchmarks.load import (
    ENTRIES,
    NS_PER_MS,
    PACED_PER_S,
    Asked,
    Load,
    Seen,
    contents_of,
    run_load,
    visible_ms,
)
from benchmarks.machine import disk_folder
from certs import make_certificates
from samebox import collect_seldom

MODULE = "benchmarks.floor"
HOPS = 500
CHILD_S = 600
"""No child outlives this."""
FAREWELL_S = 5.0


class Task(Struct, frozen=True):
    """What a child does. `listening` is the peer's socket, made by the parent."""

    folder: str
    port: int
    listening: int
    load: Load


def run_floor(load: Load, *, within: Path | None = None) -> tuple[Asked, Seen]:
    """One run of two processes, in a new folder below `within`, which is removed."""
    with TemporaryDirectory(prefix="samebox-floor-", dir=within or disk_folder()) as name:
        folder = Path(name)
        make_certificates(folder, CLUSTER, {"a": (), "b": ()})
        with socket.create_server(("127.0.0.1", 0)) as listening, Children(folder) as children:
            task = Task(name, listening.getsockname()[1], listening.fileno(), load)
            peer = children.start(MODULE, "peer", task, files=(task.listening,))
            origin = children.start(MODULE, "origin", task)
            asked = children.answer(origin, Asked, seconds=load.seconds)
            return asked, children.answer(peer, Seen, seconds=0)


def hops_ms() -> list[float]:
    """To the disk thread and back, with nothing to do there."""

    async def measure() -> list[float]:
        thread = DiskThread()
        waits = []
        for _ in range(HOPS):
            start = monotonic_ns()
            await thread.wait(thread.submit(lambda: None))
            waits.append((monotonic_ns() - start) / NS_PER_MS)
        thread.close()
        return waits

    return trio.run(measure)


async def origin(task: Task) -> Asked:
    stream = await trio.open_tcp_stream("127.0.0.1", task.port)
    link = trio.SSLStream(stream, tls(Path(task.folder), "a", server=False))
    await link.do_handshake()
    with Disk(Path(task.folder) / "origin") as disk:
        node = Origin(disk, link, copies=task.load.copies)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(node.run)
            asked = await run_load(asking(node, task.load), task.load)
            nursery.cancel_scope.cancel()
    with trio.move_on_after(FAREWELL_S):
        await link.aclose()
    return asked


def asking(node: Origin, load: Load) -> Callable[[int], Awaitable[int]]:
    requests = [BareStore((ACTOR_A, number), "\\Seen") for number in range(ENTRIES)]

    async def ask(number: int) -> int:
        contents = contents_of(number) if load.contents else b""
        return await node.ask(requests[number % ENTRIES], number, contents)

    return ask


async def peer(task: Task) -> Seen:
    """Until the origin closes the connection."""
    listening = trio.socket.from_stdlib_socket(socket.socket(fileno=task.listening))
    accepted, _ = await listening.accept()
    context = tls(Path(task.folder), "b", server=True)
    link = trio.SSLStream(trio.SocketStream(accepted), context, server_side=True)
    with Disk(Path(task.folder) / "peer") as disk:
        node = Peer(disk, link, watched=task.load.kind == "paced")
        try:
            await node.run()
        except* trio.BrokenResourceError:
            pass
    listening.close()
    return Seen(node.visible_ns)


def tls(folder: Path, node: str, *, server: bool) -> ssl.SSLContext:
    """TLS 1.3 alone, and both ends show a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(folder / "ca.pem")
    context.load_cert_chain(folder / f"{node}.pem", folder / f"{node}.key")
    return context


async def bounded(role: Callable[[Task], Awaitable[Struct]], task: Task) -> Struct:
    with trio.fail_after(CHILD_S):
        return await role(task)


def child(role: str, task: str) -> None:
    known: dict[str, Callable[[Task], Awaitable[Struct]]] = {"origin": origin, "peer": peer}
    collect_seldom()  # as the product does
    say(trio.run(bounded, known[role], msgspec.json.decode(task, type=Task)))


def main() -> None:
    for depth in (1, 10, 100, 1000):
        asked, _ = run_floor(Load("many", 3, depth=depth))
        print(f"{depth:5} outstanding, durable at both: {asked.per_s:10,.0f} /s")
    asked, _ = run_floor(Load("many", 3, contents=True))
    print(f" 1000 with 4 KiB, durable at both: {asked.per_s:9,.0f} /s")
    for copies, where in ((1, "here"), (2, "at both")):
        waits = run_floor(Load("one", 3, copies=copies))[0].waits_ms
        print(f"one outstanding, durable {where}: {spread(waits)}")
    waits = visible_ms(*run_floor(Load("paced", 3)))
    print(f"visible at the peer, at {PACED_PER_S}/s: {spread(waits)}")
    print(f"to the disk thread and back: {spread(hops_ms())}")


def spread(waits: list[float]) -> str:
    return f"median {median(waits):.3f} ms, p99 {percentile(waits, 99):.3f} ms"


if __name__ == "__main__":
    if sys.argv[1:]:
        child(*sys.argv[1:])
    else:
        main()
