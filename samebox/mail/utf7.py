"""Modified UTF-7 (RFC 3501, 5.1.3): how folder names are spelled in a Maildir."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error

DIRECT = re.compile(r"[ -%'-~]")
SHIFTED = re.compile(r"&([^-]*)-")


def encode(name: str, *, escaped: str = "") -> str:
    """ASCII for any name; characters in `escaped` are not written as themselves either."""
    pieces, run = [], ""
    for letter in name:
        if letter == "&" or not DIRECT.match(letter) or letter in escaped:
            run += letter
        else:
            pieces += [_shifted(run), letter]
            run = ""
    return "".join([*pieces, _shifted(run)])


def _shifted(run: str) -> str:
    if not run or set(run) == {"&"}:
        return "&-" * len(run)
    coded = b64encode(run.encode("utf-16-be")).decode().rstrip("=")
    return f"&{coded.replace('/', ',')}-"


def decode(name: str) -> str:
    """The name meant; what is not modified UTF-7 is taken as it stands."""
    try:
        return SHIFTED.sub(lambda found: _unshifted(found[1]), name)
    except (Error, UnicodeError):
        return name


def _unshifted(coded: str) -> str:
    if not coded:
        return "&"
    padded = coded.replace(",", "/") + "=" * (-len(coded) % 4)
    return b64decode(padded, validate=True).decode("utf-16-be")
