"""A node list becomes a Config, or all its problems, each with its line."""

from pathlib import Path

import pytest

from certs import is_cluster_name, is_node_name
from samebox.config import Address, Config, Limbo, Node, Paths, Shard
from samebox.fields import Problem
from samebox.node_list import Unfit, as_address, as_cluster_name, as_name, parse_config

FILE = Path("/etc/samebox/nodes.yaml")
SMALLEST = """\
cluster: example.org
nodes:
  a: {address: "mail-a.example.org:7788"}
  b: {address: "192.0.2.7:7788"}
"""
FULL = """\
cluster: example.org
nodes:
  a: {address: "mail-a.example.org:7788"}
  b: {address: "[2001:db8::1]:7788"}
  c:
    address: 192.0.2.7:7788
tls: {ca: pki/ca.pem, certificate: "pki/{node}.pem", key: "/keys/{node}.key"}
data: /var/lib/samebox/{node}
socket: /run/samebox/{node}.sock
shards:
  main: {nodes: [a, b, c]}
  archive: {nodes: [b, c]}
copies: 2
limbo: {age_days: 30, size_mib: 5}
"""


def parsed(text: str) -> Config:
    found = parse_config(text, FILE)
    assert isinstance(found, Config), "\n".join(map(str, found))
    return found


def problems(text: str) -> list[str]:
    found = parse_config(text, FILE)
    assert not isinstance(found, Config), "no problem was found"
    return [str(problem).removeprefix(f"{FILE}:") for problem in found]


def test_everything_but_cluster_and_nodes_has_a_default() -> None:
    config = parsed(SMALLEST)
    assert config.shards == {"main": Shard(("a", "b"))}
    assert config.copies == 1
    assert config.limbo == Limbo(age_days=7, size_mib=1024)
    assert config.paths_for("a") == Paths(
        ca=Path("/etc/samebox/certs/ca.pem"),
        certificate=Path("/etc/samebox/certs/a.pem"),
        key=Path("/etc/samebox/certs/a.key"),
        data=Path("/etc/samebox/data/a"),
        socket=Path("/etc/samebox/run/a.sock"),
    )


def test_every_field_is_taken_from_the_file() -> None:
    config = parsed(FULL)
    assert config.cluster == "example.org"
    assert config.nodes == {
        "a": Node(Address("mail-a.example.org", 7788)),
        "b": Node(Address("2001:db8::1", 7788)),
        "c": Node(Address("192.0.2.7", 7788)),
    }
    assert config.shards == {"main": Shard(("a", "b", "c")), "archive": Shard(("b", "c"))}
    assert config.limbo == Limbo(age_days=30, size_mib=5)
    assert config.copies == 2
    assert config.paths_for("c") == Paths(
        ca=Path("/etc/samebox/pki/ca.pem"),
        certificate=Path("/etc/samebox/pki/c.pem"),
        key=Path("/keys/c.key"),
        data=Path("/var/lib/samebox/c"),
        socket=Path("/run/samebox/c.sock"),
    )
    assert (config.shards_of("a"), config.shards_of("b")) == (("main",), ("archive", "main"))


def test_a_stranger_has_no_paths() -> None:
    with pytest.raises(KeyError):
        parsed(SMALLEST).paths_for("z")


def test_lines_of_fields_are_kept_for_later_checks() -> None:
    config = parsed(FULL)
    assert [config.line_of(name) for name in ("tls.key", "nodes.c.address", "data")] == [7, 6, 8]
    assert (config.line_of("tls.other"), parsed(SMALLEST).line_of("tls.key")) == (7, 1)


def test_names_that_yaml_takes_for_something_else_stay_names() -> None:
    config = parsed(SMALLEST.replace("  a:", "  no:").replace("  b:", "  0x10:"))
    assert list(config.nodes) == ["no", "0x10"]


NODES = "nodes: {a: {address: 'h:1'}, b: {address: 'h:2'}}\n"
PROBLEMS = [
    ("", "1: document: expected a node list, found an empty file; run samebox init"),
    ("- a\n", "1: document: expected the fields cluster, nodes,"),
    ("cluster: x\nnodes: [\n", "3: document: expected YAML, found while parsing"),
    ("cluster: x\n---\ncluster: y\n", "2: document: expected YAML"),
    ("cluster: x\nnodes: \x01\n", "2: document: expected YAML, found the character #x0001"),
    ("cluster: *x\n", "1: document: expected YAML, found found undefined alias 'x'"),
    (NODES, "1: cluster: expected the cluster's name, found no such line; add a line"),
    ("cluster:\n" + NODES, "1: cluster: expected a value, found nothing"),
    ("cluster: [x]\n" + NODES, "1: cluster: expected a value, found a list"),
    ("cluster: Example\n" + NODES, "1: cluster: expected lower-case letters, digits, hyphens and"),
    ("cluster: x\n", "1: nodes: expected at least one node, found none; add lines such as"),
    ("cluster: x\nnodes: {}\n", "2: nodes: expected at least one node, found none"),
    ("cluster: x\nnodes: [a]\n", "2: nodes: expected names with fields under them, found a list"),
    ("cluster: x\nnodes:\n  a:\n", "3: nodes.a: expected the fields address, found nothing"),
    ("cluster: x\nnodes:\n  a: {}\n", "3: nodes.a.address: expected an address, found no such"),
    (
        SMALLEST + "  a: {address: 'x:1'}\n",
        "5: nodes.a: expected each name once, found a again, fi",
    ),
    (
        SMALLEST + "  A: {address: 'x:1'}\n",
        "5: nodes.A: expected lower-case letters, digits and hy",
    ),
    (SMALLEST + "  ? [x]\n  : {address: 'x:1'}\n", "5: nodes: expected a name, found a list"),
    (
        SMALLEST + "  c:\n    address: Mail-A.example.org:7788\n",
        "6: nodes.c.address: expected each address once, found mail-a.example.org:7788, "
        "which nodes.a.address has in line 3; give each node an address of its own",
    ),
    (
        SMALLEST + "  c: {address: 'x:1', port: 2}\n",
        "5: nodes.c.port: expected one of address, fou",
    ),
    (SMALLEST + "  c: {address: 'x'}\n", "5: nodes.c.address: expected host:port"),
    (SMALLEST + "  c: {address: '::1:7788'}\n", "5: nodes.c.address: expected host:port"),
    (SMALLEST + "  c: {address: 'x:0'}\n", "5: nodes.c.address: expected a port from 1 to 65535"),
    (
        SMALLEST + "tsl: {}\n",
        "5: tsl: expected one of cluster, nodes, tls, data, socket, shards, c",
    ),
    (
        SMALLEST + "tsl: {}\n",
        "5: tsl: expected one of cluster, nodes, tls, data, socket, shards, copies, limbo, log, "
        "found tsl; did you mean tls?",
    ),
    (
        SMALLEST + "xyzzy: {}\n",
        "5: xyzzy: expected one of cluster, nodes, tls, data, socket, shards, copies, limbo, log, "
        "found xyzzy; "
        "remove it",
    ),
    (
        SMALLEST + "data: /x\ndata: /y\n",
        "6: data: expected each name once, found data again, first",
    ),
    (
        SMALLEST + "tls:\n  ca: x\n  keys: y\n",
        "7: tls.keys: expected one of ca, certificate, key, f",
    ),
    (SMALLEST + "tls: x\n", "5: tls: expected the fields ca, certificate, key, found x"),
    (SMALLEST + "tls: {key: ~/k}\n", "5: tls.key: expected a path, found ~/k; write the home"),
    (
        SMALLEST + "data: x/{nodes}\n",
        "5: data: expected a path with no braces but {node}, found x/",
    ),
    (SMALLEST + "socket:\n", "5: socket: expected a value, found nothing"),
    (SMALLEST + "shards: {}\n", "5: shards: expected at least one shard, found none"),
    (
        SMALLEST + "shards:\n  Main: {nodes: [a, b]}\n",
        "6: shards.Main: expected lower-case letters",
    ),
    (
        SMALLEST + "shards:\n  main: [a, b]\n",
        "6: shards.main: expected the fields nodes, found a l",
    ),
    (SMALLEST + "shards:\n  main: {}\n", "6: shards.main.nodes: expected at least one node, found"),
    (
        SMALLEST + "shards: {main: {nodes: []}}\n",
        "5: shards.main.nodes: expected at least one node",
    ),
    (SMALLEST + "shards: {main: {nodes: a}}\n", "5: shards.main.nodes: expected a list, found a;"),
    (
        SMALLEST + "shards:\n  main:\n    nodes:\n      - a\n      - b\n      - z\n",
        "10: shards.main.nodes[2]: expected one of a, b, found z; correct it, or add it to nodes",
    ),
    (
        SMALLEST + "shards: {main: {nodes: [a, b, a]}}\n",
        "5: shards.main.nodes[2]: expected each node once, found a again; remove one",
    ),
    (
        SMALLEST + "shards: {main: {nodes: [a]}}\n",
        "4: nodes.b: expected a member of at least one shard, found b in none of main",
    ),
    (SMALLEST + "copies: 0\n", "5: copies: expected a whole number from 1, found 0"),
    (SMALLEST + "copies: two\n", "5: copies: expected a whole number from 1, found two"),
    (SMALLEST + "copies: 3\n", "5: copies: expected at most 2, the members of the shard main, fo"),
]


@pytest.mark.parametrize(("text", "problem"), PROBLEMS)
def test_a_problem_is_found_alone_and_at_its_line(text: str, problem: str) -> None:
    found = problems(text)
    assert any(line.startswith(problem) for line in found), found
    assert {line.split(":")[0] for line in found} == {found[0].split(":")[0]}, found


def test_all_problems_are_found_at_once_in_the_order_of_their_lines() -> None:
    mistakes = """\
cluster: Example
nodes:
  a: {address: "x:1"}
  a: {address: "x:2"}
  b: {address: "x:1"}
  C: {adress: "x:3"}
tsl: {}
data: ~
shards: {main: {nodes: [a, z]}}
copies: 3
"""
    found = parse_config(mistakes, FILE)
    assert isinstance(found, list)
    assert [(problem.line, problem.field) for problem in found] == [
        (1, "cluster"),
        (4, "nodes.a"),
        (5, "nodes.b.address"),
        (5, "nodes.b"),
        (6, "nodes.C"),
        (6, "nodes.C.adress"),
        (6, "nodes.C.address"),
        (6, "nodes.C"),
        (7, "tsl"),
        (8, "data"),
        (9, "shards.main.nodes[1]"),
        (10, "copies"),
    ]


def test_a_problem_says_where_and_what_to_do_in_one_line() -> None:
    problem = Problem("nodes.yaml", 3, "copies", "a number", "two", "write digits")
    assert str(problem) == "nodes.yaml:3: copies: expected a number, found two; write digits"


@pytest.mark.parametrize(
    ("text", "address", "shown"),
    [
        ("h:1", Address("h", 1), "h:1"),
        ("H.Example:65535", Address("h.example", 65535), "h.example:65535"),
        ("127.0.0.1:80", Address("127.0.0.1", 80), "127.0.0.1:80"),
        ("[0:0::1]:80", Address("::1", 80), "[::1]:80"),
    ],
)
def test_an_address_has_one_form(text: str, address: Address, shown: str) -> None:
    assert as_address(text) == address
    assert str(address) == shown
    assert as_address(shown) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h",
        "h:",
        ":1",
        "h:65536",
        "h:0",
        "h:-1",
        "h:+1",
        "h:1x",
        "h:٣",
        "::1:1",
        "[::1]",
        "[h]:1",
        "[127.0.0.1]:1",
        "256.1.1.1:1",
        "1.2.3:1",
        "h_x:1",
        "h..x:1",
        "h x:1",
        "http://h:1",
        "h:1\n",
    ],
)
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(Unfit):
        as_address(text)


@pytest.mark.parametrize(
    "name", ["a", "a-b", "0", "n" * 63, "n" * 64, "", "A", "-a", "a-", "a_b", "a.b", "ä", "a\n"]
)
def test_a_node_list_and_a_certificate_take_the_same_names(name: str) -> None:
    assert is_node_name(name) == takes(as_name, name)
    assert is_cluster_name(name) == takes(as_cluster_name, name)


def takes(convert: object, text: str) -> bool:
    assert callable(convert)
    try:
        return bool(convert(text) == text)
    except Unfit:
        return False


def test_bounds_of_limbo_are_whole_numbers() -> None:
    (line,) = problems(SMALLEST + "limbo: {age_days: 0.5}\n")
    assert "limbo.age_days" in line and "a whole number from 1" in line
