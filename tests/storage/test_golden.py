"""The files of version 1 load for ever, and what is written today is still version 1."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from storage import MemoryDisk, Missing, Packs, blocks_of, find_snapshots, load_identity
from tests.storage.golden import BATCHES, BLOBS, IDENTITY, TIPS, made
from tests.storage.phrases import (
    ANN,
    BOB,
    CLUSTER,
    SHARD,
    append,
    entropy,
    flattened,
    replayed,
    start,
)

GOLDEN = Path(__file__).parent.parent / "golden" / "disk-v1"


def golden(situation: str) -> MemoryDisk:
    disk = MemoryDisk()
    for path in (GOLDEN / situation).iterdir():
        disk.files[path.name] = bytearray(path.read_bytes())
    assert disk.files, f"no golden files in {GOLDEN / situation}"
    return disk


def test_a_sealed_log_of_version_1_loads() -> None:
    disk = golden("sealed")
    before = {name: bytes(content) for name, content in disk.files.items()}
    log, recovery = start(disk)
    assert replayed(log) == flattened(BATCHES)
    assert log.clock() == {ANN: 18, BOB: 6}
    assert recovery.problems == ()
    assert (
        log.read(ANN, 5, 14, max_bytes=9999)
        == [r for r in flattened(BATCHES) if r.actor == ANN][4:14]
    )
    assert load_identity(disk, where="here") == IDENTITY
    assert {name: bytes(content) for name, content in disk.files.items()} == before


def test_a_torn_log_of_version_1_loads() -> None:
    disk = golden("torn")
    log, recovery = start(disk)
    assert replayed(log) == flattened(BATCHES[:5])
    assert recovery.cut is not None
    append(log, BATCHES[5])
    assert replayed(start(disk)[0]) == flattened(BATCHES)


def test_a_damaged_log_of_version_1_loads() -> None:
    log, recovery = start(golden("damaged"))
    assert recovery.missing == (Missing(ANN, 2, 2),)
    append(log, [BATCHES[0][1]])
    assert log.clock() == {ANN: 18, BOB: 6}


def test_a_log_of_version_1_that_is_cut_goes_on_from_what_stands_for_its_beginning() -> None:
    log, _ = start(golden("cut"))
    assert log.is_cut and log.missing()
    told = {record.actor: (record.seq, record.chain) for record in flattened(BATCHES)}
    assert log.unproven(told) is None
    log.stand_on({actor: seq for actor, (seq, _) in told.items()})
    assert log.missing() == () and log.clock() == {ANN: 18, BOB: 6}
    assert flattened(BATCHES)[-len(replayed(log)) :] == replayed(log)


def test_packs_of_version_1_load() -> None:
    packs, recovery = Packs.open(golden("packs"), cluster=CLUSTER, shard=SHARD, entropy=entropy)
    assert [packs.get(sha256(blob).digest()) for blob in BLOBS] == BLOBS
    assert recovery.problems == ()


def test_packs_of_version_1_that_a_compaction_made_load() -> None:
    disk = golden("compacted")
    assert len(disk.names()) == 3
    packs, recovery = Packs.open(disk, cluster=CLUSTER, shard=SHARD, entropy=entropy)
    assert [packs.has(sha256(blob).digest()) for blob in BLOBS] == [True, False, True]
    assert (len(disk.names()), recovery.problems) == (2, ())


def test_a_snapshot_of_version_1_loads() -> None:
    disk = golden("snapshot")
    (found,) = find_snapshots(disk, cluster=CLUSTER, shard=SHARD).snapshots
    assert (found.version, found.tips, found.folded) == (1, TIPS, {ANN: 5})
    assert list(blocks_of(disk, found)) == BLOBS


@pytest.mark.parametrize("situation", made())
def test_what_is_written_today_is_version_1_to_the_byte(situation: str) -> None:
    assert made()[situation].files == golden(situation).files


def test_the_golden_log_has_what_it_is_to_keep_true() -> None:
    """Several segments, a sealed end and an unsealed one; else a change could pass unseen."""
    assert len([name for name in golden("sealed").names() if name.startswith("log")]) == 3
    assert len(golden("packs").names()) == 2
