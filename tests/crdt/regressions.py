"""Kept histories: what random ones meet too rarely, and every history that once went wrong.

Each is a set of operations; its docstring says what it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256

from crdt import (
    EntriesMoved,
    EntryAppended,
    FlagsStored,
    FolderMade,
    Issue,
    NodesDeleted,
    NodesRenamed,
    Operation,
)
from tests.site import all_of, blob_of
from tests.user import User, meet, users

SAME = Issue(b"client-1", 1, 0, b"same")


def _in_one_box(letters: str) -> list[User]:
    everyone = users(letters)
    everyone[-1].create_box("mail")
    meet(everyone)
    return everyone


def a_third_making_makes_two_one() -> list[Operation]:
    """Two makings of one issue, one after the other, are two folders; an earlier one that is
    concurrent with both makes them one: so a rename of the one cancels a delete of the other."""
    a, b, c, d = _in_one_box("abcd")
    b.issue = SAME
    first = b.create("mail/F")
    c.sees(b)
    c.do(FolderMade(c.look("mail").ids[0], "G"), SAME)
    c.append("mail/G", "kept")
    d.sees(c)
    d.delete("mail/G")
    c.do(NodesRenamed((first,), None, "Z"))
    a.issue = SAME
    a.create("mail/F")
    return all_of([a, b, c, d])


def a_third_making_of_another_kind_makes_one_two() -> list[Operation]:
    """Two concurrent makings of one issue are one, until a lesser one of another kind arrives."""
    a, b, c = _in_one_box("abc")
    b.issue, c.issue = SAME, SAME
    b.create("mail/F")
    b.append("mail/F", "x")
    c.create("mail/F")
    c.append("mail/F", "y")
    c.rename("mail/F", "mail/Z")
    b.delete("mail/F")
    a.issue = SAME
    a.create("mail/F", "a file")
    return all_of([a, b, c])


def a_delete_lists_a_node_twice() -> list[Operation]:
    """Below a folder that is renamed, and by itself: the rename cancels it at both places."""
    a, b = _in_one_box("ab")
    above = a.create("mail/A")
    below = a.create("mail/A/B")
    a.append("mail/A/B", "kept")
    b.sees(a)
    a.do(NodesDeleted(((above, -1), (below, 0), (below, -1))))
    b.rename("mail/A", "mail/Z")
    return all_of([a, b])


def an_undelete_names_another_folder() -> list[Operation]:
    """The message is saved where it is, in a container; the folder that is named is touched."""
    a, b = _in_one_box("ab")
    a.create("mail/A")
    a.create("mail/B")
    message = a.append("mail/A", "kept", "\\Deleted")
    other = a.look("mail/B").ids[0]
    b.sees(a)
    a.delete("mail/A")
    a.delete("mail/B")
    b.do(FlagsStored(other, (message,), (), ("\\Deleted",), False, (message,)))
    return all_of([a, b])


def a_message_moved_into_a_file_is_nowhere_until_moved_on() -> list[Operation]:
    a, b = _in_one_box("ab")
    a.create("mail/A")
    lost = a.append("mail/A", "lost")
    found = a.append("mail/A", "found")
    file = a.create("mail/f", "text")
    a.do(EntriesMoved((lost, found), file))
    b.sees(a)
    b.do(EntriesMoved((found,), b.look("mail/A").ids[0]))
    return all_of([a, b])


def a_cycle_of_three_by_three() -> list[Operation]:
    """Of three moves that close a cycle together the greatest stamp is ignored; its name counts."""
    a, b, c = _in_one_box("abc")
    for name in "XYZ":
        a.create(f"mail/{name}")
    meet([a, b, c])
    a.rename("mail/X", "mail/Y/X")
    b.rename("mail/Y", "mail/Z/Y")
    c.rename("mail/Z", "mail/X/other")
    return all_of([a, b, c])


def equal_contents_of_three_writes() -> list[Operation]:
    """Of equal contents the greatest stamp counts: it holds the name, the other is a copy."""
    a, b, c = _in_one_box("abc")
    a.create("mail/f.txt", "old")
    meet([a, b, c])
    a.write("mail/f.txt", "equal")
    b.write("mail/f.txt", "other")
    c.write("mail/f.txt", "equal")
    return all_of([a, b, c])


def flags_of_a_repeated_append_are_removed_from_both() -> list[Operation]:
    """What was put on the one that became an alias is removed where the other is listed."""
    a, b, c = _in_one_box("abc")
    a.issue, b.issue = SAME, SAME
    a.append("mail/INBOX", "x", "Work")
    b.append("mail/INBOX", "x", "Work")
    b.flag("mail/INBOX", "x", "Seen")
    c.sees(b, a)
    c.unflag("mail/INBOX", "x", "Work", "Seen")
    return all_of([a, b, c])


def two_expunges_that_saw_an_undelete_each() -> list[Operation]:
    """Neither had seen the other undelete: nobody saw all of its life, so the message stays."""
    a, b, c = _in_one_box("abc")
    a.append("mail/INBOX", "kept", "\\Deleted")
    meet([a, b, c])
    for user in (b, c):
        user.unflag("mail/INBOX", "kept", "\\Deleted")
        user.expunge("mail/INBOX", "kept")
    return all_of([a, b, c])


def two_deletes_of_which_one_had_seen_more() -> list[Operation]:
    """A message outlives the one and not the other."""
    a, b, c = _in_one_box("abc")
    a.create("mail/A")
    meet([a, b, c])
    a.delete("mail/A")
    c.append("mail/A", "gone")
    b.sees(c)
    b.delete("mail/A")
    c.append("mail/A", "kept")
    return all_of([a, b, c])


def an_append_two_below_a_deleted_folder() -> list[Operation]:
    a, b = _in_one_box("ab")
    a.create("mail/A")
    a.create("mail/A/B")
    b.sees(a)
    a.delete("mail/A")
    b.append("mail/A/B", "kept")
    return all_of([a, b])


def a_move_that_arrives_late_undoes_the_last_of_two() -> list[Operation]:
    """N into X, then into Y; a lesser stamp put Y into N: then the last one never happened."""
    a, b = _in_one_box("ab")
    for name in "NXY":
        a.create(f"mail/{name}")
    b.sees(a)
    a.rename("mail/Y", "mail/N/Y")
    b.rename("mail/N", "mail/X/N")
    b.rename("mail/X/N", "mail/Y/N")
    return all_of([a, b])


def a_real_name_that_looks_like_a_suffix() -> list[Operation]:
    """The file N gives way to the folder N, and its suffix to a folder that is called just so."""
    a, b = _in_one_box("ab")
    file = a.create("mail/N", "text")
    b.create("mail/N")
    digits = sha256(file.actor + file.seq.to_bytes(8, "big")).hexdigest()
    b.create(f"mail/N~{digits[:4]}")
    return all_of([a, b])


def an_inbox_is_deleted_renamed_and_moved() -> list[Operation]:
    """By nobody honest: nothing happens to it, nor to the name of what is in it."""
    a, b = _in_one_box("ab")
    a.append("mail/INBOX", "kept")
    b.sees(a)
    inbox, box = a.look("mail/INBOX").ids[0], a.look("mail").ids[0]
    a.do(NodesDeleted(((inbox, -1),)))
    b.do(NodesRenamed((inbox, box), None, "other"))
    b.do(NodesRenamed((inbox,), b.create("mail/A"), None))
    return all_of([a, b])


def a_write_that_is_repeated_keeps_a_file_that_was_deleted() -> list[Operation]:
    """The delete has seen the write that acts, and not the repetition: that keeps the file, and not
    an empty one."""
    a, b, c = _in_one_box("abc")
    a.create("mail/f.txt", "old")
    meet([a, b, c])
    a.issue = SAME
    a.write("mail/f.txt", "new")
    c.sees(a)
    c.delete("mail/f.txt")
    b.issue = SAME
    b.write("mail/f.txt", "new")
    return all_of([a, b, c])


def two_folders_that_show_as_one_move_below_one_of_them() -> list[Operation]:
    """The later move is ignored for both of them, though it closes a cycle for one alone."""
    a, b = _in_one_box("ab")
    a.create("mail/C")
    b.create("mail/C")
    meet([a, b])
    a.create("mail/X")
    b.sees(a)
    a.rename("mail/X", "mail/C/X")
    b.rename("mail/C", "mail/X/C")
    return all_of([a, b])


def a_removed_mark_of_a_repeated_append_is_no_opinion() -> list[Operation]:
    """\\Deleted among the flags removed, and nothing undeleted: the message stays as it was."""
    a, b, c = _in_one_box("abc")
    a.issue = b.issue = SAME
    a.append("mail/INBOX", "x")
    b.append("mail/INBOX", "x")
    c.sees(a, b)
    box = c.look("mail/INBOX")
    c.do(FlagsStored(box.ids[0], (box.entries[0].id,), (), ("\\Deleted",), False, ()))
    return all_of([a, b, c])


def a_third_append_makes_two_one() -> list[Operation]:
    """Two appends of one issue, one after the other, are two messages; an earlier one that is
    concurrent with both makes them one: and what was removed from the one, from the other too."""
    a, b = _in_one_box("ab")
    inbox = a.look("mail/INBOX").ids[0]
    made = EntryAppended(inbox, blob_of("x"), ("Work",), 0)
    a.do(made, SAME)
    again = a.do(made, SAME)
    a.do(FlagsStored(inbox, (again,), ("\\Deleted",), (), True, ()))
    b.do(made, SAME)
    return all_of([a, b])


KEPT: Mapping[str, Callable[[], list[Operation]]] = {
    history.__name__: history
    for history in (
        a_third_making_makes_two_one,
        a_third_making_of_another_kind_makes_one_two,
        a_delete_lists_a_node_twice,
        an_undelete_names_another_folder,
        a_message_moved_into_a_file_is_nowhere_until_moved_on,
        a_cycle_of_three_by_three,
        equal_contents_of_three_writes,
        flags_of_a_repeated_append_are_removed_from_both,
        two_expunges_that_saw_an_undelete_each,
        two_deletes_of_which_one_had_seen_more,
        an_append_two_below_a_deleted_folder,
        a_move_that_arrives_late_undoes_the_last_of_two,
        a_real_name_that_looks_like_a_suffix,
        an_inbox_is_deleted_renamed_and_moved,
        a_write_that_is_repeated_keeps_a_file_that_was_deleted,
        two_folders_that_show_as_one_move_below_one_of_them,
        a_removed_mark_of_a_repeated_append_is_no_opinion,
        a_third_append_makes_two_one,
    )
}
