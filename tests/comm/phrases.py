"""Values that tests of this package speak of."""

from hashlib import sha256

from comm import Greeting, Hello, Welcome
from crdt import Actor


def actor(name: str) -> Actor:
    return sha256(name.encode()).digest()[:16]


def chain(name: str) -> bytes:
    return sha256(name.encode()).digest()


A, B, C = actor("a"), actor("b"), actor("c")


def hello(node: str = "a", **fields: object) -> Hello:
    return Hello(**{**_said_by(node), **fields})  # type: ignore[arg-type]


def welcome(node: str = "b", **fields: object) -> Welcome:
    return Welcome(**{**_said_by(node), **fields})  # type: ignore[arg-type]


def _said_by(node: str) -> dict[str, object]:
    return {
        "cluster": "example.org",
        "shard": "main",
        "node": node,
        "purpose": "operations",
        "actor": actor(node),
    }


def histories(greeting: Greeting) -> dict[Actor, tuple[int, bytes]]:
    return {actor: (seq, chain) for actor, seq, chain in greeting.histories}
