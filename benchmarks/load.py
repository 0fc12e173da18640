"""The load: the same for the floor and for the product, so that like is compared with like.

`ask(number)` makes one request, returns when it is confirmed, and says the seq of its operation.
Load runs in the process of the node that is asked: what it costs is part of every figure, and the
same on both sides.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic_ns, process_time
from typing import Literal, TypeAlias

import trio
from msgspec import Struct

Ask: TypeAlias = Callable[[int], Awaitable[int]]
Kind: TypeAlias = Literal["many", "one", "paced"]

ENTRIES = 1_000
"""Of the one mailbox; stores go round robin over them."""
CONTENTS_BYTES = 4096
DEPTH = 1_000
PACED_PER_S = 500
SEED = 1
WARM_UP_S = 0.5
"""Before anything is counted: connections, caches, and the first pages of every file."""
OUTSTANDING_MAX = 1_000
"""Of a paced load: at this bound it waits, and shows it in `late_ms`."""
NS_PER_MS = 1_000_000

FILLER = random.Random(SEED).randbytes(CONTENTS_BYTES - 8)


def contents_of(number: int) -> bytes:
    """4 KiB that no other number has: nothing is saved by finding the same contents twice."""
    return number.to_bytes(8, "big") + FILLER


class Load(Struct, frozen=True):
    """`many`: `depth` callers, each of which asks again when it is answered. `one`: a single one.
    `paced`: a request every 1/`per_s` seconds, whether or not the earlier ones are confirmed.
    """

    kind: Kind
    seconds: float
    copies: int = 2
    contents: bool = False
    depth: int = DEPTH
    per_s: int = PACED_PER_S


class Asked(Struct, frozen=True):
    """What the asking side measured, as far as the kind of load gives it.

    `count` requests were confirmed in `seconds`, for which this process, load included, used
    `cpu_s` of processor time (of a load of many); `waits_ms` is the wait of each request of a
    load of one; `written_bytes` is what the kernel wrote for this process meanwhile (of a load of
    many, and of a paced one); `asked_ns` maps the seq of an operation to when it was asked for
    (monotonic), and `late_ms` says how much later than planned a paced request was made.
    """

    count: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    waits_ms: list[float] = []
    asked_ns: dict[int, int] = {}
    late_ms: list[float] = []
    written_bytes: int = 0

    @property
    def per_s(self) -> float:
        return self.count / self.seconds


class Seen(Struct, frozen=True):
    """When each seq of the asking side became visible at the peer (monotonic, ns)."""

    visible_ns: dict[int, int]


def visible_ms(asked: Asked, seen: Seen) -> list[float]:
    """From request to visible at the peer, for every counted request."""
    return [
        (seen.visible_ns[seq] - asked_ns) / NS_PER_MS for seq, asked_ns in asked.asked_ns.items()
    ]


async def run_load(ask: Ask, load: Load) -> Asked:
    match load.kind:
        case "many":
            return await many_outstanding(ask, load)
        case "one":
            return await one_outstanding(ask, load)
        case "paced":
            return await paced(ask, load)


async def many_outstanding(ask: Ask, load: Load) -> Asked:
    count = 0
    number = 0
    running = True

    async def caller() -> None:
        nonlocal count, number
        while running:
            number += 1
            await ask(number)
            count += 1

    async with trio.open_nursery() as nursery:
        for _ in range(load.depth):
            nursery.start_soon(caller)
        await trio.sleep(WARM_UP_S)
        before, start, cpu, written = count, monotonic_ns(), process_time(), written_bytes()
        await trio.sleep(load.seconds)
        counted, end, cpu_s = count - before, monotonic_ns(), process_time() - cpu
        written = written_bytes() - written
        running = False
    seconds = (end - start) / 1e9
    return Asked(count=counted, seconds=seconds, cpu_s=cpu_s, written_bytes=written)


async def one_outstanding(ask: Ask, load: Load) -> Asked:
    waits: list[float] = []
    number = 0
    asked = start = monotonic_ns()
    counted_from = start + int(WARM_UP_S * 1e9)
    end = counted_from + int(load.seconds * 1e9)
    while asked < end:
        number += 1
        asked = monotonic_ns()
        await ask(number)
        if asked >= counted_from:
            waits.append((monotonic_ns() - asked) / NS_PER_MS)
    return Asked(count=len(waits), seconds=load.seconds, waits_ms=waits)


async def paced(ask: Ask, load: Load) -> Asked:
    """A request's time is when it is made. The loop's timer is a millisecond coarse, so it may be
    made later than planned; `late_ms` says how much, and would show a stalled loop.
    """
    free = trio.Semaphore(OUTSTANDING_MAX)
    first = int(WARM_UP_S * load.per_s) + 1
    last = first + int(load.seconds * load.per_s)
    asked_ns: dict[int, int] = {}
    late_ms: list[float] = []

    async def ask_one(number: int) -> None:
        asked = monotonic_ns()
        seq = await ask(number)
        if number >= first:
            asked_ns[seq] = asked
        free.release()

    async with trio.open_nursery() as nursery:
        start, written = trio.current_time(), 0
        for number in range(1, last):
            planned = start + number / load.per_s
            await trio.sleep_until(planned)
            await free.acquire()
            if number == first:
                written = written_bytes()
            if number >= first:
                late_ms.append((trio.current_time() - planned) * 1000)
            nursery.start_soon(ask_one, number)
    return Asked(
        count=len(asked_ns),
        seconds=load.seconds,
        asked_ns=asked_ns,
        late_ms=late_ms,
        written_bytes=written_bytes() - written,
    )


def written_bytes() -> int:
    """Of this process, in all: pages that became dirty (proc(5))."""
    for line in Path("/proc/self/io").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "write_bytes":
            return int(value)
    raise SystemExit("/proc/self/io: expected a line write_bytes, found none")
