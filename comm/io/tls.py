"""TLS 1.3 with a certificate on both sides, and nothing else.

Hosts are not checked: a node is known by the URI in its certificate, wherever it runs. So each
side verifies the chain up to the cluster's authority here, and `comm.handshake` judges the names.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

import trio
from msgspec import Struct
from trio.abc import Stream

from comm.errors import LinkLost
from comm.io.stream import cause_of
from comm.io.tls_stream import TlsStream
from comm.io.wire import wire_of

ALERT_S = 1.0


class Contexts(Struct, frozen=True):
    """For the two ends of a connection. Made anew when a certificate was renewed."""

    dialer: ssl.SSLContext
    acceptor: ssl.SSLContext


def load_contexts(authority: Path, certificate: Path, key: Path) -> Contexts:
    """From PEM files. Raises OSError, ssl.SSLError where they are unreadable or do not fit."""
    contexts = Contexts(
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    )
    contexts.dialer.check_hostname = False
    contexts.acceptor.num_tickets = 0  # sessions are not resumed: every one shows a certificate
    for context in (contexts.dialer, contexts.acceptor):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cafile=authority)
        context.load_cert_chain(certificate, key)
    return contexts


async def dialed(stream: Stream, contexts: Contexts, *, within_s: float) -> TlsStream:
    """TLS on a connection that this node opened. Raises LinkLost."""
    return await _started(stream, contexts.dialer, server=False, within_s=within_s)


async def accepted(stream: Stream, contexts: Contexts, *, within_s: float) -> TlsStream:
    """TLS on a connection that a peer opened. Raises LinkLost."""
    return await _started(stream, contexts.acceptor, server=True, within_s=within_s)


async def _started(
    stream: Stream, context: ssl.SSLContext, *, server: bool, within_s: float
) -> TlsStream:
    secure = TlsStream(wire_of(stream), context, server=server)
    try:
        with trio.fail_after(within_s):
            await secure.handshake()
    except trio.TooSlowError:
        raise LinkLost(f"no TLS handshake within {within_s} s") from None
    except trio.BrokenResourceError as error:
        await _send_alert(secure)
        raise LinkLost(f"the TLS handshake failed: {cause_of(error)}") from error
    return secure


async def _send_alert(secure: TlsStream) -> None:
    """Tell the peer why."""
    with trio.move_on_after(ALERT_S), suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await secure.flush()


def peer_names(stream: TlsStream) -> tuple[str, ...]:
    """The URI names in the certificate that the peer showed, and TLS verified."""
    certificate = stream.certificate()
    assert certificate, "both sides have to show a certificate"
    names: tuple[tuple[str, str], ...] = certificate.get("subjectAltName", ())
    return tuple(name for kind, name in names if kind == "URI")
