"""What a certificate says is read from PEM and DER, and anything else is refused in words."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import certs

CLUSTER = "example.org"
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    certs.make_authority(tmp_path, CLUSTER, not_before=START)
    return tmp_path


def test_names_and_validity_are_read_from_pem_and_der(folder: Path) -> None:
    made = certs.make_node_certificate(folder, CLUSTER, "a", days=7, not_before=START)
    pem = made.certificate.read_text()
    found = certs.read_certificate(pem.encode())
    assert (found.cluster, found.node, found.uri) == (CLUSTER, "a", "samebox://example.org/a")
    assert (found.not_before, found.not_after) == (START, START + timedelta(days=7))
    assert certs.read_certificate(ssl.PEM_cert_to_DER_cert(pem)) == found


def test_an_authority_has_a_cluster_and_no_node(folder: Path) -> None:
    found = certs.read_certificate((folder / "ca.pem").read_bytes())
    assert (found.cluster, found.node, found.uri) == (CLUSTER, None, "samebox://example.org")


def test_validity_needs_no_name() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    assert certs.validity(signed(key, "a", key, "a")) == (START, START + timedelta(days=1))


def test_a_fingerprint_belongs_to_the_key(folder: Path) -> None:
    a, b = (certs.make_node_certificate(folder, CLUSTER, node) for node in "ab")
    found = certs.read_certificate(a.certificate.read_bytes()).fingerprint
    assert len(found) == 32
    assert certs.key_fingerprint(a.key.read_bytes()) == found
    assert certs.key_fingerprint(b.key.read_bytes()) != found


def test_the_signer_is_found_among_several_authorities(folder: Path, tmp_path: Path) -> None:
    other = certs.make_authority(tmp_path / "other", CLUSTER).certificate.read_bytes()
    own = (folder / "ca.pem").read_bytes()
    a = certs.make_node_certificate(folder, CLUSTER, "a").certificate.read_bytes()
    assert certs.is_signed_by(a, own)
    assert certs.is_signed_by(a, other + own)
    assert not certs.is_signed_by(a, other)


def test_certificates_between_node_and_authority_are_followed() -> None:
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(3)]
    root, middle, leaf = (
        signed(keys[i], f"level {i}", keys[max(0, i - 1)], f"level {max(0, i - 1)}")
        for i in range(3)
    )
    assert certs.is_signed_by(leaf + middle, root)
    assert not certs.is_signed_by(leaf, root)
    assert not certs.is_signed_by(leaf + leaf, root)


@pytest.mark.parametrize("data", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nx"])
def test_other_bytes_are_no_certificate(data: bytes) -> None:
    with pytest.raises(certs.NotReadable, match="expected a certificate in PEM or DER"):
        certs.read_certificate(data)


def test_what_is_neither_pem_nor_der_is_not_told_of_asn1() -> None:
    with pytest.raises(certs.NotReadable, match="in PEM or DER, found neither$"):
        certs.read_certificate(b"no certificate")


def test_every_cut_of_a_certificate_is_refused(folder: Path) -> None:
    der = ssl.PEM_cert_to_DER_cert((folder / "ca.pem").read_text())
    for length in range(len(der)):
        with pytest.raises(certs.NotReadable):
            certs.read_certificate(der[:length])


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_no_flipped_byte_ends_in_another_error(folder: Path) -> None:
    der = ssl.PEM_cert_to_DER_cert((folder / "ca.pem").read_text())
    refused = 0
    for place in range(len(der)):
        flipped = der[:place] + bytes([der[place] ^ 0xFF]) + der[place + 1 :]
        try:
            certs.read_certificate(flipped)
        except certs.NotReadable:
            refused += 1
    assert refused > len(der) // 4


@pytest.mark.parametrize(
    ("uris", "problem"),
    [
        ([], "found none"),
        (["https://example.org/a"], "found none"),
        (["samebox://example.org/a", "samebox://example.org/b"], "found samebox://example.org/a, "),
        (["samebox://example.org/a/b"], "found 'samebox://example.org/a/b'"),
        (["samebox://example.org/"], "found 'samebox://example.org/'"),
        (["samebox:///a"], "found 'samebox:///a'"),
        (["samebox://example.org/A"], "found 'samebox://example.org/A'"),
    ],
)
def test_a_certificate_names_exactly_one_node(uris: list[str], problem: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(certs.NotReadable, match=problem):
        certs.read_certificate(signed(key, "a", key, "a", uris))


def test_a_key_with_a_password_is_refused_in_words() -> None:
    locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    for data in (locked, b"", b"no key"):
        with pytest.raises(certs.NotReadable, match="expected a private key in PEM"):
            certs.key_fingerprint(data)


def signed(
    key: ec.EllipticCurvePrivateKey,
    subject: str,
    by: ec.EllipticCurvePrivateKey,
    issuer: str,
    uris: list[str] | None = None,
) -> bytes:
    """A certificate that another tool might have made, in PEM."""
    names = [x509.UniformResourceIdentifier(uri) for uri in uris or []]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(START)
        .not_valid_after(START + timedelta(days=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
