"""When to warn of a certificate that will expire: once at each of some distances, then daily."""

from __future__ import annotations

from datetime import datetime, timedelta

from samebox.spelling import plural

WARN_DAYS = (30, 7, 1)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


class Expiry:
    """What was said of one certificate, of which `what` is the name for people."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._end: datetime | None = None
        self._said: int | None = None

    def warning(self, end: datetime, now: datetime) -> str | None:
        """What to say now, if anything: at WARN_DAYS before `end`, and from then on every day."""
        if end != self._end:
            self._end, self._said = end, None
        stage = _stage(end - now)
        if stage is None or (self._said is not None and stage >= self._said):
            return None
        self._said = stage
        when = f"{end:%Y-%m-%d %H:%M} UTC"
        if end <= now:
            return f"{self._what} has expired on {when}: peers refuse new connections; renew it"
        left = end - now
        days, hours = left.days, left.seconds // 3600
        span = f"{days} days" if days > 1 else plural(days * 24 + hours, "hour")
        if left < HOUR:
            span = "less than an hour"
        return f"{self._what} expires in {span}, on {when}; renew it: no restart is needed"


def _stage(left: timedelta) -> int | None:
    """The days of the warning that is due, 0 and below after the end; None long before it."""
    if left <= timedelta():
        return -(-left // DAY) if left else 0
    due = [days for days in WARN_DAYS if left <= days * DAY]
    return min(due) if due else None
