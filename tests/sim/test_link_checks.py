"""What a node need not hold any more, as the watch of a world judges it."""

from __future__ import annotations

from hashlib import sha256

from crdt import Address, Blob, Create, Delete, FileMade, Request, RequestId
from samebox.events import Carried
from sim.link_checks import is_removed
from sim.world import SECOND
from tests.sim.few_nodes import FewNodes, shell_of


def test_contents_of_a_file_that_was_deleted_show_nowhere() -> None:
    """Their blob may be gone; rows of an earlier commit, which power cuts bring back, name it."""
    nodes = FewNodes("a", "b")
    nodes.hosts["a"].start()  # alone: the delete is not forgotten
    shell, file, data = shell_of(nodes.hosts["a"]), Address("mail", "plan.txt"), b"contents"
    blob = Blob(sha256(data).digest(), len(data), None)

    def ask(number: int, request: Request, *carried: Carried) -> None:
        id = RequestId(b"a client", number)
        shell.ask(request, lambda _: None, id=id, copies=1, within_us=None, carried=carried)
        nodes.world.run(nodes.world.now + SECOND)

    ask(1, Create(Address("mail")))
    ask(2, Create(file, blob), Carried(blob.hash, data))
    (made,) = (one for one in nodes.watch.operations.values() if isinstance(one.body, FileMade))
    assert not is_removed(shell, made)
    ask(3, Delete(file))
    assert is_removed(shell, made)
