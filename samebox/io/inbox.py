"""What waits for the next step of a shard's core, and those who wait for room there."""

from __future__ import annotations

import trio

from samebox.events import Event, WorkEvent
from samebox.incoming import Incoming


class Inbox:
    def __init__(self) -> None:
        self._incoming = Incoming()
        self._news = trio.Event()
        self._busy = False
        self._room = trio.lowlevel.ParkingLot()

    @property
    def is_busy(self) -> bool:
        """The next step would take no work."""
        return self._busy

    @property
    def has_told(self) -> bool:
        """Something was told that no step has taken yet."""
        return self._incoming.has_told

    def put(self, event: WorkEvent) -> bool:
        """Hand in work; whether there was room for it. It is no news: the next step that takes
        work takes it, whenever that is."""
        return self._incoming.put(event)

    async def bring(self, event: WorkEvent) -> None:
        """The same, waiting while there is no room."""
        while not self._incoming.put(event):
            await self._room.park()

    def tell(self, event: Event) -> None:
        self._incoming.tell(event)
        self._news.set()

    def tell_quietly(self, event: Event) -> None:
        """What makes no difference before something else happens is no reason for a step."""
        self._incoming.tell(event)

    def withdraw(self, token: int) -> bool:
        """Take a request back that no step has taken yet; whether it was still here."""
        return self._incoming.withdraw(token)

    def withdraw_all(self) -> list[int]:
        """The tokens of all requests that no step has taken yet, and no step ever will."""
        tokens = self._incoming.withdraw_all()
        self._room.unpark_all()
        return tokens

    def free(self) -> None:
        """Work can be taken again."""
        self._busy = False
        if self._incoming.has_work:
            self._news.set()

    def stir(self) -> None:
        """Let the loop look again, without an event."""
        self._news.set()

    async def news(self) -> None:
        """Until something was brought, told or stirred since the last `take`."""
        await self._news.wait()
        while not self._news.is_set():  # somebody else took it
            await self._news.wait()

    def take(self, *, busy: bool) -> list[Event]:
        """All control events, and unless `busy` a batch's worth of work.

        Work that comes after a `busy` take is no news, until `free`.
        """
        if self._news.is_set():
            self._news = trio.Event()
        self._busy = busy
        events = self._incoming.take(busy=busy)
        if not busy:
            if self._room:
                self._room.unpark_all()
            if self._incoming.has_work:
                self._news.set()
        return events
