"""Planted mistakes in the state: each rule bent, one at a time, where it is made incremental."""

from __future__ import annotations

from crdt import (
    aliases,
    deletes,
    effects,
    entries,
    entry_effects,
    moves,
    naming,
    node_effects,
    node_twins,
    nodes,
    state,
)
from tests.mutants import Mutant

MUTANTS = [
    Mutant(
        "R1", "a delete that arrives late is not cancelled", deletes,
        "return any(not delete.saw(rename) for rename in renames)", "return False",
    ),
    Mutant(
        "R1", "a rename that had seen the delete cancels it", deletes,
        "if not saw(rename, listing.key[:ID_BYTES]):", "if True:",
    ),
    Mutant(
        "R1", "a rename that arrives late cancels for itself alone", deletes,
        "waiting += _below(rows, listed.key[:ID_BYTES], listed.position)", "pass",
    ),
    Mutant(
        "R1", "a delete that arrives late is cancelled for the renamed alone", deletes,
        "verdict = parent >= 0 and cancelled[parent]", "verdict = False",
    ),
    Mutant(
        "R1", "a delete cancelled at one place in its list stands at the other", nodes,
        "verdicts.get(delete, False) or listing.cancelled", "listing.cancelled",
    ),
    Mutant(
        "R2", "one seen dot of life is enough to expunge", entries,
        "if all(within(seen, dot) for dot in dots):", "if any(within(seen, dot) for dot in dots):",
    ),
    Mutant(
        "R2", "of two deletes, to outlive one is enough", entries,
        "return all(any(not within", "return any(any(not within",
    ),
    Mutant(
        "R2", "a delete had seen one operation more", entries,
        "seen.get(actor, 0) + 1 +", "seen.get(actor, 0) + 2 +",
    ),
    Mutant(
        "R2", "an entry is found by its first life dot alone", entries,
        "dots = tuple(id_in(life.stamp) for life in alive)",
        "dots = tuple(id_in(life.stamp) for life in alive[:1])",
    ),
    Mutant(
        "R3", "of two deletes, to be newer than one is enough", nodes,
        "if all(seq > delete.get(actor, 0)", "if any(seq > delete.get(actor, 0)",
    ),
    Mutant(
        "R3", "what is below holds nothing", nodes,
        "if any(has_row(rows, CHILDREN, id) for id in node.ids):", "if False:",
    ),
    Mutant(
        "R3", "what shows does not show what is above", nodes,
        "self.add(row.place)", "pass",
    ),
    Mutant(
        "R3", "what vanishes leaves its container", nodes,
        "self.add(shown[:ID_BYTES])", "pass",
    ),
    Mutant(
        "R3", "a touch of a deleted folder goes unnoticed", entry_effects,
        "if row.deletes or row.twins or row.covered:", "if False:",
    ),
    Mutant(
        "R4", "+\\Deleted removes keeps that it has not seen", entry_effects,
        "if life.keep and saw(seen, id_in(life.stamp)):", "if life.keep:",
    ),
    Mutant(
        "R4", "a move takes the mark away", entry_effects,
        "False, hidden)", "True, hidden)",
    ),
    Mutant(
        "R4", "-\\Deleted of a repeated append marks it", entry_effects,
        "remove.pop(KEEP, None)", "pass",
    ),
    Mutant(
        "R5", "-f removes what it has not seen", entry_effects,
        "if not (self._concerns(flag.flag) and saw(seen, id_in(flag.stamp)))",
        "if not self._concerns(flag.flag)",
    ),
    Mutant(
        "R5", "replace only adds", entry_effects,
        "[ALL] if body.replace else list(remove)", "list(remove)",
    ),
    Mutant(
        "R6", "a write replaces what it has not seen", node_effects,
        "if saw(operation, key[ID_BYTES:]):", "if True:",
    ),
    Mutant(
        "R6", "deleted content comes back with its file", nodes,
        "removed = within(written, dot) or any(within(seen, dot) for seen in deletes)",
        "removed = within(written, dot)",
    ),
    Mutant(
        "R7", "what arrives late applies last", moves,
        "        later = self.rewind(stamp)\n        self.replay([(stamp, Move(nodes",
        "        later: Later = []\n        self.replay([(stamp, Move(nodes",
    ),
    Mutant(
        "R7", "an undone move goes back to where it was made", moves,
        "Place(undo.place, undo.placed)", "Place(existing(self._rows, undo.node).parent, b'')",
    ),
    Mutant(
        "R7", "nodes that show as one are torn apart", moves,
        "        if any(self._is_below(move.parent, id) for id in ids):\n            return\n",
        "        ids = [id for id in ids if not self._is_below(move.parent, id)]\n",
    ),
    Mutant(
        "R7", "the name that arrives last wins", node_effects,
        "if stamp > row.labelled:", "if True:",
    ),
    Mutant(
        "R8", "what has one name is one, wherever it comes from", naming,
        "(level.key(node.name), node.labelled, node.placed, node.kind, alike)",
        "(level.key(node.name), node.kind, alike)",
    ),
    Mutant(
        "R8", "files of one name are one, whatever they hold", naming,
        "alike = frozenset(node.contents or (EMPTY,))", "alike = None",
    ),
    Mutant(
        "R8", "a suffix may be another's name", naming,
        "if own not in taken and not is_taken(found):", "if True:",
    ),
    Mutant(
        "R8", "what was made has no right to its name", naming,
        "return (2 if first.kind == FILE else 1), first.stamp", "return 3, first.stamp",
    ),
    Mutant(
        "R10", "a repetition of a repetition stands for that", aliases,
        "least if meant[least] == ACTS else meant[least]", "least",
    ),
    Mutant(
        "R10", "a repeated write adds no content", effects,
        "self._nodes.write(operation, body)", "hidden or self._nodes.write(operation, body)",
    ),
    Mutant(
        "R10", "what acted goes on when an earlier one arrives", effects,
        "if (was == ACTS) != (now == ACTS):", "if False:",
    ),
    Mutant(
        "R10", "deletes are not judged again when ids get another meaning", node_twins,
        "judge_again(self._rows, self._dirty, delete)", "pass",
    ),
    Mutant(
        "R10", "moves are not made again when ids get another meaning", node_twins,
        "self._moves.replay(later)", "self._moves.replay([])",
    ),
    Mutant(
        "R10", "flags removed from one twin stay on the other", entry_effects,
        "if row.crowded:", "if False:",
    ),
    Mutant(
        "R10", "what a repetition removes comes back", nodes,
        "widen(written, row.written)", "pass",
    ),
    Mutant(
        "R11", "INBOX can be deleted and renamed", nodes,
        "row.kind == BOX or is_inbox_key(id) else row", "row.kind == BOX else row",
    ),
    Mutant(
        "R12", "what survives a delete stands in the order it is found", state,
        "iter(sorted(stamp for stamp in found if stamp >= first))",
        "iter([stamp for stamp in found if stamp >= first])",
    ),
]  # fmt: skip
