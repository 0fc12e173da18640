"""Mailboxes of other programs on disk: read one message after the other, and written.

Blocking, for commands. Nothing is held but one piece of one message.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from crdt import flag_problem
from samebox.mail import (
    KEYWORDS_FILE,
    Began,
    Content,
    Ended,
    Event,
    MailError,
    MboxReader,
    MboxWriter,
    Quoting,
    Skim,
    file_name,
    flags_of,
    folder_name,
    folder_path,
    keywords_text,
    number_of,
    order,
    read_keywords,
    split_name,
    with_keywords,
)

PIECE_BYTES = 1 << 20
"""Read at once, and the most that is held of a message beside its header."""
NS_PER_MS = 1_000_000


class Incoming(Struct, frozen=True):
    """A message of a source. `number` is its own for ever (samebox.mail.identity), `where` is for
    people; what is left of `chunks` when the next message is asked for is skipped. `unfit` are
    flags that the source has and samebox cannot hold."""

    number: int
    where: str
    flags: tuple[str, ...]
    unfit: tuple[str, ...]
    date_ms: int | None
    chunks: Iterator[bytes]


class Outgoing(Struct, frozen=True):
    """A message to write. `key` names it for ever: letters, digits, "-" and "_"."""

    key: str
    flags: tuple[str, ...]
    date_ms: int
    size: int
    chunks: Iterable[bytes]


def is_maildir(path: Path) -> bool:
    return (path / "cur").is_dir() and (path / "new").is_dir()


def read_mbox(
    path: Path, *, start: int = 0, quoting: Quoting = Quoting.MBOXRD
) -> Iterator[Incoming]:
    """From the message at offset `start`: 0, or the number of a message read before.

    Raises NotMbox, OSError.
    """
    with open(path, "rb") as file:
        events = _mbox_events(file, MboxReader(quoting, offset=start), start)
        for event in events:
            assert isinstance(event, Began)
            where = f"{path}, byte {event.offset}"
            chunks = _until_ended(events)
            yield Incoming(event.offset, where, *_fit(event.flags), event.date_ms, chunks)
            for _ in chunks:
                pass


def mbox_numbers(path: Path) -> Iterator[int]:
    """Of all messages, in order. Raises NotMbox, OSError."""
    with open(path, "rb") as file:
        for event in _mbox_events(file, MboxReader(passage=Skim), 0):
            assert isinstance(event, Began)
            yield event.offset


def _mbox_events(file: BinaryIO, reader: MboxReader, start: int) -> Iterator[Event]:
    file.seek(start)
    for piece in _pieces(file):
        yield from reader.feed(piece)
    yield from reader.finish()


def _fit(flags: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those that samebox can hold, and the others."""
    unfit = tuple(flag for flag in flags if flag_problem(flag))
    return tuple(flag for flag in flags if flag not in unfit), unfit


def _until_ended(events: Iterator[Event]) -> Iterator[bytes]:
    for event in events:
        if isinstance(event, Ended):
            return
        assert isinstance(event, Content)
        yield event.data


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece


def _need_parent(path: Path) -> None:
    """A folder whose name was mistyped is not made."""
    if not path.parent.is_dir():
        raise MailError(f"{path}: expected the folder {path.parent}, found none; make it first")


def write_mbox(path: Path, messages: Iterable[Outgoing]) -> int:
    """How many messages were written. The file appears when it is complete; it must not be there.

    Raises MailError, OSError.
    """
    if path.exists():
        found = "a folder" if path.is_dir() else "a file"
        raise MailError(f"{path}: expected nothing there, found {found}; name another, or move it")
    _need_parent(path)
    unfinished = path.with_name(path.name + ".part")
    count = 0
    with _private(unfinished) as file:
        writer = MboxWriter()
        for message in messages:
            file.write(writer.begin(message.flags, message.date_ms, message.size))
            for chunk in message.chunks:
                file.write(writer.content(chunk))
            file.write(writer.end())
            count += 1
        _sync(file)
    unfinished.rename(path)
    return count


def maildir_folders(root: Path) -> list[tuple[tuple[str, ...], Path]]:
    """The mailboxes of a Maildir, each with its path as names; INBOX comes first."""
    found = [(folder_path(""), root)]
    for folder in sorted(root.glob(".?*")):
        if is_maildir(folder):
            found.append((folder_path(folder.name), folder))
    return found


def maildir_folder(root: Path, names: tuple[str, ...]) -> Path:
    """Where the mailbox of that path is, or would be."""
    return root / folder_name(names)


def read_maildir(folder: Path) -> Iterator[Incoming]:
    """One mailbox of a Maildir, in the order in which messages came. Raises MailError, OSError.

    Another program may rename files meanwhile: a message is looked for once more under its other
    flags, and left out where it is gone.
    """
    if not is_maildir(folder):
        wanted = f"{folder}: expected a Maildir with the folders cur, new and tmp, found none"
        raise MailError(f"{wanted}; name the folder that holds them")
    keywords = _keywords(folder)
    for path in _messages_in(folder):
        try:
            file = _opened(folder, path)
        except FileNotFoundError:
            continue
        with file:
            unique, letters = split_name(Path(file.name).name)
            date_ms = os.fstat(file.fileno()).st_mtime_ns // NS_PER_MS
            fit, unfit = _fit(flags_of(letters, keywords))
            yield Incoming(number_of(unique), file.name, fit, unfit, date_ms, _pieces(file))


def maildir_numbers(folder: Path) -> Iterator[int]:
    """Of all messages, in order, by the names of their files. Raises OSError."""
    for path in _messages_in(folder):
        yield number_of(split_name(path.name)[0])


def _messages_in(folder: Path) -> list[Path]:
    files = [path for part in ("cur", "new") for path in (folder / part).iterdir()]
    shown = [path for path in files if not path.name.startswith(".")]
    return sorted(shown, key=lambda path: order(path.name))


def _opened(folder: Path, path: Path) -> BinaryIO:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        unique, _ = split_name(path.name)
        for now in (folder / "cur").iterdir():
            if split_name(now.name)[0] == unique:
                return open(now, "rb")
        raise


def write_maildir(folder: Path, messages: Iterable[Outgoing]) -> int:
    """How many messages were written. Those there under the same key only get their flags.
    The Maildir is made if it is not there, in a folder that is, and not among other files.

    Raises MailError, OSError.
    """
    expected = f"{folder}: expected a Maildir or nothing there"
    if folder.exists() and not folder.is_dir():
        raise MailError(f"{expected}, found a file; name another")
    if folder.is_dir() and not is_maildir(folder):
        others = {path.name for path in folder.iterdir()} - {"cur", "new", "tmp"}
        if others:
            raise MailError(f"{expected}, found a folder with {min(others)}; name a new one in it")
    _need_parent(folder)
    for made in (folder, folder / "cur", folder / "new", folder / "tmp"):
        made.mkdir(mode=0o700, exist_ok=True)
    if folder.name.startswith(".") and is_maildir(folder.parent):
        (folder / "maildirfolder").touch(mode=0o600)
    keywords = _keywords(folder)
    there = {split_name(path.name)[0]: path for path in (folder / "cur").iterdir()}
    count = 0
    for message in messages:
        grown = with_keywords(keywords, message.flags)
        if grown != keywords:
            _write_keywords(folder, grown)
            keywords = grown
        unique = f"{message.date_ms // 1000}.{message.key}.samebox"
        source = there.get(unique) or _delivered(folder, unique, message)
        source.rename(folder / "cur" / file_name(unique, message.flags, keywords))
        count += unique not in there
    return count


def _delivered(folder: Path, unique: str, message: Outgoing) -> Path:
    path = folder / "tmp" / unique
    with _private(path) as file:
        for chunk in message.chunks:
            file.write(chunk)
        _sync(file)
        date_ns = message.date_ms * NS_PER_MS
        os.utime(path, ns=(date_ns, date_ns))
    return path


def _keywords(folder: Path) -> dict[str, str]:
    try:
        return read_keywords((folder / KEYWORDS_FILE).read_text("utf-8", "surrogateescape"))
    except FileNotFoundError:
        return {}


def _write_keywords(folder: Path, keywords: dict[str, str]) -> None:
    path = folder / "tmp" / KEYWORDS_FILE
    with _private(path) as file:
        file.write(keywords_text(keywords).encode("utf-8", "surrogateescape"))
        _sync(file)
    path.rename(folder / KEYWORDS_FILE)


def _private(path: Path) -> BinaryIO:
    """Mail is nobody else's: mode 0600."""
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
