"""What can be said of a request without looking at the state: names, flags, dates, blobs.

Everything that decoding would call ill-formed is refused here, so that no origin writes it.
"""

from __future__ import annotations

from crdt.names import box_problem, flag_key, flag_problem, normal, problem
from crdt.operations import DELETED, Blob
from crdt.refusals import Code, Refused
from crdt.requests import Address
from crdt.wire import CHUNK_BYTES, FLAGS_MAX, HASH_BYTES

PATH_NAMES_MAX = 100
"""Names in one path: what is shown is walked by recursion."""

DATE_MS_MIN = -62_135_596_800_000
"""0001-01-01 in milliseconds since 1970, UTC."""
DATE_MS_MAX = 253_402_300_799_999
"""9999-12-31, the last millisecond: every calendar can show it."""

SPELLINGS = {
    flag.lower(): flag for flag in ("\\Answered", DELETED, "\\Draft", "\\Flagged", "\\Seen")
}
"""Flags compare without ASCII case; these are written in one way only."""
WELL_KNOWN = frozenset(SPELLINGS.values())


def box_name(address: Address) -> str:
    name = normal(address.box)
    trouble = box_problem(name)
    if trouble is not None:
        raise Refused(Code.BAD_NAME, address, f"the name of a box: {trouble}; choose another")
    return name


def path_names(address: Address) -> tuple[str, ...]:
    """The names in a path that must not be empty. Shown ones may be longer than may be given."""
    if not address.path:
        wanted = "expected BOX:PATH with a name after the colon, found a box alone; add a name"
        raise Refused(Code.BAD_NAME, address, wanted)
    names = tuple(address.path.split("/"))
    if "" in names:
        wanted = "expected names separated by one '/', found an empty one"
        raise Refused(Code.BAD_NAME, address, f"{wanted}; leave out what is too much")
    if len(names) > PATH_NAMES_MAX:
        found = f"expected at most {PATH_NAMES_MAX} names in a path, found {len(names)}"
        raise Refused(Code.TOO_LARGE, address, f"{found}; choose a place nearer to the top")
    return names


def new_name(name: str, address: Address) -> str:
    """`name` as it may be given to a folder or file."""
    name = normal(name)
    trouble = problem(name)
    if trouble is not None:
        raise Refused(Code.BAD_NAME, address, f"{name!r}: {trouble}; choose another name")
    return name


def flags(asked: tuple[str, ...], address: Address) -> tuple[str, ...]:
    """Each flag once, sorted, the well-known ones in their one spelling."""
    if len(asked) == 1 and asked[0] in WELL_KNOWN:  # mostly
        return (asked[0],)
    troubles = [f"{_shown(flag)}: {flag_problem(flag)}" for flag in asked if flag_problem(flag)]
    if troubles:
        raise Refused(Code.BAD_FLAG, address, "; ".join(troubles))
    spelled: dict[str, str] = {}
    for flag in asked:
        key = flag_key(flag)
        spelled.setdefault(key, SPELLINGS.get(key, flag))
    few_enough(tuple(spelled.values()), address)
    return tuple(sorted(spelled.values()))


def _shown(flag: str) -> str:
    """As its user gave it: repr would double the backslash of a flag."""
    return f"'{flag}'" if flag.isprintable() else repr(flag)


def few_enough(given: tuple[str, ...], address: Address) -> None:
    if len(given) > FLAGS_MAX:
        found = f"expected at most {FLAGS_MAX} flags, found {len(given)}"
        raise Refused(Code.TOO_LARGE, address, f"{found}; leave some out, or remove some first")


def date(date_ms: int, address: Address) -> int:
    if not DATE_MS_MIN <= date_ms <= DATE_MS_MAX:
        found = f"expected a date in the years 1 to 9999, found {date_ms} ms since 1970"
        raise Refused(Code.BAD_DATE, address, f"{found}; give milliseconds, UTC")
    return date_ms


def blob(content: Blob, address: Address) -> Blob:
    """`content` as an operation may name it."""
    hashes = (content.hash,) if content.chunks is None else (content.hash, content.chunks)
    if any(len(found) != HASH_BYTES for found in hashes) or content.size < 0:
        wanted = f"expected a size and hashes of {HASH_BYTES} bytes, found {content!r}"
        raise Refused(Code.BAD_BLOB, address, f"{wanted}; name the blob by its SHA-256")
    if (content.size > CHUNK_BYTES) != (content.chunks is not None):
        wanted = f"expected the hash of a chunk list iff a blob has more than {CHUNK_BYTES} bytes"
        raise Refused(Code.BAD_BLOB, address, f"{wanted}, found {content!r}")
    return content
