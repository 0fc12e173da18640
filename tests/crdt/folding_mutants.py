"""Planted mistakes in folding: what is forgotten too early, or not enough of it."""

from __future__ import annotations

from crdt import aliases, folded_entries, folded_nodes, folding
from tests.mutants import Mutant

MUTANTS = [
    Mutant(
        "R9", "what is noted behind a stable removal is forgotten with it", folding,
        "if not within(stable, note.by):\n                    break",
        "if False:\n                    break",
    ),
    Mutant(
        "R9", "nodes are forgotten while removals are on their way", folding,
        "if not of.taken_within(stable):", "if False:",
    ),
    Mutant(
        "R9", "a request is forgotten before it is stable", folding,
        "if not is_settled(self._rows, stable, key):\n                return False\n"
        "            value",
        "if False:\n                return False\n            value",
    ),
    Mutant(
        "R9", "a keep that the expunge had not seen is ignored", folded_entries,
        "if outliving:", "if False:",
    ),
    Mutant(
        "R9", "the context of an expunge goes before those that wait for it", folded_entries,
        "if not self._note_rest(note):", "self._note_rest(note)\n        if True:",
    ),
    Mutant(
        "R9", "a shadowed dot is forgotten before it is stable", folded_entries,
        "if stamp_within(self._stable, dot.stamp):", "if True:",
    ),
    Mutant(
        "R9", "what shows is forgotten", folded_nodes,
        "return not node.row.shown and", "return",
    ),
    Mutant(
        "R9", "a container forgets that it was deleted", folded_nodes,
        "if is_container(self._rows, node):", "if False:",
    ),
    Mutant(
        "R9", "the entries of a folder that was deleted come back with it", folded_nodes,
        "if not outlives(family, deletes):", "if False:",
    ),
    Mutant(
        "R9", "the contents of a file that was deleted come back with it", folded_nodes,
        "if any(within(seen, key[ID_BYTES:]) for seen in deletes):", "if False:",
    ),
    Mutant(
        "R9", "the name that shows is forgotten", folded_nodes,
        "is_shown = key[ID_BYTES:] == node.row.labelled and", "is_shown = False and",
    ),
    Mutant(
        "R9", "repetitions of repetitions have nothing to do with each other", aliases,
        "near = [*issues[at].unseen, *(i for i, one in enumerate(issues) if at in one.unseen)]",
        "near = issues[at].unseen if at == len(issues) - 1 else []",
    ),
]  # fmt: skip
