"""A view as lines that people read.

    A: one, two [\\Seen]      a folder with its messages in order, and their flags
      (B)                    a container, below it
    C ×2                     two folders that show as one
    f.txt = old              a file with its content
    f~….txt = new (copy)     a conflict copy; the digits of a suffix are left out

An empty INBOX is left out.
"""

from __future__ import annotations

import re

from crdt import EntryView, Kind, NodeView, View
from tests.site import text_of

_SUFFIX = re.compile("~[0-9a-f]{4,64}")


def outline(view: View) -> str:
    """All boxes; of a single one, only what is below it."""
    if len(view.boxes) == 1:
        return "\n".join(_below(view.boxes[0], ""))
    return "\n".join(line for box in view.boxes for line in [box.name, *_below(box, "  ")])


def _below(node: NodeView, indent: str) -> list[str]:
    lines: list[str] = []
    for child in node.children:
        below = _below(child, indent + "  ")
        if child.name != "INBOX" or child.entries or below or len(child.ids) > 1:
            lines += [f"{indent}{_line(child)}", *below]
    return lines


def _line(node: NodeView) -> str:
    name = _SUFFIX.sub("~…", node.name)
    if node.container:
        name = f"({name})"
    if len(node.ids) > 1:
        name = f"{name} ×{len(node.ids)}"
    if node.kind is Kind.FILE:
        assert node.blob is not None
        return f"{name} = {text_of(node.blob)}{' (copy)' if node.conflict else ''}".rstrip()
    return f"{name}: {', '.join(map(_message, node.entries))}" if node.entries else name


def _message(entry: EntryView) -> str:
    flags = " ".join(entry.flags)
    return f"{text_of(entry.blob)} [{flags}]" if flags else text_of(entry.blob)
