"""The state is lost once more while the core goes on from the one that was made again."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from crdt import Address, Create, StateLost
from samebox import Done, open_node
from samebox.events import Refusal, Synced
from samebox.replica import Replica
from samebox.starting import Restored
from samebox.testing import local_node_list
from tests.replica.test_state_lost import RefusingNode, asked


@pytest.mark.parametrize("is_written", [True, False])
def test_the_state_is_lost_once_more_at_every_touch_of_the_rows_it_is_gone_on_from(
    is_written: bool,
) -> None:
    """While a batch is under way, of an actor that is being born and of two requests."""
    for place in count():
        node = RefusingNode("a")
        node.do(asked(1, Create(Address("alice"))))
        birth = node.store.mint("a new one")
        far = replace(asked(3, Create(Address("alice", "Far"))), copies=9)
        batch = node.step(birth, asked(2, Create(Address("alice", "Work"))), far).append
        assert batch is not None
        if is_written:
            node.store.append(batch)
        made = node.store.restored(dict(node.replica.clock), StateLost("somebody looked"))
        node.rows[-1].fails_in = place
        try:
            ready = node.note(node.replica.restored(made))
        except StateLost as error:
            ready = node.restore(error)
        while ready.append is not None:
            node.store.append(ready.append)
            ready = node.step(Synced(ready.append.number))
        node.rows[-1].fails_in = None
        outcomes = {token: type(outcome) for token, outcome in node.replies}
        assert outcomes == {1: Done, 2: Done, 3: Refusal}
        assert node.replica.actor == birth.actor and node.replica.clock[birth.actor] == 2
        node.check(3)
        if not node.lost:
            break
    assert place > 5


def test_a_snapshot_that_was_taken_over_is_not_forgotten_where_the_state_is_lost_with_it() -> None:
    """It has operations of this node that were lost, which has to go on as another actor."""
    node = RefusingNode("a")
    node.do(asked(1, Create(Address("alice"))))
    made = node.store.restored({}, StateLost("a snapshot is taken over"), is_moved=True)
    node.rows[-1].fails_in = 0
    with pytest.raises(StateLost):
        node.replica.restored(made)
    ready = node.replica.restored(node.store.restored({}, StateLost("once more")))
    assert ready.mint == "a snapshot has operations of it that it lost"


async def test_a_node_goes_on_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    left = iter([True, True])
    goes_on = Replica.restored

    def restored(replica: Replica, made: Restored) -> object:
        if next(left, False):
            raise StateLost("the disk took it back")
        return goes_on(replica, made)

    monkeypatch.setattr(Replica, "restored", restored)
    node_list = local_node_list(tmp_path, ["a"])
    with trio.fail_after(30):
        async with open_node(node_list, "a", log=lambda notice: said.append(notice.text)) as node:
            shard = await node.shard_of("mail/alice")
            assert isinstance(await shard.ask(Create(Address("mail/alice"))), Done)
            shard.lost(StateLost("somebody looked"))
            assert isinstance(await shard.ask(Create(Address("mail/bob"))), Done)
            assert await shard.look(lambda state: state.find(Address("mail/bob"))) is not None
    assert sum("the disk took it back" in text for text in said) >= 2
    assert said.count("the state is whole again") == 1
