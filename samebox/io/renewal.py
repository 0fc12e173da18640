"""The certificates of a running node: warned of before they expire, taken anew when renewed.

A connection that is up stays up: certificates are judged in handshakes alone.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import trio

from certs import NotReadable, read_certificate, validity
from comm.io import Contexts, load_contexts
from samebox.config import Config
from samebox.events import Notice
from samebox.expiry import Expiry
from samebox.io.credentials import credential_problems

LOOK_EVERY_S = 60.0
"""From renewing a certificate to its use: two looks, as files that still change are left alone."""

Stamps: TypeAlias = tuple[tuple[int, int, int] | None, ...]
"""Of each file its inode, size and time of change in ns; None where it is not to be had."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Renewal:
    """`contexts` are to be asked for at every handshake. `renewed` is told the fingerprint of the
    key when it was loaded. Raises OSError, ssl.SSLError where nothing can be loaded at first."""

    def __init__(
        self,
        config: Config,
        node: str,
        *,
        say: Callable[[Notice], None],
        renewed: Callable[[bytes], None],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._config = config
        self._node = node
        self._paths = config.paths_for(node)
        self._say = say
        self._renewed = renewed
        self._now = now
        self._seen = self._judged = self._stamps()
        self.contexts = self._load()
        self._expiries = [
            (self._paths.certificate, Expiry(f"the certificate of node {node}")),
            (self._paths.ca, Expiry(f"the authority's certificate at node {node}")),
        ]

    async def run(self) -> None:
        """Look now and then, for ever."""
        while True:
            self.look()
            await trio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Take files that have changed and are at rest; warn of what will expire."""
        stamps = self._stamps()
        if stamps == self._seen and stamps != self._judged:
            self._judged = stamps
            self._reload()
        self._seen = stamps
        for path, expiry in self._expiries:
            self._warn(path, expiry)

    def _load(self) -> Contexts:
        paths = self._paths
        return load_contexts(paths.ca, paths.certificate, paths.key)

    def _reload(self) -> None:
        """All three files together, or nothing: a certificate that does not fit is not used."""
        problems = list(map(str, credential_problems(self._config, [self._node], self._now())))
        if not problems:
            try:
                contexts = self._load()
                fingerprint = read_certificate(self._paths.certificate.read_bytes()).fingerprint
            except (OSError, ssl.SSLError, NotReadable) as error:
                problems = [str(error)]
            else:
                self.contexts = contexts
                self._renewed(fingerprint)
                self._say(Notice(f"node {self._node}: its certificate was loaded anew"))
                return
        text = f"node {self._node}: the changed certificate is not used: {'; '.join(problems)}"
        self._say(Notice(text, alarm=True))

    def _warn(self, path: Path, expiry: Expiry) -> None:
        try:
            _, end = validity(path.read_bytes())
        except (OSError, NotReadable):
            return  # what is in use stays in use; a changed file is reported when it is judged
        warning = expiry.warning(end, self._now())
        if warning is not None:
            self._say(Notice(warning, alarm=True))

    def _stamps(self) -> Stamps:
        return tuple(map(_stamp, (self._paths.ca, self._paths.certificate, self._paths.key)))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
