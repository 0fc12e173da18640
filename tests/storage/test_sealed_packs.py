"""Which of many packs holds a blob: the newest, and few indexes are asked for it."""

from __future__ import annotations

from hashlib import sha256
from random import Random
from unittest.mock import patch

import pytest

from storage import sealed_packs
from storage.files import FileName
from storage.pack_files import SealedPack
from storage.pack_index import PackIndex
from storage.sealed_packs import ASKED_MAX, MADE_EVERY, SealedPacks


def pack(number: int, places: dict[bytes, int]) -> SealedPack:
    index = PackIndex.of(places)
    return SealedPack(name=FileName("pack", number, "pack"), id=bytes(16), index=index, end=0)


def named(number: int) -> bytes:
    return sha256(number.to_bytes(8, "big")).digest()


def alike(random: Random) -> bytes:
    """Of few values in every byte that a look-up goes by, the least and the greatest among them."""
    head = bytes(random.choice(b"\x00\x01\x80\xff") for _ in range(3))
    return head + bytes(random.choice(b"\x00\xff") for _ in range(6)) + bytes(23)


def check(packs: SealedPacks, model: dict[bytes, tuple[int, int]], hash_: bytes) -> None:
    found = packs.find(hash_)
    assert (found and (found[0].name.number, found[1])) == model.get(hash_)
    assert packs.holds(hash_) == (hash_ in model)


def test_the_index_finds_hashes_that_begin_alike() -> None:
    alike = [b"8 bytes " + bytes([n]) * 24 for n in range(5)]
    places = {hash_: n * 1000 for n, hash_ in enumerate([*alike, bytes(32), b"\xff" * 32])}
    index = PackIndex.decode(PackIndex.of(places).encode(), "here")
    assert {hash_: index.find(hash_) for hash_ in places} == places
    assert index.find(b"8 bytes " + b"\x09" * 24) is None
    assert list(index.hashes()) == sorted(places)


@pytest.mark.parametrize("noted_max", [sealed_packs.NOTED_MAX, 20])
def test_the_newest_pack_is_found_while_packs_come(noted_max: int) -> None:
    for seed in range(6):
        random = Random(seed)
        packs, model = SealedPacks([]), dict[bytes, tuple[int, int]]()
        asked, every = random.choice([0, 1, ASKED_MAX]), random.choice([1, 3])
        with patch.multiple(sealed_packs, NOTED_MAX=noted_max, ASKED_MAX=asked, MADE_EVERY=every):
            for number in range(1, 60):
                places = {alike(random): random.randrange(10**6) for _ in range(20)}
                packs.add(pack(number, places))
                model.update((hash_, (number, at)) for hash_, at in places.items())
                for _ in range(10):
                    check(packs, model, alike(random))
            for hash_ in model:
                check(packs, model, hash_)


def test_one_look_asks_few_of_many_packs() -> None:
    """Held or not: every new blob is looked up as well."""
    count, each = 1000, 20
    packs = SealedPacks(
        pack(n, {named(n * each + k): k for k in range(each)}) for n in range(1, count)
    )
    asked: list[PackIndex] = []
    find = PackIndex.find

    def counted(index: PackIndex, hash_: bytes) -> int | None:
        asked.append(index)
        return find(index, hash_)

    with patch.object(PackIndex, "find", counted), patch.object(sealed_packs, "MADE_EVERY", 1):
        for number in range(each, count * each, 97):
            assert packs.find(named(number)) is not None
            assert packs.find(named(-number % 2**63)) is None
            assert len(asked) <= 1 + 4, number
            asked.clear()
        for number in range(count, count + ASKED_MAX):
            packs.add(pack(number, {named(0): 0}))
        assert packs.find(named(1)) is None
        assert len(asked) <= ASKED_MAX + 3


def test_of_neighbours_each_asks_the_pack_of_the_one_before() -> None:
    each = 100
    packs = SealedPacks(pack(n, {named(n * each + k): k for k in range(each)}) for n in range(8))
    asked: list[PackIndex] = []
    find = PackIndex.find

    def counted(index: PackIndex, hash_: bytes) -> int | None:
        asked.append(index)
        return find(index, hash_)

    with patch.object(PackIndex, "find", counted):
        assert all(packs.holds(named(number)) for number in range(8 * each))
    assert len(asked) <= 8 * (each + 8)


def test_a_page_of_looks_makes_few_buckets() -> None:
    """Each takes milliseconds with a million blobs: all of them at once keep others waiting."""
    packs = SealedPacks(pack(n, {named(n): 0}) for n in range(100))
    for number in range(256):
        found = packs.find(named(number))
        assert (found is None) == (number >= 100)
    made = sum(known > 0 for _, known in packs._buckets)
    assert 0 < made <= 256 / MADE_EVERY


def test_packs_are_met_in_the_order_of_their_numbers() -> None:
    packs = SealedPacks(pack(number, {}) for number in (2, 3, 7))
    after = [packs.after(number) for number in range(9)]
    assert [one and one.name.number for one in after] == [2, 2, 3, 7, 7, 7, 7, None, None]
