"""A snapshot: the state of a shard at a clock, in one file, from which the log can go on.

    [header] [beginning] [block …] [end]

The beginning says for every actor which record is the last that the state stands for, with its
chain and what decodes the next one. A block is opaque here. The end counts the blocks and sums up
all bytes before it: a file without it, or with another one, is no snapshot. It is written beside,
synced block by block, and gets its name when it is whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

import msgspec

from storage.disk import Disk
from storage.errors import Damaged, DiskFull, DiskReadFailed, DiskReadOnly
from storage.files import ASIDE, NEW, FileName, parse_name, publish, remove_if_there, set_state
from storage.frames import (
    BEGINNING,
    BLOCK,
    END,
    decode_frame,
    encode_frame,
    frame_length,
    seed_of,
)
from storage.header import (
    HEADER_BYTES_MAX,
    SNAPSHOT_MAGIC,
    Header,
    check_ours,
    decode_header,
    encode_header,
)
from storage.index import Tip

SNAPSHOT = "snapshot"
_STATES = (SNAPSHOT, NEW, ASIDE)


class Beginning(msgspec.Struct, frozen=True, array_like=True):
    """`version` is that of what the blocks hold, for whoever made them; `folded` what was stable
    when something was forgotten last."""

    version: int
    tips: dict[bytes, Tip]
    folded: dict[bytes, int] = {}


class End(msgspec.Struct, frozen=True, array_like=True):
    """`sum` is the SHA-256 of all bytes of the file before the end frame."""

    blocks: int
    sum: bytes


_Part = TypeVar("_Part", Beginning, End)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One whose tips read: `blocks_at` is where its blocks begin. What it holds beyond is not
    looked at yet."""

    name: FileName
    header: Header
    version: int
    tips: Mapping[bytes, Tip]
    folded: Mapping[bytes, int]
    blocks_at: int

    @property
    def told(self) -> dict[bytes, tuple[int, bytes]]:
        return {actor: (tip.seq, tip.chain) for actor, tip in self.tips.items()}

    @property
    def clock(self) -> dict[bytes, int]:
        return {actor: tip.seq for actor, tip in self.tips.items()}


class SnapshotWriter:
    """Writes a new one. Until `finish` has returned, nothing of it counts.

    Every method raises `DiskError`; after `DiskFull` and `DiskReadOnly` nothing is left of it.
    """

    def __init__(self, disk: Disk, header: Header, beginning: Beginning) -> None:
        self._disk = disk
        self._name = FileName(SNAPSHOT, header.number, NEW)
        self._seed = seed_of(header.id)
        self._at = self._blocks = 0
        self._sum = sha256()
        remove_if_there(disk, self._name)
        self._write(encode_header(header), creates=True)
        self._frame(BEGINNING, msgspec.msgpack.encode(beginning))

    def add(self, block: bytes) -> None:
        """Durable when it returns, so that the last sync is as short as the others."""
        self._frame(BLOCK, block)
        self._blocks += 1
        self._disk.sync(self._name.text)

    def finish(self) -> FileName:
        """Gives it its name; durable when it returns."""
        end = End(self._blocks, self._sum.digest())
        self._frame(END, msgspec.msgpack.encode(end))
        try:
            self._name = publish(self._disk, self._name, state=SNAPSHOT)
        except (DiskFull, DiskReadOnly):
            self.abandon()
            raise
        return self._name

    def abandon(self) -> None:
        try:
            remove_if_there(self._disk, self._name)
        except (DiskFull, DiskReadOnly):
            return  # the next start does it

    def _frame(self, type: int, payload: bytes) -> None:
        self._write(encode_frame(type, payload, offset=self._at, seed=self._seed))

    def _write(self, data: bytes, *, creates: bool = False) -> None:
        try:
            if creates:
                self._disk.create(self._name.text)
            self._disk.write(self._name.text, self._at, data)
        except (DiskFull, DiskReadOnly):
            self.abandon()
            raise
        self._at += len(data)
        self._sum.update(data)


def new_snapshot(
    disk: Disk,
    beginning: Beginning,
    *,
    number: int,
    id: bytes,
    cluster: str,
    shard: str,
) -> SnapshotWriter:
    """Begins one; `number` above that of every other. Raises `DiskError`."""
    header = Header(magic=SNAPSHOT_MAGIC, number=number, id=id, cluster=cluster, shard=shard)
    return SnapshotWriter(disk, header, beginning)


@dataclass(slots=True, kw_only=True)
class FoundSnapshots:
    """Newest first. `problems` tell of files that are none."""

    snapshots: list[Snapshot]
    last_number: int
    problems: list[str]


def find_snapshots(disk: Disk, *, cluster: str, shard: str) -> FoundSnapshots:
    """Those whose beginning reads. What was never finished is removed, what does not read set
    aside. Raises `NotOurs`, `TooNew` with nothing changed, `DiskError`."""
    found = FoundSnapshots(snapshots=[], last_number=0, problems=[])
    for text in reversed(disk.names()):
        name = parse_name(text, kind=SNAPSHOT, states=_STATES)
        if name is None:
            continue
        found.last_number = max(found.last_number, name.number)
        if name.state == NEW:
            disk.remove(text)
        elif name.state == SNAPSHOT:
            try:
                snapshot = read_beginning(disk, name)
            except (Damaged, DiskReadFailed) as error:
                found.problems.append(f"{error}; the snapshot is set aside")
                set_state(disk, name, state=ASIDE)
                continue
            check_ours(snapshot.header, cluster=cluster, shard=shard, where=text)
            found.snapshots.append(snapshot)
    if found.snapshots:  # a name that is seen may live in the cache alone
        disk.sync_directory()
    return found


def read_beginning(disk: Disk, name: FileName) -> Snapshot:
    """Header and tips. Raises `TooNew`, `Damaged`, `DiskReadFailed`."""
    buffer = disk.read(name.text, 0, HEADER_BYTES_MAX)
    header = decode_header(buffer, SNAPSHOT_MAGIC, name.text)
    at = len(encode_header(header))
    payload, end = _read_frame(disk, name, header, at, BEGINNING)
    found = _decoded(payload, Beginning, name)
    return Snapshot(
        name=name,
        header=header,
        version=found.version,
        tips=found.tips,
        folded=found.folded,
        blocks_at=end,
    )


def check_snapshot(disk: Disk, snapshot: Snapshot) -> Iterator[int]:
    """Reads all of it, and yields how many bytes it has read after every block. Raises `Damaged`,
    `DiskReadFailed` where it is not whole: then nothing of it may be used."""
    for _, read in _frames(disk, snapshot):
        yield read


def blocks_of(disk: Disk, snapshot: Snapshot) -> Iterator[bytes]:
    """The blocks of one that was checked; it is checked again on the way. Raises as
    `check_snapshot` does, at the end at the latest."""
    for block, _ in _frames(disk, snapshot):
        if block is not None:
            yield block


def set_snapshot_aside(disk: Disk, snapshot: Snapshot) -> FileName:
    """It is not looked at again; a person may."""
    return set_state(disk, snapshot.name, state=ASIDE)


def present_snapshots(disk: Disk) -> list[Snapshot]:
    """Newest first, those whose beginning reads; while the shard runs, and nothing is changed."""
    found: list[Snapshot] = []
    for text in reversed(disk.names()):
        name = parse_name(text, kind=SNAPSHOT, states=(SNAPSHOT,))
        with suppress(Damaged, DiskReadFailed):
            found += [] if name is None else [read_beginning(disk, name)]
    return found


def remove_snapshots(disk: Disk, *, but: Collection[int] = ()) -> None:
    """All but those with these numbers. Raises `DiskError`."""
    old = [name for name in _names(disk) if name.number not in but]
    for name in old:
        disk.remove(name.text)
    if old:
        disk.sync_directory()


def _names(disk: Disk) -> list[FileName]:
    names = (parse_name(text, kind=SNAPSHOT, states=(SNAPSHOT,)) for text in disk.names())
    return [name for name in names if name is not None]


def _frames(disk: Disk, snapshot: Snapshot) -> Iterator[tuple[bytes | None, int]]:
    """Every block, and None for the end, each with the bytes read so far."""
    name, seed = snapshot.name, seed_of(snapshot.header.id)
    size, at, blocks = disk.size(name.text), snapshot.blocks_at, 0
    read_beginning(disk, name)
    sum = sha256(disk.read(name.text, 0, at))
    while True:
        length = frame_length(disk.read(name.text, at, 8))
        if length is None or at + length > size:
            raise Damaged(f"{name.text}, offset {at}: no block begins here, and no end")
        frame = disk.read(name.text, at, length)
        if frame[0] == END:
            payload = decode_frame(frame, END, offset=at, seed=seed)
            end = _decoded(payload, End, name)
            if (end.blocks, end.sum) != (blocks, sum.digest()) or at + length != size:
                raise Damaged(f"{name.text}: its end speaks of another content")
            yield None, size
            return
        block = decode_frame(frame, BLOCK, offset=at, seed=seed)
        sum.update(frame)
        at, blocks = at + length, blocks + 1
        yield block, at


def _decoded(payload: bytes, type: type[_Part], name: FileName) -> _Part:
    try:
        return msgspec.msgpack.decode(payload, type=type)
    except msgspec.MsgspecError as error:
        raise Damaged(f"{name.text}: expected its {type.__name__.lower()}: {error}") from error


def _read_frame(
    disk: Disk, name: FileName, header: Header, at: int, type: int
) -> tuple[bytes, int]:
    length = frame_length(disk.read(name.text, at, 8))
    if length is None or at + length > disk.size(name.text):
        raise Damaged(f"{name.text}, offset {at}: no frame begins here")
    buffer = disk.read(name.text, at, length)
    return decode_frame(buffer, type, offset=at, seed=seed_of(header.id)), at + length
