"""Snapshots fetched by one process from its peers and given to them, as samebox.io.snapshots does
it; one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comm import Message, PeerBroke, WantSnapshot, encode, encode_frame
from samebox.adopting import Fetching, NotAdopted, answer
from samebox.starting import Restored
from samebox.store import log_begins
from sim.network import Side
from sim.restoring import go_on_from
from sim.talk import Talk
from sim.world import SECOND
from storage import DiskFull, DiskReadOnly, LogDamaged, StorageError

if TYPE_CHECKING:
    from sim.shell import Shell

LOOK_US = SECOND
AGAIN_US = 3 * SECOND
"""After one that came to nothing."""
ANSWER_US = 60 * SECOND
"""Without a word, the peer is given up."""


class Snapshots:
    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._fetching: Fetching | None = None
        self._talk: Talk | None = None
        self._turn = 0
        self.is_waiting = False
        self.is_adopting = False

    def begin(self) -> None:
        self._shell.later(LOOK_US, self._look)

    # --- Fetching --------------------------------------------------------------------------------

    def _look(self) -> None:
        replica = self._shell.replica
        peers = replica.peers.out_of_reach(replica.clock)
        if not peers:
            self._shell.later(LOOK_US, self._look)
            return
        self._turn += 1
        fetching = self._fetching = Fetching(self._shell.store)

        def connected(side: Side) -> None:
            if self._shell.is_alive:
                self._talk = Talk(
                    self._shell,
                    side,
                    expected=peers[self._turn % len(peers)],
                    purpose="snapshot",
                    ended=lambda: self._end(fetching, "the connection ended"),
                    greeted=self._ask,
                )
            else:
                side.close()

        def failed(reason: str) -> None:
            self._shell.now(lambda: self._end(fetching, reason))

        peer = peers[self._turn % len(peers)]
        self._shell.host.network.dial(self._shell.name, peer, connected, failed)

    def _ask(self) -> None:
        if self._talk is not None and self._fetching is not None:
            fetching, fetched = self._fetching, self._fetching.fetched
            _send(self._talk, fetching.question())
            self._shell.later(ANSWER_US, lambda: self._give_up(fetching, fetched))

    def _give_up(self, fetching: Fetching, fetched: int) -> None:
        if fetching.fetched == fetched and not fetching.is_whole:
            self._end(fetching, "nothing came")

    def answered(self, talk: Talk, message: Message) -> None:
        fetching = self._fetching
        if fetching is None or talk is not self._talk:
            return
        self._submit(fetching, lambda: fetching.take(message), self._taken)

    def _taken(self, _: object) -> None:
        assert self._fetching is not None
        if self._fetching.is_whole:
            self._check(None)
        else:
            self._ask()

    def _check(self, more: object) -> None:
        fetching = self._fetching
        assert fetching is not None
        if more is False:
            self.is_waiting = True
            self._shell.stir()
        else:
            self._submit(fetching, fetching.check_more, self._check)

    def _submit(self, fetching: Fetching, job: object, then: object) -> None:
        """What a job says against the snapshot ends the fetching."""

        def careful() -> object:
            try:
                return job()  # type: ignore[operator]
            except (NotAdopted, PeerBroke) as error:
                return error

        def ended(result: object) -> None:
            if self._fetching is not fetching:
                return
            match result:
                case NotAdopted() | PeerBroke() | DiskFull() | DiskReadOnly():
                    self._end(fetching, f"{type(result).__name__}: {result}")
                case StorageError():
                    self._shell.fail(result)
                case _:
                    then(result)  # type: ignore[operator]

        self._shell.submit(careful, ended)

    # --- Taking it over --------------------------------------------------------------------------

    def at_rest(self) -> None:
        """No batch is under way, and until this has ended none begins."""
        fetching = self._fetching
        if not self.is_waiting or fetching is None or not self._shell.replica.takes_work:
            return
        self.is_waiting = False
        self.is_adopting = True
        known = dict(self._shell.replica.clock)

        def adopt() -> object:
            try:
                return fetching.adopt(known)
            except NotAdopted as error:
                return error

        def ended(result: object) -> None:
            self.is_adopting = False
            match result:
                case Restored():
                    self._adopted(result)
                    self._shell.world.say(self._shell.name, "a snapshot was taken over")
                    self._end(fetching, "done")
                case NotAdopted() | DiskFull() | DiskReadOnly():
                    self._shell.watch.not_adopted(self._shell, str(result))
                    self._end(fetching, str(result))
                case StorageError():
                    self._shell.fail(result)
                case _:
                    raise AssertionError(f"a snapshot is taken over, or not: {result!r}")
            self._shell.stir()

        self._shell.submit(adopt, ended)

    def _adopted(self, made: Restored) -> None:
        shell = self._shell
        shell.replica.begins(log_begins(shell.store.log, [], made.state.folded))
        go_on_from(shell, made, shell.watch.adopted)

    def _end(self, fetching: Fetching, why: str) -> None:
        if self._fetching is not fetching or self.is_adopting:
            return
        self._fetching, talk, self._talk = None, self._talk, None
        self.is_waiting = False
        if talk is not None:
            talk.end(why)
        if why != "done":
            self._shell.world.say(self._shell.name, f"no snapshot: {why}")

        def ended(result: object) -> None:
            if isinstance(result, StorageError):
                self._shell.fail(result)
            self._shell.later(AGAIN_US, self._look)

        self._shell.submit(fetching.abandon, ended)

    # --- Answering -------------------------------------------------------------------------------

    def serve(self, talk: Talk, message: Message) -> None:
        if not isinstance(message, WantSnapshot):
            talk.end(f"expected WantSnapshot, found {type(message).__name__}")
            return

        def ended(result: object) -> None:
            if isinstance(result, LogDamaged):
                self._shell.fail(result)
            elif isinstance(result, StorageError):
                talk.end(f"{type(result).__name__}: {result}")
            else:
                _send(talk, result)

        self._shell.submit(lambda: answer(self._shell.store, message), ended)


def _send(talk: Talk, message: object) -> None:
    if not talk.is_over:
        talk.side.send(encode_frame(encode(message)))
