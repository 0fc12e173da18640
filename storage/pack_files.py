"""One pack file: how it is opened, read and written, and how an unsealed one is taken over.

    [header] [zeros up to 4096] [the header again] [blob frames …] [index frame] [took] [trailer]

A blob frame's payload is the SHA-256 (32 bytes) and then the blob. There are no marks: a blob
proves itself. Whatever of an unsealed pack verifies is written to a new one and synced before it
is trusted, as with the log. A pack that a compaction has made has a frame *took*: the ids of the
packs whose used blobs it holds, and which are done with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from storage.appending import FileEnd
from storage.disk import Disk
from storage.errors import Damaged, DiskFull, DiskReadFailed, DiskReadOnly
from storage.files import NEW, FileName, publish, remove_if_there
from storage.frames import (
    BLOB,
    FRAME_BYTES,
    INDEX,
    TOOK,
    Frame,
    decode_frame,
    encode_blobs,
    encode_frame,
    frame_length,
    scan,
    seed_of,
)
from storage.header import HEADER_BYTES_MAX, PACK_MAGIC, Header, decode_header, encode_header
from storage.index import TRAILER_BYTES, Trailer, encode_trailer
from storage.pack_index import PackIndex
from storage.segment import SECTOR_BYTES, read_trailer, read_whole

PACK = "pack"
HASH_BYTES = 32
BLOB_BYTES_MAX = (1 << 20) + (64 << 10)
"""A chunk of 1 MiB, with room for what a later format may wrap it in."""
BLOB_FRAME_BYTES = FRAME_BYTES + HASH_BYTES
"""Of a blob's frame beside the blob."""
BLOB_FRAME_MAX = BLOB_FRAME_BYTES + BLOB_BYTES_MAX
FIRST_READ_BYTES = 64 << 10
"""Most blobs come with one read of this size; the rest of a longer one with a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPack:
    """`index` is what was read, or what a scan found where it did not read. `end`: of the blobs."""

    name: FileName
    id: bytes
    index: PackIndex
    end: int


class OpenPack:
    """The pack that is written to. `places` are offsets by hash, unsynced ones included."""

    def __init__(self, disk: Disk, header: Header, name: FileName, size: int) -> None:
        self.name = name
        self.header = header
        self.places: dict[bytes, int] = {}
        self.end = FileEnd(disk, size)
        self._disk = disk
        self._seed = seed_of(header.id)

    @classmethod
    def create(cls, disk: Disk, header: Header) -> OpenPack:
        """Nobody looks at it before it is published."""
        name = FileName(PACK, header.number, NEW)
        remove_if_there(disk, name)
        opening = encode_pack_opening(header)
        try:
            disk.create(name.text)
            disk.write(name.text, 0, opening)
        except (DiskFull, DiskReadOnly):
            remove_if_there(disk, name)
            raise
        return cls(disk, header, name, len(opening))

    def settle(self, header: Header) -> None:
        """Writes the header that holds when the file gets its name; same length as the first."""
        opening = encode_pack_opening(header)
        self._disk.write(self.name.text, 0, opening)

    def publish(self) -> None:
        self.name = publish(self._disk, self.name, state=PACK)

    def add(self, blobs: Mapping[bytes, bytes]) -> None:
        """All of them in one write, unsynced; blobs by hash.

        Raises `DiskError`; after `DiskFull` and `DiskReadOnly` nothing was added.
        """
        frames, places = encode_blobs(blobs, offset=self.end.at, seed=self._seed)
        self.end.append(self.name, frames)
        self.places.update(places)

    def in_file_order(self) -> Iterator[tuple[int, bytes]]:
        """Offset and hash of every blob that is in it now, by offset."""
        return iter(sorted((at, hash_) for hash_, at in self.places.items()))

    def sync(self) -> None:
        self._disk.sync(self.name.text)

    def seal(self, took: Sequence[bytes] = ()) -> SealedPack:
        """Every blob in it must be synced. Raises `DiskError` as `add` does."""
        index, at = PackIndex.of(self.places), self.end.at
        frame = encode_frame(INDEX, index.encode(), offset=at, seed=self._seed)
        took_at = at + len(frame)
        if took:
            frame += encode_frame(
                TOOK, msgspec.msgpack.encode(took), offset=took_at, seed=self._seed
            )
        trailer = Trailer(self.header.id, at, took_at, at + len(frame) + TRAILER_BYTES)
        self.end.append(self.name, frame + encode_trailer(trailer))
        self.sync()
        return SealedPack(name=self.name, id=self.header.id, index=index, end=at)

    def seal_and_publish(self, took: Sequence[bytes]) -> SealedPack:
        """For one that gets its name when it is complete. Raises `DiskError`."""
        sealed = self.seal(took)
        self.publish()
        return replace(sealed, name=self.name)


def encode_pack_opening(header: Header) -> bytes:
    encoded = encode_header(header)
    return encoded.ljust(SECTOR_BYTES, b"\0") + encoded


def read_pack_header(disk: Disk, name: FileName) -> tuple[Header, int]:
    """The first header that reads, and where the blobs begin. Raises `TooNew`, `Damaged`."""
    first = Damaged(f"{name.text}: no header holds")
    for at in (0, SECTOR_BYTES):
        try:
            buffer = disk.read(name.text, at, HEADER_BYTES_MAX)
            header = decode_header(buffer, PACK_MAGIC, name.text)
        except (Damaged, DiskReadFailed) as error:
            first.add_note(str(error))
        else:
            return header, SECTOR_BYTES + len(encode_header(header))
    raise first


def read_sealed(disk: Disk, name: FileName, header: Header) -> SealedPack | None:
    """None where the pack is not sealed, or its index does not read back."""
    trailer = read_trailer(disk, name)
    if trailer is None or trailer.id != header.id:
        return None
    try:
        buffer = disk.read(name.text, trailer.index_at, trailer.offsets_at - trailer.index_at)
        payload = decode_frame(buffer, INDEX, offset=trailer.index_at, seed=seed_of(header.id))
        index = PackIndex.decode(payload, name.text)
    except (Damaged, DiskReadFailed):
        return None
    return SealedPack(name=name, id=header.id, index=index, end=trailer.index_at)


def read_took(disk: Disk, name: FileName, header: Header) -> list[bytes]:
    """Ids of the packs that this one took over. Raises `Damaged`, `DiskReadFailed`."""
    trailer = read_trailer(disk, name)
    if trailer is None or trailer.id != header.id:
        return []
    at, length = trailer.offsets_at, trailer.size - TRAILER_BYTES - trailer.offsets_at
    if not length:
        return []
    buffer = disk.read(name.text, at, length)
    payload = decode_frame(buffer, TOOK, offset=at, seed=seed_of(header.id))
    try:
        return msgspec.msgpack.decode(payload, type=list[bytes])
    except msgspec.MsgspecError as error:
        raise Damaged(f"{name.text}: expected ids of packs: {error}") from error


def scan_pack(buffer: bytes, header: Header, start: int) -> list[Frame]:
    """The blob frames of a whole pack that verify."""
    frames = scan(buffer, start, seed=seed_of(header.id))
    return [f for f in frames if f.type == BLOB and f.end - f.start >= BLOB_FRAME_BYTES]


def blob_in(buffer: bytes, frame: Frame) -> tuple[bytes, bytes]:
    """Hash and blob of a frame found by `scan_pack`."""
    hash_at = frame.start + 8
    return buffer[hash_at : hash_at + HASH_BYTES], buffer[hash_at + HASH_BYTES : frame.end - 4]


def read_blob(disk: Disk, name: FileName, id: bytes, at: int) -> tuple[bytes, bytes]:
    """Hash and blob of the frame at `at`. Raises `Damaged`, `DiskReadFailed`."""
    buffer = disk.read(name.text, at, FIRST_READ_BYTES)
    length = frame_length(buffer[:8])
    if length is None or not BLOB_FRAME_BYTES <= length <= BLOB_FRAME_MAX:
        raise Damaged(f"{name.text}, offset {at}: no blob begins here")
    if length > len(buffer):
        buffer += disk.read(name.text, at + len(buffer), length - len(buffer))
    payload = decode_frame(buffer[:length], BLOB, offset=at, seed=seed_of(id))
    return payload[:HASH_BYTES], payload[HASH_BYTES:]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOverPack:
    """`damaged`: blobs follow bytes that do not verify. `cut`: bytes at the end that do not."""

    pack: OpenPack
    damaged: bool
    cut: int


def take_over_pack(disk: Disk, name: FileName, start: int, draft: Header) -> TakenOverPack:
    """Writes every blob of an unsealed pack that verifies into a new one, and publishes that.

    The old file is not touched. Raises `DiskError`; then it is all there is, as before.
    """
    buffer = read_whole(disk, name)
    header, _ = read_pack_header(disk, name)
    frames = scan_pack(buffer, header, start)
    ends = [start, *(frame.end for frame in frames)]
    damaged = any(frame.start != end for frame, end in zip(frames, ends, strict=False))
    pack = OpenPack.create(disk, draft)
    try:
        for frame in frames:
            pack.add(dict([blob_in(buffer, frame)]))
        pack.settle(replace(draft, replaced_damaged=damaged))
        pack.publish()
    except (DiskFull, DiskReadOnly):
        remove_if_there(disk, pack.name)
        raise
    return TakenOverPack(pack=pack, damaged=damaged, cut=len(buffer) - ends[-1])
