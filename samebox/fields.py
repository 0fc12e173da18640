"""Fields of a YAML document, each with its line, and every problem found on the way.

The document is composed, not constructed: its nodes keep lines, a key that stands twice is seen,
and every scalar is text (`no` is a fine name, 0644 is no number) until its field converts it.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

import yaml
from msgspec import Struct
from typing_extensions import override


class Problem(Struct, frozen=True):
    """One thing that is wrong, at a line (from 1) of a file."""

    file: str
    line: int
    field: str
    expected: str
    found: str
    advice: str

    @override
    def __str__(self) -> str:
        return (
            f"{self.file}:{self.line}: {self.field}: "
            f"expected {self.expected}, found {self.found}; {self.advice}"
        )


class Text(Struct, frozen=True):
    """A scalar, the line where it stands, and its field's full name."""

    value: str
    line: int
    field: str


class Section(Struct, frozen=True):
    """A mapping: what stands under each of its keys, in the order of the file."""

    field: str
    line: int
    entries: dict[str, yaml.Node]
    lines: dict[str, int]

    def name(self, key: str) -> str:
        return f"{self.field}.{key}" if self.field else key


class Document:
    """One YAML text; problems gather in `problems`, lines of all fields seen in `lines`."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.lines: dict[str, int] = {}
        self._top = self._compose(text)

    def _compose(self, text: str) -> yaml.Node | None:
        try:
            return yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            found = " ".join(filter(None, [error.context, error.problem]))
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            found = f"the character #x{error.character:04x}"
        except RecursionError:
            line, found = 1, "hundreds of brackets or mappings inside each other"
        self.report(line, "document", "YAML", found, "correct the line")
        return None

    def report(self, line: int, field: str, expected: str, found: str, advice: str) -> None:
        self.problems.append(Problem(self.file, line, field, expected, found, advice))

    def top(self, known: Sequence[str]) -> Section | None:
        """The document itself as a section."""
        if self._top is None:
            if not self.problems:
                self.report(1, "document", "a node list", "an empty file", "run samebox init")
            return None
        return self._section(self._top, "", known)

    def section(
        self, parent: Section, key: str, known: Sequence[str] | None = None
    ) -> Section | None:
        """The mapping under a key, None if it is absent or none; known keys, or any key."""
        node = parent.entries.get(key)
        return None if node is None else self._section(node, parent.name(key), known)

    def text(self, parent: Section, key: str) -> Text | None:
        """The scalar under a key, None if it is absent or none."""
        node = parent.entries.get(key)
        return None if node is None else self._text(node, parent.name(key))

    def texts(self, parent: Section, key: str) -> list[Text] | None:
        """The list of scalars under a key, None if it is absent or none."""
        node = parent.entries.get(key)
        if node is None:
            return None
        field = parent.name(key)
        if not isinstance(node, yaml.SequenceNode):
            self.report(line_of(node), field, "a list", kind_of(node), "write [one, two]")
            return None
        found = [self._text(item, f"{field}[{i}]") for i, item in enumerate(node.value)]
        return [text for text in found if text is not None]

    def _text(self, node: yaml.Node, field: str) -> Text | None:
        if isinstance(node, yaml.ScalarNode) and node.value:
            return Text(node.value, line_of(node), field)
        self.report(line_of(node), field, "a value", kind_of(node), "write one value on this line")
        return None

    def _section(self, node: yaml.Node, field: str, known: Sequence[str] | None) -> Section | None:
        if not isinstance(node, yaml.MappingNode):
            name = field or "document"
            wanted = f"the fields {', '.join(known)}" if known else "names with fields under them"
            self.report(line_of(node), name, wanted, kind_of(node), "write `name: value` lines")
            return None
        section = Section(field, line_of(node), {}, {})
        for key, value in self._keys(node, section):
            if known is not None and key.value not in known:
                near = get_close_matches(key.value, known, n=1)
                advice = f"did you mean {near[0]}?" if near else "remove it"
                wanted = f"one of {', '.join(known)}"
                self.report(line_of(key), section.name(key.value), wanted, key.value, advice)
                continue
            section.entries[key.value] = value
            section.lines[key.value] = line_of(key)
            self.lines[section.name(key.value)] = line_of(key)
        return section

    def _keys(
        self, node: yaml.MappingNode, section: Section
    ) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        """The keys that are names and stand for the first time."""
        seen: dict[str, int] = {}
        for key, value in node.value:
            field = section.field or "document"
            if not isinstance(key, yaml.ScalarNode):
                self.report(line_of(key), field, "a name", kind_of(key), "write `name: value`")
            elif key.value in seen:
                first = f"{key.value} again, first in line {seen[key.value]}"
                name = section.name(key.value)
                self.report(line_of(key), name, "each name once", first, "remove or rename one")
            else:
                seen[key.value] = line_of(key)
                yield key, value


def line_of(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def kind_of(node: yaml.Node) -> str:
    match node:
        case yaml.MappingNode():
            return "fields"
        case yaml.SequenceNode():
            return "a list"
        case _:
            return str(node.value) or "nothing"
