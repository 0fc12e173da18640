"""Certificates for the nodes of these tests, made once in a temporary folder."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs import credential, make_authority, make_certificates, make_node_certificate
from comm.io import Contexts, load_contexts
from tests.comm.wires import CLUSTER, Credentials


@pytest.fixture(scope="session")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    """By name: members a, b and c; "d" who is none; "expired" b; "stranger" b, whose authority
    is another one."""
    folder, elsewhere = tmp_path_factory.mktemp("certs"), tmp_path_factory.mktemp("elsewhere")
    make_certificates(folder, CLUSTER, dict.fromkeys("abcd", ()))
    found = {node: contexts(folder, folder, node) for node in "abcd"}
    make_authority(elsewhere, CLUSTER)
    make_node_certificate(elsewhere, CLUSTER, "b")
    found["stranger"] = contexts(folder, elsewhere, "b")
    past = tmp_path_factory.mktemp("past")
    for name in ("ca.pem", "ca.key"):
        (past / name).write_bytes((folder / name).read_bytes())
    yesterday = datetime.now(UTC) - timedelta(days=2)
    make_node_certificate(past, CLUSTER, "b", days=1, not_before=yesterday)
    found["expired"] = contexts(folder, past, "b")
    return found


def contexts(authority: Path, own: Path, node: str) -> Contexts:
    files = credential(own, node)
    return load_contexts(credential(authority).certificate, files.certificate, files.key)
