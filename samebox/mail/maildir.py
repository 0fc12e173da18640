"""What the names in a Maildir say: flags, folders, and which message is which.

A message is a file `UNIQUE:2,FLAGS` in cur/, or UNIQUE in new/; its date is the time at which the
file was changed last. Small letters are keywords, by the lines `NUMBER KEYWORD` of the file
dovecot-keywords. Folders are folders of the Maildir itself: `.A.B` is B in A (Maildir++).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from string import ascii_lowercase

from samebox.mail.errors import TooManyKeywords
from samebox.mail.utf7 import decode, encode

FLAGS = {
    "D": "\\Draft",
    "F": "\\Flagged",
    "P": "$Forwarded",
    "R": "\\Answered",
    "S": "\\Seen",
    "T": "\\Deleted",
}
KEYWORDS_FILE = "dovecot-keywords"
INFO = ":2,"
INBOX = "INBOX"


def split_name(name: str) -> tuple[str, str]:
    """The unique part and the letters of a file's name."""
    unique, _, letters = name.partition(INFO)
    return unique, letters


def flags_of(letters: str, keywords: Mapping[str, str]) -> tuple[str, ...]:
    """Sorted; a letter that nothing explains is no flag."""
    known = FLAGS | dict(keywords)
    return tuple(sorted({known[letter] for letter in letters if letter in known}))


def file_name(unique: str, flags: Iterable[str], keywords: Mapping[str, str]) -> str:
    """The name in cur/; `keywords` has to explain every flag that Maildir has no letter for."""
    letters = {flag.lower(): letter for letter, flag in {**keywords, **FLAGS}.items()}
    return unique + INFO + "".join(sorted({letters[flag.lower()] for flag in flags}))


def with_keywords(keywords: Mapping[str, str], flags: Iterable[str]) -> dict[str, str]:
    """`keywords` with a letter for every flag. Raises TooManyKeywords."""
    grown = dict(keywords)
    for flag in flags:
        if flag.lower() not in {known.lower() for known in (*FLAGS.values(), *grown.values())}:
            free = [letter for letter in ascii_lowercase if letter not in grown]
            if not free:
                found = f"expected at most {len(ascii_lowercase)} keywords, found {flag!r} beside"
                listed = " ".join(sorted(grown.values()))
                raise TooManyKeywords(f"{found} {listed}; export this mailbox as mbox")
            grown[free[0]] = flag
    return grown


def read_keywords(text: str) -> dict[str, str]:
    """The content of dovecot-keywords; lines that say nothing of a letter are left out."""
    lines = (line.split(maxsplit=1) for line in text.splitlines())
    numbered = {line[0]: line[1].strip() for line in lines if len(line) == 2}
    return {
        letter: numbered[str(number)]
        for number, letter in enumerate(ascii_lowercase)
        if str(number) in numbered
    }


def keywords_text(keywords: Mapping[str, str]) -> str:
    return "".join(f"{ascii_lowercase.index(x)} {keywords[x]}\n" for x in sorted(keywords))


def folder_name(names: tuple[str, ...]) -> str:
    """Of the folder inside the Maildir for a path; "" for INBOX, which is the Maildir itself."""
    if names == (INBOX,):
        return ""
    return "".join("." + encode(name, escaped="./") for name in names)


def folder_path(name: str) -> tuple[str, ...]:
    """The reverse of folder_name."""
    return tuple(map(decode, name[1:].split("."))) if name else (INBOX,)


def order(name: str) -> tuple[int, str]:
    """Sort key of file names: most begin with the second in which they came."""
    unique, _ = split_name(name)
    second = unique.partition(".")[0]
    return int(second) if second.isascii() and second.isdigit() else 0, unique
