"""An authority of a cluster, and the certificates that it signs for nodes.

For development and tests, and for a cluster whose operator keeps the folder safe: whoever can
read ca.key can name himself any node. Keys are EC P-256. A node's certificate serves both ends of
a connection, as every node dials and answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.errors import NotMade
from certs.files import refuse_to_overwrite, write_pair
from certs.names import cluster_uri, is_cluster_name, node_uri
from certs.reading import read_certificate

AUTHORITY = "ca"
AUTHORITY_DAYS = 3650
NODE_DAYS = 365
DAYS_MAX = 36_500
CLOCK_SKEW = timedelta(hours=1)
"""A certificate made now is valid at a peer whose clock is this far behind."""


@dataclass(frozen=True, slots=True)
class Credential:
    """The two PEM files of an authority or a node."""

    certificate: Path
    key: Path


def credential(folder: Path, name: str = AUTHORITY) -> Credential:
    """Where the files of a node lie in a folder, or those of the authority."""
    return Credential(folder / f"{name}.pem", folder / f"{name}.key")


def make_authority(
    folder: Path,
    cluster: str,
    *,
    days: int = AUTHORITY_DAYS,
    not_before: datetime | None = None,
) -> Credential:
    """Write ca.pem and ca.key into a folder, which is made if need be.

    Valid from an hour ago, or from not_before (with a time zone), for so many days.
    Raises NameRefused, FileInTheWay, OSError; then nothing was written.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.UniformResourceIdentifier(cluster_uri(cluster))]
    subject = common_name("samebox authority")
    builder = (
        certificate_of(key, subject, names, days=days, not_before=not_before)
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
    )
    return write(credential(folder), key, builder.sign(key, hashes.SHA256()))


def make_node_certificate(
    folder: Path,
    cluster: str,
    node: str,
    *,
    days: int = NODE_DAYS,
    not_before: datetime | None = None,
    hosts: Sequence[str] = (),
) -> Credential:
    """Write <node>.pem and <node>.key, signed by the authority in the same folder.

    Valid from an hour ago, or from not_before (with a time zone), for so many days. hosts are
    names or IP addresses that the certificate carries besides samebox://<cluster>/<node>.
    Raises NameRefused, FileInTheWay, NotMade, NotReadable, OSError; then nothing was written.
    """
    if node == AUTHORITY:
        raise NotMade(f"node name: {node} is the authority's file name; choose another")
    uri = x509.UniformResourceIdentifier(node_uri(cluster, node))
    authority_key, authority = load_authority(folder, cluster)
    key = ec.generate_private_key(ec.SECP256R1())
    names = [uri, *(host_name(host) for host in hosts)]
    builder = (
        certificate_of(key, common_name(node), names, days=days, not_before=not_before)
        .issuer_name(authority.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
            ),
            critical=False,
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
    )
    certificate = builder.sign(authority_key, hashes.SHA256())
    if certificate.not_valid_after_utc > authority.not_valid_after_utc:
        raise NotMade(
            f"days: expected an end before that of the authority, "
            f"{authority.not_valid_after_utc:%Y-%m-%d}, found {days} days; ask for fewer"
        )
    return write(credential(folder, node), key, certificate)


def make_certificates(
    folder: Path,
    cluster: str,
    hosts_by_node: Mapping[str, Sequence[str]],
    *,
    days: int = NODE_DAYS,
    not_before: datetime | None = None,
) -> dict[str, Credential]:
    """Certificates for several nodes, and the authority too where the folder has none yet.

    Returns what was made, by node, with the authority under "ca". Raises as the two above do;
    names and files in the way are looked at before anything is written.
    """
    cluster_uri(cluster)
    for node in hosts_by_node:
        node_uri(cluster, node)
    wanted = [credential(folder, node) for node in hosts_by_node]
    refuse_to_overwrite([path for files in wanted for path in (files.certificate, files.key)])
    made = {}
    if not credential(folder).certificate.exists():
        made[AUTHORITY] = make_authority(folder, cluster)
    for node, hosts in hosts_by_node.items():
        made[node] = make_node_certificate(
            folder, cluster, node, days=days, not_before=not_before, hosts=hosts
        )
    return made


def certificate_of(
    key: ec.EllipticCurvePrivateKey,
    subject: x509.Name,
    names: Sequence[x509.GeneralName],
    *,
    days: int,
    not_before: datetime | None,
) -> x509.CertificateBuilder:
    if not 1 <= days <= DAYS_MAX:
        raise NotMade(f"days: expected 1 to {DAYS_MAX}, found {days}")
    start = not_before or datetime.now(UTC) - CLOCK_SKEW
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def load_authority(
    folder: Path, cluster: str
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """Key and certificate of the folder's authority, which must be the cluster's own."""
    files = credential(folder)
    if not files.certificate.exists():
        raise NotMade(
            f"{files.certificate}: expected the authority's certificate, found no file; "
            "make the authority first"
        )
    pem = files.certificate.read_bytes()
    found = read_certificate(pem)
    if found.cluster != cluster or found.node is not None:
        raise NotMade(
            f"{files.certificate}: expected the authority of {cluster}, found "
            f"{found.uri}; use one folder per cluster"
        )
    key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise NotMade(f"{files.key}: expected an elliptic-curve key, found {type(key).__name__}")
    return key, x509.load_pem_x509_certificate(pem)


def common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        pass
    if not is_cluster_name(host.lower()):
        raise NotMade(f"host: expected a host name or an IP address, found {host!r}")
    return x509.DNSName(host)


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def write(
    files: Credential, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> Credential:
    key_bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    write_pair(files.key, key_bytes, files.certificate, pem)
    return files
