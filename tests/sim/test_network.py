"""How the ends of a simulated connection hand over what came."""

from __future__ import annotations

from random import Random

from sim.network import Network, Side
from sim.world import SECOND, Trace, World

PIECES = 3_000
"""More than Python calls go deep."""


def test_what_piled_up_while_nobody_read_is_handed_over_in_order_and_without_recursion() -> None:
    world = World(Random(1), Trace())
    network = Network(world, ["a", "b"], buffer_bytes=1 << 20)
    ends: list[Side] = []
    network.listen("b", ends.append)
    network.dial("a", "b", ends.append, lambda reason: None)
    world.run(SECOND)
    there, here = ends
    there.is_reading = False
    for number in range(PIECES):
        here.send(number.to_bytes(2, "big"))
    world.run(2 * SECOND)
    found: list[bytes] = []

    def receive(piece: bytes) -> None:
        found.append(piece)
        there.read_on()

    there.receive, there.is_reading = receive, True
    there.read_on()
    assert found == [number.to_bytes(2, "big") for number in range(PIECES)]
