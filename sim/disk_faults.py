"""What happens to disks and what lies on them."""

from __future__ import annotations

from sim.disk import SimulatedDisk
from sim.fault import Fault, Setting
from sim.host import Host
from sim.state_medium import Medium
from sim.world import MILLISECOND, SECOND


def _troubled(setting: Setting) -> Host | None:
    host = setting.any_running()
    if host is not None:
        setting.watch.disk_trouble(host.name)
    return host


def full(setting: Setting) -> str | None:
    host = _troubled(setting)
    if host is None:
        return None
    disk = host.machine.disk
    disk.capacity = disk.used() + setting.world.between(0, 6000)
    length = setting.world.between(SECOND, 15 * SECOND)

    def free() -> None:
        disk.capacity = None

    setting.world.later(length, free)
    return f"{host.name} for {length / SECOND:.1f} s"


def read_only(setting: Setting) -> str | None:
    host = _troubled(setting)
    if host is None:
        return None
    disk = host.machine.disk
    disk.read_only_from = disk.operations + setting.world.random.randrange(20)

    def writable() -> None:
        disk.read_only_from = None

    setting.world.later(setting.world.between(SECOND, 15 * SECOND), writable)
    return host.name


def sync_error(setting: Setting) -> str | None:
    """The next sync fails; what it was for reads well until the machine restarts."""
    host = _troubled(setting)
    if host is None:
        return None
    host.machine.disk.failing_syncs = setting.world.random.randrange(1, 3)
    return host.name


def write_error(setting: Setting) -> str | None:
    host = _troubled(setting)
    if host is None:
        return None
    host.machine.disk.failing_writes = setting.world.random.randrange(1, 3)
    return host.name


def slow(setting: Setting) -> str | None:
    host = setting.any_running()
    if host is None:
        return None
    host.slow_by(setting.world.between(20 * MILLISECOND, 10 * SECOND))
    length = setting.world.between(SECOND, 20 * SECOND)
    setting.world.later(length, lambda: host.slow_by(0))
    return f"{host.name} by {host.slow_us // MILLISECOND} ms for {length / SECOND:.1f} s"


# --- Damage ------------------------------------------------------------------------------------


def _place(setting: Setting, host: Host) -> tuple[str, int] | None:
    """A byte of a file that holds something; mostly near the end, where the records are."""
    disk = host.machine.disk
    names = [name for name in disk.names() if disk.size(name)]
    if not names:
        return None
    name = setting.world.random.choice(names)
    size = disk.size(name)
    if setting.world.random.randrange(4):
        return name, size - 1 - setting.world.between(0, min(size, 3000) - 1)
    return name, setting.world.random.randrange(size)


def _damaged(setting: Setting) -> tuple[Host, str, int] | None:
    host = setting.any_doomed()
    place = _place(setting, host)
    if place is None:
        return None
    setting.watch.medium_damaged(host.name)
    return host, *place


def bit_flip(setting: Setting) -> str | None:
    found = _damaged(setting)
    if found is None:
        return None
    host, name, at = found
    host.machine.disk.flip(name, at, 1 << setting.world.random.randrange(8))
    return f"{host.name} {name} at {at}"


def misdirected(setting: Setting) -> str | None:
    """A sector from elsewhere on the disk, or an old one, stands where another should."""
    found = _damaged(setting)
    if found is None:
        return None
    host, name, at = found
    disk = host.machine.disk
    start = at // 512 * 512
    other = _place(setting, host)
    data = bytes(512)
    if other is not None and setting.world.random.randrange(3):
        data = disk.content(other[0], other[1] // 512 * 512, 512)
    disk.overwrite(name, start, data)
    return f"{host.name} {name} at {start}"


def stale(setting: Setting) -> str | None:
    """A write never reaches its sector: after some time the old content is found there again."""
    found = _damaged(setting)
    if found is None:
        return None
    host, name, at = found
    disk, start = host.machine.disk, at // 512 * 512
    before = disk.content(name, start, 512).ljust(512, b"\0")

    def show_old() -> None:
        if setting.world.is_hostile and host.machine.disk is disk and name in disk.names():
            disk.overwrite(name, start, before)
            setting.world.say("!", f"{host.name} {name} at {start} is as it was before")

    setting.world.later(setting.world.between(MILLISECOND, 10 * SECOND), show_old)
    return f"{host.name} {name} at {start}"


def file_removed(setting: Setting) -> str | None:
    """Somebody clears up old files by hand, while the node runs or while it is stopped."""
    host = setting.any_doomed()
    disk = host.machine.disk
    newest = max((name for name in disk.names() if name.startswith("log/log-")), default="")
    names = [name for name in disk.names() if "/" in name and name < newest]
    names += [name for name in disk.names() if name.startswith(("packs/", "log/snapshot-"))]
    if not names:
        return None
    name = setting.world.random.choice(names)
    for _ in range(2):  # more than one place
        setting.watch.medium_damaged(host.name)
    if setting.world.chance(2):
        host.stop("asked to", setting.world.between(10 * MILLISECOND, 5 * SECOND))
    disk.forget(name)
    return f"{host.name} {name}"


def state_spoilt(setting: Setting) -> str | None:
    """Rows of the kept state do not come back as they were."""
    host = _troubled(setting)
    if host is None or host.habits.bounds is None:
        return None
    host.kill(setting.world.between(10 * MILLISECOND, 5 * SECOND))
    host.machine.state.spoil(setting.world.random.randrange)
    return host.name


def unreadable(setting: Setting) -> str | None:
    found = _damaged(setting)
    if found is None:
        return None
    host, name, at = found
    setting.watch.medium_damaged(host.name)  # once more: it takes a whole page with it
    host.machine.disk.unreadable.add((name, at))
    return f"{host.name} {name} at {at}"


def stray_files(setting: Setting) -> str | None:
    host = _troubled(setting)
    if host is None:
        return None
    disk = host.machine.disk
    drawn = setting.world.random.randrange(4)
    names = ("log/log-0000000999.segment", "packs/pack-0000000999.pack", "log/lost+found", "x")
    name = names[drawn]
    if name in disk.names() or disk.crash_at is not None or disk.is_failing:
        return None
    disk.create(name)
    disk.write(name, 0, bytes(setting.world.random.randrange(2) * 100))
    disk.sync(name)
    return f"{host.name} {name}"


# --- Media lost and put back -------------------------------------------------------------------


def disk_lost(setting: Setting) -> str | None:
    host = setting.any_doomed()
    host.kill(setting.world.between(SECOND, 20 * SECOND))
    setting.watch.medium_replaced(host.name)
    host.machine.replace_disk(SimulatedDisk(), None if setting.world.chance(3) else Medium())
    return host.name


def restored(setting: Setting) -> str | None:
    """Some time after a backup, its copy is put in the place of the disk."""
    host, world = setting.any_doomed(), setting.world
    copy = host.machine.copy(world.random.randrange)

    def restore() -> None:
        if not world.is_hostile:
            return
        host.kill(world.between(10 * MILLISECOND, 10 * SECOND))
        setting.watch.medium_replaced(host.name)
        state = None if world.chance(3) else copy.state
        host.machine.replace_disk(copy.disk, state)
        world.say("!", f"{host.name} is put back")

    if host.name not in setting.watch.suspect:
        setting.watch.medium_damaged(host.name)
    world.later(world.between(SECOND, 15 * SECOND), restore)
    return host.name


def all_restored(setting: Setting) -> str | None:
    """Every node is put back to what its backup of one moment holds."""
    if not setting.is_cruel:
        return None
    world, hosts = setting.world, list(setting.hosts.values())
    copies = [host.machine.copy(world.random.randrange) for host in hosts]
    for host in hosts:
        setting.watch.medium_damaged(host.name)

    def restore() -> None:
        if not world.is_hostile:
            return
        for host, copy in zip(hosts, copies, strict=True):
            host.kill(world.between(10 * MILLISECOND, 10 * SECOND))
            setting.watch.medium_replaced(host.name)
            host.machine.replace_disk(copy.disk, copy.state)
        world.say("!", "all are put back")

    world.later(world.between(SECOND, 15 * SECOND), restore)
    return "all"


def rolled_back(setting: Setting) -> str | None:
    """A virtual machine goes on from an older snapshot, and nothing in it shows that. Nobody has
    it write anything until a peer has told it; what happens otherwise is a fork."""
    host, world = setting.any_doomed(), setting.world
    copy = host.machine.copy(world.random.randrange)

    def roll_back() -> None:
        if not world.is_hostile:
            return
        host.kill(10 * MILLISECOND)
        host.is_set_back = True
        setting.watch.medium_replaced(host.name)
        host.machine.become(copy)
        world.say("!", f"{host.name} is rolled back")

    setting.watch.medium_damaged(host.name)
    world.later(world.between(SECOND, 15 * SECOND), roll_back)
    return host.name


DISK_FAULTS = (
    Fault("full disk", ("8", "9", "110"), 3, full),
    Fault("read-only disk", ("14",), 2, read_only),
    Fault("sync error", ("6", "7"), 3, sync_error),
    Fault("write error", ("6", "11"), 1, write_error),
    Fault("slow disk", ("15",), 3, slow),
    Fault("bit flip", ("4", "5", "17"), 4, bit_flip),
    Fault("misdirected write", ("16",), 2, misdirected),
    Fault("stale sector", ("16",), 2, stale),
    Fault("state spoilt", ("13", "29"), 2, state_spoilt),
    Fault("file removed", ("18", "119"), 1, file_removed),
    Fault("unreadable sector", ("10",), 2, unreadable),
    Fault("stray files", ("21",), 1, stray_files),
    Fault("disk lost", ("82",), 1, disk_lost),
    Fault("restored from a backup", ("80", "81", "122"), 2, restored),
    Fault("all restored", ("84",), 2, all_restored),
    Fault("rolled back", ("83",), 2, rolled_back),
)
