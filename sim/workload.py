"""What users do: few names and many hands, so that they meet; and whoever gets no answer asks
again, under the same request id, often somewhere else."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from msgspec import Struct

from crdt import (
    DELETED,
    Address,
    Append,
    Blob,
    Copy,
    Create,
    Delete,
    Dot,
    Expunge,
    Mode,
    Rename,
    Request,
    RequestId,
    State,
    Store,
    covers,
)
from samebox.events import Carried, Done, Failure, Late, Outcome
from samebox.supply import CARRIED_BYTES_MAX
from sim.host import Host
from sim.shell import Shell
from sim.world import MILLISECOND, SECOND, World

BOXES = ("mail/ann", "files/team")
PATHS = ("INBOX", "Work", "Work/Old", "Play", "notes.txt", "Work/plan.txt")
FLAGS = ("\\Seen", "\\Flagged", "work", DELETED)
TRIES_MAX = 6
UPLOADS_ONE_IN = 6
"""Of errands, as many again: contents that are sent and that nothing ever names."""
PATIENCE_US = 4 * SECOND
"""After which a caller without an answer asks again."""


class Errand(Struct):
    """One request of a client, through all its tries."""

    id: RequestId
    request: Request
    carried: tuple[Carried, ...]
    copies: int
    within_us: int | None
    tries: int = 0
    is_done: bool = False


class Workload:
    def __init__(self, world: World, hosts: Mapping[str, Host], *, errands: int) -> None:
        self.world = world
        self.hosts = hosts
        self.names = tuple(hosts)
        self.errands = errands
        self.begun = 0
        self.done = 0
        self.is_over = False
        self._clients = [world.random.randbytes(8) for _ in range(4)]
        self._numbers = dict.fromkeys(self._clients, 0)

    def begin(self, duration_us: int) -> None:
        random = self.world.random
        self._begin(Create(Address(BOXES[0])), at=self.names[0])
        left = self.errands - 1
        while left > 0:
            together = min(left, random.randrange(2, 40) if self.world.chance(12) else 1)
            at_us = random.randrange(duration_us)
            for _ in range(together):
                self.world.later(at_us + random.randrange(2 * MILLISECOND), self._begin_any)
            left -= together

    # --- Errands ----------------------------------------------------------------------------------

    def _begin_any(self) -> None:
        name = self.world.random.choice(self.names)
        shell = self.hosts[name].shell
        if shell is not None and self.world.chance(UPLOADS_ONE_IN):
            shell.upload(self.world.random.randbytes(self.world.between(1, 6000)))
        self._begin(self._request(shell), at=name)

    def _begin(self, drawn: Request, *, at: str) -> None:
        random = self.world.random
        client = random.choice(self._clients)
        if not self.world.chance(100):  # else a client that has lost count
            self._numbers[client] += 1
        number = self._numbers[client]
        request, carried = self._with_content(drawn, f"{client.hex()[:4]} {number}")
        copies = 1 if random.randrange(4) else 1 + random.randrange(len(self.names))
        within_us = None if copies == 1 else self.world.between(SECOND // 10, 10 * SECOND)
        errand = Errand(RequestId(client, number), request, carried, copies, within_us)
        self.begun += 1
        self._try(errand, at)
        if self.world.chance(20):  # in haste, at two nodes at once
            self._try(errand, random.choice(self.names))

    def _try(self, errand: Errand, at: str) -> None:
        if errand.is_done or self.is_over or errand.tries >= TRIES_MAX:
            return
        errand.tries += 1
        host = self.hosts[at]
        shell = host.shell
        if shell is None or host.is_paused or not host.may_write():
            self._again(errand)
            return
        answered = False

        def answer(outcome: Outcome) -> None:
            nonlocal answered
            answered = True
            self._answered(errand, at, outcome)

        def impatient() -> None:
            if not answered:
                self._try(errand, self.world.random.choice(self.names))

        self.world.later(PATIENCE_US + (errand.within_us or 0), impatient)
        self._ask(shell, errand, answer)

    def _ask(self, shell: Shell, errand: Errand, answer: object) -> None:
        def ask(carried: tuple[Carried, ...]) -> None:
            shell.ask(
                errand.request,
                answer,  # type: ignore[arg-type]
                id=errand.id,
                copies=errand.copies,
                within_us=errand.within_us,
                carried=carried,
            )

        if errand.carried and len(errand.carried[0].data) > CARRIED_BYTES_MAX:
            shell.store_first(errand.carried[0], lambda: ask(()))
        else:
            ask(errand.carried)

    def _again(self, errand: Errand) -> None:
        delay = self.world.between(10 * MILLISECOND, 2 * SECOND)
        self.world.later(delay, lambda: self._try(errand, self.world.random.choice(self.names)))

    def _answered(self, errand: Errand, at: str, outcome: Outcome) -> None:
        match outcome:
            case Failure():
                self._again(errand)
            case Done(receipt, dots, _) | Late(receipt, dots, _):
                self.done += isinstance(outcome, Done)
                errand.is_done = True
                if self.world.chance(8):
                    self._read_elsewhere(dots, dict(receipt.clock))
            case _:
                errand.is_done = True

    def _read_elsewhere(self, dots: tuple[Dot, ...], clock: dict[bytes, int]) -> None:
        """A caller that moved to another node reads its own writes there once it has waited."""
        shell = self.hosts[self.world.random.choice(self.names)].shell
        if shell is None:
            return

        def there(outcome: Outcome) -> None:
            if isinstance(outcome, Done) and shell.is_alive:
                for dot in dots:
                    if not covers(shell.replica.clock, dot):
                        raise shell.watch.broken("O1", shell.name, f"waited for {dot} in vain")

        shell.wait(clock, there, copies=1, within_us=20 * SECOND)

    # --- What is asked ----------------------------------------------------------------------------

    def _address(self) -> Address:
        random = self.world.random
        box = BOXES[random.randrange(8) == 0]
        place = min(random.randrange(len(PATHS)), random.randrange(len(PATHS)))
        return Address(box, PATHS[place])

    def _request(self, shell: Shell | None) -> Request:
        """Without its content: where one belongs stands an empty blob. Mostly what the asking node
        shows can do it."""
        random, target = self.world.random, self._address()
        content = Blob(b"", 0)
        is_file = target.path.endswith(".txt")
        is_there = self._shows(shell, target)
        if not is_there and random.randrange(8):
            if not self._shows(shell, Address(target.box)):
                return Create(Address(target.box), fold=bool(random.randrange(2)))
            return Create(target, content if is_file else None, parents=True)
        drawn = random.randrange(20)
        if drawn < 1:
            return Create(target, content if is_file else None)
        if drawn < 9:
            return Store(target, content=content) if is_file else self._append(target)
        if drawn < 11:
            return Delete(target)
        if drawn < 14 and is_file:
            return Rename(target, self._address())
        entries = self._entries(shell, target)
        if drawn < 14:
            return Rename(target, self._address(), entries)
        if drawn < 16:
            return Copy(target, self._address(), entries)
        if drawn < 19:
            return Store(target, entries, self._flags(), random.choice(tuple(Mode)))
        return Expunge(target, entries if random.randrange(2) else None)

    def _shows(self, shell: Shell | None, address: Address) -> bool:
        return shell is not None and shell.look(lambda state: state.find(address)) is not None

    def _append(self, target: Address) -> Append:
        return Append(target, Blob(b"", 0), self._flags())

    def _flags(self) -> tuple[str, ...]:
        random = self.world.random
        return tuple(flag for flag in FLAGS if not random.randrange(3))

    def _entries(self, shell: Shell | None, target: Address) -> tuple[Dot, ...] | None:
        """Now and then single entries that the asking node shows."""
        if shell is None or self.world.random.randrange(2):
            return None
        shown = shell.look(lambda state: _first_entries(state, target))
        return (self.world.random.choice(shown),) if shown else None

    def _with_content(self, request: Request, unique: str) -> tuple[Request, tuple[Carried, ...]]:
        match request:
            case Append() | Create(content=Blob()) | Store(content=Blob()):
                text = unique if self.world.random.randrange(3) else "the same for many"
                long = self.world.chance(40)
                data = text.encode() * (CARRIED_BYTES_MAX // 8 if long else 1)
                blob = Blob(sha256(data).digest(), len(data))
                return _replaced(request, blob), (Carried(blob.hash, data),)
            case _:
                return request, ()


def _first_entries(state: State, target: Address) -> list[Dot]:
    node = state.find(target)
    return [] if node is None else [entry.id for entry in state.entries(node.ids, limit=8)]


def _replaced(request: Append | Create | Store, blob: Blob) -> Request:
    match request:
        case Append(target, _, flags, date_ms):
            return Append(target, blob, flags, date_ms)
        case Create(target, _, parents, fold):
            return Create(target, blob, parents, fold)
        case Store(target, entries, flags, mode):
            return Store(target, entries, flags, mode, blob)
