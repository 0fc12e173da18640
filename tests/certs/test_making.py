"""Certificates that are made serve mutual TLS 1.3; files are private, complete, never lost."""

import os
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import certs
from certs import Credential, make_authority, make_node_certificate

CLUSTER = "example.org"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FAR_AHEAD = datetime.now(UTC) + timedelta(days=30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_authority(tmp_path / "certs", CLUSTER)
    return tmp_path / "certs"


def context(own: Credential, authority: Path, *, server: bool) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    made.load_cert_chain(own.certificate, own.key)
    made.load_verify_locations(authority)
    return made


def shake_hands(dialler: ssl.SSLContext, listener: ssl.SSLContext) -> list[bytes]:
    """The certificate that each end saw of the other, in DER. Raises ssl.SSLError."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [dialler.wrap_bio(back, there), listener.wrap_bio(there, back, server_side=True)]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return [der for end in ends if (der := end.getpeercert(binary_form=True))]


def test_two_nodes_of_one_authority_know_each_other_by_name(folder: Path) -> None:
    a, b = (make_node_certificate(folder, CLUSTER, node) for node in "ab")
    authority = folder / "ca.pem"
    seen = shake_hands(context(a, authority, server=False), context(b, authority, server=True))
    assert [certs.read_certificate(der).uri for der in seen] == [
        "samebox://example.org/b",
        "samebox://example.org/a",
    ]


@pytest.mark.parametrize("start", [LONG_AGO, FAR_AHEAD], ids=["expired", "not yet valid"])
def test_tls_refuses_a_certificate_out_of_its_time(folder: Path, start: datetime) -> None:
    a = make_node_certificate(folder, CLUSTER, "a")
    b = make_node_certificate(folder, CLUSTER, "b", days=1, not_before=start)
    authority = folder / "ca.pem"
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(context(a, authority, server=False), context(b, authority, server=True))


def test_tls_refuses_the_same_name_from_another_authority(folder: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    make_authority(foreign, CLUSTER)
    a = make_node_certificate(folder, CLUSTER, "a")
    b = make_node_certificate(foreign, CLUSTER, "b")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(
            context(a, folder / "ca.pem", server=False),
            context(b, foreign / "ca.pem", server=True),
        )


def test_host_names_and_addresses_are_carried_too(folder: Path) -> None:
    hosts = ["mail-a.example.org", "192.0.2.7", "2001:db8::1"]
    a = make_node_certificate(folder, CLUSTER, "a", hosts=hosts)
    dialler = context(a, folder / "ca.pem", server=False)
    listener = context(a, folder / "ca.pem", server=True)
    dialler.check_hostname = True
    for host in hosts:
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        ends = [
            dialler.wrap_bio(back, there, server_hostname=host),
            listener.wrap_bio(there, back, server_side=True),
        ]
        for end in ends:
            with pytest.raises(ssl.SSLWantReadError):
                end.do_handshake()
        ends[0].do_handshake()


def test_keys_are_readable_by_their_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        authority = make_authority(tmp_path, CLUSTER)
        a = make_node_certificate(tmp_path, CLUSTER, "a")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(made.key.stat().st_mode) for made in (authority, a)} == {0o600}


def test_nothing_is_overwritten_and_the_message_names_the_file(folder: Path) -> None:
    a = make_node_certificate(folder, CLUSTER, "a")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    a.certificate.unlink()
    with pytest.raises(certs.FileInTheWay, match=r"certs/a\.key; nothing was written"):
        make_node_certificate(folder, CLUSTER, "a")
    with pytest.raises(certs.FileInTheWay, match=r"certs/ca\.key, .*certs/ca\.pem"):
        make_authority(folder, CLUSTER)
    del before[a.certificate]
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_dangling_link_is_in_the_way_as_well(folder: Path) -> None:
    (folder / "a.key").symlink_to(folder / "nowhere")
    with pytest.raises(certs.FileInTheWay, match=r"a\.key"):
        make_node_certificate(folder, CLUSTER, "a")


def test_a_certificate_that_cannot_be_written_leaves_no_key(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def disk_full(source: Path, target: Path) -> None:
        if target.suffix == ".pem":
            raise OSError("no space left")
        link(source, target)

    monkeypatch.setattr(os, "link", disk_full)
    with pytest.raises(OSError, match="no space"):
        make_node_certificate(folder, CLUSTER, "a")
    assert sorted(path.name for path in folder.iterdir()) == ["ca.key", "ca.pem"]


def test_a_file_that_appears_meanwhile_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def too_late(source: Path, target: Path) -> None:
        target.write_text("another's")
        link(source, target)

    monkeypatch.setattr(os, "link", too_late)
    with pytest.raises(certs.FileInTheWay, match=r"a\.key"):
        make_node_certificate(folder, CLUSTER, "a")
    assert (folder / "a.key").read_text() == "another's"


@pytest.mark.parametrize("name", ["A", "", "a_b", "-a", "a.b", "ä", "a" * 64, "a\n", "a/b"])
def test_a_name_that_no_node_may_have_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(certs.NameRefused, match="node name: expected lower-case"):
        make_node_certificate(folder, CLUSTER, name)


@pytest.mark.parametrize("name", ["", "Example.org", "a..b", ".org", "a/b", "a." * 127])
def test_a_name_that_no_cluster_may_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(certs.NameRefused, match="cluster name: expected lower-case"):
        make_authority(tmp_path / "new", name)
    assert not (tmp_path / "new").exists()


def test_the_longest_names_fit(tmp_path: Path) -> None:
    cluster, node = "x." * 126 + "x", "n" * 63
    make_authority(tmp_path, cluster)
    made = make_node_certificate(tmp_path, cluster, node)
    found = certs.read_certificate(made.certificate.read_bytes())
    assert (found.cluster, found.node) == (cluster, node)


def test_an_authority_signs_for_its_own_cluster_alone(folder: Path) -> None:
    with pytest.raises(
        certs.NotMade, match=r"authority of example\.com, found samebox://example\.o"
    ):
        make_node_certificate(folder, "example.com", "a")


def test_without_an_authority_there_is_no_certificate(tmp_path: Path) -> None:
    with pytest.raises(certs.NotMade, match="make the authority first"):
        make_node_certificate(tmp_path, CLUSTER, "a")


def test_what_contradicts_the_authority_is_refused(folder: Path) -> None:
    with pytest.raises(certs.NotMade, match="an end before that of the authority"):
        make_node_certificate(folder, CLUSTER, "a", days=3651)
    with pytest.raises(certs.NotMade, match="expected 1 to 36500, found 0"):
        make_node_certificate(folder, CLUSTER, "a", days=0)
    with pytest.raises(certs.NotMade, match="ca is the authority's file name"):
        make_node_certificate(folder, CLUSTER, "ca")
    with pytest.raises(certs.NotMade, match="host: expected a host name"):
        make_node_certificate(folder, CLUSTER, "a", hosts=["a b"])
