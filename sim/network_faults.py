"""What happens between machines."""

from __future__ import annotations

from collections.abc import Iterable

from sim.fault import Fault, Setting
from sim.world import MILLISECOND, SECOND


def _cut_for_a_while(setting: Setting, paths: Iterable[tuple[str, str]], most_us: int) -> int:
    paths = list(paths)
    for path in paths:
        setting.network.cut(*path)
    length = setting.world.between(200 * MILLISECOND, most_us)

    def mend() -> None:
        for path in paths:
            setting.network.mend(*path)

    setting.world.later(length, mend)
    return length


def _text(names: Iterable[str], length_us: int) -> str:
    return f"{' '.join(names)} for {length_us / SECOND:.1f} s"


def partition(setting: Setting) -> str:
    names = list(setting.hosts)
    setting.world.random.shuffle(names)
    size = setting.world.random.randrange(1, len(names))
    near, far = names[:size], names[size:]
    paths = [path for a in near for b in far for path in ((a, b), (b, a))]
    return _text([*near, "|", *far], _cut_for_a_while(setting, paths, 30 * SECOND))


def partial_cut(setting: Setting) -> str | None:
    if len(setting.hosts) < 3:
        return None
    one, other = setting.any_pair()
    length = _cut_for_a_while(setting, [(one, other), (other, one)], 30 * SECOND)
    return _text([one, "-", other], length)


def one_way_cut(setting: Setting) -> str:
    one, other = setting.any_pair()
    return _text([one, "->", other], _cut_for_a_while(setting, [(one, other)], 30 * SECOND))


def flapping(setting: Setting) -> str:
    one, other = setting.any_pair()
    left = setting.world.random.randrange(3, 12)

    def flap() -> None:
        nonlocal left
        left -= 1
        if left and setting.world.is_hostile:
            _cut_for_a_while(setting, [(one, other), (other, one)], SECOND)
            for pair in setting.network.open_connections():
                if {one, other} == {pair[0].owner, pair[0].peer} and setting.world.chance(2):
                    setting.network.break_connection(pair)
            setting.world.later(setting.world.random.randrange(SECOND), flap)

    flap()
    return f"{one} {other}, {left} times"


def reset(setting: Setting) -> str | None:
    pairs = setting.network.open_connections()
    if not pairs:
        return None
    pair = setting.world.random.choice(pairs)
    setting.network.break_connection(pair)
    return f"{pair[0].owner} {pair[1].owner}"


def clogged(setting: Setting) -> str:
    one, other = setting.any_pair()
    path = setting.network.paths[one, other]
    before = (path.latency_us, path.jitter_us)
    path.latency_us = setting.world.between(50 * MILLISECOND, 10 * SECOND)
    path.jitter_us = path.latency_us
    length = setting.world.between(SECOND, 20 * SECOND)

    def release() -> None:
        path.latency_us, path.jitter_us = before

    setting.world.later(length, release)
    return _text([one, "->", other, f"by {path.latency_us // MILLISECOND} ms"], length)


def dribble(setting: Setting) -> str:
    one, other = setting.any_pair()
    setting.network.paths[one, other].is_dribbling = True
    return f"{one} -> {other}"


def deaf_reader(setting: Setting) -> str | None:
    host = setting.any_running()
    if host is None:
        return None
    host.is_deaf = True
    length = setting.world.between(SECOND, 30 * SECOND)
    setting.world.later(length, host.listen_again)
    return _text([host.name], length)


def slow_reader(setting: Setting) -> str | None:
    """Takes a little, and then nothing for a while, again and again."""
    host = setting.any_running()
    if host is None:
        return None
    left = setting.world.random.randrange(5, 60)

    def pause() -> None:
        nonlocal left
        left -= 1
        host.listen_again()
        if left and setting.world.is_hostile:
            host.is_deaf = True
            setting.world.later(setting.world.random.randrange(SECOND), pause)

    pause()
    return f"{host.name}, {left} times"


def narrow_line(setting: Setting) -> str:
    one, other = setting.any_pair()
    path = setting.network.paths[one, other]
    path.ns_per_byte = setting.world.random.choice((1_000, 30_000, 1_000_000))
    length = setting.world.between(SECOND, 30 * SECOND)

    def widen() -> None:
        path.ns_per_byte = 0

    setting.world.later(length, widen)
    return _text([one, "->", other, f"{path.ns_per_byte} ns a byte"], length)


NETWORK_FAULTS = (
    Fault("partition", ("39",), 4, partition),
    Fault("partial cut", ("41",), 4, partial_cut),
    Fault("one-way cut", ("40", "44"), 4, one_way_cut),
    Fault("flapping", ("43", "46"), 2, flapping),
    Fault("reset", ("45", "46", "47"), 6, reset),
    Fault("clogged", ("42", "48", "49"), 3, clogged),
    Fault("dribble", ("49", "66"), 2, dribble),
    Fault("deaf reader", ("51",), 2, deaf_reader),
    Fault("slow reader", ("51",), 2, slow_reader),
    Fault("narrow line", ("49",), 2, narrow_line),
)
