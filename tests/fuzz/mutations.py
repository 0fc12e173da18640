"""Inputs that are almost right, and what becomes of a parser that is fed with them."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.fuzz.parsers import Parser

ODD = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1]


def feed(parser: Parser, data: bytes) -> None:
    with suppress(*parser.errors):
        parser.parse(data)


@st.composite
def almost_right(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A valid input with some bytes changed, lost, doubled, cut or from another input; or noise."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=300))
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 16))
        match draw(st.sampled_from("flip set odd cut lose double insert splice".split())):
            case "flip" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "set" if at < len(data):
                data[at] = draw(st.integers(0, 255))
            case "odd":
                width = draw(st.sampled_from([1, 2, 4, 8]))
                number = draw(st.sampled_from(ODD)) % (1 << 8 * width)
                order = draw(st.sampled_from(["big", "little"]))
                data[at : at + width] = number.to_bytes(width, order)  # type: ignore[arg-type]
            case "cut":
                del data[at:]
            case "lose":
                del data[at : at + length]
            case "double":
                data[at:at] = data[at : at + length]
            case "insert":
                data[at:at] = draw(st.binary(max_size=16))
            case "splice":
                other = draw(st.sampled_from(seeds))
                data[at:] = other[draw(st.integers(0, len(other))) :]
            case _:
                pass
    return bytes(data)


def fuzz(parser: Parser, examples: int) -> None:
    """Raises what a parser raises and should not, with the input that makes it."""

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(almost_right(parser.seeds()))
    @example(b"")
    def feeding(data: bytes) -> None:
        feed(parser, data)

    feeding()
