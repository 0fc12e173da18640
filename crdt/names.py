"""What a name or a flag may be, and when two names are the same (R8).

All of it goes by the tables of Unicode 3.2, which never change: so it is the same on every node,
whatever its Python. A character that Unicode 3.2 does not assign is left as it is.
"""

from __future__ import annotations

import re
import stringprep
from functools import lru_cache
from unicodedata import ucd_3_2_0 as unicode

NAME_BYTES_MAX = 255
"""UTF-8. Most file systems take no more."""
FLAG_BYTES_MAX = 255

SYSTEM_FLAGS = ("\\answered", "\\deleted", "\\draft", "\\flagged", "\\seen")
"""The only flags with a backslash, compared without case."""

_UNFIT = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_FLAG = re.compile(r"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def normal(name: str) -> str:
    """`name` as origins write it: NFC."""
    return name if name.isascii() else unicode.normalize("NFC", name)


def problem(name: str) -> str | None:
    """What is wrong with the name of a folder or file, in words for its user; None if nothing."""
    if not name:
        return "it is empty"
    if name in (".", ".."):
        return f"{name!r} means a place, not a name"
    if "/" in name:
        return "it holds '/', which separates the names in a path"
    return _unfit(name)


def box_problem(name: str) -> str | None:
    """The same for the name of a box: names joined by '/', without ':'."""
    if ":" in name:
        return "it holds ':', which separates box and path"
    for part in name.split("/"):
        trouble = problem(part)
        if trouble is not None:
            return trouble if "/" not in name else f"in its part {part!r}: {trouble}"
    return _unfit(name)


def flag_problem(flag: str) -> str | None:
    """What is wrong with a flag, in words for its user; None if nothing."""
    if not flag:
        return "it is empty"
    if len(flag) > FLAG_BYTES_MAX:
        return f"it has {len(flag)} characters; at most {FLAG_BYTES_MAX}"
    return _short_flag_problem(flag)


@lru_cache(maxsize=4096)
def _short_flag_problem(flag: str) -> str | None:
    if "\\" in flag:
        if flag_key(flag) in SYSTEM_FLAGS:
            return None
        return "a backslash begins \\Answered, \\Deleted, \\Draft, \\Flagged and \\Seen alone"
    if not _FLAG.fullmatch(flag):
        return 'a flag is printable ASCII without space ( ) { % * " ] and backslash'
    return None


@lru_cache(maxsize=4096)
def flag_key(flag: str) -> str:
    """Flags with one key are one flag: ASCII case does not matter (R5)."""
    return flag.lower() if flag.isascii() else flag.translate(_ASCII_LOWER)


@lru_cache(maxsize=4096)
def key(name: str, *, fold: bool) -> str:
    """Names with one key are the same name; `fold` ignores case (RFC 3454, table B.3).

    Whoever asks for half of a surrogate pair, which has no bytes, asks for NUL: neither is a name.
    """
    if name.isascii():
        return name.lower() if fold else name
    name = unicode.normalize("NFC", _SURROGATE.sub("\0", name))
    return unicode.normalize("NFC", "".join(map(_folded, name))) if fold else name


def _folded(character: str) -> str:
    """Python's table goes on growing, so a mapping out of Unicode 3.2 or into it does not count."""
    mapped = stringprep.map_table_b3(character)
    assigned = all(unicode.category(part) != "Cn" for part in character + mapped)
    return mapped if assigned else character


def _unfit(name: str) -> str | None:
    if _SURROGATE.search(name):
        return "it holds half of a surrogate pair, which is no character"
    found = _UNFIT.search(name)
    if found is not None:
        return f"it holds the control character U+{ord(found[0]):04X}"
    if len(name.encode()) > NAME_BYTES_MAX:
        return f"it has {len(name.encode())} bytes in UTF-8; at most {NAME_BYTES_MAX}"
    if name != normal(name):
        return "it is not in Unicode normalization form C"
    return None
