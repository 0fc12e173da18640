"""Packs, read back whole: every blob against its frame and its hash, and every index.

A blob is damaged where the newest copy of it does not read back. Bytes that no index names are
nobody's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from hashlib import sha256

from storage.disk import Disk
from storage.errors import Damaged, DiskReadFailed, FileMissing
from storage.files import FileName, parse_name
from storage.findings import PORTION_BYTES, Damage, Portion
from storage.frames import BLOB, decode_frame, frame_length, seed_of
from storage.header import HEADER_BYTES_MAX, NO_ID, PACK_MAGIC, Header, check_ours, decode_header
from storage.pack_files import (
    BLOB_FRAME_BYTES,
    BLOB_FRAME_MAX,
    HASH_BYTES,
    PACK,
    blob_in,
    read_pack_header,
    read_sealed,
    read_took,
    scan_pack,
)
from storage.packs import Packs
from storage.segment import SECTOR_BYTES, read_whole


def check_running_packs(packs: Packs) -> Iterator[Portion]:
    """The packs there are now, one after the other. A blob that does not read back is not held
    from then on: it can be put again."""
    number = 0
    while (pack := packs.after(number)) is not None:
        number = pack.name.number
        try:
            check = _Check(packs.disk, pack.name, pack.id, partial(packs.is_newest, pack.name))
            yield from check.run(pack.places())
        except FileMissing:
            if packs.holds_file(pack.name):
                raise


def check_stopped_packs(disk: Disk, *, cluster: str, shard: str) -> Iterator[Portion]:
    """All packs that a start would use. Raises `NotOurs`, `TooNew`, `DiskError`."""
    headers: dict[FileName, tuple[Header, int]] = {}
    for text in disk.names():
        name = parse_name(text, kind=PACK, states=(PACK,))
        if name is None:
            continue
        try:
            header, start = read_pack_header(disk, name)
        except Damaged as error:
            yield Portion(damages=(Damage(file=text, what=str(error)),))
            continue
        check_ours(header, cluster=cluster, shard=shard, where=text)
        if header.number == name.number:
            headers[name] = (header, start)
    replaced = {header.replaces for header, _ in headers.values()} - {NO_ID}
    for name, (header, _) in headers.items():
        try:
            replaced.update(read_took(disk, name, header))
        except (Damaged, DiskReadFailed) as error:
            text = f"which packs it took over does not read back: {error}"
            yield Portion(damages=(Damage(file=name.text, what=text),))
    used = sorted(name for name, (header, _) in headers.items() if header.id not in replaced)
    for number, name in enumerate(used, start=1):
        header, start = headers[name]
        later = {other: headers[other][0] for other in used[number:]}
        yield from _stopped(disk, name, header, start, later)


def _stopped(
    disk: Disk, name: FileName, header: Header, start: int, later: Mapping[FileName, Header]
) -> Iterator[Portion]:
    sealed = read_sealed(disk, name, header)
    damages: list[Damage] = []
    if sealed is None:
        buffer = read_whole(disk, name)
        frames = scan_pack(buffer, header, start)
        found = {blob_in(buffer, frame)[0]: frame.start for frame in frames}
        places = iter(sorted((at, hash_) for hash_, at in found.items()))
        ends = [start, *(frame.end for frame in frames)]
        if any(frame.start != end for frame, end in zip(frames, ends, strict=False)):
            damages.append(Damage(file=name.text, what="blobs follow bytes that do not read back"))
        if later:
            damages.append(Damage(file=name.text, what="the index does not read back"))
    else:
        places = sealed.index.in_file_order()
    yield Portion(damages=tuple(damages))
    yield from _Check(disk, name, header.id, partial(_is_in_none, disk, later)).run(places)


def _is_in_none(disk: Disk, packs: Mapping[FileName, Header], hash_: bytes) -> bool:
    """Whether no later pack holds the blob: it was put again there once it was found damaged."""
    later = (read_sealed(disk, name, header) for name, header in packs.items())
    return all(pack is None or pack.index.find(hash_) is None for pack in later)


class _Check:
    """One pack. Every read is a portion: many short blobs, or one long one."""

    def __init__(
        self, disk: Disk, name: FileName, id: bytes, is_newest: Callable[[bytes], bool]
    ) -> None:
        self._disk = disk
        self._name = name
        self._seed = seed_of(id)
        self._is_newest = is_newest

    def run(self, places: Iterable[tuple[int, bytes]]) -> Iterator[Portion]:
        yield self._headers()
        start, buffer, blobs = 0, b"", 0
        damages: list[Damage] = []
        for at, hash_ in places:
            frame = _frame_in(buffer, at - start)
            if frame is None:
                if blobs:
                    yield Portion(bytes=len(buffer), blobs=blobs, damages=tuple(damages))
                start, buffer, blobs, damages = at, self._read(at), 0, []
                frame = _frame_in(buffer, 0)
            problem = self._problem(frame, at, hash_)
            if problem is not None and self._is_newest(hash_):
                text = f"offset {at}: the blob does not read back: {problem}"
                damages.append(Damage(file=self._name.text, what=text, blob=hash_))
            blobs += 1
        yield Portion(bytes=len(buffer), blobs=blobs, damages=tuple(damages))

    def _headers(self) -> Portion:
        """The first one counts where it holds; either is enough to read the pack."""
        headers: list[Header] = []
        damages: list[Damage] = []
        for at in (0, SECTOR_BYTES):
            try:
                buffer = self._disk.read(self._name.text, at, HEADER_BYTES_MAX)
                headers.append(decode_header(buffer, PACK_MAGIC, self._name.text))
            except (Damaged, DiskReadFailed) as error:
                text = f"the header at {at} does not hold: {error}"
                damages.append(Damage(file=self._name.text, what=text, is_spare=True))
        if len(headers) == 2 and headers[0] != headers[1]:
            text = "the second header is another than the first"
            damages.append(Damage(file=self._name.text, what=text, is_spare=True))
        return Portion(bytes=2 * HEADER_BYTES_MAX, damages=tuple(damages))

    def _read(self, at: int) -> bytes:
        """The frame at `at` and those behind it; that one alone next to what cannot be read."""
        for length in (PORTION_BYTES, 8):
            try:
                buffer = self._disk.read(self._name.text, at, length)
                whole = frame_length(buffer[:8])
                if whole is not None and len(buffer) < whole <= BLOB_FRAME_MAX:
                    buffer += self._disk.read(
                        self._name.text, at + len(buffer), whole - len(buffer)
                    )
            except DiskReadFailed:
                continue
            return buffer
        return b""

    def _problem(self, frame: bytes | None, at: int, hash_: bytes) -> str | None:
        if frame is None:
            return "no blob begins there, or it cannot be read"
        try:
            payload = decode_frame(frame, BLOB, offset=at, seed=self._seed)
        except Damaged as error:
            return str(error)
        named = payload[:HASH_BYTES] == hash_ == sha256(payload[HASH_BYTES:]).digest()
        return None if named else "these are other bytes than those it is named after"


def _frame_in(buffer: bytes, at: int) -> bytes | None:
    """The frame at `at` of `buffer`, where it is all in it."""
    length = frame_length(buffer[at : at + 8]) if at >= 0 else None
    whole = length is not None and BLOB_FRAME_BYTES <= length <= BLOB_FRAME_MAX
    if length is None or not whole or at + length > len(buffer):
        return None
    return buffer[at : at + length]
