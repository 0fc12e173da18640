"""The identity file, and the decision whether the actor goes on."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from crc32c import crc32c

from sim.disk import PowerCut, SimulatedDisk, keep_all, lose_all
from storage import (
    Continue,
    Cut,
    Damaged,
    Identity,
    MemoryDisk,
    Missing,
    NewActor,
    NotOurs,
    Recovery,
    SecondCopy,
    Tip,
    TooNew,
    check_identity,
    continuity,
    decode_identity,
    encode_identity,
    load_identity,
    save_identity,
)
from tests.storage.phrases import ANN, BOB

MINE = Identity(
    cluster="example.org",
    node="a",
    shard="main",
    store=bytes(range(16)),
    inode=4711,
    actor=ANN,
    starts=7,
)
HEALTHY = Recovery(
    tips={ANN: Tip(5, bytes(32), None), BOB: Tip(3, bytes(32), None)},
    clock={ANN: 5, BOB: 3},
    missing=(),
    unidentified=(),
    quarantined=(),
    cut=None,
    problems=(),
)


def test_an_identity_comes_back() -> None:
    disk = MemoryDisk()
    assert load_identity(disk, where="here") is None
    save_identity(disk, MINE)
    assert load_identity(disk, where="here") == MINE
    save_identity(disk, replace(MINE, starts=8))
    assert load_identity(disk, where="here") == replace(MINE, starts=8)
    assert disk.names() == ["identity"]


@pytest.mark.parametrize("field", json.loads(encode_identity(MINE)))
def test_a_missing_field_is_an_error_and_never_a_default(field: str) -> None:
    document = json.loads(encode_identity(MINE))
    del document[field]
    with pytest.raises(Damaged, match="here: expected an identity"):
        decode_identity(json.dumps(document).encode(), "here")


@pytest.mark.parametrize("field", json.loads(encode_identity(MINE)))
def test_a_changed_field_is_an_error(field: str) -> None:
    document = json.loads(encode_identity(MINE))
    value = document[field]
    document[field] = value - 1 if isinstance(value, int) else value[:-1] + "x"
    with pytest.raises(Damaged):
        decode_identity(json.dumps(document).encode(), "here")


def test_any_wrong_byte_or_length_is_an_error() -> None:
    content = encode_identity(MINE)
    for at in range(len(content) - 1):
        with pytest.raises(Damaged):
            decode_identity(content[:at], "here")
        for bit in range(8):
            wrong = bytearray(content)
            wrong[at] ^= 1 << bit
            with pytest.raises(Damaged):
                decode_identity(bytes(wrong), "here")


def test_a_flipped_bit_in_the_version_is_damage_and_no_later_version() -> None:
    """There is no program to start that knows it: the message has to say what helps."""
    wrong = encode_identity(MINE).replace(b'"version":1', b'"version":9')
    with pytest.raises(Damaged, match="version 9; put the copy back"):
        decode_identity(wrong, "here")


def test_a_later_version_is_too_new_whatever_else_it_says() -> None:
    line = b'{"format":"samebox identity","version":2,"soul":[],"checksum":"%s"}\n'
    later = line % f"{crc32c(line[:-1] % b''):08x}".encode()
    with pytest.raises(TooNew, match="written in format 2"):
        decode_identity(later, "here")
    with pytest.raises(Damaged):
        decode_identity(later.replace(b"soul", b"sour"), "here")


def test_the_directory_of_another_node_is_not_ours() -> None:
    check_identity(MINE, cluster="example.org", node="a", shard="main", where="here")
    for other in ({"cluster": "x"}, {"node": "b"}, {"shard": "y"}):
        names = {"cluster": "example.org", "node": "a", "shard": "main", **other}
        with pytest.raises(NotOurs, match="belongs to another node"):
            check_identity(MINE, where="here", **names)


def test_power_cut_while_saving_leaves_the_old_identity_or_the_new() -> None:
    later = replace(MINE, starts=8)
    for operation in range(1, 6):
        for draw in (lose_all, keep_all, lambda n: n - 1, lambda n: n // 2):
            disk = SimulatedDisk()
            save_identity(disk, MINE)
            disk.crash_at = disk.operations + operation
            with pytest.raises(PowerCut):
                save_identity(disk, later)
            disk.lose_power(draw)
            assert load_identity(disk, where="here") in (MINE, later)
            save_identity(disk, later)
            assert load_identity(disk, where="here") == later


def decide(
    identity: Identity | None = MINE,
    *,
    inode: int = 4711,
    second_copy: Identity | SecondCopy = SecondCopy.NOT_CONFIGURED,
    recovery: Recovery = HEALTHY,
    state: dict[bytes, int] | None = None,
) -> str:
    """ "goes on", or why not."""
    decision = continuity(
        identity, inode=inode, second_copy=second_copy, recovery=recovery, state_clock=state or {}
    )
    match decision:
        case Continue(actor):
            assert actor == ANN
            return "goes on"
        case NewActor(reasons):
            return "; ".join(reasons)


def test_an_actor_goes_on_where_everything_speaks_for_it() -> None:
    assert decide() == "goes on"
    assert decide(second_copy=MINE, state={ANN: 5, BOB: 3}) == "goes on"
    assert decide(state={ANN: 4}) == "goes on", "the state may be behind the log"
    lost = replace(HEALTHY, missing=(Missing(BOB, 1, 1),), clock={ANN: 5}, quarantined=("x",))
    assert decide(recovery=lost, state={ANN: 5, BOB: 3}) == "goes on", "others' records come back"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"identity": None}, "no identity yet"),
        ({"inode": 4712}, "inode 4712, was 4711"),
        ({"second_copy": SecondCopy.MISSING}, "is missing"),
        ({"second_copy": replace(MINE, store=bytes(16))}, "of another store"),
        ({"second_copy": replace(MINE, starts=8)}, "put back as it was before"),
        ({"second_copy": replace(MINE, actor=BOB)}, "differs"),
        ({"recovery": replace(HEALTHY, cut=Cut("log", 9, 3))}, "3 bytes of a torn tail"),
        ({"recovery": replace(HEALTHY, missing=(Missing(ANN, 2, 3),))}, "own records 2 to 3"),
        (
            {"recovery": replace(HEALTHY, unidentified=("log-1",))},
            "lost in log-1",
        ),
        ({"state": {ANN: 6}}, "state has records of 616e6e00 that the log has not"),
        ({"state": {BOB: 4}}, "state has records of 626f6200"),
        ({"inode": 1, "state": {ANN: 6}}, "inode 1, was 4711.*; the state has records"),
    ],
)
def test_a_new_actor_is_minted_wherever_continuity_is_not_proved(
    changed: dict[str, object], why: str
) -> None:
    import re

    assert re.search(why, decide(**changed))  # type: ignore[arg-type]


def test_a_start_that_did_not_end_is_followed_by_another_actor() -> None:
    decision = continuity(
        replace(MINE, is_starting=True),
        inode=4711,
        second_copy=SecondCopy.NOT_CONFIGURED,
        recovery=HEALTHY,
    )
    assert isinstance(decision, NewActor)
    assert "did not end" in decision.reasons[0]
