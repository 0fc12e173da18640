"""Opening connections: one attempt, and attempts without end."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeAlias

import trio

from comm.backoff import Backoff
from comm.errors import CommError, LinkLost
from comm.io.connection import HANDSHAKE_S, Connection, Local, greet_as_dialer
from comm.io.stream import FrameStream
from comm.io.tls import Contexts, dialed, peer_names

CONNECT_S = 10.0
LASTED_S = 5.0

Report: TypeAlias = Callable[[str], None]
"""Takes one line for the log."""
Converse: TypeAlias = Callable[[Connection], Awaitable[None]]
"""Uses a connection until it ends."""


async def dial(
    host: str,
    port: int,
    contexts: Contexts,
    local: Callable[[], Local],
    *,
    expected: str,
    within_s: float = HANDSHAKE_S,
) -> Connection:
    """One attempt to reach the node `expected`, from TCP to the end of the handshake. `local` is
    asked when TLS is up: connecting may take its time.

    Raises CommError; then nothing is left open.
    """
    try:
        with trio.fail_after(CONNECT_S):
            stream = await trio.open_tcp_stream(host, port)
    except (OSError, trio.TooSlowError) as error:
        raise LinkLost(f"cannot connect to {host}:{port}: {reason(error)}") from error
    try:
        secure = await dialed(stream, contexts, within_s=within_s)
        names = peer_names(secure)
        return await greet_as_dialer(
            FrameStream(secure), names, local(), expected=expected, within_s=within_s
        )
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise


def reason(error: OSError | trio.TooSlowError) -> str:
    """In words; of a name with several addresses, what each of them answered."""
    if isinstance(error, trio.TooSlowError):
        return "no answer"
    if not isinstance(error.__cause__, ExceptionGroup):
        return error.strerror or str(error)
    numbers = (one.errno for one in error.__cause__.exceptions if isinstance(one, OSError))
    return ", ".join(dict.fromkeys(os.strerror(number) for number in numbers if number))


async def keep_dialing(
    attempt: Callable[[], Awaitable[Connection]],
    converse: Converse,
    *,
    backoff: Backoff,
    report: Report,
) -> NoReturn:
    """Connect, converse, and again, for ever. A conversation that lasted LASTED_S resets the wait:
    a peer that takes every handshake and hangs up at once is no better than one that takes none.

    No failure of either ends the loop; each is reported.
    """
    while True:
        try:
            connection = await attempt()
        except CommError as error:
            report(str(error))
        except Exception as error:
            report(f"dialing failed: {error!r}")
        else:
            began = trio.current_time()
            await converse_safely(connection, converse, report)
            if trio.current_time() - began >= LASTED_S:
                backoff.reset()
        await trio.sleep(backoff.next_s())


async def converse_safely(connection: Connection, converse: Converse, report: Report) -> None:
    """An error in one conversation ends that one alone."""
    try:
        await converse(connection)
    except Exception as error:
        report(f"the connection with {connection.peer} failed: {error!r}")
    finally:
        await connection.frames.close()
