"""Every image gives the pages that a plain dictionary would, whatever was written into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebox.image import Image, MemoryImage
from samebox.io.sqlite_file import SqliteFile

KEYS = st.sampled_from([bytes([first, last]) for first in range(3) for last in range(4)])
CHANGES = st.dictionaries(KEYS, st.none() | st.binary(max_size=2), max_size=12)
PAGES = st.tuples(KEYS, KEYS, st.integers(1, 5), st.booleans())


def sqlite_image() -> Image:
    return SqliteFile(":memory:")


@pytest.mark.parametrize("make", [MemoryImage, sqlite_image])
@given(writes=st.lists(CHANGES, max_size=6), page=PAGES)
def test_a_page_is_that_of_a_dictionary(
    make: Callable[[], Image],
    writes: Sequence[Mapping[bytes, bytes | None]],
    page: tuple[bytes, bytes, int, bool],
) -> None:
    image, plain = make(), dict[bytes, bytes]()
    start, stop, count, reverse = page
    for changes in writes:
        image.write(changes.items())
        image.finish()
        for key, value in changes.items():
            if value is None:
                plain.pop(key, None)
            else:
                plain[key] = value
        inside = sorted((key for key in plain if start <= key < stop), reverse=reverse)
        expected = [(key, plain[key]) for key in inside[:count]]
        assert image.page(start, stop, count, reverse=reverse) == expected
    image.close()


def test_what_is_frozen_stays_as_it_was() -> None:
    image = MemoryImage()
    image.write([(b"a", b"1")])
    view = image.frozen()
    image.write([(b"a", None), (b"b", b"2")])
    assert view.page(b"", b"z", 8) == [(b"a", b"1")]
