"""A conversation with a node of a local cluster: one method for each thing that is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from typing_extensions import override

from crdt import Address, Append, Create, Dot, EntryView, Request, RequestId, Store
from samebox.control import (
    NO_BLOB,
    Answered,
    Ask,
    Body,
    Boxes,
    Command,
    Copies,
    Entries,
    EntryPage,
    Listed,
    Look,
    Nodes,
    Piece,
    Read,
    ShardShown,
    Status,
    Wait,
)
from samebox.events import Receipt
from samebox.io.control_client import Connection, NodeGone


class Silent(NodeGone):
    """Nothing came from the node in time."""


class Conversation(Connection):
    """Blocking, one at a time; `send` and `receive` are for many calls at once.

    Raises NodeRefused where the node answers with a problem, NodeGone where the connection ends, or
    the node sends nothing, and takes nothing of what is on its way to it, for `timeout_s`.
    """

    def __init__(self, path: Path, *, timeout_s: float = 30.0) -> None:
        super().__init__(path)
        self._timeout_s = timeout_s

    @override
    def __enter__(self) -> Self:
        return self

    def ask(
        self,
        request: Request,
        content: bytes | None = None,
        *,
        id: RequestId | None = None,
        copies: Copies = None,
        timeout_s: float | None = None,
    ) -> Answered:
        """Carry out `request`; NO_BLOB in it stands for `content`."""
        body = self._only(*asking(request, content, id=id, copies=copies, timeout_s=timeout_s))
        assert isinstance(body, Answered), body
        return body

    def append(
        self,
        target: Address,
        data: bytes,
        *flags: str,
        id: RequestId | None = None,
        copies: Copies = None,
    ) -> Answered:
        return self.ask(Append(target, NO_BLOB, flags), data, id=id, copies=copies)

    def create_file(self, target: Address, data: bytes) -> Answered:
        return self.ask(Create(target, NO_BLOB), data)

    def write_file(self, target: Address, data: bytes) -> Answered:
        return self.ask(Store(target, content=NO_BLOB), data)

    def wait(self, receipt: Receipt, *, copies: Copies = None) -> Answered:
        """Until this node holds what `receipt` names, which another one may have given."""
        body = self._only(Wait(receipt, copies), None)
        assert isinstance(body, Answered), body
        return body

    def boxes(self) -> list[Listed]:
        return self._nodes(Boxes())

    def look(self, address: Address) -> list[Listed]:
        """What stands at `address`, then what is directly below it."""
        return self._nodes(Look(address))

    def entries(self, address: Address) -> list[EntryView]:
        pages = self.call(Entries(address))
        return [entry for page in pages if isinstance(page, EntryPage) for entry in page.entries]

    def read(self, address: Address, entry: Dot | None = None) -> bytes:
        bodies = self.call(Read(address, entry))
        return b"".join(body.data for body in bodies if isinstance(body, Piece))

    def status(self, *, digest: bool = False) -> ShardShown:
        """Of the node's first shard."""
        body = next(iter(list(self.call(Status(digest)))))
        assert isinstance(body, ShardShown), body
        return body

    @override
    def _wait(self, *, writing: bool) -> tuple[bool, bool]:
        try:
            return super()._wait(writing=writing)
        except TimeoutError as error:
            raise Silent(f"{self._path}: {error}") from None

    def _only(self, command: Command, content: list[bytes] | None) -> Body:
        (body,) = self.call(command, content)
        return body

    def _nodes(self, command: Command) -> list[Listed]:
        pages = self.call(command)
        return [one for page in pages if isinstance(page, Nodes) for one in page.nodes]


def asking(
    request: Request,
    content: bytes | None = None,
    *,
    id: RequestId | None = None,
    copies: Copies = None,
    timeout_s: float | None = None,
) -> tuple[Ask, list[bytes] | None]:
    """What `call` and `send` take to carry out `request`."""
    ask = Ask(request, id, copies, timeout_s, content is not None)
    return ask, None if content is None else [content]
