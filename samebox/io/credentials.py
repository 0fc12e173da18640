"""Whether the certificates and keys that a node list names are there, and fit their nodes."""

import os
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from certs import (
    Certificate,
    NotReadable,
    is_signed_by,
    key_fingerprint,
    read_certificate,
    validity,
)
from samebox.config import Config
from samebox.errors import reason
from samebox.fields import Problem

PEM_BYTES_MAX = 1 << 20
"""Far above any chain of certificates; a file given by mistake is refused, not loaded."""
OTHERS = 0o077
MAKE = "make them with python -m certs, or name one node with --node"


def credential_problems(config: Config, nodes: list[str], now: datetime) -> Iterator[Problem]:
    """Everything wrong with the authority, certificates and keys of some nodes at a time."""
    first: dict[bytes, str] = {}
    for node in nodes:
        checked = Credentials(config, node, now)
        yield from checked.problems()
        if checked.certificate is not None:
            other = first.setdefault(checked.certificate.fingerprint, node)
            if other != node:
                yield checked.problem(
                    "certificate",
                    "a key pair for each node",
                    f"nodes {other} and {node} with the same one",
                    "make each node its own certificate; {node} in the path stands for its name",
                )


class Pem(Struct, frozen=True):
    """A file that was read, with its permission bits."""

    path: Path
    content: bytes
    mode: int


class Credentials:
    """The three PEM files of one node; `certificate` is what its own says, once read."""

    def __init__(self, config: Config, node: str, now: datetime) -> None:
        self.config = config
        self.node = node
        self.now = now
        self.paths = config.paths_for(node)
        self.certificate: Certificate | None = None
        self.found: list[Problem] = []

    def problems(self) -> list[Problem]:
        authority = self.read("ca", self.paths.ca)
        certificate = self.read("certificate", self.paths.certificate)
        key = self.read("key", self.paths.key)
        if authority is not None:
            self.check_time("ca", authority)
        if certificate is not None:
            self.check_time("certificate", certificate)
            self.check_names(certificate)
        if certificate is not None and authority is not None:
            self.check_signature(certificate, authority)
        if key is not None:
            self.check_key(key)
        return self.found

    def problem(self, field: str, expected: str, found: str, advice: str) -> Problem:
        line = self.config.line_of(f"tls.{field}")
        return Problem(str(self.config.file), line, f"tls.{field}", expected, found, advice)

    def report(self, field: str, expected: str, found: str, advice: str) -> None:
        self.found.append(self.problem(field, expected, found, advice))

    def read(self, field: str, path: Path) -> Pem | None:
        try:
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                return Pem(path, file.read(PEM_BYTES_MAX), mode)
        except OSError as error:
            self.report(field, f"a PEM file at {path}", reason(error), MAKE)
            return None

    def check_time(self, field: str, pem: Pem) -> None:
        """Also whether it is a certificate at all."""
        try:
            start, end = validity(pem.content)
        except NotReadable as error:
            self.report(field, "a certificate", f"{pem.path}: {error}", MAKE)
            return
        if not start <= self.now <= end:
            word = "until" if self.now > end else "only from"
            moment = end if self.now > end else start
            found = f"{pem.path}, valid {word} {moment:%Y-%m-%d %H:%M} UTC"
            advice = "renew it" if self.now > end else "wait, or correct this machine's clock"
            self.report(field, f"a certificate valid at {self.now:%Y-%m-%d %H:%M}", found, advice)

    def check_names(self, pem: Pem) -> None:
        wanted = f"the certificate of samebox://{self.config.cluster}/{self.node}"
        try:
            found = read_certificate(pem.content)
        except NotReadable as error:
            if is_certificate(pem):
                self.report("certificate", wanted, f"{pem.path}: {error}", MAKE)
            return
        self.certificate = found
        if (found.cluster, found.node) != (self.config.cluster, self.node):
            what = f"that of {found.uri} at {pem.path}"
            self.report("certificate", wanted, what, "correct the path, or make one for this node")

    def check_signature(self, certificate: Pem, authority: Pem) -> None:
        if not (is_certificate(certificate) and is_certificate(authority)):
            return
        if not is_signed_by(certificate.content, authority.content):
            self.report(
                "certificate",
                f"a certificate signed by the authority {authority.path}",
                f"{certificate.path}, signed by another",
                "use the authority that made it, or make the certificate again",
            )

    def check_key(self, pem: Pem) -> None:
        if pem.mode & OTHERS:
            found = f"{pem.path} with mode {pem.mode:04o}"
            advice = f"chmod 600 {pem.path}"
            self.report("key", "a key that its owner alone can read", found, advice)
        try:
            fingerprint = key_fingerprint(pem.content)
        except NotReadable as error:
            self.report("key", "a private key", f"{pem.path}: {error}", MAKE)
            return
        if self.certificate is not None and fingerprint != self.certificate.fingerprint:
            expected = f"the key of {self.paths.certificate}"
            advice = "name the two that were made together"
            self.report("key", expected, f"another key at {pem.path}", advice)


def is_certificate(pem: Pem) -> bool:
    try:
        validity(pem.content)
    except NotReadable:
        return False
    return True
