"""Serves the control protocol (samebox.control) on a node's unix socket.

    one task per program: reads calls in order, takes in the contents that belong to them, hands
    in what is asked of the one shard there is
        one task per call of another kind: carries it out, hands in its replies
        one task: writes the replies, all that wait at once

The reader never waits for a call to end, so it notices a program that goes away, and cancels that
program's calls; it only waits where a shard has no room, or the program reads no replies. A program
that does not read its replies holds up its own calls and nothing else. Requests are handed to their
shards in the order in which they came: a call's task is scheduled before the next call is read.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import NoReturn

import trio

from samebox.control import (
    CALLS_MAX,
    PIECE_BYTES_MAX,
    Ask,
    Body,
    Call,
    Command,
    FromNode,
    FromProgram,
    Greeting,
    Piece,
    Problem,
    ProtocolError,
    Reply,
    frame,
    from_programs,
)
from samebox.events import Carried
from samebox.io.answers import Answers, problem_of, take_short
from samebox.io.hosting import HostingNode
from samebox.io.socket_file import listening
from samebox.supply import CARRIED_BYTES_MAX

log = logging.getLogger("samebox.control")

PROGRAMS_MAX = 64
"""Programs served at once. Each may hold a frame of 1 MiB here, and its calls."""
READ_BYTES = 256 << 10
UNSENT_BYTES = 256 << 10
"""Replies that wait for a program to read: at so many, its calls wait too."""


async def serve_control(
    node: HostingNode,
    path: Path,
    *,
    cluster: str,
    copies: int = 1,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; started once programs can connect. Raises SocketRefused.

    `copies` is the level at which writes are confirmed when a program names none.
    """
    server = ControlServer(node, Greeting(cluster, node.name, calls=CALLS_MAX), copies)
    with listening(path) as sock:
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
        task_status.started()
        await trio.serve_listeners(server.serve, [listener])


class ControlServer:
    def __init__(self, node: HostingNode, greeting: Greeting, copies: int) -> None:
        self._greeting = greeting
        self._answers = Answers(node, copies)
        self._programs = 0

    async def serve(self, stream: trio.abc.Stream) -> None:
        """One program, from its greeting to its end; raises nothing but cancellation."""
        self._programs += 1
        try:
            async with stream:
                program = Program(stream, self._answers)
                await program.serve(self._greeting if self._programs <= PROGRAMS_MAX else FULL)
        except Exception as error:  # want of memory, say: it ends with the program's connection
            log.error("the conversation with a local program failed: %r", error, exc_info=True)
        finally:
            self._programs -= 1


class Program:
    """The conversation with one local program."""

    def __init__(self, stream: trio.abc.Stream, answers: Answers) -> None:
        self._stream = stream
        self._answers = answers
        self._frames = from_programs()
        self._unsent = bytearray()
        self._news = trio.Event()
        self._sent = trio.lowlevel.ParkingLot()
        self._is_sending = False
        self._scope = trio.CancelScope()
        self._calls = 0
        self._brought: dict[int, Callable[[], None] | None] = {}
        self._brought_so_far = 0

    async def serve(self, greeting: Greeting | Problem) -> None:
        """Until the program is gone, was cut off, or was not let in."""
        try:
            await self._serve(greeting)
        finally:
            self._abandon()

    async def _serve(self, greeting: Greeting | Problem) -> None:
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                await self._send(greeting)
                if isinstance(greeting, Problem):
                    await self._leave_told()
                while True:
                    try:
                        await self._next_call(nursery)
                    except ProtocolError as error:
                        log.warning("a local program was cut off: %s", error)
                        await self._send(Problem("protocol", str(error)))
                        await self._leave_told()

    async def _next_call(self, nursery: trio.Nursery) -> None:
        call = await self._receive()
        if not isinstance(call, Call):
            raise ProtocolError("expected a call, found a piece of contents that none announced")
        command: Command | None = call.command
        carried: tuple[Carried, ...] = ()
        if isinstance(call.command, Ask) and call.command.content:
            command, carried = await self._take_content(call.number, call.command)
        if command is None:
            return
        if self._calls >= CALLS_MAX:
            await self._send(Reply(call.number, TOO_MANY_CALLS))
            return
        self._calls += 1
        if isinstance(command, Ask) and self._answers.takes_soon(command):
            await self._bring(call.number, command, carried)
            return
        nursery.start_soon(self._answer, call.number, command, carried)
        await trio.lowlevel.checkpoint()  # the call begins before the next one is read

    async def _bring(self, number: int, ask: Ask, carried: tuple[Carried, ...]) -> None:
        """No task waits for the answer: all those of a batch are handed in as they are given."""
        while len(self._unsent) >= UNSENT_BYTES:
            await self._sent.park()
        place = self._brought_so_far = self._brought_so_far + 1
        self._brought[place] = None

        def told(body: Body) -> None:
            self._brought.pop(place, None)
            self._calls -= 1
            self._hand_in(last_reply(number, body))

        try:
            abandon = await self._answers.bring(ask, carried, told)
        except Exception as error:
            told(problem_of(error))
        else:
            if place in self._brought:
                self._brought[place] = abandon

    def _abandon(self) -> None:
        """What was brought and is not answered."""
        for abandon in self._brought.values():
            if abandon is not None:
                abandon()
        self._brought.clear()

    async def _take_content(self, number: int, ask: Ask) -> tuple[Ask | None, tuple[Carried, ...]]:
        """The request with its contents in the packs; None where they could not be taken."""
        contents = Contents(self._receive)
        taken: Ask | None = None
        carried: tuple[Carried, ...] = ()
        data = await contents.whole()
        try:
            if data is not None and len(data) <= CARRIED_BYTES_MAX:
                return take_short(ask, data)
            async with aclosing(contents.pieces()) as pieces:
                taken, carried = await self._answers.take(ask, pieces)
        except ProtocolError:
            raise
        except Exception as error:
            await self._send(Reply(number, problem_of(error)))
        async for _ in contents.pieces():
            pass  # what was refused half-way still has to be read, to find the next call
        return taken, carried

    async def _answer(self, number: int, command: Command, carried: tuple[Carried, ...]) -> None:
        async def emit(body: Body) -> None:
            await self._send(Reply(number, body, more=True))

        try:
            answering = self._answers.answer(command, carried, emit)
            del carried  # it need not be kept while other nodes are waited for
            last = await answering
        except Exception as error:
            last = problem_of(error)
        await self._send(Reply(number, last))
        self._calls -= 1

    async def _send(self, message: FromNode) -> None:
        """Hand it in, in order; waits while there is no room. Raises ProtocolError for a message
        that is too long for a frame."""
        data = frame(message)
        while len(self._unsent) >= UNSENT_BYTES:
            await self._sent.park()
        self._hand_in(data)

    def _hand_in(self, data: bytes) -> None:
        self._unsent += data
        self._news.set()

    async def _write(self) -> None:
        while True:
            await self._news.wait()
            self._news = trio.Event()
            data, self._unsent = self._unsent, bytearray()
            self._is_sending = True
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                await self._leave()
            self._is_sending = False
            self._sent.unpark_all()

    async def _leave_told(self) -> NoReturn:
        """When the program was sent all that waits."""
        while self._unsent or self._is_sending:
            await self._sent.park()
        await self._leave()

    async def _receive(self) -> FromProgram:
        while (message := self._frames.next()) is None:
            try:
                data = await self._stream.receive_some(READ_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            if not data:
                await self._leave()
            self._frames.feed(data)
        return message

    async def _leave(self) -> NoReturn:
        """The program is gone: everything that was done for it ends, this task included."""
        self._scope.cancel()
        await trio.sleep_forever()
        raise AssertionError("a cancelled task does not sleep")


class Contents:
    """The pieces that belong to one call; `pieces` may be taken up again where it was left."""

    def __init__(self, receive: Callable[[], Awaitable[FromProgram]]) -> None:
        self._receive = receive
        self._first: bytes | None = None
        self._ended = False

    async def whole(self) -> bytes | None:
        """All of them where they are one piece, as mostly. To be asked first."""
        self._first = await self._next()
        return self._first if self._ended else None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        if self._first is not None:
            first, self._first = self._first, None
            yield first
        while not self._ended:
            yield await self._next()

    async def _next(self) -> bytes:
        message = await self._receive()
        if not isinstance(message, Piece) or len(message.data) > PIECE_BYTES_MAX:
            raise ProtocolError(f"expected a piece of at most {PIECE_BYTES_MAX} bytes")
        self._ended = message.last
        return message.data


def last_reply(number: int, body: Body) -> bytes:
    try:
        return frame(Reply(number, body))
    except ProtocolError as error:
        return frame(Reply(number, problem_of(error)))


FULL = Problem(
    "too-many-programs",
    f"{PROGRAMS_MAX} programs talk to this node already; end one of them, or try again later",
)
TOO_MANY_CALLS = Problem(
    "too-many-calls", f"at most {CALLS_MAX} calls of one program at once; await answers first"
)
