"""Who may talk to whom, and what their histories say: every rule on both its sides."""

import pytest

from comm import (
    PROTOCOLS,
    Accepted,
    Ahead,
    Backoff,
    Established,
    Fork,
    MyLaterRecords,
    PeerBroke,
    Protocols,
    Refusal,
    WeRefused,
    chains_needed,
    compare_histories,
    judge,
    judge_certificate,
    keeps,
    node_uri,
    replaces,
)
from comm.handshake import QUIET_S, Verdict
from comm.header import HEADER_BYTES, common_version, decode_header, encode_header
from comm.io.link import PING_EVERY_S
from comm.messages import Greeting
from crdt import Actor, Dot
from tests.comm.phrases import A, B, C, actor, chain, hello, welcome

MEMBERS = ("a", "b", "c")
BIRTHS = {A: "a", B: "b", C: "c"}


def verdict(
    theirs: Greeting,
    *,
    mine: Greeting | None = None,
    names: tuple[str, ...] = (node_uri("example.org", "b"),),
    births: dict[Actor, str] = BIRTHS,
    expected: str | None = None,
) -> Verdict:
    own = mine or hello("a")
    return judge(own, theirs, names=names, members=MEMBERS, births=births, expected=expected)


def refused(theirs: Greeting, **others: object) -> str:
    found = verdict(theirs, **others)  # type: ignore[arg-type]
    assert isinstance(found, Refusal), found
    return f"{found.code}: {found.text}"


def test_a_member_with_its_certificate_is_accepted() -> None:
    assert verdict(welcome("b")) == Accepted("b", (), True)
    assert verdict(welcome("b"), expected="b") == Accepted("b", (), True)


def test_one_certificate_may_carry_several_names() -> None:
    names = (node_uri("example.org", "x"), node_uri("example.org", "b"), "https://b")
    assert isinstance(verdict(welcome("b"), names=names), Accepted)


def test_common_features_are_what_both_name() -> None:
    mine = hello("a", features=["one", "two", "three"])
    found = verdict(welcome("b", features=["three", "four", "one"]), mine=mine)
    assert found == Accepted("b", ("one", "three"), True)


@pytest.mark.parametrize("other", [{"members_epoch": 2}, {"members_hash": b"x"}])
def test_another_member_list_is_accepted_and_told(other: dict[str, object]) -> None:
    assert verdict(welcome("b", **other)) == Accepted("b", (), False)


def test_another_cluster_or_shard_is_refused() -> None:
    assert refused(welcome("b", cluster="x")) == "cluster: expected cluster example.org, found x"
    assert refused(welcome("b", shard="x")) == "shard: expected shard main, found x"


def test_another_purpose_is_refused() -> None:
    assert refused(welcome("b", purpose="blobs")).startswith("purpose: expected purpose operations")
    odd = hello("a", purpose="odd")
    assert refused(welcome("b", purpose="odd"), mine=odd).startswith("purpose")


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("samebox://example.org/c",),
        ("samebox://other.org/b",),
        ("samebox://example.org/b/",),
        ("samebox://example.org/bb",),
        ("http://example.org/b",),
    ],
)
def test_a_name_that_the_certificate_does_not_carry_is_refused(names: tuple[str, ...]) -> None:
    found = refused(welcome("b"), names=names)
    assert found.startswith("certificate: b says it is samebox://example.org/b, but")


def test_who_is_no_member_is_refused() -> None:
    names = (node_uri("example.org", "d"),)
    assert refused(welcome("d"), names=names).startswith("not-a-member: d is no member of shard")


def test_a_node_of_the_own_name_is_refused() -> None:
    names = (node_uri("example.org", "a"),)
    found = refused(welcome("a", actor=C), names=names)
    assert found.startswith("self: the peer is a as well")


def test_another_node_at_the_address_is_refused() -> None:
    found = refused(welcome("b"), expected="c")
    assert found == "other-node: expected node c at this address, found b"


def test_an_actor_is_claimed_by_the_node_of_its_birth_alone() -> None:
    found = refused(welcome("b", actor=C))
    assert found.startswith("actor: b claims the actor of c (")


def test_this_nodes_own_actor_is_claimed_by_no_other() -> None:
    assert refused(welcome("b", actor=A), births={}).startswith("actor: b claims the actor of a")


def test_an_actor_not_known_yet_or_none_may_be_claimed() -> None:
    assert isinstance(verdict(welcome("b", actor=actor("new"))), Accepted)
    assert isinstance(verdict(welcome("b", actor=None)), Accepted)
    assert isinstance(verdict(welcome("b", actor=None), mine=hello("a", actor=None)), Accepted)


def test_a_certificate_alone_is_judged_before_anything_is_told() -> None:
    def judged(*names: str, expected: str | None = None) -> str | None:
        refusal = judge_certificate("example.org", names, MEMBERS, expected)
        return None if refusal is None else refusal.code

    assert judged("samebox://example.org/b") is None
    assert judged("samebox://example.org/b", expected="b") is None
    assert judged("samebox://example.org/b", expected="c") == "certificate"
    assert judged("samebox://example.org/d") == "not-a-member"
    assert judged("samebox://other.org/b") == "certificate"
    assert judged() == "certificate"


def test_of_two_connections_both_ends_keep_the_same() -> None:
    assert [keeps("a", "b", dialer) for dialer in "ab"] == [True, False]
    assert [keeps("b", "a", dialer) for dialer in "ab"] == [True, False]
    with pytest.raises(AssertionError):
        keeps("a", "b", "c")


# --- Header -----------------------------------------------------------------------------------


def test_a_header_comes_back_as_it_was_sent() -> None:
    assert decode_header(encode_header()) == PROTOCOLS
    assert decode_header(encode_header(Protocols(3, 700))) == Protocols(3, 700)
    assert len(encode_header()) == HEADER_BYTES


@pytest.mark.parametrize("found", [b"GET / HTTP/1", bytes(12), b"samebox\1\0\1\0\1"])
def test_another_service_is_told_apart(found: bytes) -> None:
    with pytest.raises(PeerBroke, match="another service at this address"):
        decode_header(found)


def test_a_range_that_is_none_is_refused() -> None:
    with pytest.raises(PeerBroke, match="found 2 to 1"):
        decode_header(encode_header(Protocols(2, 1)))


def test_the_highest_common_version_is_spoken() -> None:
    assert common_version(Protocols(1, 3), Protocols(2, 5)) == 3
    assert common_version(Protocols(2, 5), Protocols(1, 2)) == 2
    assert common_version(Protocols(1, 1), Protocols(1, 1)) == 1


@pytest.mark.parametrize(
    ("mine", "theirs", "older"),
    [(Protocols(1, 2), Protocols(3, 4), "this node"), (Protocols(3, 4), Protocols(1, 2), "peer")],
)
def test_without_a_common_version_it_is_said_who_is_older(
    mine: Protocols, theirs: Protocols, older: str
) -> None:
    with pytest.raises(WeRefused, match=f"upgrade .*{older}") as caught:
        common_version(mine, theirs)
    assert caught.value.code == "protocol"


# --- Histories --------------------------------------------------------------------------------

MINE = hello("a", histories=[(A, 5, chain("a5")), (B, 9, chain("b9")), (C, 3, chain("c3"))])
MY_CHAINS = {Dot(A, 4): chain("a4"), Dot(B, 4): chain("b4")}


def findings(*histories: tuple[Actor, int, bytes]) -> list[object]:
    theirs = welcome("b", histories=list(histories))
    assert set(chains_needed(MINE, theirs)) <= {Dot(A, 4), Dot(B, 4), Dot(C, 1)}
    return list(compare_histories(MINE, theirs, MY_CHAINS.get))


def test_equal_histories_have_no_findings() -> None:
    assert findings((A, 5, chain("a5")), (B, 9, chain("b9"))) == []


def test_a_shorter_history_that_mine_continues_has_no_finding() -> None:
    assert findings((A, 4, chain("a4")), (B, 4, chain("b4")), (C, 0, chain("c0"))) == []


def test_one_seq_with_two_chains_is_a_fork() -> None:
    assert findings((B, 9, chain("x"))) == [Fork(B, 9, chain("b9"), chain("x"))]
    assert findings((B, 4, chain("x"))) == [Fork(B, 4, chain("b4"), chain("x"))]
    assert findings((A, 5, chain("x"))) == [Fork(A, 5, chain("a5"), chain("x"))]


def test_a_chain_that_is_no_longer_known_shows_no_fork() -> None:
    assert findings((C, 1, chain("x"))) == []


def test_a_longer_history_of_another_is_ahead() -> None:
    new = actor("new")
    found = findings((B, 10, chain("b10")), (new, 2, chain("n2")), (actor("idle"), 0, chain("")))
    assert found == [Ahead(B, 9, 10), Ahead(new, 0, 2)]


def test_a_longer_history_of_my_own_is_lost_memory() -> None:
    assert findings((A, 6, chain("a6"))) == [MyLaterRecords(A, 6)]


def test_chains_are_looked_up_where_mine_is_longer_alone() -> None:
    theirs = welcome(histories=[(A, 4, b""), (B, 9, b""), (C, 7, b""), (actor("x"), 1, b"")])
    assert chains_needed(MINE, theirs) == [Dot(A, 4)]
    assert chains_needed(MINE, welcome(histories=[(A, 0, b"")])) == []


# --- Backoff ----------------------------------------------------------------------------------


def test_the_wait_doubles_up_to_its_most_and_starts_again_after_a_handshake() -> None:
    backoff = Backoff(lambda: 0.5, least_s=1, most_s=10)
    assert [backoff.next_s() for _ in range(6)] == [0.5, 1, 2, 4, 5, 5]
    backoff.reset()
    assert backoff.next_s() == 0.5


def test_the_wait_is_drawn_from_zero_on() -> None:
    assert Backoff(lambda: 0.0, least_s=1, most_s=10).next_s() == 0


def taken(standing: Established, dialer: str, *, life: bytes | None = b"1") -> bool:
    return replaces("a", "b", old=standing, new=Established(dialer, life, 0.0))


def test_of_two_connections_opened_at_once_both_ends_keep_the_same() -> None:
    for mine, theirs in ("ab", "ba"):
        by_a, by_b = Established("a", b"1", 0.0), Established("b", b"1", 0.0)
        assert not replaces(mine, theirs, old=by_a, new=by_b)
        assert replaces(mine, theirs, old=by_b, new=by_a)


def test_who_opens_another_connection_gave_the_earlier_one_up() -> None:
    assert taken(Established("b", b"1", 0.0), "b") and taken(Established("a", b"1", 0.0), "a")


def test_a_process_that_was_started_again_knows_of_no_earlier_connection() -> None:
    assert taken(Established("a", b"1", 0.0), "b", life=b"2")
    assert not taken(Established("a", None, 0.0), "b", life=b"2"), "of one that does not tell"
    assert not taken(Established("a", b"1", 0.0), "b", life=None)


def test_a_connection_on_which_no_ping_came_makes_way() -> None:
    assert not taken(Established("a", b"1", QUIET_S - 0.1), "b")
    assert taken(Established("a", b"1", QUIET_S), "b")
    assert QUIET_S > PING_EVERY_S


def test_an_actor_that_is_named_often_costs_one_look() -> None:
    mine = hello("a", histories=[(B, 100, chain("b100"))])
    theirs = welcome("b", histories=[(B, seq, chain(f"b{seq}")) for seq in range(1, 90)])
    assert chains_needed(mine, theirs) == [Dot(B, 89)]
