"""Planted mistakes in the oracle: each rule bent, one at a time."""

from __future__ import annotations

from tests.mutants import Mutant
from tests.oracle import history, names, remembered, visible

MUTANTS = [
    Mutant(
        "R1", "a rename that followed the delete cancels it too", visible,
        "concurrent(rename, delete) and",
        "not delete.saw(rename.dot) and",
    ),
    Mutant(
        "R1", "a rename that the delete had seen cancels it too", visible,
        "concurrent(rename, delete) and",
        "not rename.saw(delete.dot) and",
    ),
    Mutant(
        "R1", "a rename of a folder above does not cancel", visible,
        "position = parent if parent < position else -1", "position = -1",
    ),
    Mutant(
        "R1", "nothing cancels a delete", visible,
        "concurrent(rename, delete) and", "False and",
    ),
    Mutant(
        "R1", "a delete without context", visible,
        "if any(not any(delete.saw(dot) for delete in deletes)",
        "if any(not any(True for delete in deletes)",
    ),
    Mutant(
        "R2", "an expunge ignores an undelete", remembered,
        "entry.keep.add(operation.dot)\n                entry.life.add(operation.dot)",
        "entry.keep.add(operation.dot)",
    ),
    Mutant(
        "R2", "an expunge ignores a move", remembered,
        "entry.life.add(operation.dot)\n                entry.folder = None",
        "entry.folder = None",
    ),
    Mutant(
        "R2", "one seen dot of life is enough to remove", visible,
        "all(remover.saw(dot) for dot in entry.life)",
        "any(remover.saw(dot) for dot in entry.life)",
    ),
    Mutant(
        "R2", "removers are judged together", visible,
        "return any(all(remover.saw(dot) for dot in entry.life) for remover in removers)",
        "return all(any(remover.saw(dot) for remover in removers) for dot in entry.life)",
    ),
    Mutant(
        "R2", "a delete of the folder leaves its entries", visible,
        "if not _removed(entry, removers[entry.folder] + entry.expunges)",
        "if not _removed(entry, entry.expunges)",
    ),
    Mutant(
        "R3", "no containers", visible,
        "if children or node.id in sight.entries:", "if False:",
    ),
    Mutant(
        "R3", "a making below does not touch", remembered,
        "parent.touch.add(operation.dot)\n        real =", "pass\n        real =",
    ),
    Mutant(
        "R3", "a rename does not touch where it moves to", remembered,
        "parent.touch.add(operation.dot)\n            if operation.dot in",
        "pass\n            if operation.dot in",
    ),
    Mutant(
        "R3", "an undelete does not touch its folder", remembered,
        "folder.touch.add(operation.dot)\n            if operation.dot not in "
        "self.history.stands_for:\n                entry.keep",
        "pass\n            if operation.dot not in self.history.stands_for:\n"
        "                entry.keep",
    ),
    Mutant(
        "R4", "an append that carries \\Deleted is kept", remembered,
        "if MARK not in map(flag_key, body.flags):  # R4", "if True:",
    ),
    Mutant(
        "R4", "+\\Deleted removes keeps that it has not seen", remembered,
        "entry.keep = {dot for dot in entry.keep if not operation.saw(dot)}",
        "entry.keep = set()",
    ),
    Mutant(
        "R4", "a move takes the mark away", remembered,
        "entry.life.add(operation.dot)\n                entry.folder = None",
        "entry.life.add(operation.dot)\n                entry.keep.add(operation.dot)\n"
        "                entry.folder = None",
    ),
    Mutant(
        "R5", "-f removes what it has not seen", remembered,
        "for dot in [dot for dot in dots if operation.saw(dot)]:\n                        del",
        "for dot in list(dots):\n                        del",
    ),
    Mutant(
        "R5", "replace only adds", remembered,
        "if body.replace or flag in removed:", "if flag in removed:",
    ),
    Mutant(
        "R5", "flags compare with case", remembered,
        'if "A" <= c <= "Z" else c', "if False else c",
    ),
    Mutant(
        "R5", "a flag is spelled as its least stamp does", names,
        "max(dots.values())[1]", "min(dots.values())[1]",
    ),
    Mutant(
        "R6", "a write replaces what it has not seen", remembered,
        "for dot in [dot for dot in file.content if operation.saw(dot)]:",
        "for dot in list(file.content):",
    ),
    Mutant(
        "R6", "deleted content comes back with its file", visible,
        "if not any(delete.saw(dot) for delete in deletes):", "if True:",
    ),
    Mutant(
        "R6", "an equal blob keeps its least stamp", visible,
        "shown[blob] = max(stamp, shown.get(blob, stamp))",
        "shown[blob] = min(stamp, shown.get(blob, stamp))",
    ),
    Mutant(
        "R6", "the least stamp holds the name", names,
        "for blob, stamp in shown.items()), reverse=True)",
        "for blob, stamp in shown.items()))",
    ),
    Mutant(
        "R7", "moves of equal Lamport time apply from the greatest actor down", history,
        "key=lambda operation: operation.stamp))",
        "key=lambda o: (o.lamport, bytes(255 - b for b in o.dot.actor), o.dot.seq)))",
    ),
    Mutant(
        "R7", "a cycle is seen one step deep only", remembered,
        "any(self.below(parent.id, node.id) for node in nodes)",
        "any(node.id in (parent.id, parent.parent) for node in nodes)",
    ),
    Mutant(
        "R7", "nodes that show as one are torn apart", remembered,
        "if parent is not None and not closes:",
        "if parent is not None and not self.below(parent.id, node.id):",
    ),
    Mutant(
        "R10", "a repeated write adds no content", remembered,
        "            file.content[operation.dot] = (operation.stamp, body.blob)",
        "            if operation.dot not in self.history.stands_for:\n"
        "                file.content[operation.dot] = (operation.stamp, body.blob)",
    ),
    Mutant(
        "R7", "an ignored move does not name either", remembered,
        "if body.name is not None:",
        "if body.name is not None and not (parent and self.below(parent.id, node.id)):",
    ),
    Mutant(
        "R8", "what has one name is one, wherever it comes from", names,
        "origin = (node.named_by, node.placed_by)", "origin = None",
    ),
    Mutant(
        "R8", "files of one name are one, whatever they hold", names,
        "alike = frozenset(sight.contents[node.id] or {EMPTY})", "alike = None",
    ),
    Mutant(
        "R8", "boxes are one whether they fold or not", names,
        "node.fold if node.kind is Kind.BOX else None", "None",
    ),
    Mutant(
        "R8", "what was made has no right to its name", names,
        "return 2 if self.first.kind is Kind.FILE else 1, self.first.made",
        "return 3, self.first.made",
    ),
    Mutant(
        "R8", "nothing folds", names,
        "    if fold:\n", "    if False:\n",
    ),
    Mutant(
        "R8", "composed and decomposed names differ", names,
        'key = unicode_3_2.normalize("NFC", name)', "key = name",
    ),
    Mutant(
        "R8", "inbox at the top of a box is any folder", names,
        'return "INBOX" if top and', 'return "INBOX" if False and',
    ),
    Mutant(
        "R8", "suffixes start with three digits", names, "range(4, len", "range(3, len",
    ),
    Mutant(
        "R8", "the suffix follows the extension", names,
        "(name[:last_dot], name[last_dot:])", '(name, "")',
    ),
    Mutant(
        "R8", "the greatest id comes first", names,
        "key=lambda node: (node.made, node.id)):", "key=lambda node: (node.made, node.id))[::-1]:",
    ),
    Mutant(
        "R10", "a repeated request is another one", history,
        "if least is not None and", "if False and",
    ),
    Mutant(
        "R10", "a request that follows is a repetition too", history,
        "for twin in earlier if concurrent(twin, operation))", "for twin in earlier)",
    ),
    Mutant(
        "R10", "the id of a repetition means nothing", history,
        "real = self.stands_for.get(maker, maker)", "real = maker",
    ),
    Mutant(
        "R10", "whatever the kind of body", history,
        "type(least.body) is type(operation.body)", "True",
    ),
    Mutant(
        "R10", "a repetition of a making does not touch", remembered,
        "self.nodes[real].touch.add(operation.dot)", "pass",
    ),
    Mutant(
        "R10", "a repetition of a repetition stands for that", history,
        "stands_for.get(least.dot, least.dot)", "least.dot",
    ),
    Mutant(
        "R11", "INBOX can be deleted and renamed", remembered,
        "if node is not None and not node.inbox]", "if node is not None]",
    ),
    Mutant(
        "R12", "entries stand in the order of their ids", names,
        "key=lambda entry: entry.made", "key=lambda entry: entry.id",
    ),
]  # fmt: skip
