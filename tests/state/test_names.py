"""What a name or flag may be, and when two are the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import box_problem, flag_problem, normal, problem
from crdt.names import flag_key, key

COMPOSED, APART = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(
    "name",
    ["A", "a b", "~", "...", ".rc", "x" * 255, COMPOSED, "CON", "a.", "\u202ea", "a:b", "\\"],
)
def test_a_name_that_is_fit(name: str) -> None:
    assert problem(name) is None


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "empty"),
        (".", "place"),
        ("..", "place"),
        ("a/b", "'/'"),
        ("a\0", "U+0000"),
        ("a\n", "U+000A"),
        ("\x7f", "U+007F"),
        ("\x85", "U+0085"),
        ("a\u2028", "U+2028"),
        ("a\u2029", "U+2029"),
        ("\ud800", "surrogate"),
        ("x" * 256, "256 bytes"),
        ("\u00e9" * 128, "256 bytes"),
        (APART, "form C"),
    ],
)
def test_a_name_that_is_not_fit_says_why(name: str, says: str) -> None:
    assert says in (problem(name) or "")
    if "/" not in name:
        assert says in (box_problem(name) or "")


def test_a_box_has_names_joined_by_slashes_and_no_colon() -> None:
    assert box_problem("mail/alice") is None
    assert "':'" in (box_problem("mail:alice") or "")
    assert "empty" in (box_problem("mail//alice") or "")
    assert "empty" in (box_problem("/mail") or "")
    assert "'..'" in (box_problem("mail/../x") or "")
    assert "bytes" in (box_problem("/".join(["x" * 200, "y" * 200])) or "")


@given(st.text())
def test_what_an_origin_makes_of_a_name_is_in_normal_form(name: str) -> None:
    assert normal(normal(name)) == normal(name)
    assert "form C" not in (problem(normal(name)) or "")


@pytest.mark.parametrize("flag", ["\\Seen", "\\deleted", "$Junk", "a", "[x", "}", "~", "x" * 255])
def test_a_flag_that_is_fit(flag: str) -> None:
    assert flag_problem(flag) is None


@pytest.mark.parametrize(
    "flag",
    ["", " ", "a b", "(", ")", "{", "%", "*", '"', "]", "\\", "\\Recent", "a\\b", "\u00e9", "\x7f",
     "\n", "a\n", "x" * 256],
)  # fmt: skip
def test_a_flag_that_is_not_fit(flag: str) -> None:
    assert flag_problem(flag) is not None


def test_flags_are_the_same_without_ascii_case_alone() -> None:
    assert flag_key("\\SEEN") == flag_key("\\seen")
    assert flag_key("\u00c9A") == "\u00c9a"


def test_names_are_the_same_composed_or_not_and_folded_where_asked() -> None:
    assert key(COMPOSED, fold=False) == key(APART, fold=False)
    assert key("A", fold=False) != key("a", fold=False)
    assert key("STRASSE", fold=True) == key("stra\u00dfe", fold=True)
    assert key("\u0391\u03a3", fold=True) == key("\u03b1\u03c2", fold=True)


@pytest.mark.parametrize("letter", ["\u1e9e", "\u10a0", "\u0241", "\u2c00", "\U00010c80"])
def test_letters_that_are_newer_or_have_a_newer_small_form_do_not_fold(letter: str) -> None:
    assert key(letter, fold=True) == letter


def test_folding_a_second_time_changes_nothing() -> None:
    for letter in map(chr, (*range(0xD800), *range(0xE000, 0x11000))):
        folded = key(letter, fold=True)
        assert key(folded, fold=True) == folded
