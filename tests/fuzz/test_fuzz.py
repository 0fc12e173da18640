"""No bytes do more than the documented errors, and none makes a parser take much memory.

`tests/fuzz/corpus/PARSER/` keeps inputs that once did more, or that say something by themselves.
"""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from tests.fuzz.mutations import feed, fuzz
from tests.fuzz.parsers import PARSERS, Parser

CORPUS = Path(__file__).parent / "corpus"
EXAMPLES = 100
"""Of each parser; `make soak` goes on."""
LENGTHS_WITHIN = 120
PLACES_APART = 3
MEMORY_BYTES = 8 << 20
MEMORY_PER_BYTE = 500
"""What a parser may take at the most: for what it keeps anyway, and for each byte that it is fed.
A length field of four bytes could ask for 4 GiB."""


@pytest.mark.parametrize("name", PARSERS)
def test_what_is_valid_is_accepted(name: str) -> None:
    parser = PARSERS[name]
    for seed in parser.seeds():
        parser.parse(seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
def test_what_is_almost_right_raises_the_documented_errors_alone(name: str) -> None:
    fuzz(PARSERS[name], EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
def test_no_length_that_is_announced_makes_room(name: str) -> None:
    """At every place near the beginning where a length may stand, a huge one."""
    parser = PARSERS[name]
    seed = min(parser.seeds(), key=len)
    for number in (b"\xff" * 4, b"\x7f" + b"\xff" * 3, b"\xff" * 8):
        for at in range(0, min(len(seed), LENGTHS_WITHIN), PLACES_APART):
            assert_frugal(parser, seed[:at] + number + seed[at + len(number) :])


def assert_frugal(parser: Parser, data: bytes) -> None:
    tracemalloc.start()
    try:
        feed(parser, data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY_BYTES + MEMORY_PER_BYTE * len(data), f"{peak} bytes for {data[:64]!r}"


def kept() -> list[tuple[str, Path]]:
    return sorted((path.parent.name, path) for path in CORPUS.glob("*/*"))


@pytest.mark.parametrize(("name", "path"), kept(), ids=[path.name for _, path in kept()])
def test_what_was_kept_raises_the_documented_errors_alone(name: str, path: Path) -> None:
    assert_frugal(PARSERS[name], path.read_bytes())
