"""What a certificate says: names, validity, key; and who signed it.

Nothing here decides whom to trust: that is TLS's work, and the member list's.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from certs.errors import NotReadable
from certs.names import SCHEME, split_uri

PEM_MARK = b"-----BEGIN "
DER_SEQUENCE = b"\x30"
"""The first byte of every certificate in DER (X.690, 8.9)."""
MALFORMED = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
CHAIN_LENGTH_MAX = 8
"""Certificates between a node and its authority: a bound, so that a loop of issuers ends."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """cluster and node are the names; node is None for an authority. Times carry their zone.

    fingerprint is SHA-256 over the public key (SubjectPublicKeyInfo, DER): 32 bytes that stay the
    same when a certificate is renewed with its old key.
    """

    cluster: str
    node: str | None
    not_before: datetime
    not_after: datetime
    fingerprint: bytes

    @property
    def uri(self) -> str:
        return f"{SCHEME}{self.cluster}" + (f"/{self.node}" if self.node else "")


def read_certificate(data: bytes) -> Certificate:
    """Read one certificate, PEM or DER; of several in PEM, the first. Raises NotReadable."""
    certificate = load(data)[0]
    try:
        cluster, node = split_uri(samebox_uri(certificate))
        return Certificate(
            cluster=cluster,
            node=node,
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            fingerprint=fingerprint(certificate.public_key()),
        )
    except MALFORMED as problem:
        raise NotReadable(f"a certificate with malformed contents: {problem}") from None


def validity(data: bytes) -> tuple[datetime, datetime]:
    """The first and last moment of a certificate, whatever names it has. Raises NotReadable."""
    certificate = load(data)[0]
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def key_fingerprint(data: bytes) -> bytes:
    """The fingerprint of a private key in PEM: that of its certificate. Raises NotReadable."""
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as problem:
        raise NotReadable(f"expected a private key in PEM without a password: {problem}") from None
    return fingerprint(key.public_key())


def is_signed_by(certificate: bytes, authority: bytes) -> bool:
    """Whether an authority's key signed a certificate, perhaps through others in its PEM file.

    Names and signatures alone are looked at, no dates. Raises NotReadable.
    """
    current, *between = load(certificate)
    authorities = load(authority)
    for _ in range(CHAIN_LENGTH_MAX):
        if any(issued(current, by) for by in authorities):
            return True
        next_up = next((by for by in between if issued(current, by)), None)
        if next_up is None:
            return False
        current = next_up
    return False


def issued(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def load(data: bytes) -> list[x509.Certificate]:
    if PEM_MARK not in data and not data.startswith(DER_SEQUENCE):
        raise NotReadable("expected a certificate in PEM or DER, found neither")
    try:
        if PEM_MARK in data:
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(data)]
    except MALFORMED as problem:
        raise NotReadable(f"expected a certificate in PEM or DER: {problem}") from None


def samebox_uri(certificate: x509.Certificate) -> str:
    """The one SAN URI that speaks of samebox."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except x509.ExtensionNotFound:
        uris = []
    found = [uri for uri in uris if uri.startswith(SCHEME)]
    if len(found) != 1:
        raise NotReadable(
            f"expected a certificate with one alternative name samebox://<cluster>/<node>, "
            f"found {', '.join(found) or 'none'}; make one with python -m certs"
        )
    return found[0]


def fingerprint(key: PublicKeyTypes) -> bytes:
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return sha256(der).digest()
