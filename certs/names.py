"""The names that a certificate carries: samebox://<cluster>/<node>, as a SAN URI.

The authority's own certificate carries the cluster alone: samebox://<cluster>.
"""

import re

from certs.errors import NameRefused, NotReadable

SCHEME = "samebox://"
LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
"""A name that is also one label of a host name (RFC 1123): at most 63 characters."""
CLUSTER_CHARACTERS_MAX = 253
"""The longest host name."""


def is_node_name(name: str) -> bool:
    return re.fullmatch(LABEL, name) is not None


def is_cluster_name(name: str) -> bool:
    return (
        len(name) <= CLUSTER_CHARACTERS_MAX
        and re.fullmatch(rf"{LABEL}(?:\.{LABEL})*", name) is not None
    )


def node_uri(cluster: str, node: str) -> str:
    """The URI of a node. Raises NameRefused."""
    if not is_node_name(node):
        raise NameRefused(
            f"node name: expected lower-case letters, digits and hyphens, at most 63, "
            f"found {node!r}; choose a name such as node-a"
        )
    return f"{cluster_uri(cluster)}/{node}"


def cluster_uri(cluster: str) -> str:
    """The URI of a cluster. Raises NameRefused."""
    if not is_cluster_name(cluster):
        raise NameRefused(
            f"cluster name: expected lower-case letters, digits, hyphens and dots, "
            f"found {cluster!r}; choose a name such as mail.example.org"
        )
    return SCHEME + cluster


def split_uri(uri: str) -> tuple[str, str | None]:
    """Cluster and node of a URI, None for the node of an authority. Raises NotReadable."""
    cluster, slash, node = uri.removeprefix(SCHEME).partition("/")
    named = is_cluster_name(cluster) and (is_node_name(node) or not slash)
    if not uri.startswith(SCHEME) or not named:
        raise NotReadable(f"expected a certificate of samebox://<cluster>/<node>, found {uri!r}")
    return cluster, node or None
