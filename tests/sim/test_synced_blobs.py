"""A batch is synced once its blobs are: all that else lies in a pack may follow later."""

from __future__ import annotations

from hashlib import sha256

import pytest

from crdt import Address, Append, Blob, Create, Request, RequestId
from samebox.events import Carried
from sim.book import Violation
from sim.world import SECOND
from storage.packs import Packs
from tests.sim.few_nodes import FewNodes, shell_of

MESSAGE = b"a message that two callers hand in"


class OneWithPacks:
    """A node that is alone, with a mailbox."""

    def __init__(self) -> None:
        self.nodes = FewNodes("a")
        self.host = self.nodes.hosts["a"]
        self.nodes.start()
        self.nodes.world.run(SECOND)
        self._ask(Create(Address("mail")))
        self._ask(Create(Address("mail", "Letters")))

    def append(self, caller: int) -> None:
        blob = Blob(sha256(MESSAGE).digest(), len(MESSAGE))
        self._ask(
            Append(Address("mail", "Letters"), blob), Carried(blob.hash, MESSAGE), caller=caller
        )

    def operations(self) -> int:
        return sum(shell_of(self.host).replica.clock.values())

    def _ask(self, request: Request, *carried: Carried, caller: int = 0) -> None:
        shell, world = shell_of(self.host), self.nodes.world
        id = RequestId(caller.to_bytes(8, "little"), world.now)
        shell.ask(request, lambda _: None, id=id, copies=1, within_us=None, carried=carried)
        world.run(world.now + SECOND)

    def leave_an_index_unsynced(self) -> None:
        """As one that is killed while it seals a pack, with all of its blobs synced."""
        disk = self.host.machine.disk
        name = max(name for name in disk.names() if name.startswith("packs/pack-"))
        disk.write(name, disk.size(name), bytes(80))
        assert disk.unsynced(".pack") == [name]


def test_a_blob_that_is_on_the_medium_may_come_again_while_an_index_is_not() -> None:
    node = OneWithPacks()
    node.append(1)
    node.leave_an_index_unsynced()
    before = node.operations()
    node.append(2)
    assert node.operations() == before + 1


def test_a_batch_whose_blob_is_in_the_cache_alone_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Packs, "sync", lambda packs: packs._waiting.clear())
    node = OneWithPacks()
    with pytest.raises(Violation, match=r"2 broken at a, .* the blob [0-9a-f]{8} is not"):
        node.append(1)
