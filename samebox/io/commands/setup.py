"""samebox init and samebox check-config: a node list is made, and checked."""

import json
import re
from pathlib import Path

import click

from samebox.config import Config
from samebox.fields import Problem
from samebox.io.commands.showing import say
from samebox.io.configuration import check, load_config
from samebox.node_list import parse_config
from samebox.spelling import plural

PROBLEMS = 2
"""The exit status of every command whose node list has some."""
LOOPBACK = ("a=127.0.0.1:7788", "b=127.0.0.1:7789", "c=127.0.0.1:7790")
NODE_LIST = """\
# The node list of samebox: the same file on every node. Check it with
#   samebox check-config --config {file}
# Paths are relative to this file; {{node}} stands for the node's name.

# The name of the cluster. Certificates carry it, data directories keep it: it never changes.
cluster: {cluster}

# Every node, with the address at which it listens and its peers reach it: host:port, where host
# is a name, an IPv4 address, or an IPv6 address in brackets.
nodes:
{nodes}

# The authority that signed all certificates, and each node's own certificate and key.
tls:
  ca: certs/ca.pem
  certificate: certs/{{node}}.pem
  key: certs/{{node}}.key

# Where a node keeps everything, on a local disk: one directory per node, never a copied one.
data: data/{{node}}

# The local socket at which commands reach a running node; only its owner can open it.
socket: run/{{node}}.sock

# How many nodes hold a write, synced, before it is confirmed, this one included. A command can
# ask for another number. With 1, a node that is cut off goes on confirming writes.
copies: 1

# Which nodes hold what. Every box belongs to one shard; without this part there is one, main, on
# all nodes.
shards:
  main: {{nodes: [{members}]}}

# At how much that some node does not hold yet, or for how long, `samebox status` raises an alarm.
limbo: {{age_days: 7, size_mib: 1024}}

# How much log waits for a node that is away. Beyond that, what a quorum holds goes, and the node
# gets a snapshot when it returns.
log: {{size_mib: 4096}}
"""


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    show_default="this one",
    help="Where nodes.yaml is written; made if it does not exist.",
)
@click.option(
    "--cluster", default="example.org", show_default=True, help="The cluster's name, for ever."
)
@click.option(
    "--node",
    "nodes",
    multiple=True,
    default=LOOPBACK,
    metavar="NAME=HOST:PORT",
    help="A node and its address; may be repeated.  [default: a, b and c on 127.0.0.1]",
)
@click.option(
    "--certificates",
    is_flag=True,
    help="Make development certificates too, in the folder certs beside nodes.yaml.",
)
def init(*, folder: Path, cluster: str, nodes: tuple[str, ...], certificates: bool) -> None:
    """Write a commented node list, nodes.yaml, to start from.

    Without options it describes three nodes on this machine. No file is ever overwritten.

    \b
    samebox init --certificates
    samebox init --cluster mail.example.org --node a=mail-a.example.org:7788 \\
        --node b=mail-b.example.org:7788
    """
    file = folder / "nodes.yaml"
    config = new_config(file, cluster, nodes)
    if file.exists():
        raise click.ClickException(
            f"{file} exists and was not changed; edit it, or choose another --folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if certificates:
            make_certificates(folder / "certs", config)
        with file.open("x", encoding="utf-8") as new:
            new.write(node_list(file, cluster, nodes))
    except OSError as error:
        raise click.ClickException(f"expected to write into {folder}: {error}") from None
    say(f"wrote {file}: cluster {cluster}, nodes {', '.join(config.nodes)}")
    for line in ["next:", *next_steps(file, config, certificates=certificates)]:
        say(line)


def new_config(file: Path, cluster: str, nodes: tuple[str, ...]) -> Config:
    """What the new file will say, if that is a node list."""
    for node in nodes:
        if "=" not in node:
            raise click.BadParameter(f"expected NAME=HOST:PORT, found {node}", param_hint="--node")
    found = parse_config(node_list(file, cluster, nodes), file)
    if isinstance(found, Config):
        return found
    lines = [f"{p.field}: expected {p.expected}, found {p.found}; {p.advice}" for p in found]
    raise click.UsageError("nothing was written:\n" + "\n".join(lines))


def node_list(file: Path, cluster: str, nodes: tuple[str, ...]) -> str:
    pairs = [node.split("=", 1) for node in nodes]
    return NODE_LIST.format(
        file=file.name,
        cluster=scalar(cluster),
        nodes="\n".join(f"  {scalar(n)}: {{address: {json.dumps(a)}}}" for n, a in pairs),
        members=", ".join(scalar(name) for name, _ in pairs),
    )


def scalar(text: str) -> str:
    """Text as YAML reads it back, whatever it holds; plain where that is enough."""
    return text if re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", text) else json.dumps(text)


def make_certificates(folder: Path, config: Config) -> None:
    import certs  # cryptography takes its time to load

    try:
        made = certs.make_certificates(folder, config.cluster, {name: [] for name in config.nodes})
    except certs.CertificateError as problem:
        raise click.ClickException(str(problem)) from None
    for files in made.values():
        say(f"wrote {files.certificate} and {files.key}")


def next_steps(file: Path, config: Config, *, certificates: bool) -> list[str]:
    names = " ".join(config.nodes)
    first = next(iter(config.nodes))
    make = f"  python -m certs --cluster {config.cluster} --folder {file.parent / 'certs'} {names}"
    return [
        *([] if certificates else [make]),
        f"  samebox check-config --config {file}",
        f"  samebox run --config {file} --node {first}",
        *(["and the same for each other node"] if len(config.nodes) > 1 else []),
    ]


@click.command("check-config", short_help="Report all problems of a node list and its files.")
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    envvar="SAMEBOX_CONFIG",
    default=Path("nodes.yaml"),
    show_default=True,
    help="The node list.  [env: SAMEBOX_CONFIG]",
)
@click.option("--node", help="Check the files of this node alone.  [default: those of every node]")
def check_config(file: Path, node: str | None) -> None:
    """Report all problems of a node list, and then of the files that it names.

    Each is one line: file, line and field, what was expected, what was found, what to do. The exit
    status is 0 if there is none, else 2, as of every command that reads the list. Files are looked
    at once the list itself is sound, and on this machine: name its node with --node where the
    others' certificates lie elsewhere.

    \b
    samebox check-config --config nodes.yaml --node a
    """
    from samebox.io.store import identity_owner  # all that opens a data directory takes its time

    problems = check(file, node, read_identity=identity_owner)
    if problems:
        raise SystemExit(tell(problems))
    config = load_config(file)
    names = ", ".join([node] if node else config.nodes)
    shards = "shard " if len(config.shards) == 1 else "shards "
    shards += ", ".join(sorted(config.shards))
    say(
        f"{file}: cluster {config.cluster}, {plural(len(config.nodes), 'node')}, {shards}: no "
        f"problems; certificates, keys and directories of {names} fit"
    )


def tell(problems: list[Problem]) -> int:
    for problem in problems:
        say(str(problem))
    return PROBLEMS
