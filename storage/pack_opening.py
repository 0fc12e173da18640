"""How packs are opened.

1. Read the header of every pack. A foreign or newer one ends the start before anything changes.
2. A pack that another one took over is removed, or set aside if it was damaged. This finishes
   what a crash interrupted in step 4, or in a compaction (`storage.compaction`).
3. Read the index of every sealed pack; where it does not read back, scan the blobs instead.
4. The last pack, if unsealed, is taken over into a new one (`storage.pack_files`).

A pack without a readable header is set aside. A blob that is lost is fetched again from peers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from storage.disk import Disk
from storage.errors import Damaged, DiskReadFailed
from storage.files import ASIDE, NEW, FileName, parse_name, set_state
from storage.header import ID_BYTES, NO_ID, PACK_MAGIC, Header, check_ours
from storage.pack_files import (
    PACK,
    OpenPack,
    SealedPack,
    blob_in,
    read_pack_header,
    read_sealed,
    read_took,
    scan_pack,
    take_over_pack,
)
from storage.pack_index import PackIndex
from storage.segment import read_whole
from storage.verdict import Cut

_STATES = (PACK, ASIDE, NEW)


@dataclass(frozen=True, slots=True, kw_only=True)
class PacksRecovery:
    """`quarantined` files are kept for a person; `cut` was the end of a write that a crash tore."""

    quarantined: tuple[str, ...]
    cut: Cut | None
    problems: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class OpenedPacks:
    sealed: list[SealedPack] = field(default_factory=list)
    pack: OpenPack | None = None
    last_number: int = 0
    cut: Cut | None = None
    quarantined: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def recovery(self) -> PacksRecovery:
        return PacksRecovery(
            quarantined=tuple(self.quarantined), cut=self.cut, problems=tuple(self.problems)
        )


def open_packs(
    disk: Disk, *, cluster: str, shard: str, entropy: Callable[[int], bytes]
) -> OpenedPacks:
    """Raises `NotOurs`, `TooNew` with nothing changed, `DiskError` with nothing lost."""
    return _PackOpening(disk, cluster, shard, entropy).run()


class _PackOpening:
    def __init__(
        self, disk: Disk, cluster: str, shard: str, entropy: Callable[[int], bytes]
    ) -> None:
        self.disk = disk
        self.cluster = cluster
        self.shard = shard
        self.entropy = entropy
        self.result = OpenedPacks()
        self.headers: dict[FileName, tuple[Header, int]] = {}
        self.leftovers: list[FileName] = []
        self.unreadable: list[FileName] = []

    def run(self) -> OpenedPacks:
        self._survey()
        self._finish_takeovers()
        names = sorted(self.headers)
        for name in names:
            header, start = self.headers[name]
            sealed = read_sealed(self.disk, name, header)
            if sealed is None and name == names[-1]:
                self._add_unsealed(name, header, start)
            else:
                self.result.sealed.append(sealed or self._scanned(name, header, start))
        for name in self.unreadable:
            self._set_aside(name)
        return self.result

    def _survey(self) -> None:
        for text in self.disk.names():
            name = parse_name(text, kind=PACK, states=_STATES)
            if name is None:
                if text.startswith("pack-"):
                    self._say(f"{text} is no pack of this shard; it is left alone")
                continue
            self.result.last_number = max(self.result.last_number, name.number)
            if name.state == NEW:
                self.leftovers.append(name)
            elif name.state == PACK:
                self._read_header(name)

    def _read_header(self, name: FileName) -> None:
        try:
            header, start = read_pack_header(self.disk, name)
        except Damaged as error:
            self.unreadable.append(name)
            self._say(f"{error}; the file is set aside")
            return
        check_ours(header, cluster=self.cluster, shard=self.shard, where=name.text)
        if header.number != name.number:
            self._say(f"{name.text} was made as number {header.number}; it is left alone")
        else:
            self.headers[name] = (header, start)

    def _finish_takeovers(self) -> None:
        """The new pack's name must be durable before the old file goes."""
        successors = {h.replaces: h for h, _ in self.headers.values() if h.replaces != NO_ID}
        for name, (header, _) in self.headers.items():
            successors.update(dict.fromkeys(self._took(name, header), header))
        old = [name for name, (header, _) in self.headers.items() if header.id in successors]
        if old or self.leftovers:
            self.disk.sync_directory()
        for name in old:
            header, _ = self.headers.pop(name)
            self._retire(name, keep=successors[header.id].replaced_damaged)
        for name in self.leftovers:
            self.disk.remove(name.text)
            self._say(f"{name.text} was never finished; it is removed")

    def _took(self, name: FileName, header: Header) -> list[bytes]:
        """Where that does not read back, the old packs stay, and hold blobs twice at worst."""
        try:
            return read_took(self.disk, name, header)
        except (Damaged, DiskReadFailed) as error:
            self._say(f"{name.text}: which packs it took over does not read back: {error}")
            return []

    def _retire(self, name: FileName, *, keep: bool) -> None:
        if keep:
            self._set_aside(name)
        else:
            self.disk.remove(name.text)
            self.disk.sync_directory()

    def _set_aside(self, name: FileName) -> None:
        self.result.quarantined.append(set_state(self.disk, name, state=ASIDE).text)

    def _scanned(self, name: FileName, header: Header, start: int) -> SealedPack:
        buffer = read_whole(self.disk, name)
        frames = scan_pack(buffer, header, start)
        self._say(f"{name.text}: the index does not read; a scan found {len(frames)} blobs")
        index = PackIndex.of({blob_in(buffer, frame)[0]: frame.start for frame in frames})
        return SealedPack(name=name, id=header.id, index=index, end=len(buffer))

    def _add_unsealed(self, name: FileName, header: Header, start: int) -> None:
        if self.disk.size(name.text) == start:
            self.disk.sync_directory()
            self.result.pack = OpenPack(self.disk, header, name, start)
            return
        self.result.last_number += 1
        draft = Header(
            magic=PACK_MAGIC,
            number=self.result.last_number,
            id=self.entropy(ID_BYTES),
            cluster=self.cluster,
            shard=self.shard,
            replaces=header.id,
        )
        taken = take_over_pack(self.disk, name, start, draft)
        self.result.pack = taken.pack
        if taken.damaged:
            self._say(f"{name.text} is damaged; it is kept as .{ASIDE}, what reads of it is used")
        if taken.cut:
            size = self.disk.size(name.text)
            self.result.cut = Cut(name.text, size - taken.cut, taken.cut)
            self._say(f"{name.text}: the last {taken.cut} bytes were torn and cut")
        self._retire(name, keep=taken.damaged)

    def _say(self, problem: str) -> None:
        self.result.problems.append(problem)
