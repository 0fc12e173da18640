"""Each rule of docs/semantics.md by a history or two, as the states of all sites show it."""

from __future__ import annotations

from crdt import (
    ROOT,
    EntriesMoved,
    EntryAppended,
    FileMade,
    FlagsStored,
    FolderMade,
    NodesDeleted,
    NodesRenamed,
    inbox_of,
)
from tests.site import blob_of
from tests.state.phrases import shown, twice, with_box
from tests.user import meet


def test_r1_a_rename_cancels_a_delete_that_it_has_not_seen_and_below_it_too() -> None:
    a, b = with_box("ab")
    a.create("mail/A")
    a.create("mail/A/B")
    a.append("mail/A/B", "one")
    meet([a, b])
    a.delete("mail/A")
    b.rename("mail/A", "mail/C")
    assert shown([a, b]) == "C\n  B: one"


def test_r1_a_rename_of_the_child_saves_the_child_alone() -> None:
    a, b = with_box("ab")
    a.create("mail/A")
    a.append("mail/A", "gone")
    a.create("mail/A/B")
    meet([a, b])
    a.delete("mail/A")
    b.rename("mail/A/B", "mail/A/C")
    assert shown([a, b]) == "(A)\n  C"


def test_r1_a_rename_before_the_delete_cancels_nothing() -> None:
    a, b = with_box("ab")
    a.create("mail/A")
    a.rename("mail/A", "mail/B")
    meet([a, b])
    b.delete("mail/B")
    assert shown([a, b]) == ""


def test_r2_only_the_entry_that_the_delete_had_not_seen_survives() -> None:
    a, b = with_box("ab")
    a.create("mail/A")
    a.append("mail/A", "old")
    meet([a, b])
    a.delete("mail/A")
    b.append("mail/A", "new")
    assert shown([a, b]) == "A: new"


def test_r2_a_move_out_of_a_deleted_folder_survives() -> None:
    a, b = with_box("ab")
    a.create("mail/A")
    a.append("mail/A", "one")
    a.append("mail/A", "two")
    meet([a, b])
    a.delete("mail/A")
    b.move("mail/A", "one", "mail/INBOX")
    assert shown([a, b]) == "INBOX: one"


def test_r2_two_deletes_take_together_what_each_has_seen_and_nothing_more() -> None:
    a, b, c = with_box("abc")
    a.create("mail/A")
    meet([a, b, c])
    b.append("mail/A", "of b")
    c.append("mail/A", "of c")
    a.sees(b)
    a.delete("mail/A")
    c.delete("mail/A")
    assert shown([a, b, c]) == ""


def test_r2_an_undelete_brings_back_what_was_expunged_meanwhile() -> None:
    a, b = with_box("ab")
    a.append("mail/INBOX", "one", "\\Deleted")
    meet([a, b])
    a.expunge("mail/INBOX")
    b.unflag("mail/INBOX", "one", "\\Deleted")
    assert shown([a, b]) == "INBOX: one"


def test_r3_a_touch_that_the_delete_had_not_seen_keeps_the_folder() -> None:
    a, b = with_box("ab")
    a.create("mail/A")
    a.append("mail/A", "old")
    meet([a, b])
    a.delete("mail/A")
    b.create("mail/A/B")
    b.delete("mail/A/B")
    assert shown([a, b]) == "A"


def test_r4_a_message_that_is_moved_while_it_is_marked_arrives_marked() -> None:
    a, b = with_box("ab")
    a.create("mail/A")
    a.append("mail/INBOX", "one")
    meet([a, b])
    a.move("mail/INBOX", "one", "mail/A")
    b.flag("mail/INBOX", "one", "\\DELETED")
    assert shown([a, b]) == "A: one [\\Deleted]"


def test_r5_adding_a_flag_wins_over_its_removal_and_the_last_spelling_shows() -> None:
    a, b = with_box("ab")
    a.append("mail/INBOX", "one", "Work", "Home")
    meet([a, b])
    a.unflag("mail/INBOX", "one", "work", "home")
    b.flag("mail/INBOX", "one", "work", "WORK")
    assert shown([a, b]) == "INBOX: one [WORK]"


def test_r5_replace_removes_what_it_has_seen() -> None:
    a, b = with_box("ab")
    a.append("mail/INBOX", "one", "Work")
    meet([a, b])
    a.set_flags("mail/INBOX", "one", "New")
    b.flag("mail/INBOX", "one", "Other")
    assert shown([a, b]) == "INBOX: one [New Other]"


def test_r6_two_writes_are_both_kept_and_equal_ones_are_one() -> None:
    a, b, c = with_box("abc")
    a.create("mail/f.txt", "old")
    meet([a, b, c])
    a.write("mail/f.txt", "x")
    b.write("mail/f.txt", "y")
    c.write("mail/f.txt", "x")
    assert shown([a, b, c]) == "f.txt = x\nf~….txt = y (copy)"


def test_r6_a_write_saves_the_file_from_a_delete_with_the_new_content() -> None:
    a, b = with_box("ab")
    a.create("mail/f.txt", "old")
    meet([a, b])
    a.delete("mail/f.txt")
    b.write("mail/f.txt", "new")
    assert shown([a, b]) == "f.txt = new"


def test_r7_of_two_moves_into_each_other_the_later_is_ignored() -> None:
    a, b = with_box("ab")
    a.create("mail/A")
    a.create("mail/B")
    meet([a, b])
    a.rename("mail/A", "mail/B/A")
    b.rename("mail/B", "mail/A/B")
    assert shown([a, b]) == "B\n  A"


def test_r8_folders_of_one_name_are_one_and_files_get_suffixes() -> None:
    a, b = with_box("ab")
    a.create("mail/A")
    b.create("mail/A")
    a.create("mail/f.txt", "x")
    b.create("mail/f.txt", "y")
    a.create("mail/g", "same")
    b.create("mail/g", "same")
    assert shown([a, b]) == "A ×2\nf.txt = x\nf~….txt = y\ng ×2 = same"


def test_r8_what_is_renamed_onto_a_new_name_gives_way() -> None:
    a, b = with_box("ab")
    a.create("mail/A")
    meet([a, b])
    a.rename("mail/A", "mail/B")
    b.create("mail/B")
    b.append("mail/B", "in the new one")
    assert shown([a, b]) == "B: in the new one\nB~…"


def test_r8_a_move_into_a_box_that_folds_makes_one_name_of_two() -> None:
    (a,) = with_box("a")
    folding = a.create_box("folding", fold=True)
    top = a.create("mail/top")
    for name in ("x", "X"):
        a.do(FolderMade(top, name))
    assert shown([a]).splitlines()[1:] == ["mail", "  top", "    X", "    x"]
    a.do(NodesRenamed((top,), folding, None))
    assert shown([a]).splitlines() == ["folding", "  top", "    x ×2", "mail"]


def test_r8_a_suffix_gives_way_to_a_name_that_looks_like_it() -> None:
    a, b = with_box("ab")
    a.create("mail/f", "x")
    b.create("mail/f", "y")
    meet([a, b])
    suffixed = next(n.name for n in a.look("mail").children if n.name.startswith("f~"))
    a.do(FileMade(a.look("mail").ids[0], suffixed, blob_of("z")))
    names = [node.name for node in a.look("mail").children if "~" in node.name]
    assert suffixed in names and len(names[0]) != len(names[1])
    assert shown([a, b]) == "f = x\nf~… = z\nf~… = y"


def test_r10_the_same_request_at_two_nodes_makes_one_thing() -> None:
    a, b = with_box("ab")
    box = a.look("mail").ids[0]
    later = twice(b, FolderMade(box, "A"))
    b.do(EntryAppended(later, blob_of("in the alias"), (), 0))
    first = twice(a, FolderMade(box, "A"))
    a.do(EntryAppended(first, blob_of("in the acting one"), (), 0))
    assert first < later
    assert shown([a, b]) == "A: in the acting one, in the alias"


def test_r10_what_an_alias_adds_goes_and_what_it_removes_stays_removed() -> None:
    a, b = with_box("ab")
    inbox = inbox_of(a.look("mail").ids[0])
    one = a.append("mail/INBOX", "one", "Old", "Older")
    two = a.append("mail/INBOX", "two")
    meet([a, b])
    store = FlagsStored(inbox, (one, two), ("New",), ("Old",), replace=False, undelete=())
    twice(b, store)
    twice(a, FlagsStored(inbox, (one,), ("New",), ("Older",), replace=False, undelete=()))
    assert shown([a, b]) == "INBOX: one [New], two"


def test_r10_an_expunge_counts_again_when_the_move_against_it_was_an_alias() -> None:
    a, b = with_box("ab")
    made = a.create("mail/A")
    one = a.append("mail/INBOX", "one")
    two = a.append("mail/INBOX", "two")
    meet([a, b])
    twice(b, EntriesMoved((one, two), made))
    twice(a, EntriesMoved((one,), made))
    a.expunge("mail/INBOX", "two")
    assert shown([a, b]) == "A: one"


def test_r10_a_kind_that_differs_ends_the_likeness() -> None:
    a, b, c = with_box("abc")
    box = a.look("mail").ids[0]
    twice(b, FolderMade(box, "A"))
    twice(c, FolderMade(box, "A"))
    b.sees(c)
    assert shown([b]) == "A"
    twice(a, FileMade(box, "f", blob_of("x")))
    assert shown([a, b, c]) == "A ×2\nf = x"


def test_r10_a_file_that_was_made_twice_keeps_both_contents() -> None:
    """Honest repetitions have the same; whoever breaks that rule loses nothing by it."""
    a, b = with_box("ab")
    box = a.look("mail").ids[0]
    made = twice(b, FileMade(box, "f", blob_of("of b")))
    twice(a, FileMade(box, "f", blob_of("of a")))
    assert shown([a, b]) == "f = of b\nf~… = of a (copy)"
    assert a.knows(made)


def test_r10_a_making_that_was_repeated_beside_a_delete_keeps_the_file_whole() -> None:
    a, b = with_box("ab")
    box = a.look("mail").ids[0]
    twice(a, FileMade(box, "f", blob_of("text")))
    a.delete("mail/f")
    twice(b, FileMade(box, "f", blob_of("text")))
    assert shown([a, b]) == "f = text"


def test_r7_nodes_that_show_as_one_stay_together_where_one_would_close_a_cycle() -> None:
    """One of the two C is above A when the later rename puts both below it."""
    a, b = with_box("ab")
    for site in (a, b):
        site.create("mail/C")
    a.create("mail/A")
    shown([a, b])
    a.rename("mail/A", "mail/C/A")
    b.rename("mail/C", "mail/A/C")
    assert shown([a, b]) == "C ×2\n  A"


def test_r11_the_inboxes_of_boxes_that_are_one_are_one() -> None:
    a, b = with_box("ab")
    a.create_box("both")
    b.create_box("both")
    a.append("both/INBOX", "of a")
    b.append("both/INBOX", "of b")
    assert shown([a, b]) == "both\n  INBOX ×2: of a, of b\nmail"


def test_what_is_made_where_nothing_can_be_is_nowhere_until_it_is_moved() -> None:
    (a,) = with_box("a")
    box = a.look("mail").ids[0]
    file = a.create("mail/f", "x")
    lost = a.do(FolderMade(file, "lost"))
    a.do(EntryAppended(lost, blob_of("in it"), (), 0))
    entry = a.do(EntryAppended(box, blob_of("in a box"), (), 0))
    a.do(FolderMade(ROOT, "nowhere"))
    assert shown([a]) == "f = x"
    a.do(NodesRenamed((lost,), box, None))
    a.do(EntriesMoved((entry,), lost))
    assert shown([a]) == "f = x\nlost: in it, in a box"


def test_a_body_without_a_target_that_counts_has_no_effect() -> None:
    a, b = with_box("ab")
    box = a.look("mail").ids[0]
    kept = a.create("mail/A")
    meet([a, b])
    a.delete("mail/A")
    b.do(NodesRenamed((box, inbox_of(box), ROOT), kept, "x"))
    b.do(EntriesMoved((kept, box), kept))
    b.do(NodesDeleted(((box, -1), (inbox_of(box), 0))))
    assert shown([a, b]) == ""


def test_r10_a_removed_deleted_mark_is_no_opinion_for_a_repeated_request_either() -> None:
    a, b = with_box("ab")
    inbox = inbox_of(a.look("mail").ids[0])
    made = EntryAppended(inbox, blob_of("one"), (), 0)
    twice(b, made)
    one = twice(a, made)
    meet([a, b])
    a.do(FlagsStored(inbox, (one,), (), ("\\Deleted",), replace=True, undelete=()))
    assert shown([a, b]) == "INBOX: one"
