"""Packs are compacted: what is still used of those with the most garbage is written to a new one.

    survey   page by page, which blobs of every sealed pack are used
    choose   the packs that are rewritten into one: a pure function
    doom     page by page, their blobs that are not used are held no more: whoever names one of
             them from now on brings its bytes, and they are written again
    copy     the others, verified, to a file beside, synced in portions
    publish  index, name, directory; then the old files go

The uses of a page are asked and its doom is made in one moment, in which no operation is on its
way into the state: an operation before it is seen by `uses`, one after it does not find the blob.
Nothing else may be assumed of whoever drives this: it may stop anywhere. Until the new pack has
its name, the old ones are whole; from then on its list of the packs that it took over says that
they are done with, and a start finishes what a crash interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import islice

from storage.errors import BlobDamaged, Damaged, DiskReadFailed
from storage.files import FileName
from storage.pack_files import OpenPack, SealedPack, read_blob
from storage.packs import PACK_BLOBS_MAX, PackFile, Packs

PAGE = 256
"""Blobs whose use is asked at a time: about a millisecond."""
COPY_BYTES, COPY_BLOBS = 256 << 10, 4 * PAGE
"""Copied, or left, and synced at a time; one blob may be longer. A small write waits for one such
portion."""
GARBAGE_SHARE = 0.5
"""Of its bytes, that make a pack worth rewriting: each byte freed costs at most one written."""
SMALL_SHARE = 8
"""A pack with less than this part of a full one's bytes, and of its blobs, is small; many starts
leave many."""
SMALL_MIN = 8
"""Small packs that are joined for their number alone: a byte is copied once for 8 files less. So
many fit into one."""

Uses = Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class Ask:
    """Step: call `do` in a moment at which no operation is on its way into the state."""

    do: Callable[[Uses], None]


@dataclass(frozen=True, slots=True)
class Work:
    """Step: call `do` in the thread that drives the packs."""

    do: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackUse:
    """`bytes` of blobs in a sealed pack, how many of them are used, and by how many blobs."""

    name: FileName
    bytes: int
    used: int
    blobs: int


@dataclass(slots=True, kw_only=True)
class Compacted:
    """What a compaction has come to: packs and bytes of blobs before and after, blobs dropped."""

    packs_before: int = 0
    packs_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    dropped: int = 0


def choose(packs: Sequence[PackUse], *, pack_bytes_max: int) -> tuple[FileName, ...]:
    """The packs to be rewritten into one, those with the least in use first. Often none."""
    small = [
        pack
        for pack in packs
        if pack.bytes < pack_bytes_max / SMALL_SHARE and pack.blobs < PACK_BLOBS_MAX / SMALL_SHARE
    ]
    joined = frozenset(pack.name for pack in small) if len(small) >= SMALL_MIN else frozenset()
    worth = [
        pack
        for pack in packs
        if pack.bytes - pack.used >= GARBAGE_SHARE * pack.bytes or pack.name in joined
    ]
    chosen: list[FileName] = []
    used = blobs = 0
    for pack in sorted(worth, key=lambda pack: (pack.used, pack.name)):
        if used + pack.used <= pack_bytes_max and blobs + pack.blobs <= PACK_BLOBS_MAX:
            used, blobs = used + pack.used, blobs + pack.blobs
            chosen.append(pack.name)
    return tuple(chosen)


class Compaction:
    """One round. `steps` are to be done in order; when they end early, for whatever reason, call
    `abandon` in the thread that drives the packs."""

    def __init__(self, packs: Packs) -> None:
        self.result = Compacted()
        self._packs = packs
        self._victims: list[PackFile] = []
        self._new: OpenPack | None = None

    def steps(self) -> Iterator[Ask | Work]:
        """Raises what the steps raise: `DiskFull` and `DiskReadOnly` with nothing changed."""
        packs: list[PackUse] = []
        for pack in self._packs.sealed_files():
            yield from self._survey(pack, packs)
        chosen = frozenset(choose(packs, pack_bytes_max=self._packs.pack_bytes_max))
        if not chosen:
            return
        self._victims = [pack for pack in self._packs.sealed_files() if pack.name in chosen]
        self.result.bytes_before = sum(pack.bytes for pack in packs if pack.name in chosen)
        for victim in self._victims:
            yield from self._doom(victim)
        yield Work(self._begin)
        for victim in list(self._victims):
            yield from self._copy(victim)
        yield Work(self._finish)

    def abandon(self) -> None:
        """The old packs hold what they held. Raises `DiskError`."""
        self._packs.spare_doomed()
        if self._new is not None:
            new, self._new = self._new, None
            self._packs.drop_new(new)

    # --- What is used ----------------------------------------------------------------------------

    def _survey(self, pack: PackFile, packs: list[PackUse]) -> Iterator[Ask]:
        counts = [0, 0, 0]

        def count(page: Sequence[tuple[bytes, int]], uses: Uses) -> None:
            for hash_, length in page:
                counts[0] += length
                if self._packs.is_newest(pack.name, hash_) and uses(hash_):
                    counts[1] += length
                    counts[2] += 1

        for page in _pages(pack):
            yield Ask(partial(count, page))
        size, used, blobs = counts
        packs.append(PackUse(name=pack.name, bytes=size, used=used, blobs=blobs))

    def _doom(self, pack: PackFile) -> Iterator[Ask]:
        def doom(page: Sequence[tuple[bytes, int]], uses: Uses) -> None:
            self._packs.doom([hash_ for hash_, _ in page if not uses(hash_)], pack.name)

        for page in _pages(pack):
            yield Ask(partial(doom, page))

    # --- Copying ---------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._new = self._packs.begin_new()

    def _copy(self, victim: PackFile) -> Iterator[Work]:
        """A victim with a used blob that does not read back stays until that was put again."""
        waiting = victim.places()
        is_over = False

        def copy() -> None:
            nonlocal is_over
            assert self._new is not None
            blobs: dict[bytes, bytes] = {}
            size = looked = 0
            for at, hash_ in islice(waiting, COPY_BLOBS):
                looked += 1
                if not self._packs.is_kept(victim.name, hash_):
                    self.result.dropped += 1
                    continue
                try:
                    blobs[hash_] = self._read(victim, at, hash_)
                except (Damaged, DiskReadFailed):
                    self._packs.note_damaged(hash_)
                    self._stays(victim)
                    continue
                size += len(blobs[hash_])
                if size >= COPY_BYTES:
                    break
            else:
                is_over = looked < COPY_BLOBS
            if blobs:
                with self._packs.poisoning():
                    self._new.add(blobs)
                    self._new.sync()
                self.result.bytes_after += size

        while not is_over:
            yield Work(copy)

    def _read(self, victim: PackFile, at: int, hash_: bytes) -> bytes:
        found, data = read_blob(self._packs.disk, victim.name, victim.id, at)
        if found != hash_ or sha256(data).digest() != hash_:
            raise BlobDamaged(f"{victim.name.text}, offset {at}: not the bytes {hash_.hex()}")
        return data

    def _stays(self, victim: PackFile) -> None:
        if victim in self._victims:
            self._victims.remove(victim)

    def _finish(self) -> None:
        new, victims = self._new, self._victims
        assert new is not None
        sealed: list[SealedPack] = []
        if new.places and victims:
            with self._packs.poisoning():
                sealed.append(new.seal_and_publish(took=[victim.id for victim in victims]))
        else:
            self._packs.drop_new(new)
        self._new = None
        self.result.packs_before, self.result.packs_after = len(victims), len(sealed)
        self._packs.replace([victim.name for victim in victims], sealed)
        self._packs.spare_doomed()


def _pages(pack: PackFile) -> Iterator[list[tuple[bytes, int]]]:
    """Hashes, with the lengths of their frames as the places show them."""
    places = pack.places()
    first = next(places, None)
    while first is not None:
        found = [first, *islice(places, PAGE)]
        last = next(places, None)
        ends = [at for at, _ in found[1:]] + [pack.end if last is None else last[0]]
        yield [(hash_, end - at) for (at, hash_), end in zip(found, ends, strict=True)]
        first = last
