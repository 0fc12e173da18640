"""Ten thousand messages in at one node and out at the others, one of them killed meanwhile."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from samebox import Address
from samebox.testing import LocalCluster, SteadyWriter, command, environment, until
from tests.generate_mail import fingerprint, generated, in_maildir, in_mbox, mbox
from tests.processes.account import assert_confirmed_once, make_mailbox

MESSAGES = 10_000
SEED = 20_240_306
KILLS = 3
IMPORTED = Address("mail/alice", "Imported")
IMPORT_S = 120.0
EXPORT_S = 60.0
FEW = 1000


def entries_at(cluster: LocalCluster, name: str) -> int:
    with cluster.talk(name) as node:
        return node.look(IMPORTED)[0].entries


@pytest.mark.slow
def test_what_is_imported_at_one_node_is_exported_the_same_at_the_others(
    cluster: LocalCluster, folder: Path
) -> None:
    log = make_mailbox(cluster, "Log")
    make_mailbox(cluster, IMPORTED.path)
    mails = list(generated(SEED, MESSAGES))
    source = folder / "source.mbox"
    source.write_bytes(b"".join(mbox(mails)))
    importing = start_import(cluster, source)
    try:
        writers = []
        for kill in range(1, KILLS + 1):
            with SteadyWriter(cluster.nodes["b"], log, outstanding=4) as writer:
                wait_entries(cluster, importing, MESSAGES * kill // (KILLS + 2))
                cluster.kill("b")
            assert importing.poll() is None, f"the import was over before kill {kill}"
            writers.append(writer)
            importing.send_signal(signal.SIGSTOP)  # a start may take as long as all the rest of it
            cluster.start("b")
            importing.send_signal(signal.SIGCONT)
        assert importing.wait(IMPORT_S) == 0, (folder / "import.log").read_text()
    finally:
        if importing.poll() is None:
            importing.kill()  # also where it was stopped
            importing.wait()
    cluster.agree()
    assert_confirmed_once(cluster, writers)

    wanted = Counter(map(fingerprint, mails))
    for name in ("b", "c"):
        exported = folder / f"{name}.mbox"
        export(cluster, name, exported, "mbox")
        assert Counter(in_mbox(exported)) == wanted, f"exported at {name}"


@pytest.mark.slow
def test_an_import_that_was_interrupted_and_is_run_again_adds_nothing_twice(
    cluster: LocalCluster, folder: Path
) -> None:
    mails = list(generated(SEED + 1, FEW))
    source = folder / "source.mbox"
    source.write_bytes(b"".join(mbox(mails)))
    make_mailbox(cluster, IMPORTED.path)
    importing = start_import(cluster, source)
    wait_entries(cluster, importing, FEW // 10)
    importing.kill()
    importing.wait()

    cluster.command("a", "import", str(source), str(IMPORTED))
    cluster.agree()
    cluster.command("c", "import", str(source), str(IMPORTED))
    cluster.agree()
    export(cluster, "b", folder / "out", "maildir")
    assert Counter(in_maildir(folder / "out")) == Counter(map(fingerprint, mails))


def export(cluster: LocalCluster, name: str, path: Path, form: str) -> None:
    cluster.command(name, "export", str(IMPORTED), str(path), "--format", form, seconds=EXPORT_S)


def start_import(cluster: LocalCluster, source: Path) -> subprocess.Popen[bytes]:
    site = ["--config", str(cluster.nodes["a"].node_list), "--node", "a"]
    with (cluster.folder / "import.log").open("wb") as log:
        return subprocess.Popen(
            command("import", str(source), str(IMPORTED), *site),
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def wait_entries(cluster: LocalCluster, importing: subprocess.Popen[bytes], count: int) -> None:
    def enough() -> bool | None:
        return importing.poll() is not None or entries_at(cluster, "a") >= count or None

    until(enough, IMPORT_S, lambda: f"{count} imported messages")
