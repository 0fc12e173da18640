import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebox.mail import (
    TooManyKeywords,
    file_name,
    flags_of,
    folder_name,
    folder_path,
    import_client,
    keywords_text,
    number_of,
    order,
    read_keywords,
    split_name,
    with_keywords,
)

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
WORDS = st.text("abcXYZ$_-", min_size=1, max_size=5)
FLAGS = st.lists(
    st.sampled_from(["\\Seen", "\\Flagged", "$Forwarded"]) | WORDS, unique_by=str.lower, max_size=20
)


def test_letters_are_flags() -> None:
    assert split_name("123.x.host:2,FST") == ("123.x.host", "FST")
    assert split_name("123.x.host") == ("123.x.host", "")
    assert flags_of("DFPRST", {}) == (
        *("$Forwarded", "\\Answered", "\\Deleted", "\\Draft", "\\Flagged", "\\Seen"),
    )


def test_letters_that_nothing_explains_are_no_flags() -> None:
    assert flags_of("SbZa", {"a": "work"}) == ("\\Seen", "work")


@given(flags=FLAGS)
def test_flags_come_back_from_the_name(flags: list[str]) -> None:
    keywords = with_keywords({}, flags)
    unique, letters = split_name(file_name("1.x", flags, keywords))
    assert unique == "1.x"
    assert letters == "".join(sorted(letters))
    assert flags_of(letters, read_keywords(keywords_text(keywords))) == tuple(sorted(flags))


def test_keywords_keep_their_letters() -> None:
    assert with_keywords({"b": "work"}, ["WORK", "home", "\\seen"]) == {"b": "work", "a": "home"}


def test_a_keyword_too_many_is_refused() -> None:
    full = with_keywords({}, [f"k{n}" for n in range(26)])
    assert len(full) == 26
    with pytest.raises(TooManyKeywords, match="found 'more' beside k0 k1"):
        with_keywords(full, ["more"])


def test_lines_of_a_keyword_file_that_say_nothing_are_left_out() -> None:
    assert read_keywords("0 a\n\n2 c\n26 no letter\nx y\n3\n") == {"a": "a", "c": "c"}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (("INBOX",), ""),
        (("Work",), ".Work"),
        (("Work", "Old"), ".Work.Old"),
        (("INBOX", "Old"), ".INBOX.Old"),
        (("a.b",), ".a&AC4-b"),
        (("Entwürfe", "R&D"), ".Entw&APw-rfe.R&-D"),
        (("台北",), ".&U,BTFw-"),
        (("😀",), ".&2D3eAA-"),
    ],
)
def test_folder_names(path: tuple[str, ...], name: str) -> None:
    assert folder_name(path) == name
    assert folder_path(name) == path


@given(path=st.lists(NAMES, min_size=1, max_size=4).map(tuple))
def test_every_path_comes_back_from_a_name_of_plain_ascii(path: tuple[str, ...]) -> None:
    name = folder_name(path)
    assert folder_path(name) == path
    assert name.isascii() and "/" not in name and name.count(".") in (len(path), 0)


@pytest.mark.parametrize("name", ["a&b", "&AP-", "&!!!!-", "&2D0-", "&"])
def test_a_name_that_is_no_modified_utf7_stands_for_itself(name: str) -> None:
    assert folder_path("." + name) == (name,)


def test_messages_are_ordered_by_the_second_in_their_name() -> None:
    names = ["10.b:2,S", "9.z", "10.a:2,", "name"]
    assert sorted(names, key=order) == ["name", "9.z", "10.a:2,", "10.b:2,S"]


def test_an_import_is_known_by_source_and_destination() -> None:
    clients = [
        import_client(*parts)
        for parts in (("/a", "b", "c"), ("/a", "b", "d"), ("/a", "bc", ""), ("/ab", "", "c"))
    ]
    assert len({*clients}) == 4 and all(len(client) == 8 for client in clients)
    assert import_client("/a", "b", "c") == clients[0] == bytes.fromhex("263d5e3f1aa65a2f")


def test_a_message_of_a_maildir_is_known_by_its_unique_name() -> None:
    assert number_of("1.a") != number_of("1.b")
    assert number_of("1.a") == 4127725598301943134
