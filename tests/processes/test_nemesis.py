"""Real processes under load while one fault follows another: judged from outside.

Every session is asked what it saw, and the whole must be causally consistent; every confirmed write
is on all nodes in the end, once; and again when all of them were killed and started.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from certs import Credential, credential, make_authority, make_node_certificate
from samebox.io.local_cluster import CLUSTER
from samebox.testing import ClusterFailed, LocalCluster, find_violations
from tests.processes.nemesis import FAULTS, MORE, survive
from tests.processes.recorder import sessions, settle

pytestmark = pytest.mark.slow


def test_three_nodes_survive_every_fault_once(cluster: LocalCluster) -> None:
    faults = sorted(FAULTS)
    Random(1).shuffle(faults)
    survive(cluster, faults, each=2, seed=1)


def test_five_nodes_survive_faults(folder: Path) -> None:
    faults = ["killed", "one line cut", "damaged", "all killed"]
    with LocalCluster(folder, list("abcde")) as cluster:
        survive(cluster, faults, each=1, seed=2)


def test_a_node_with_a_wrong_certificate_is_alone_with_its_problem(cluster: LocalCluster) -> None:
    """It does not start and says why, and the others go on; with its own again, it starts."""
    own = credential(cluster.folder / "certs", "c")
    kept = Credential(own.certificate.with_suffix(".kept"), own.key.with_suffix(".kept-key"))
    copy(own, kept)
    with sessions(cluster, each=2, seed=3, names="ab") as history:
        cluster.nodes["c"].stop()
        for kind, said in SAID.items():
            copy(wrong_certificate(kind, cluster), own)
            with pytest.raises(ClusterFailed, match="ended at its start"):
                cluster.start("c")
            assert said in cluster.nodes["c"].log.read_text(), kind
            history.wait_confirmed(MORE, cluster.logs)
        copy(kept, own)
        cluster.start("c")
    settle(cluster, history)
    assert not find_violations(history.steps)


SAID = {
    "expired": "valid until",
    "not yet valid": "valid only from",
    "foreign": "signed by another",
    "swapped": f"that of samebox://{CLUSTER}/b",
}


def wrong_certificate(kind: str, cluster: LocalCluster) -> Credential:
    """Made in a folder of its own."""
    certs, now = cluster.folder / "certs", datetime.now(UTC)
    if kind == "swapped":
        return credential(certs, "b")
    folder = cluster.folder / kind.replace(" ", "-")
    folder.mkdir()
    if kind == "foreign":
        make_authority(folder, CLUSTER)
        return make_node_certificate(folder, CLUSTER, "c")
    for name in ("ca.pem", "ca.key"):
        shutil.copy(certs / name, folder / name)
    start = now + timedelta(days=-2 if kind == "expired" else 1)
    return make_node_certificate(folder, CLUSTER, "c", days=1, not_before=start)


def copy(source: Credential, target: Credential) -> None:
    for one, other in zip(files(source), files(target), strict=True):
        shutil.copy(one, other)


def files(of: Credential) -> tuple[Path, Path]:
    return of.certificate, of.key
