"""What happens to processes and whole machines."""

from __future__ import annotations

from sim.fault import Fault, Setting
from sim.forks import beside
from sim.world import MILLISECOND, SECOND


def kill(setting: Setting) -> str | None:
    host = setting.any_running()
    if host is None:
        return None
    host.kill(setting.world.between(10 * MILLISECOND, 20 * SECOND))
    return host.name


def power_cut(setting: Setting) -> str | None:
    host = setting.any_running()
    if host is None:
        return None
    host.lose_power(setting.world.between(10 * MILLISECOND, 20 * SECOND))
    return host.name


def power_cut_at_work(setting: Setting) -> str | None:
    """At one of the next things that its disk does, whatever that belongs to."""
    host = setting.any_running()
    if host is None:
        return None
    disk = host.machine.disk
    disk.crash_at = disk.operations + setting.world.random.randrange(1, 30)
    return f"{host.name}, operation {disk.crash_at}"


def all_killed(setting: Setting) -> str:
    for host in setting.hosts.values():
        if setting.world.random.randrange(2):
            host.lose_power(setting.world.between(10 * MILLISECOND, 5 * SECOND))
        else:
            host.kill(setting.world.between(10 * MILLISECOND, 5 * SECOND))
    return "all"


def stopped_and_started(setting: Setting) -> str | None:
    host = setting.any_running()
    if host is None:
        return None
    host.stop("asked to", setting.world.between(10 * MILLISECOND, 5 * SECOND))
    return host.name


def paused(setting: Setting) -> str | None:
    host = setting.any_running()
    if host is None:
        return None
    host.pause()
    length = setting.world.between(100 * MILLISECOND, 40 * SECOND)

    def go_on() -> None:
        setting.watch.disturbed(host.name)
        host.go_on()

    setting.world.later(length, go_on)
    return f"{host.name} for {length / SECOND:.1f} s"


def wrong_clock(setting: Setting) -> str:
    host = setting.any_host()
    hour = 3_600_000
    host.clock_offset_ms = setting.world.random.choice((-hour, hour, 10 * 365 * 24 * hour))
    return f"{host.name} by {host.clock_offset_ms // 1000} s"


def killed_at_work(setting: Setting) -> str | None:
    """Not at some time, but at one of the next things that it does."""
    host = setting.any_running()
    if host is None:
        return None
    host.dies_in = setting.world.random.randrange(1, 60)
    return f"{host.name}, in {host.dies_in}"


def killed_in_a_start(setting: Setting) -> str | None:
    """It dies, and the start behind that does so too, at one of the things that its disk does."""
    host = setting.any_running()
    if host is None:
        return None
    host.dies_in_start = setting.world.random.randrange(1, 40)
    where = f"{host.name}, operation {host.dies_in_start} of its start"
    host.kill(setting.world.between(10 * MILLISECOND, 5 * SECOND))
    return where


def out_of_memory(setting: Setting) -> str | None:
    """In the middle of a step, and then its process ends."""
    host = setting.any_running()
    if host is None or host.shell is None:
        return None
    writes = setting.world.random.randrange(100)
    host.shell.scarcity.begin(host.shell.replica, writes)
    return f"{host.name}, in {writes} writes of rows"


def state_lost(setting: Setting) -> str | None:
    host = setting.any_running()
    if host is None:
        return None
    host.fail_state(setting.world.random.randrange(1, 40))
    setting.watch.disk_trouble(host.name)
    return host.name


def garbling(setting: Setting) -> str | None:
    """Below the checksums of disk and line, above nothing but the chain."""
    host = setting.any_running()
    if host is None:
        return None
    host.garbles = setting.world.random.randrange(1, 3)
    setting.watch.garbled = True
    return host.name


def lying(setting: Setting) -> str | None:
    """A member says what is not true, for some messages; then somebody mends it."""
    host = setting.any_running()
    if host is None:
        return None
    host.lies = setting.world.random.randrange(1, 20)
    setting.watch.lies(host.name)
    return f"{host.name}, {host.lies} messages"


def later_version(setting: Setting) -> str | None:
    """One node runs a later version and writes what the others do not understand."""
    host = setting.any_running()
    if host is None:
        return None
    host.novelties = setting.world.random.randrange(1, 10)
    return f"{host.name}, {host.novelties} operations"


def cloned(setting: Setting) -> str | None:
    """On another medium, which shows that it is a copy."""
    host = setting.any_doomed()
    if setting.clones:
        return None
    host.copy = beside(setting, host, inode=1000)
    return host.name


def away_for_long(setting: Setting) -> str | None:
    """Down until the end of the run, while the others go on."""
    host = setting.any_running()
    if host is None:
        return None
    host.lose_power(600 * SECOND)
    return host.name


PROCESS_FAULTS = (
    Fault("kill", ("1", "2", "23"), 6, kill),
    Fault("power cut", ("1", "2", "12", "13"), 6, power_cut),
    Fault("power cut at an operation", ("1", "2", "3", "12", "13", "24"), 6, power_cut_at_work),
    Fault("all killed", ("30", "53"), 1, all_killed),
    Fault("stopped and started", ("24",), 2, stopped_and_started),
    Fault("paused", ("25", "32", "36"), 3, paused),
    Fault("wrong clock", ("33", "34"), 1, wrong_clock),
    Fault("killed at work", ("1", "2", "23", "28"), 6, killed_at_work),
    Fault("state lost", ("13",), 1, state_lost),
    Fault("garbling", ("29", "66", "72"), 1, garbling),
    Fault("lying", ("29", "37", "70", "71", "72", "73", "75"), 2, lying),
    Fault("later version", ("31",), 2, later_version),
    Fault("cloned", ("64", "118"), 1, cloned),
    Fault("away for long", ("50",), 1, away_for_long),
    Fault("killed in a start", ("5", "24"), 3, killed_in_a_start),
    Fault("out of memory", ("26",), 2, out_of_memory),
)
