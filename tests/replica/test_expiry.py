"""A certificate that will expire is warned of in time, once at each distance, then every day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from samebox.expiry import Expiry

END = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def warned(start: datetime, end: datetime = END, *, until: datetime, step: timedelta) -> list[str]:
    """Hours before the end at which something was said, going by steps."""
    expiry, now, said = Expiry("it"), start, []
    while now <= until:
        warning = expiry.warning(end, now)
        if warning is not None:
            said.append(f"{(end - now) / HOUR:g}")
        now += step
    return said


def test_it_is_warned_of_at_30_7_and_1_days_and_daily_when_it_has_expired() -> None:
    said = warned(END - 90 * DAY, until=END + 3 * DAY, step=HOUR)
    assert said == ["720", "168", "24", "0", "-24", "-48", "-72"]


def test_a_node_that_starts_late_or_sleeps_says_what_is_due_once() -> None:
    assert warned(END - 10 * DAY, until=END - 8 * DAY, step=HOUR) == ["240"]
    assert warned(END - 40 * DAY, until=END + DAY, step=37 * DAY) == ["72"]


def test_a_renewed_one_is_warned_of_anew() -> None:
    expiry = Expiry("it")
    assert expiry.warning(END, END - DAY)
    assert expiry.warning(END + 365 * DAY, END - DAY) is None
    assert expiry.warning(END + 365 * DAY, END + 360 * DAY)


def test_the_warning_says_when_and_what_to_do() -> None:
    expiry = Expiry("the certificate of node a")
    assert expiry.warning(END, END - 30 * DAY) == (
        "the certificate of node a expires in 30 days, on 2030-01-01 00:00 UTC; "
        "renew it: no restart is needed"
    )
    assert "in 23 hours" in (expiry.warning(END, END - 23 * HOUR) or "")
    assert "has expired" in (expiry.warning(END, END + HOUR) or "")


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (2 * DAY, "in 2 days, on"),
        (DAY, "in 24 hours, on"),
        (HOUR, "in 1 hour, on"),
        (HOUR / 2, "in less than an hour, on"),
    ],
)
def test_the_time_left_is_said_in_words(left: timedelta, words: str) -> None:
    assert words in (Expiry("it").warning(END, END - left) or "")
