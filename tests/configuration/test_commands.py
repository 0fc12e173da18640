"""samebox init makes a node list that works as it is; check-config tells what is wrong with one."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from samebox.config import Address, Limbo, Retained
from samebox.io.commands.setup import check_config, init
from samebox.io.configuration import check, load_config
from storage import Identity, save_identity
from storage.io import FileDisk


def run_init(*words: str | Path) -> Result:
    return CliRunner().invoke(init, [str(word) for word in words])


def run_check(*words: str | Path) -> Result:
    return CliRunner().invoke(check_config, [str(word) for word in words])


def test_init_makes_three_nodes_on_this_machine_without_a_problem(tmp_path: Path) -> None:
    made = run_init("--folder", tmp_path / "new", "--certificates")
    assert made.exit_code == 0, made.output
    file = tmp_path / "new/nodes.yaml"
    assert check(file) == []
    config = load_config(file)
    assert {name: str(node.address) for name, node in config.nodes.items()} == {
        "a": "127.0.0.1:7788",
        "b": "127.0.0.1:7789",
        "c": "127.0.0.1:7790",
    }
    assert config.paths_for("a").data == tmp_path / "new/data/a"
    assert config.paths_for("a").socket == tmp_path / "new/run/a.sock"
    assert (config.limbo, config.log) == (Limbo(), Retained())


def test_init_takes_a_cluster_and_nodes(tmp_path: Path) -> None:
    nodes = ["--node", "x=mail-x.example.com:1", "--node", "y=[::1]:2"]
    made = run_init("--folder", tmp_path, "--cluster", "example.com", *nodes)
    assert made.exit_code == 0, made.output
    config = load_config(tmp_path / "nodes.yaml")
    assert config.cluster == "example.com"
    assert [node.address for node in config.nodes.values()] == [
        Address("mail-x.example.com", 1),
        Address("::1", 2),
    ]
    assert config.shards["main"].nodes == ("x", "y")


def test_init_says_what_to_do_next(tmp_path: Path) -> None:
    file = tmp_path / "nodes.yaml"
    without = run_init("--folder", tmp_path).output
    assert f"python -m certs --cluster example.org --folder {tmp_path}/certs a b c\n" in without
    file.unlink()
    output = run_init("--folder", tmp_path, "--certificates").output
    assert "python -m certs" not in output
    assert f"samebox check-config --config {file}\n" in output
    assert f"samebox run --config {file} --node a\n" in output


def test_on_a_terminal_each_step_to_do_next_has_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    init(["--folder", str(tmp_path)], standalone_mode=False)
    shown = capsys.readouterr().out.splitlines()
    assert f"  samebox run --config {tmp_path}/nodes.yaml --node a" in shown


def test_init_never_overwrites_a_node_list(tmp_path: Path) -> None:
    file = tmp_path / "nodes.yaml"
    file.write_text("mine")
    made = run_init("--folder", tmp_path, "--certificates")
    assert (made.exit_code, file.read_text()) == (1, "mine")
    assert "exists and was not changed" in made.output
    assert list(tmp_path.iterdir()) == [file]


def test_init_never_overwrites_a_key(tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs/b.key").write_text("mine")
    made = run_init("--folder", tmp_path, "--certificates")
    assert made.exit_code == 1
    assert f"expected no file yet at {tmp_path}/certs/b.key; nothing was written" in made.output
    assert [path.name for path in tmp_path.rglob("*")] == ["certs", "b.key"]


def test_init_says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    made = run_init("--folder", tmp_path / "file" / "new", "--certificates")
    assert made.exit_code == 1
    assert f"Error: expected to write into {tmp_path}/file/new: " in made.output


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--node", "a"], "expected NAME=HOST:PORT, found a"),
        (["--node", "A=h:1"], "nodes.A: expected lower-case letters"),
        (["--node", "a: {}=h:1"], "nodes.a: {}: expected lower-case letters"),
        (["--node", "a=h"], "nodes.a.address: expected host:port"),
        (["--node", 'a=h"}:1'], "nodes.a.address: expected host:port"),
        (["--node", "a=h:1", "--node", "a=h:2"], "nodes.a: expected each name once"),
        (["--node", "a=h:1", "--node", "b=h:1"], "nodes.b.address: expected each address once"),
        (["--cluster", "x y"], "cluster: expected lower-case letters"),
    ],
)
def test_init_writes_nothing_that_check_config_would_refuse(
    tmp_path: Path, words: list[str], problem: str
) -> None:
    made = run_init("--folder", tmp_path / "new", *words)
    assert made.exit_code == 2
    assert problem in made.output
    assert not (tmp_path / "new").exists()


def test_check_config_says_what_is_fine(tmp_path: Path) -> None:
    run_init("--folder", tmp_path, "--certificates")
    checked = run_check("--config", tmp_path / "nodes.yaml")
    assert (checked.exit_code, checked.output) == (
        0,
        f"{tmp_path}/nodes.yaml: cluster example.org, 3 nodes, shard main: no problems; "
        "certificates, keys and directories of a, b, c fit\n",
    )


def test_check_config_counts_a_node_that_is_alone(tmp_path: Path) -> None:
    run_init("--folder", tmp_path, "--certificates", "--node", "a=127.0.0.1:7788")
    checked = run_check("--config", tmp_path / "nodes.yaml")
    assert "cluster example.org, 1 node, shard main: no problems" in checked.output


def test_check_config_tells_all_problems_and_fails(tmp_path: Path) -> None:
    run_init("--folder", tmp_path, "--certificates")
    (tmp_path / "certs/b.pem").unlink()
    (tmp_path / "certs/c.key").chmod(0o644)
    checked = run_check("--config", tmp_path / "nodes.yaml")
    assert checked.exit_code == 2
    assert [line.split(" ")[1] for line in checked.output.splitlines()] == [
        "tls.certificate:",
        "tls.key:",
    ]
    alone = run_check("--config", tmp_path / "nodes.yaml", "--node", "a")
    assert (alone.exit_code, alone.output.count("\n")) == (0, 1)


def test_check_config_says_whose_a_data_directory_is(tmp_path: Path) -> None:
    run_init("--folder", tmp_path, "--certificates")
    root = tmp_path / "data/b/shards/main"
    root.mkdir(parents=True)
    disk = FileDisk(root)
    identity = Identity(
        cluster="example.org",
        node="c",
        shard="main",
        store=bytes(16),
        inode=disk.inode,
        actor=bytes(16),
        starts=1,
    )
    save_identity(disk, identity)
    disk.close()
    checked = run_check("--config", tmp_path / "nodes.yaml")
    assert checked.exit_code == 2
    assert "found that of node c of example.org" in checked.output


def test_check_config_without_a_node_list_says_how_to_get_one(tmp_path: Path) -> None:
    checked = run_check("--config", tmp_path / "nodes.yaml")
    assert checked.exit_code == 2
    assert "name the node list with --config, or make one with samebox init" in checked.output


def test_the_commands_load_neither_trio_nor_cryptography_before_they_need_them() -> None:
    program = (
        "import sys; from samebox.io.commands import setup; "
        "print(sorted({'trio', 'cryptography', 'certs'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"[]\n"


def test_check_config_finds_the_list_that_the_environment_names_or_that_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_init("--folder", tmp_path, "--certificates")
    named = {"SAMEBOX_CONFIG": str(tmp_path / "nodes.yaml")}
    assert CliRunner().invoke(check_config, [], env=named).exit_code == 0
    monkeypatch.chdir(tmp_path)
    assert run_check().exit_code == 0
