"""Reading a node list: one YAML file, the same on every node, into a Config or its problems.

This knows the text alone; whether the files that it names are there, and fit, is found out in
io/configuration.py.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TypeVar

from samebox.config import MAIN, Address, Config, Limbo, Node, Retained, Shard, Tls
from samebox.fields import Document, Problem, Section, Text

LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
"""A name that is also one label of a host name (RFC 1123): at most 63 characters."""
HOST_CHARACTERS_MAX = 253
PORT_MAX = 65_535
FIELDS = ("cluster", "nodes", "tls", "data", "socket", "shards", "copies", "limbo", "log")

Value = TypeVar("Value")


def parse_config(text: str, file: Path) -> Config | list[Problem]:
    """Read a node list; all problems at once, in the order of their lines."""
    document = Document(text, str(file))
    config = Reader(document).config(file)
    if config is None or document.problems:
        return sorted(document.problems, key=lambda problem: problem.line)
    return config


class Unfit(Exception):
    """A scalar that its field cannot take: what it takes, and what to do."""

    def __init__(self, expected: str, advice: str) -> None:
        super().__init__(expected, advice)
        self.expected = expected
        self.advice = advice


class Reader:
    """Turns the fields of a document into values; problems go to the document."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def config(self, file: Path) -> Config | None:
        """The whole; worth something only if the document has no problems."""
        top = self.document.top(FIELDS)
        if top is None:
            return None
        plain = Config(file=file, cluster="", nodes={}, shards={})
        nodes = self.nodes(top)
        shards = self.shards(top, nodes)
        return Config(
            file=file,
            cluster=self.cluster(top),
            nodes=nodes,
            shards=shards,
            tls=self.tls(top),
            data=self.value(top, "data", as_path, plain.data),
            socket=self.value(top, "socket", as_path, plain.socket),
            copies=self.copies(top, shards),
            limbo=self.limbo(top),
            log=self.retained(top),
            lines=self.document.lines,
        )

    def cluster(self, top: Section) -> str:
        if "cluster" not in top.entries:
            advice = "add a line such as `cluster: example.org`"
            self.document.report(top.line, "cluster", "the cluster's name", "no such line", advice)
        return self.value(top, "cluster", as_cluster_name, "")

    def nodes(self, top: Section) -> dict[str, Node]:
        """All nodes that have a name, also those with another problem."""
        section = self.document.section(top, "nodes")
        if section is None or not section.entries:
            if section is not None or "nodes" not in top.entries:
                line = top.lines.get("nodes", top.line)
                advice = 'add lines such as `a: {address: "mail-a.example.org:7788"}`'
                self.document.report(line, "nodes", "at least one node", "none", advice)
            return {}
        taken: dict[Address, Text] = {}
        return {name: self.node(section, name, taken) for name in section.entries}

    def node(self, nodes: Section, name: str, taken: dict[Address, Text]) -> Node:
        self.converted(Text(name, nodes.lines[name], nodes.name(name)), as_name)
        unknown = Node(Address("", 0))
        section = self.document.section(nodes, name, ["address"])
        if section is None:
            return unknown
        text = self.document.text(section, "address")
        if "address" not in section.entries:
            where, advice = section.name("address"), 'add {address: "host:port"}'
            self.document.report(section.line, where, "an address", "no such field", advice)
        address = None if text is None else self.converted(text, as_address)
        if text is None or address is None:
            return unknown
        first = taken.setdefault(address, text)
        if first is not text:
            found = f"{address}, which {first.field} has in line {first.line}"
            advice = "give each node an address of its own"
            self.document.report(text.line, text.field, "each address once", found, advice)
        return Node(address)

    def tls(self, top: Section) -> Tls:
        section = self.document.section(top, "tls", Tls.__struct_fields__)
        if section is None:
            return Tls()
        plain = Tls()
        return Tls(
            ca=self.value(section, "ca", as_path, plain.ca),
            certificate=self.value(section, "certificate", as_path, plain.certificate),
            key=self.value(section, "key", as_path, plain.key),
        )

    def shards(self, top: Section, nodes: Mapping[str, Node]) -> dict[str, Shard]:
        if "shards" not in top.entries:
            return {MAIN: Shard(tuple(nodes))}
        section = self.document.section(top, "shards")
        if section is None:
            return {}
        if not section.entries:
            advice = "remove the line: then all nodes are members of the shard main"
            self.document.report(section.line, "shards", "at least one shard", "none", advice)
        shards = {name: self.shard(section, name, nodes) for name in section.entries}
        self.every_node_has_a_shard(top, nodes, shards)
        return shards

    def shard(self, shards: Section, name: str, nodes: Mapping[str, Node]) -> Shard:
        self.converted(Text(name, shards.lines[name], shards.name(name)), as_name)
        section = self.document.section(shards, name, ["nodes"])
        if section is None:
            return Shard(())
        members = self.document.texts(section, "nodes")
        if members == [] or "nodes" not in section.entries:
            where, advice = section.name("nodes"), "write nodes: [a, b]"
            self.document.report(section.line, where, "at least one node", "none", advice)
        return Shard(tuple(self.members(members or [], nodes)))

    def members(self, found: list[Text], nodes: Mapping[str, Node]) -> list[str]:
        members: list[str] = []
        for text in found:
            if text.value in members:
                expected, advice = "each node once", "remove one"
                self.document.report(text.line, text.field, expected, f"{text.value} again", advice)
            elif nodes and text.value not in nodes:
                expected, advice = f"one of {', '.join(nodes)}", "correct it, or add it to nodes"
                self.document.report(text.line, text.field, expected, text.value, advice)
            else:
                members.append(text.value)
        return members

    def every_node_has_a_shard(
        self, top: Section, nodes: Mapping[str, Node], shards: Mapping[str, Shard]
    ) -> None:
        placed = {name for shard in shards.values() for name in shard.nodes}
        for name in nodes:
            if name not in placed and placed:
                self.document.report(
                    self.document.lines[f"nodes.{name}"],
                    f"nodes.{name}",
                    "a member of at least one shard",
                    f"{name} in none of {', '.join(shards)}",
                    "add it to one under shards, or remove the node",
                )

    def copies(self, top: Section, shards: Mapping[str, Shard]) -> int:
        copies = self.value(top, "copies", as_count, 1)
        for name, shard in shards.items():
            if 0 < len(shard.nodes) < copies:
                expected = f"at most {len(shard.nodes)}, the members of the shard {name}"
                advice = "lower it, or add members"
                line = top.lines["copies"]
                self.document.report(line, "copies", expected, str(copies), advice)
        return copies

    def limbo(self, top: Section) -> Limbo:
        section = self.document.section(top, "limbo", Limbo.__struct_fields__)
        if section is None:
            return Limbo()
        plain = Limbo()
        return Limbo(
            age_days=self.value(section, "age_days", as_count, plain.age_days),
            size_mib=self.value(section, "size_mib", as_count, plain.size_mib),
        )

    def retained(self, top: Section) -> Retained:
        section = self.document.section(top, "log", Retained.__struct_fields__)
        if section is None:
            return Retained()
        return Retained(self.value(section, "size_mib", as_count, Retained().size_mib))

    def value(
        self, section: Section, key: str, convert: Callable[[str], Value], default: Value
    ) -> Value:
        """What stands under a key, or the default where nothing fit stands there."""
        text = self.document.text(section, key)
        found = None if text is None else self.converted(text, convert)
        return default if found is None else found

    def converted(self, text: Text, convert: Callable[[str], Value]) -> Value | None:
        try:
            return convert(text.value)
        except Unfit as unfit:
            found = repr(text.value) if text.value != text.value.strip() else text.value
            self.document.report(text.line, text.field, unfit.expected, found, unfit.advice)
            return None


def as_name(text: str) -> str:
    """The name of a node or a shard."""
    if not re.fullmatch(LABEL, text):
        raise Unfit(
            "lower-case letters, digits and hyphens, at most 63", "choose a name such as node-a"
        )
    return text


def as_cluster_name(text: str) -> str:
    if not is_host_name(text):
        raise Unfit(
            "lower-case letters, digits, hyphens and dots", "choose a name such as example.org"
        )
    return text


def as_path(text: str) -> str:
    """A path, where braces hold nothing but the word node."""
    if text.startswith("~"):
        raise Unfit("a path", "write the home directory in full")
    if "\0" in text or re.search("[{}]", text.replace("{node}", "")):
        raise Unfit("a path with no braces but {node}", "correct the braces")
    return text


def as_count(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise Unfit("a whole number from 1", "write digits alone, the first of them not 0")
    return int(text)


def as_address(text: str) -> Address:
    """host:port, with an IPv6 address in brackets."""
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = as_ip(IPv6Address, host[1:-1])
    elif re.fullmatch(r"[0-9.]+", host):
        host = as_ip(IPv4Address, host)
    elif not is_host_name(host.lower()):
        raise Unfit(
            "host:port with a host name or an IP address, IPv6 in brackets",
            'write it like "mail-a.example.org:7788" or "[2001:db8::1]:7788"',
        )
    if not re.fullmatch("[0-9]{1,5}", port) or not 1 <= int(port) <= PORT_MAX:
        raise Unfit(f"a port from 1 to {PORT_MAX} after the colon", "write it like :7788")
    return Address(host.lower(), int(port))


def as_ip(kind: type[IPv4Address] | type[IPv6Address], text: str) -> str:
    try:
        return str(kind(text))
    except ValueError:
        raise Unfit("an IP address", "correct it, or write a host name") from None


def is_host_name(text: str) -> bool:
    return len(text) <= HOST_CHARACTERS_MAX and bool(re.fullmatch(rf"{LABEL}(\.{LABEL})*", text))
