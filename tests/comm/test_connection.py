"""Who gets through the handshake on a real TLS connection, and what the others are told."""

import gc
import ssl
from contextlib import suppress

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from comm import (
    CommError,
    LinkLost,
    PeerBroke,
    Protocols,
    Refusal,
    WeRefused,
    decode,
)
from comm.frames import FRAME_BYTES_MAX, HANDSHAKE_BYTES_MAX
from comm.header import encode_header
from comm.io import (
    Connection,
    FrameStream,
    Local,
    accepted,
    greet_as_acceptor,
    greet_as_dialer,
)
from comm.io.tls_stream import TlsStream
from tests.comm.phrases import C, chain, hello, welcome
from tests.comm.wires import (
    Credentials,
    OneByteAtATime,
    Peer,
    in_background,
    local,
    shake_hands,
)

NAMES_OF_A = ("samebox://example.org/a",)
NAMES_OF_B = ("samebox://example.org/b",)


async def test_two_members_meet(credentials: Credentials) -> None:
    known = [(C, 3, chain("c3"))]
    ends = await shake_hands(local("a", histories=known), local("b"), credentials)
    match ends:
        case (Connection() as dialer, Connection() as acceptor):
            assert (dialer.peer, acceptor.peer) == ("b", "a")
            assert dialer.dialer == acceptor.dialer == "a"
            assert dialer.version == acceptor.version == 1
            assert acceptor.theirs.clock == {C: 3} and dialer.theirs.clock == {}
            assert dialer.theirs == welcome("b") and acceptor.theirs == dialer.mine
        case _:
            raise AssertionError(ends)


async def test_frames_travel_both_ways_after_the_handshake(credentials: Credentials) -> None:
    here, there = memory_stream_pair()
    streams = OneByteAtATime(here), OneByteAtATime(there)
    ends = await shake_hands(local("a"), local("b"), credentials, streams=streams)
    assert isinstance(ends.dialer, Connection) and isinstance(ends.acceptor, Connection)
    for one, other in (ends, ends[::-1]):
        assert isinstance(one, Connection) and isinstance(other, Connection)
        await one.frames.send_frames(b"\0\0\0\x05hello", within_s=1)
        assert await other.frames.receive_frame(within_s=1) == b"hello"


async def test_the_frame_limit_rises_with_the_handshake() -> None:
    here, there = memory_stream_pair()
    frames = FrameStream(there)
    peer = Peer(here)
    assert frames.reader.limit == HANDSHAKE_BYTES_MAX
    await here.send_all(encode_header())
    await peer.say(hello("a"))
    await greet_as_acceptor(frames, NAMES_OF_A, lambda _: local("b"))
    assert frames.reader.limit == FRAME_BYTES_MAX


async def met(
    credentials: Credentials, dialing: Local, accepting: Local | Refusal, **others: str
) -> tuple[str, str]:
    """What each side says of a handshake that fails."""
    ends = await shake_hands(dialing, accepting, credentials, **others)  # type: ignore[arg-type]
    assert isinstance(ends.dialer, CommError) and isinstance(ends.acceptor, CommError), ends
    return tuple(f"{type(end).__name__}: {end}" for end in ends)  # type: ignore[return-value]


async def test_an_authority_that_is_not_known_is_refused_by_either_side(
    credentials: Credentials,
) -> None:
    dialer, acceptor = await met(credentials, local("a"), local("b"), as_acceptor="stranger")
    assert "LinkLost: the TLS handshake failed" in dialer and "verify failed" in dialer
    assert acceptor.startswith("LinkLost")
    dialer, acceptor = await met(
        credentials, local("b"), local("a"), as_dialer="stranger", as_acceptor="a", expected="a"
    )
    assert "verify failed" in acceptor
    assert dialer.startswith("LinkLost") and "unknown ca" in dialer


async def test_an_expired_certificate_is_refused_by_either_side(credentials: Credentials) -> None:
    dialer, _ = await met(credentials, local("a"), local("b"), as_acceptor="expired")
    assert "certificate has expired" in dialer
    dialer, acceptor = await met(
        credentials, local("b"), local("a"), as_dialer="expired", as_acceptor="a", expected="a"
    )
    assert "certificate has expired" in acceptor and "expired" in dialer


async def test_another_node_at_the_address_is_told_nothing(credentials: Credentials) -> None:
    dialer, acceptor = await met(credentials, local("a"), local("c"), as_acceptor="c")
    assert "WeRefused: expected a certificate of samebox://example.org/b" in dialer
    assert acceptor.startswith("LinkLost")


async def test_a_node_that_is_no_member_is_told_so(credentials: Credentials) -> None:
    dialer, acceptor = await met(credentials, local("d", actor=None), local("b"), as_dialer="d")
    assert acceptor.startswith("WeRefused: d is no member of shard main")
    assert dialer.startswith("PeerRefused: d is no member") and dialer.endswith("[not-a-member]")


async def test_who_claims_the_actor_of_another_is_told_so(credentials: Credentials) -> None:
    dialer, acceptor = await met(credentials, local("a", actor=C), local("b"))
    assert acceptor.startswith("WeRefused: a claims the actor of c")
    assert dialer.startswith("PeerRefused: a claims the actor of c")


async def test_an_acceptor_that_claims_the_actor_of_another_is_told_so(
    credentials: Credentials,
) -> None:
    dialer, acceptor = await shake_hands(local("a"), local("b", actor=C), credentials)
    assert isinstance(dialer, WeRefused) and dialer.code == "actor"
    assert isinstance(acceptor, Connection), "it learns it from the first message"
    told = decode(await acceptor.frames.receive_frame(within_s=1))
    assert isinstance(told, Refusal) and told.code == "actor"


async def test_another_cluster_is_told_so(credentials: Credentials) -> None:
    dialer, acceptor = await met(credentials, local("a"), local("b", cluster="other.org"))
    assert "expected cluster other.org, found example.org [cluster]" in acceptor
    assert dialer.startswith("PeerRefused: expected cluster other.org")


async def test_a_shard_that_is_not_here_is_told_so(credentials: Credentials) -> None:
    refusal = Refusal("shard", "no shard other here")
    dialer, acceptor = await met(credentials, local("a", shard="other"), refusal)
    assert acceptor == "WeRefused: no shard other here [shard]"
    assert dialer == "PeerRefused: no shard other here [shard]"


async def test_old_tls_is_refused(credentials: Credentials) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    here, there = memory_stream_pair()

    async def dial() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await trio.SSLStream(here, old, server_hostname="b").do_handshake()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dial)
        with pytest.raises(LinkLost, match="unsupported protocol"):
            await accepted(there, credentials["b"], within_s=10)
        await trio.aclose_forcefully(there)


async def test_who_shows_no_certificate_is_refused(credentials: Credentials) -> None:
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname = False
    bare.verify_mode = ssl.CERT_NONE
    here, there = memory_stream_pair()

    async def dial() -> None:
        await trio.SSLStream(here, bare, server_hostname="b").do_handshake()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dial)
        with pytest.raises(LinkLost, match="did not return a certificate"):
            await accepted(there, credentials["b"], within_s=10)
        await trio.aclose_forcefully(there)


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\nHost: b\r\n\r\n", encode_header() + bytes(40), b"\xff" * 300]
)
async def test_plaintext_at_the_port_is_refused(credentials: Credentials, said: bytes) -> None:
    here, there = memory_stream_pair()
    await here.send_all(said)
    with pytest.raises(LinkLost, match="TLS handshake failed"):
        await accepted(there, credentials["b"], within_s=10)


async def test_a_tls_handshake_that_is_never_finished(
    credentials: Credentials, autojump_clock: MockClock
) -> None:
    _, there = memory_stream_pair()
    with pytest.raises(LinkLost, match="no TLS handshake within 7 s"):
        await accepted(there, credentials["b"], within_s=7)


def streams() -> int:
    return sum(type(found) is TlsStream for found in gc.get_objects())


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n\r\n"])
async def test_a_handshake_that_is_given_up_is_freed_at_once(
    credentials: Credentials, said: bytes
) -> None:
    """Nobody who opens connections by the thousand fills memory until Python looks for cycles."""
    gc.collect()
    gc.disable()
    before = streams()
    try:
        for _ in range(5):
            here, there = memory_stream_pair()
            await here.send_all(said)
            with trio.move_on_after(0), suppress(LinkLost):
                await accepted(there, credentials["b"], within_s=10)
        assert streams() - before <= 1, "the last one may be in hand still"
    finally:
        gc.enable()


# --- The messages of a handshake, without TLS ---------------------------------------------------


async def acceptor_says(said: bytes) -> CommError:
    """What an acceptor makes of these bytes, and of the end that follows them."""
    here, there = memory_stream_pair()
    await here.send_all(said)
    await here.send_stream.aclose()
    with pytest.raises(CommError) as caught:
        await greet_as_acceptor(FrameStream(there), NAMES_OF_A, lambda _: local("b"))
    return caught.value


def framed(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + payload


async def test_another_service_on_tls_is_refused() -> None:
    error = await acceptor_says(b"GET / HTTP/1.1\r\n\r\n")
    assert isinstance(error, PeerBroke) and "another service" in str(error)


async def test_a_version_without_overlap_is_refused_by_both() -> None:
    error = await acceptor_says(encode_header(Protocols(2, 9)))
    assert isinstance(error, WeRefused) and error.code == "protocol"
    here, there = memory_stream_pair()
    await there.send_all(encode_header(Protocols(2, 9)))
    with pytest.raises(WeRefused, match="upgrade this node"):
        await greet_as_dialer(FrameStream(here), NAMES_OF_B, local("a"), expected="b")


async def test_anything_but_a_hello_is_refused() -> None:
    error = await acceptor_says(encode_header() + framed(b"\x92\x07\x01"))
    assert str(error) == "expected Hello, found Ping"
    error = await acceptor_says(encode_header() + framed(b"\x92\x70\x01"))
    assert str(error) == "expected Hello, found Unknown"


async def test_a_frame_too_large_for_a_handshake_is_refused() -> None:
    error = await acceptor_says(encode_header() + (HANDSHAKE_BYTES_MAX + 1).to_bytes(4, "big"))
    assert isinstance(error, PeerBroke) and f"found {HANDSHAKE_BYTES_MAX + 1}" in str(error)


async def test_garbage_after_the_header_is_refused() -> None:
    error = await acceptor_says(encode_header() + framed(b"\x9f\x01" + bytes(100)))
    assert isinstance(error, PeerBroke) and "Hello is ill-formed" in str(error)


async def test_the_end_at_every_byte_of_a_hello_is_a_lost_link() -> None:
    whole = encode_header() + framed(b"\x92\x07\x01")
    for length in range(len(whole)):
        assert isinstance(await acceptor_says(whole[:length]), LinkLost)


async def test_a_handshake_that_is_never_finished(autojump_clock: MockClock) -> None:
    for said in (b"", b"same", encode_header(), encode_header() + b"\0\0"):
        here, there = memory_stream_pair()
        await here.send_all(said)
        with pytest.raises(LinkLost, match="no handshake within 3 s"):
            frames = FrameStream(there)
            await greet_as_acceptor(frames, NAMES_OF_A, lambda _: local("b"), within_s=3)
        here, there = memory_stream_pair()
        await there.send_all(said)
        with pytest.raises(LinkLost, match="no handshake within 3 s"):
            frames = FrameStream(here)
            await greet_as_dialer(frames, NAMES_OF_B, local("a"), expected="b", within_s=3)


async def test_a_handshake_byte_by_byte_without_end_is_ended(autojump_clock: MockClock) -> None:
    here, there = memory_stream_pair()

    async def trickle() -> None:
        await here.send_all(encode_header() + (1000).to_bytes(4, "big"))
        while True:
            await trio.sleep(1)
            await here.send_all(b"x")

    async with in_background(trickle):
        with pytest.raises(LinkLost, match="no handshake within 10"):
            await greet_as_acceptor(FrameStream(there), NAMES_OF_A, lambda _: local("b"))
