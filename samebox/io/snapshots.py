"""Snapshots given to peers, and fetched where this node lacks what no peer can send any more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from shutil import disk_usage

import trio

from comm import (
    Backoff,
    Bye,
    CommError,
    LinkLost,
    Message,
    PeerBroke,
    Unknown,
    WantSnapshot,
    decode,
    encode,
    encode_frame,
)
from comm.io import FrameStream
from samebox.adopting import Fetching, NotAdopted, answer
from samebox.events import Notice
from samebox.io.shard import Shard
from storage import DiskFull, DiskReadOnly, StorageError

WENT_BACK = (
    "this node was put back to an earlier state; what it wrote as {} since, if anything, is in the "
    "files of its log that were set aside (.aside) alone"
)
LOOK_S = 1.0
"""Between two looks whether a snapshot is needed."""
ANSWER_S = 60.0
"""For a piece to come, however busy the peer's disk is; and to be asked for the next one."""
ROOM_TIMES = 3
"""As long as a snapshot: itself, and the state that is made of it, which takes twice that."""
SPARE_BYTES = 64 << 20
"""Left to the node, whose writes must not be refused for want of room."""
IDLE_SHARE = 1
"""While one is read back, the disk thread is free for as long as it was at work."""


async def serve_snapshots(frames: FrameStream, shard: Shard) -> None:
    """Answer until the peer closes. Raises LinkLost, PeerBroke; `frames` is closed."""
    try:
        while True:
            match decode(await frames.receive_frame(within_s=ANSWER_S)):
                case WantSnapshot() as want:
                    reply = await shard.disk.look(lambda want=want: answer(shard.store, want))  # type: ignore[misc]
                    await frames.send_frames(encode_frame(encode(reply)), within_s=ANSWER_S)
                case Unknown():
                    continue
                case Bye(reason):
                    raise LinkLost(f"the peer closed the connection: {reason}")
                case message:
                    found = type(message).__name__
                    raise PeerBroke(f"expected WantSnapshot, found {found}")
    finally:
        await frames.close()


class SnapshotPuller:
    """`dial` opens a connection for snapshots with a peer; `report` is told what went wrong with
    it, in one line."""

    def __init__(
        self,
        shard: Shard,
        *,
        dial: Callable[[str], Awaitable[FrameStream]],
        report: Callable[[str, str], None],
        backoff: Backoff,
    ) -> None:
        self._shard = shard
        self._dial = dial
        self._report = report
        self._backoff = backoff
        self._turn = 0

    async def run(self) -> None:
        """Fetch one whenever it is needed, of one peer after the other: until cancelled."""
        while True:
            await trio.sleep(LOOK_S)
            replica = self._shard.replica
            peers = replica.peers.out_of_reach(replica.clock)
            if peers:
                self._turn += 1
                await self._pull_safely(peers[self._turn % len(peers)])

    async def _pull_safely(self, peer: str) -> None:
        """A failure of this peer, or of what is told of it, ends nothing but its connection."""
        try:
            await self._pull(peer)
        except NotAdopted as error:
            self._report(peer, f"its snapshot is not taken over: {error}")
        except (DiskFull, DiskReadOnly) as error:
            self._report(peer, f"its snapshot could not be kept: {error}")
        except StorageError:
            raise
        except CommError as error:
            self._report(peer, f"its snapshot could not be fetched: {error}")
        except Exception as error:
            self._report(peer, f"fetching its snapshot failed: {error!r}")
        else:
            self._backoff.reset()
            return
        await trio.sleep(self._backoff.next_s())

    async def _pull(self, peer: str) -> None:
        shard, fetching = self._shard, Fetching(self._shard.store)
        frames = await self._dial(peer)
        try:
            while not fetching.is_whole:
                message = await _asked(frames, fetching.question())
                await shard.disk.run(lambda message=message: fetching.take(message))  # type: ignore[misc]
                check_room(Path(shard.store.disks.where), fetching.size - fetching.fetched)
            while True:
                began = trio.current_time()
                if not await shard.disk.run(fetching.check_more):
                    break
                await trio.sleep(IDLE_SHARE * (trio.current_time() - began))
            await shard.adopt(fetching.adopt)
        finally:
            with trio.CancelScope(shield=True):
                await frames.close()
                await shard.disk.run(fetching.abandon)
        shard.log(Notice(f"the snapshot of {peer} was taken over: this node goes on from there"))
        if fetching.set_back:
            names = ", ".join(actor.hex()[:8] for actor in fetching.set_back)
            shard.log(Notice(WENT_BACK.format(names), alarm=True))


def check_room(folder: Path, left: int) -> None:
    """For the `left` bytes of a snapshot, of which the peer may say what it likes. Raises
    NotAdopted."""
    if not left:
        return
    wanted, free = ROOM_TIMES * left + SPARE_BYTES, disk_usage(folder).free
    if free < wanted:
        raise NotAdopted(
            f"{left:,} bytes of it are still to come: expected {wanted >> 20:,} MiB of room for "
            f"them and the state, found {free >> 20:,} MiB in {folder}; free some there"
        )


async def _asked(frames: FrameStream, question: WantSnapshot) -> Message | Unknown:
    await frames.send_frames(encode_frame(encode(question)), within_s=ANSWER_S)
    return decode(await frames.receive_frame(within_s=ANSWER_S))
