"""import: mail of an mbox or a Maildir into mailboxes, as often as it takes, each message once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import click

from crdt import Address, Append, Create, Kind, RequestId, merge
from samebox.control import (
    NO_BLOB,
    RECALLS_MAX,
    Answered,
    Ask,
    Copies,
    Known,
    Problem,
    Recall,
    Reply,
)
from samebox.events import Receipt
from samebox.io.commands.looking import look
from samebox.io.commands.mail_sources import Source, sources
from samebox.io.commands.options import (
    ADDRESS,
    DeadlinePassed,
    NotReached,
    Refused,
    Site,
    as_json,
    at_node,
    connected,
    with_copies,
)
from samebox.io.commands.progress import progress
from samebox.io.commands.showing import hint, say, say_json
from samebox.io.control_client import Connection, NodeGone, NodeRefused
from samebox.io.mailboxes import Incoming
from samebox.mail import MailError, import_client
from samebox.spelling import plural

OUTSTANDING_SHARE = 15 / 16
"""Of the calls that the node takes at once, 480 of 512: appends on their way, half of them in a
batch, half on their way to the next. The rest is for what else is asked meanwhile."""
TOLD_MAX = 5
"""Messages left out that an answer for people tells one by one."""


@click.command("import", short_help="Import an mbox file or a Maildir.")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.argument("address", type=ADDRESS)
@click.option("--create", is_flag=True, help="Make the box and mailboxes that are not there.")
@click.option(
    "--as",
    "name",
    metavar="NAME",
    help="The name under which messages are remembered.  [default: the absolute PATH]",
)
@with_copies
@as_json
@at_node
def import_(
    *,
    path: Path,
    address: Address,
    create: bool,
    name: str | None,
    copies: Copies,
    timeout_s: float | None,
    json: bool,
    site: Site,
) -> None:
    """Import an mbox file, or a Maildir with its folders, with flags and dates.

    BOX alone means its INBOX, and for the folders of a Maildir mailboxes of their names; with
    BOX:FOLDER they go into and below FOLDER. The source is only read.

    Interrupted, or with new mail in the source? Run it again: what an earlier run brought in is
    skipped, also what was expunged since. Under another name, with --as, it comes in once more.

    \b
    samebox import ~/Maildir mail/alice --create
    samebox import archive.mbox mail/alice:Archive/2024 --create --copies 2
    """
    how = How(copies, timeout_s, name)
    with connected(site) as node:
        under_way = Import(node, how)
        for source in found_at(path, address):
            if create:
                make_mailbox(node, source.mailbox, how)
            try:
                expect_mailbox(node, source.mailbox)
                under_way.run(source)
            except (MailError, OSError) as error:
                raise Refused(f"stopped in {source.path}: {error}") from None
            except NodeGone as error:
                raise NotReached(
                    f"{error} after {plural(under_way.tally.imported, 'answer')}; import again "
                    "once a node runs: it goes on from there and adds nothing twice"
                ) from None
            except KeyboardInterrupt:
                raise Refused(
                    f"interrupted after {plural(under_way.tally.imported, 'answer')}; import "
                    "again: it goes on from there and adds nothing twice"
                ) from None
    tell(under_way.tally, json=json)


def found_at(path: Path, address: Address) -> list[Source]:
    try:
        return sources(path, address)
    except (MailError, OSError) as error:
        raise Refused(f"{path}: {error}") from None


class How(NamedTuple):
    """How each message is confirmed, and the name of the source if it is not its path."""

    copies: Copies
    timeout_s: float | None
    name: str | None


def make_mailbox(node: Connection, mailbox: Address, how: How) -> None:
    """With its box and the folders on the way; nothing where it is there."""
    if is_there(node, mailbox):
        return
    if not is_there(node, Address(mailbox.box)):
        list(node.call(Ask(Create(Address(mailbox.box)), None, how.copies, how.timeout_s)))
    if not is_there(node, mailbox):
        list(node.call(Ask(Create(mailbox, parents=True), None, how.copies, how.timeout_s)))


def expect_mailbox(node: Connection, mailbox: Address) -> None:
    if not is_there(node, mailbox):
        raise Refused(f"expected the mailbox {mailbox}, found none; with --create it is made")


def is_there(node: Connection, address: Address) -> bool:
    try:
        return look(node, address)[0].node.kind is not Kind.FILE
    except NodeRefused as refused:
        if refused.code in ("no-such-box", "no-such-name"):
            return False
        raise


class Left(NamedTuple):
    """A message that the node does not take as it is."""

    where: str
    problem: Problem


class Tally:
    """What came of an import so far."""

    def __init__(self) -> None:
        self.mailboxes: list[str] = []
        self.imported = 0
        self.known = 0
        self.late = 0
        self.unfit = 0
        self.left: list[Left] = []
        self.nodes: tuple[str, ...] = ()
        self.copies: int | None = None
        self.receipt: Receipt | None = None

    def confirmed(self, answered: Answered) -> None:
        """One more. `nodes` hold every message, each is held by `copies`; the receipt names all."""
        held = answered.nodes
        self.nodes = tuple(n for n in self.nodes if n in held) if self.imported else held
        self.copies = len(held) if self.copies is None else min(self.copies, len(held))
        self.imported += 1
        self.late += answered.late
        clock = {} if self.receipt is None else self.receipt.clock
        self.receipt = Receipt(answered.receipt.shard, merge(clock, answered.receipt.clock))

    def shape(self) -> dict[str, object]:
        return {
            "imported": self.imported,
            "known": self.known,
            "late": self.late,
            "mailboxes": self.mailboxes,
            "nodes": list(self.nodes),
            "copies": self.copies,
            "receipt": None if self.receipt is None else str(self.receipt),
            "left_out": [
                {"where": left.where, "code": left.problem.code, "message": left.problem.message}
                for left in self.left
            ],
        }

    def words(self) -> str:
        where = f" into {self.mailboxes[0]}" if len(self.mailboxes) == 1 else ""
        if len(self.mailboxes) > 1:
            where = f" into {plural(len(self.mailboxes), 'mailbox', 'mailboxes')}"
        words = f"imported {plural(self.imported, 'message')}{where}"
        if self.known:
            words += f", {plural(self.known, 'was', 'were')} imported earlier"
        return words if self.copies is None else f"{words}, {self.level(self.copies)}"

    def level(self, copies: int) -> str:
        if copies == len(self.nodes):
            return f"confirmed at {', '.join(self.nodes)}"
        least = plural(copies, "node")
        return f"each confirmed at {least} or more, all at {', '.join(self.nodes)}"


class Import:
    """The appends that are under way, over one connection."""

    def __init__(self, node: Connection, how: How) -> None:
        self.tally = Tally()
        self._node = node
        self._how = how
        self._under_way: dict[int, str] = {}
        self._under_way_max = max(1, int(node.greeting.calls * OUTSTANDING_SHARE))

    def run(self, source: Source) -> None:
        """One mailbox, in order. Raises MailError, OSError; NodeRefused where nothing can go on.

        The source is gone through twice, side by side: for numbers, to ask in portions what was
        imported earlier, and for messages, to send the rest.
        """
        mailbox = source.mailbox
        client = import_client(self._how.name or str(source.path.resolve()), *mailbox)
        self.tally.mailboxes.append(str(mailbox))
        ahead = portions(source.numbers())
        asked, known = set[int](), set[int]()
        with progress(str(mailbox), source.total) as advance:
            for seen, message in enumerate(source.read()):
                advance(source.done(message, seen))
                while message.number not in asked and (numbers := next(ahead, None)) is not None:
                    asked, known = set(numbers), self._recall(mailbox.box, client, numbers)
                if message.number in known:
                    self.tally.known += 1
                else:
                    self._append(mailbox, RequestId(client, message.number), message)
            while self._under_way:
                self._take(self._node.receive())

    def _append(self, mailbox: Address, id: RequestId, message: Incoming) -> None:
        while len(self._under_way) >= self._under_way_max:
            self._take(self._node.receive())
        request = Append(mailbox, NO_BLOB, message.flags, message.date_ms or 0)
        ask = Ask(request, id, self._how.copies, self._how.timeout_s, content=True)
        self._under_way[self._node.hand_in(ask, message.chunks)] = message.where
        self.tally.unfit += len(message.unfit)

    def _recall(self, box: str, client: bytes, numbers: list[int]) -> set[int]:
        """Those of the messages that an earlier run has brought in."""
        number = self._node.send(Recall(box, tuple(RequestId(client, n) for n in numbers)))
        while (reply := self._node.receive()).call != number:
            self._take(reply)
        match reply.body:
            case Known(ids):
                return {id.number for id in ids}
            case Problem():
                raise NodeRefused(reply.body)
            case _:
                raise AssertionError(f"a recall is answered by {reply.body}")

    def _take(self, reply: Reply) -> None:
        """One append is answered."""
        where = self._under_way.pop(reply.call)
        match reply.body:
            case Answered() as answered:
                self.tally.confirmed(answered)
            case Problem(code="id-reused"):
                self.tally.known += 1  # imported earlier; its flags or date have changed since
            case Problem(code=code) as problem if code.startswith("bad-") or code == "too-large":
                self.tally.left.append(Left(where, problem))
            case Problem(code, message):
                raise NodeRefused(Problem(code, f"{where}: {message}"))
            case other:
                raise AssertionError(f"an append is answered by {other}")


def portions(numbers: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(numbers)
    while portion := list(islice(rest, RECALLS_MAX)):
        yield portion


def tell(tally: Tally, *, json: bool) -> None:
    """Print what came of it; messages left out, or late ones, end the command accordingly."""
    if json:
        say_json(**tally.shape())
    else:
        say(tally.words())
    if tally.unfit:
        hint(f"{plural(tally.unfit, 'flag')} could not be kept: no flags of IMAP")
    if tally.left:
        listed = [f"  {left.where}: {left.problem.message}" for left in tally.left[:TOLD_MAX]]
        more = ["  …"] if tally.left[TOLD_MAX:] else []
        count = plural(len(tally.left), "message")
        raise Refused("\n".join([f"{count} left out:", *listed, *more]))
    if tally.late:
        held = ", ".join(tally.nodes) or "no node"
        count = plural(tally.late, "message")
        raise DeadlinePassed(f"the deadline of {count} passed; all are held by {held}")
