"""The files that a node list names are checked before a node runs, all of them at once."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import certs
from samebox.config import Config, ConfigurationRefused
from samebox.io.configuration import (
    CONFIG_BYTES_MAX,
    SOCKET_PATH_BYTES_MAX,
    check,
    load_config,
)

NODE_LIST = """\
cluster: example.org
nodes:
  a: {address: "127.0.0.1:7788"}
  b: {address: "127.0.0.1:7789"}
tls:
  ca: certs/ca.pem
  certificate: certs/{node}.pem
  key: certs/{node}.key
data: data/{node}
socket: run/{node}.sock
"""
CA, CERTIFICATE, KEY, DATA, SOCKET = 6, 7, 8, 9, 10
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a node list of a and b, and all that they need."""
    (tmp_path / "nodes.yaml").write_text(NODE_LIST)
    certs.make_certificates(tmp_path / "certs", "example.org", {"a": [], "b": []})
    return tmp_path


def found(site: Path, node: str | None = "a") -> list[tuple[int, str]]:
    """Line and text of each problem, without the path of the site."""
    problems = check(site / "nodes.yaml", node, read_identity=lambda _: None)
    assert all(
        str(problem).startswith(f"{site}/nodes.yaml:{problem.line}: ") for problem in problems
    )
    texts = [f"{p.field}: expected {p.expected}, found {p.found}; {p.advice}" for p in problems]
    return [(p.line, t.replace(f"{site}/", "")) for p, t in zip(problems, texts, strict=True)]


def remake(site: Path, node: str, cluster: str = "example.org", *, days: int = 1) -> None:
    """Make a node's certificate again in its place."""
    for suffix in ("pem", "key"):
        (site / f"certs/{node}.{suffix}").unlink()
    certs.make_node_certificate(site / "certs", cluster, node, days=days)


def test_a_site_in_order_has_no_problems(site: Path) -> None:
    assert (found(site), found(site, None)) == ([], [])


def test_a_node_list_that_is_not_there_is_one_problem(tmp_path: Path) -> None:
    [problem] = check(tmp_path / "none.yaml")
    assert "expected a node list, found no such file or directory; name the" in str(problem)


def test_a_node_list_is_utf8_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "nodes.yaml"
    path.write_bytes(b"cluster: x\ndata: \xff\n")
    assert [str(p).removeprefix(f"{path}:") for p in check(path)] == [
        "2: document: expected UTF-8, found the byte 0xff; save the file as UTF-8"
    ]
    path.write_bytes(b"#" * CONFIG_BYTES_MAX)
    assert "an empty file" in str(check(path)[0])
    path.write_bytes(b"#" * (CONFIG_BYTES_MAX + 1))
    assert f"at most {CONFIG_BYTES_MAX} bytes" in str(check(path)[0])


def test_loading_refuses_with_all_problems_in_the_message(site: Path) -> None:
    path = site / "nodes.yaml"
    assert isinstance(load_config(path), Config)
    path.write_text(NODE_LIST + "copies: 9\nmore: 1\n")
    with pytest.raises(ConfigurationRefused) as refused:
        load_config(path)
    assert [problem.line for problem in refused.value.problems] == [11, 12]
    assert str(refused.value).splitlines() == [str(p) for p in refused.value.problems]


def test_a_problem_in_the_text_comes_before_the_files(site: Path) -> None:
    (site / "nodes.yaml").write_text(NODE_LIST + "copies: 9\n")
    shutil.rmtree(site / "certs")
    assert [line for line, _ in found(site)] == [11]


def test_a_stranger_is_no_node_of_the_list(site: Path) -> None:
    [(line, text)] = found(site, "z")
    assert (line, text.split(";")[0]) == (2, "nodes: expected one of a, b, found z")


@pytest.mark.parametrize(
    ("file", "line", "field"),
    [("ca.pem", CA, "ca"), ("a.pem", CERTIFICATE, "certificate"), ("a.key", KEY, "key")],
)
def test_a_missing_file_is_named(site: Path, file: str, line: int, field: str) -> None:
    (site / "certs" / file).unlink()
    [(at, text)] = found(site)
    assert at == line
    assert text.startswith(
        f"tls.{field}: expected a PEM file at certs/{file}, found no such file or directory; make"
    )


@pytest.mark.parametrize(
    ("file", "line", "field"),
    [("ca.pem", CA, "ca"), ("a.pem", CERTIFICATE, "certificate"), ("a.key", KEY, "key")],
)
def test_a_file_of_other_contents_is_named(site: Path, file: str, line: int, field: str) -> None:
    (site / "certs" / file).write_text("not this")
    [(at, text)] = found(site)
    kind = "private key" if field == "key" else "certificate"
    assert at == line
    assert text.startswith(f"tls.{field}: expected a {kind}, found certs/{file}: expected a {kind}")


def test_a_file_that_cannot_be_read_is_named(site: Path) -> None:
    (site / "certs/a.pem").unlink()
    (site / "certs/a.pem").mkdir()
    [(line, text)] = found(site)
    assert (line, "found a directory" in text) == (CERTIFICATE, True)


def test_without_a_node_the_files_of_all_nodes_are_checked(site: Path) -> None:
    (site / "certs/b.pem").unlink()
    assert found(site, "a") == []
    [(line, text)] = found(site, None)
    assert line == CERTIFICATE
    assert "certs/b.pem" in text and "or name one node with --node" in text


def test_a_problem_of_the_authority_is_told_once(site: Path) -> None:
    (site / "certs/ca.pem").unlink()
    assert [line for line, _ in found(site, None)] == [CA]


def test_a_key_of_another_certificate_is_seen(site: Path) -> None:
    shutil.copy(site / "certs/b.key", site / "certs/a.key")
    assert found(site) == [
        (
            KEY,
            "tls.key: expected the key of certs/a.pem, found another key at certs/a.key; "
            "name the two that were made together",
        )
    ]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610])
def test_a_key_that_others_can_read_is_seen(site: Path, mode: int) -> None:
    (site / "certs/a.key").chmod(mode)
    [(line, text)] = found(site)
    assert line == KEY
    assert f"found certs/a.key with mode {mode:04o}; chmod 600" in text


def test_a_key_that_only_its_owner_reads_is_fine(site: Path) -> None:
    (site / "certs/a.key").chmod(0o400)
    assert found(site) == []


def test_a_certificate_for_another_node_is_seen(site: Path) -> None:
    for suffix in ("pem", "key"):
        shutil.copy(site / f"certs/b.{suffix}", site / f"certs/a.{suffix}")
    [(line, text)] = found(site)
    assert line == CERTIFICATE
    assert (
        "the certificate of samebox://example.org/a, found that of samebox://example.org/b" in text
    )


def test_a_certificate_for_another_cluster_is_seen(site: Path) -> None:
    shutil.rmtree(site / "certs")
    certs.make_certificates(site / "certs", "example.com", {"a": []})
    [(line, text)] = found(site)
    assert line == CERTIFICATE
    assert "found that of samebox://example.com/a at certs/a.pem" in text


def test_a_certificate_without_a_node_is_seen(site: Path) -> None:
    for suffix in ("pem", "key"):
        shutil.copy(site / f"certs/ca.{suffix}", site / f"certs/a.{suffix}")
    [(line, text)] = found(site)
    assert (line, "found that of samebox://example.org at" in text) == (CERTIFICATE, True)


def test_two_nodes_with_one_certificate_are_seen(site: Path) -> None:
    text = NODE_LIST.replace("{node}.pem", "b.pem").replace("{node}.key", "b.key")
    (site / "nodes.yaml").write_text(text)
    problems = found(site, None)
    assert [line for line, _ in problems] == [CERTIFICATE, CERTIFICATE]
    assert "found that of samebox://example.org/b" in problems[0][1]
    assert "a key pair for each node, found nodes a and b with the same one" in problems[1][1]


def test_a_certificate_is_valid_from_its_first_to_its_last_second(site: Path) -> None:
    remake(site, "a", days=7)
    made = certs.read_certificate((site / "certs/a.pem").read_bytes())
    second = timedelta(seconds=1)
    moments = [
        (made.not_before - second, "valid only from"),
        (made.not_before, None),
        (made.not_after, None),
        (made.not_after + second, "valid until"),
    ]
    for now, word in moments:
        problems = [p for p in check(site / "nodes.yaml", "a", now=now) if p.line == CERTIFICATE]
        assert [word is not None and word in p.found for p in problems] == [True] * bool(word)


def test_an_expired_authority_is_seen(site: Path) -> None:
    shutil.rmtree(site / "certs")
    certs.make_authority(site / "certs", "example.org", days=2, not_before=LONG_AGO)
    certs.make_node_certificate(site / "certs", "example.org", "a", days=1, not_before=LONG_AGO)
    problems = found(site)
    assert [line for line, _ in problems] == [CA, CERTIFICATE]
    assert "certs/ca.pem, valid until 2020-01-03 00:00 UTC; renew it" in problems[0][1]


def test_a_certificate_of_another_authority_is_seen(site: Path) -> None:
    certs.make_authority(site / "other", "example.org")
    shutil.copy(site / "other/ca.pem", site / "certs/ca.pem")
    [(line, text)] = found(site)
    assert line == CERTIFICATE
    assert "signed by the authority certs/ca.pem, found certs/a.pem, signed by another" in text


def test_a_socket_path_fits_at_its_limit_and_not_above(site: Path) -> None:
    room = SOCKET_PATH_BYTES_MAX - len(f"{site}/")
    for length, lines in [(room, []), (room + 1, [SOCKET])]:
        text = NODE_LIST.replace("run/{node}.sock", "s" * length)
        (site / "nodes.yaml").write_text(text)
        assert [line for line, _ in found(site)] == lines


def test_what_stands_in_place_of_the_socket_is_seen(site: Path) -> None:
    text = NODE_LIST.replace("run/{node}.sock", "certs")
    (site / "nodes.yaml").write_text(text)
    in_place = "socket: expected a socket or nothing, found a folder at certs; choose another path"
    assert found(site) == [(SOCKET, in_place)]


def test_a_file_in_place_of_the_data_directory_is_seen(site: Path) -> None:
    (site / "data").mkdir()
    (site / "data/a").touch()
    [(line, text)] = found(site)
    assert (line, text) == (
        DATA,
        "data: expected a directory, found a file at data/a; choose another path",
    )


def test_a_file_above_the_data_directory_is_seen(site: Path) -> None:
    (site / "data").touch()
    in_place = "data: expected a directory, found a file at data; choose another path"
    assert found(site) == [(DATA, in_place)]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_data_directory_that_cannot_be_written_is_seen(site: Path) -> None:
    (site / "data/a").mkdir(parents=True)
    (site / "data/a").chmod(0o500)
    [(line, text)] = found(site)
    assert (line, "a directory that this user may write" in text) == (DATA, True)


@pytest.mark.parametrize("owner", [("example.org", "b"), ("example.com", "a")])
def test_a_data_directory_of_another_is_seen(site: Path, owner: tuple[str, str]) -> None:
    (site / "data/a").mkdir(parents=True)
    [problem] = check(site / "nodes.yaml", "a", read_identity=lambda _: owner)
    assert problem.line == DATA
    assert problem.expected == "the data directory of node a of example.org"
    assert problem.found == f"that of node {owner[1]} of {owner[0]} at {site}/data/a"


def test_a_data_directory_of_ones_own_or_nobodys_is_fine(site: Path) -> None:
    (site / "data/a").mkdir(parents=True)
    assert check(site / "nodes.yaml", "a", read_identity=lambda _: ("example.org", "a")) == []
    assert check(site / "nodes.yaml", "a", read_identity=lambda _: None) == []


def test_a_data_directory_that_says_nothing_readable_is_seen(site: Path) -> None:
    def damaged(folder: Path) -> tuple[str, str] | None:
        raise ValueError(f"{folder.name} holds garbage")

    (site / "data/a").mkdir(parents=True)
    [problem] = check(site / "nodes.yaml", "a", read_identity=damaged)
    assert problem.line == DATA
    assert problem.found == f"{site}/data/a, unreadable: a holds garbage"


def test_a_data_directory_still_to_be_made_is_asked_nothing(site: Path) -> None:
    def never(folder: Path) -> tuple[str, str] | None:
        raise AssertionError(f"asked for {folder}")

    assert check(site / "nodes.yaml", "a", read_identity=never) == []


def test_all_problems_of_all_files_come_at_once_in_order(site: Path) -> None:
    (site / "certs/ca.pem").unlink()
    (site / "certs/a.pem").unlink()
    (site / "certs/a.key").chmod(0o644)
    (site / "data").mkdir()
    (site / "data/a").touch()
    assert [line for line, _ in found(site)] == [CA, CERTIFICATE, KEY, DATA]
