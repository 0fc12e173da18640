"""The From_ line before each message of an mbox: `From SENDER Thu Jan  1 00:00:00 1970`.

A line that begins with "From " separates messages only if it ends in such a date, as in Dovecot
and mutt: then an unquoted "From here on …" in a body of a careless writer does no harm. Dates
without a zone, and zones by name, count as UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

FROM = b"From "
FROM_LINE_BYTES_MAX = 1000
"""A longer line separates nothing: the reader keeps one such line in memory."""

OWN_SENDER = b"samebox"
"""In the place of the sender in what samebox writes: the block below it may be trusted."""

DAYS = "Mon Tue Wed Thu Fri Sat Sun".split()
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

PATTERN = re.compile(
    rb"From (?:(?P<sender>.*?) +)?"
    rb"(?:" + "|".join(DAYS).encode() + rb"),? +"
    rb"(?P<month>" + "|".join(MONTHS).encode() + rb") +(?P<day>\d{1,2}) +"
    rb"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?"
    rb"(?: +(?P<before>[A-Z]{1,5}|[+-]\d{4}))? +(?P<year>\d{4})"
    rb"(?: +(?P<after>[A-Z]{1,5}|[+-]\d{4}))?(?: +remote from .*)?\s*"
)


class FromLine(NamedTuple):
    """`date_ms` is None where there is no such day or time."""

    own: bool
    date_ms: int | None


def parse(line: bytes) -> FromLine | None:
    """The From_ line that `line` is, or None: then it is text. Its line end may be there or not."""
    found = PATTERN.fullmatch(line)
    return found and FromLine(found["sender"] == OWN_SENDER, _date(found))


def _date(found: re.Match[bytes]) -> int | None:
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    month = MONTHS.index(found["month"].decode()) + 1
    try:
        zone = timezone(_offset(found["before"] or found["after"] or b""))
        year, day = int(found["year"]), int(found["day"])
        date = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        return (date - EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return None


def _offset(zone: bytes) -> timedelta:
    if zone[:1] not in (b"+", b"-"):
        return timedelta(0)
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
    return -offset if zone[:1] == b"-" else offset


def own_line(date_ms: int) -> bytes:
    """The From_ line of an export; `date_ms` lies in the years 1 to 9999."""
    date = EPOCH + timedelta(milliseconds=date_ms)
    day, month = DAYS[date.weekday()], MONTHS[date.month - 1]
    clock = f"{date.hour:02}:{date.minute:02}:{date.second:02}"
    text = f"{day} {month} {date.day:2} {clock} {date.year:04}\n"
    return FROM + OWN_SENDER + b" " + text.encode()
