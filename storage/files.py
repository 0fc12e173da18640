"""Names of the files of a log or of packs: `log-0000000007.segment`.

    .segment / .pack   in use
    .damaged           does not read back whole; what reads of it is still used
    .aside             no longer used; kept for a person to look at
    .new               being made; nothing in it was ever confirmed, and it is removed at a start

Whatever else lies in the directory is not ours and is left alone. No name comes from outside.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from storage.disk import Disk

NEW = "new"
DAMAGED = "damaged"
ASIDE = "aside"


class FileName(NamedTuple):
    kind: str
    number: int
    state: str

    @property
    def text(self) -> str:
        return _text(*self)


@lru_cache(maxsize=256)
def _text(kind: str, number: int, state: str) -> str:
    """Asked for with every read and write."""
    return f"{kind}-{number:010d}.{state}"


def parse_name(name: str, *, kind: str, states: tuple[str, ...]) -> FileName | None:
    """None where `name` is no name of a file of this kind in one of these states."""
    match = re.fullmatch(r"([a-z]+)-(\d{10})\.([a-z]+)", name)
    if match is None or match[1] != kind or match[3] not in states:
        return None
    return FileName(kind, int(match[2]), match[3])


def publish(disk: Disk, new: FileName, *, state: str) -> FileName:
    """Gives a file its name once its bytes are durable. Durable itself when this returns."""
    assert new.state == NEW, f"{new.text} is published already"
    disk.sync(new.text)
    return set_state(disk, new, state=state)


def set_state(disk: Disk, name: FileName, *, state: str) -> FileName:
    """Durable when this returns."""
    renamed = name._replace(state=state)
    disk.rename(name.text, renamed.text)
    disk.sync_directory()
    return renamed


def remove_if_there(disk: Disk, name: FileName) -> None:
    if name.text in disk.names():
        disk.remove(name.text)
