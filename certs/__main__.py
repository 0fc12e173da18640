"""python -m certs: an authority and node certificates for development."""

from datetime import UTC, datetime
from pathlib import Path

import click

from certs.errors import CertificateError
from certs.making import AUTHORITY, NODE_DAYS, make_certificates

EXPLANATION = """Make development certificates for the nodes of a cluster.

Every node proves its name to its peers with a certificate signed by the cluster's authority. This
writes, into one folder, ca.pem and ca.key (the authority, made at the first call and used again
later), and for each NODE a certificate NODE.pem and a key NODE.key.

\b
A node needs three of the files: ca.pem, its own certificate and its own key.
Keep ca.key away from the nodes: whoever reads it can name himself any node.
No file is ever overwritten.

\b
Three nodes, and later a fourth:
  python -m certs --cluster example.org --folder certs a b c
  python -m certs --cluster example.org --folder certs d
"""


@click.command(help=EXPLANATION, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("nodes", nargs=-1, required=True, metavar="NODE...")
@click.option("--cluster", required=True, help="Name of the cluster, as in the node list.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("certs"),
    show_default=True,
    help="Where the files are written; made if it does not exist.",
)
@click.option(
    "--days",
    type=click.IntRange(min=1),
    default=NODE_DAYS,
    show_default=True,
    help="How long node certificates are valid. The authority is valid for ten years.",
)
@click.option(
    "--not-before",
    type=click.DateTime(),
    help="UTC time from which node certificates are valid.  [default: an hour ago]",
)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="NODE=NAME",
    help="Host name or IP address that a certificate carries too; may be repeated.",
)
def main(
    nodes: tuple[str, ...],
    cluster: str,
    folder: Path,
    days: int,
    not_before: datetime | None,
    hosts: tuple[str, ...],
) -> None:
    start = not_before and not_before.replace(tzinfo=UTC)
    try:
        made = make_certificates(
            folder, cluster, hosts_by_node(nodes, hosts), days=days, not_before=start
        )
    except (CertificateError, OSError) as problem:
        raise click.ClickException(str(problem)) from None
    for name, files in made.items():
        whose = "authority" if name == AUTHORITY else f"node {name}"
        click.echo(f"{whose}: {files.certificate}, {files.key}")


def hosts_by_node(nodes: tuple[str, ...], hosts: tuple[str, ...]) -> dict[str, list[str]]:
    by_node: dict[str, list[str]] = {node: [] for node in nodes}
    for host in hosts:
        node, equals, name = host.partition("=")
        if not equals or not name or node not in by_node:
            raise click.BadParameter(
                f"expected NODE=NAME with one of the nodes {', '.join(nodes)}, found {host}",
                param_hint="--host",
            )
        by_node[node].append(name)
    return by_node


if __name__ == "__main__":
    main(prog_name="python -m certs")
