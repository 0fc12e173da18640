"""What a local program may say, no operation can hold and no peer could read: it is refused, and
neither the node nor the requests beside it come to harm."""

from __future__ import annotations

from typing import Any

import pytest

from crdt import Address, Append, Blob, Create, Expunge, Request, RequestId
from samebox.events import Asked, Done, Refusal
from samebox.vetting import too_many
from sim import SimCluster

BOX = Address("mail/alice")
EMPTY = Blob(bytes(32), 0)


def asked(request: Request, **other: Any) -> SimCluster:
    """A request between two good ones, in one batch; its token is 2."""
    cluster = SimCluster(["a", "b"])
    a = cluster.nodes["a"]
    cluster.sync("a")
    cluster.sync("b")
    wrong = Asked(2, request, other.pop("id", RequestId(b"sim-test", 2)), **other)
    good = [Asked(n, Create(Address(f"mail/{n}")), RequestId(b"sim-test", n)) for n in (1, 3)]
    a.tell(good[0], wrong, good[1])
    return cluster


def check_refused_alone(cluster: SimCluster, code: str) -> None:
    a = cluster.nodes["a"]
    cluster.settle("a")
    cluster.heal()
    outcome = a.outcomes[2]
    assert isinstance(outcome, Refusal) and outcome.code == code, outcome
    assert all(isinstance(a.outcomes[token], Done) for token in (1, 3))
    cluster.check_agreement()
    assert not cluster.nodes["b"].replica.history.stopped
    a.start()
    assert [box.name for box in a.replica.state.boxes()] == ["mail/1", "mail/3"]


@pytest.mark.parametrize(
    "request_",
    [
        Create(Address("mail/\ud800")),
        Create(Address("mail/alice", "\udc80")),
        Append(Address("mail/1", "INBOX"), EMPTY, ("\ud800",)),
        Append(Address("mail/1", "INBOX"), EMPTY, (), 1 << 70),
        Append(Address("mail/1", "INBOX"), Blob(bytes(32), 1 << 70, bytes(32))),
        Expunge(Address("mail/1", "INBOX"), ((b"a" * 16, 1 << 70),)),  # type: ignore[arg-type]
        Create("mail/alice"),  # type: ignore[arg-type]
    ],
)
def test_values_that_cannot_be_written_are_refused(request_: Request) -> None:
    check_refused_alone(asked(request_), "bad-request")


@pytest.mark.parametrize("client", [b"", b"seven77", b"nine99999"])
def test_a_request_id_of_another_length_is_refused(client: bytes) -> None:
    check_refused_alone(asked(Create(BOX), id=RequestId(client, 1)), "bad-id")


@pytest.mark.parametrize("number", [-1, 1 << 63, 1 << 80])
def test_a_request_number_out_of_range_is_refused(number: int) -> None:
    check_refused_alone(asked(Create(BOX), id=RequestId(b"sim-test", number)), "bad-id")


def test_a_principal_that_peers_would_not_read_is_refused() -> None:
    check_refused_alone(asked(Create(BOX), principal="x" * 256), "bad-principal")
    check_refused_alone(asked(Create(BOX), principal="\ud800"), "bad-request")


def test_more_copies_than_members_are_refused() -> None:
    check_refused_alone(asked(Create(BOX), copies=3), "too-many-copies")


def test_a_shard_of_one_member_is_told_so() -> None:
    assert too_many(2, 1).message == "2 copies asked for, but the shard has 1 member; ask for fewer"
