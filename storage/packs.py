"""Blob packs of one shard: immutable bytes, named by their SHA-256, appended to pack files.

The rule of durability: a blob is held once a `sync` after its `put` has returned, and `has` says
so; until then it waits. `has`, `knows`, `hashes` and `damaged` look at memory alone and may be
called from any thread; everything else belongs to the thread that drives the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import NamedTuple

from storage.disk import Disk
from storage.errors import (
    BlobDamaged,
    BlobMissing,
    Damaged,
    DiskError,
    DiskFull,
    DiskReadFailed,
    DiskReadOnly,
    FileMissing,
    Poisoned,
)
from storage.files import FileName, remove_if_there
from storage.header import ID_BYTES, PACK_MAGIC, Header
from storage.pack_files import (
    BLOB_BYTES_MAX,
    BLOB_FRAME_BYTES,
    HASH_BYTES,
    OpenPack,
    SealedPack,
    read_blob,
)
from storage.pack_opening import OpenedPacks, PacksRecovery, open_packs
from storage.sealed_packs import SealedPacks

PACK_BYTES_MAX = 64 << 20
"""A start after a crash reads and copies at most about this much."""
PACK_BLOBS_MAX = 32_768
"""To sort so many, as sealing and reading a pack do, takes some 20 ms for which nothing else runs,
and so many in the open pack take 6 MB of memory. Blobs of 2 KB fill a pack before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PacksSize:
    bytes: int
    packs: int
    blobs: int


class PackFile(NamedTuple):
    """One pack as it is read whole; `places` gives offset and hash of every blob, by offset. `end`
    is where they end."""

    name: FileName
    id: bytes
    end: int
    places: Callable[[], Iterator[tuple[int, bytes]]]


class Packs:
    """Made by `open`."""

    def __init__(
        self,
        disk: Disk,
        opened: OpenedPacks,
        *,
        cluster: str,
        shard: str,
        entropy: Callable[[int], bytes],
        pack_bytes_max: int,
    ) -> None:
        self._disk = disk
        self._cluster = cluster
        self._shard = shard
        self._entropy = entropy
        self._pack_bytes_max = pack_bytes_max
        self._sealed = SealedPacks(opened.sealed)
        self._open = opened.pack
        self._last_number = opened.last_number
        self._waiting: set[bytes] = set()
        self._damaged: set[bytes] = set()
        self._doomed: set[bytes] = set()
        self._measured: dict[int, int] = {}
        self._poison: str | None = None

    @classmethod
    def open(
        cls,
        disk: Disk,
        *,
        cluster: str,
        shard: str,
        entropy: Callable[[int], bytes],
        pack_bytes_max: int = PACK_BYTES_MAX,
    ) -> tuple[Packs, PacksRecovery]:
        """Opens what is there, an empty directory included, and repairs what a crash left.

        Raises `NotOurs`, `TooNew`, `DiskError`; none of them loses anything.
        """
        opened = open_packs(disk, cluster=cluster, shard=shard, entropy=entropy)
        packs = cls(
            disk,
            opened,
            cluster=cluster,
            shard=shard,
            entropy=entropy,
            pack_bytes_max=pack_bytes_max,
        )
        return packs, opened.recovery()

    def put(self, hash_: bytes, data: bytes) -> bool:
        """Writes a blob of at most `BLOB_BYTES_MAX`; False where it is held or waits already.

        Raises `BlobDamaged` where `hash_` is not the SHA-256 of `data`. After `DiskFull` and
        `DiskReadOnly` this blob was not added, and those that wait still do. After any other
        `DiskError` the packs are poisoned.
        """
        assert len(data) <= BLOB_BYTES_MAX, f"a blob of {len(data)} bytes"
        if sha256(data).digest() != hash_:
            raise BlobDamaged(f"{len(data)} bytes are not the blob {hash_.hex()}; ask again")
        return self.put_all([(hash_, data)]) == 1

    def put_all(self, blobs: Iterable[tuple[bytes, bytes]]) -> int:
        """The same for many, in as few writes as they need packs; returns how many were new.

        Whoever hands them in has computed these hashes of these bytes: they are not computed
        again. Raises as `put` does; of what was put before the error, all waits.
        """
        self._check_sound()
        new: dict[bytes, bytes] = {}
        for hash_, data in blobs:
            assert len(data) <= BLOB_BYTES_MAX, f"a blob of {len(data)} bytes"
            if self._is_gone(hash_) or self._find(hash_) is None:
                new[hash_] = data
        count = len(new)
        while new:
            self._add(new)
        return count

    def sync(self) -> None:
        """Makes all that waits durable, with one fdatasync. Raises `SyncFailed`, `Poisoned`."""
        self._check_sound()
        if self._waiting and self._open is not None:
            with self.poisoning():
                self._open.sync()
            self._waiting = set()

    def has(self, hash_: bytes) -> bool:
        """Whether the blob is held, durably."""
        found = hash_ not in self._waiting and self._is_found(hash_)
        return found and not self._is_gone(hash_)

    def knows(self, hash_: bytes) -> bool:
        """Whether the blob is held, or will be at the next `sync`."""
        return not self._is_gone(hash_) and self._find(hash_) is not None

    def get(self, hash_: bytes) -> bytes:
        """The blob, verified. One that waits is found as well.

        Raises `BlobMissing`; `BlobDamaged`, from then on the blob is not held and can be put
        again; `DiskReadFailed`, the same.
        """
        place = None if hash_ in self._damaged else self._find(hash_)
        if place is None:
            raise BlobMissing(f"no pack holds {hash_.hex()}")
        name, id, at = place
        try:
            found, data = read_blob(self._disk, name, id, at)
        except (Damaged, FileMissing) as error:
            self._damaged.add(hash_)
            raise BlobDamaged(f"{name.text}: {hash_.hex()} does not read back: {error}") from error
        except DiskReadFailed:
            self._damaged.add(hash_)
            raise
        if found != hash_ or sha256(data).digest() != hash_:
            self._damaged.add(hash_)
            raise BlobDamaged(f"{name.text}, offset {at}: these are not the bytes {hash_.hex()}")
        return data

    def hashes(self) -> Iterator[bytes]:
        """Every blob that is held, once."""
        for pack in list(self._sealed):
            for hash_ in pack.index.hashes():
                place = self._find(hash_)
                if place is not None and place[0] == pack.name and self.has(hash_):
                    yield hash_
        if self._open is not None:
            yield from (hash_ for hash_ in list(self._open.places) if self.has(hash_))

    def damaged(self) -> list[bytes]:
        """Those that were held and did not read back: to be put again. Memory alone, as `has`."""
        return list(self._damaged)

    @property
    def disk(self) -> Disk:
        return self._disk

    def after(self, number: int) -> PackFile | None:
        """The pack with the least number above `number`; of the open one, what is written now."""
        if (sealed := self._sealed.after(number)) is not None:
            return _file_of(sealed)
        if (pack := self._open) is not None and pack.name.number > number:
            return PackFile(pack.name, pack.header.id, pack.end.at, pack.in_file_order)
        return None

    def sealed_files(self) -> list[PackFile]:
        return list(map(_file_of, self._sealed))

    def is_newest(self, name: FileName, hash_: bytes) -> bool:
        """Whether the blob is read from this pack."""
        place = self._find(hash_)
        return place is not None and place[0] == name

    def holds_file(self, name: FileName) -> bool:
        return any(pack.name == name for pack in self._sealed) or (
            self._open is not None and self._open.name == name
        )

    def size(self) -> PacksSize:
        """`blobs` counts one that was put again after damage twice. May be asked often: the disk is
        asked once of every sealed pack."""
        size = sum(map(self._bytes_of, self._sealed))
        packs, blobs = len(self._sealed), sum(pack.index.blobs for pack in self._sealed)
        if self._open is not None:
            size += self._open.end.at
            packs, blobs = packs + 1, blobs + len(self._open.places)
        return PacksSize(bytes=size, packs=packs, blobs=blobs)

    def _bytes_of(self, pack: SealedPack) -> int:
        number = pack.name.number
        if number not in self._measured:
            self._measured[number] = self._disk.size(pack.name.text)
        return self._measured[number]

    def close(self) -> None:
        """Syncs what waits and seals the open pack. The disk is left open.

        On a full or read-only disk the pack stays unsealed: the next start takes it over.
        """
        if self._poison is None:
            self.sync()
            if self._open is not None and self._open.places:
                try:
                    self._seal(self._open)
                except (DiskFull, DiskReadOnly):
                    self._poison = "the disk refused the index; all blobs are durable"
        self._poison = self._poison or "the packs were closed"

    # --- For a compaction (storage.compaction): one at a time ------------------------------------

    @property
    def pack_bytes_max(self) -> int:
        return self._pack_bytes_max

    def doom(self, hashes: Iterable[bytes], name: FileName) -> None:
        """Those of `hashes` that are read from this pack are held no more, and can be put again.

        As `has`, from any thread.
        """
        self._doomed.update([hash_ for hash_ in hashes if self.is_newest(name, hash_)])

    def spare_doomed(self) -> None:
        """What was doomed and is still there is held again."""
        self._doomed.clear()

    def is_kept(self, name: FileName, hash_: bytes) -> bool:
        """Whether the blob is read from this pack, and not doomed."""
        return hash_ not in self._doomed and self.is_newest(name, hash_)

    def note_damaged(self, hash_: bytes) -> None:
        self._damaged.add(hash_)

    def begin_new(self) -> OpenPack:
        """A pack beside, numbered before all that are opened later. Raises as `put` does."""
        self._check_sound()
        self.sync()
        with self.poisoning():
            if self._open is not None and self._open.places:
                self._seal(self._open)
            elif self._open is not None:
                self._disk.remove(self._open.name.text)
                self._disk.sync_directory()
                self._open = None
            new = OpenPack.create(self._disk, self._next_header())
        self._last_number += 1
        return new

    def drop_new(self, new: OpenPack) -> None:
        """Leaves nothing of it, unless the disk refuses even that: then the next start does it."""
        with suppress(DiskFull, DiskReadOnly), self.poisoning():
            remove_if_there(self._disk, new.name)

    def replace(self, old: Sequence[FileName], new: Sequence[SealedPack]) -> None:
        """From here on `new` is read in the place of `old`; the files go. Raises `DiskError`."""
        gone = frozenset(old)
        kept = [pack for pack in self._sealed if pack.name not in gone]
        self._sealed = SealedPacks(sorted([*kept, *new], key=lambda pack: pack.name))
        with suppress(DiskFull, DiskReadOnly), self.poisoning():  # the next start takes them away
            for name in old:
                self._disk.remove(name.text)
            self._disk.sync_directory()

    def _is_gone(self, hash_: bytes) -> bool:
        return hash_ in self._damaged or hash_ in self._doomed

    def _next_header(self) -> Header:
        return Header(
            magic=PACK_MAGIC,
            number=self._last_number + 1,
            id=self._entropy(ID_BYTES),
            cluster=self._cluster,
            shard=self._shard,
        )

    # --- Inside --------------------------------------------------------------------------------

    def _is_found(self, hash_: bytes) -> bool:
        """The same as `_find(hash_) is not None`, sooner where many are asked for in a row."""
        pack = self._open
        return (pack is not None and hash_ in pack.places) or self._sealed.holds(hash_)

    def _find(self, hash_: bytes) -> tuple[FileName, bytes, int] | None:
        """The newest place; the open pack is looked at before the list it is moved to."""
        assert len(hash_) == HASH_BYTES, f"a hash of {len(hash_)} bytes"
        pack = self._open
        if pack is not None and (at := pack.places.get(hash_)) is not None:
            return pack.name, pack.header.id, at
        found = self._sealed.find(hash_)
        return None if found is None else (found[0].name, found[0].id, found[1])

    def _add(self, blobs: dict[bytes, bytes]) -> None:
        """Write the first of `blobs`, and those behind it that fit into its pack; take them out."""
        with self.poisoning():
            pack = self._pack_for(len(next(iter(blobs.values()))))
            part = self._fitting(blobs, pack)
            self._waiting.update(part)  # before they can be found, so that `has` is never early
            try:
                pack.add(part)
            except DiskError:
                self._waiting.difference_update(part)
                raise
        self._damaged.difference_update(part)
        self._doomed.difference_update(part)
        for hash_ in part:
            del blobs[hash_]

    def _fitting(self, blobs: Mapping[bytes, bytes], pack: OpenPack) -> dict[bytes, bytes]:
        part: dict[bytes, bytes] = {}
        room = self._pack_bytes_max - pack.end.at
        for hash_, data in islice(blobs.items(), PACK_BLOBS_MAX - len(pack.places)):
            if part and len(data) > room:
                break
            part[hash_] = data
            room -= BLOB_FRAME_BYTES + len(data)
        return part

    def _pack_for(self, size: int) -> OpenPack:
        pack = self._open
        if pack is not None:
            has_room = pack.end.at + size <= self._pack_bytes_max
            if not pack.places or (has_room and len(pack.places) < PACK_BLOBS_MAX):
                return pack
            self.sync()
            self._seal(pack)
        pack = OpenPack.create(self._disk, self._next_header())
        pack.publish()
        self._last_number += 1
        self._open = pack
        return pack

    def _seal(self, pack: OpenPack) -> None:
        """In this order, so that a blob is found at every moment."""
        self._sealed.add(pack.seal())
        self._open = None

    @contextmanager
    def poisoning(self) -> Iterator[None]:
        try:
            yield
        except (DiskFull, DiskReadOnly):
            raise
        except DiskError as error:
            self._poison = str(error)
            raise

    def _check_sound(self) -> None:
        if self._poison is not None:
            raise Poisoned(f"nothing can be put any more: {self._poison}")


def _file_of(pack: SealedPack) -> PackFile:
    return PackFile(pack.name, pack.id, pack.end, pack.index.in_file_order)
