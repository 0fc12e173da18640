"""A user at a site: asks by shown names, is refused what is not shown.

Paths look like "mail/A/B": box, then names as they are shown. Messages are told apart by their
text, which is also what `Site.view` shows of them (the blob is made of the text).
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy

from crdt import (
    DELETED,
    Body,
    BoxMade,
    Dot,
    EntriesExpunged,
    EntriesMoved,
    EntryAppended,
    EntryCopied,
    EntryView,
    FileMade,
    FileWritten,
    FlagsStored,
    FolderMade,
    Issue,
    Kind,
    NodesDeleted,
    NodesRenamed,
    NodeView,
    is_inbox,
)
from tests.oracle.history import History
from tests.oracle.remembered import remember
from tests.site import Site, blob_of


class Refused(Exception):
    """The site does not show what the request needs."""


class User(Site):
    """One request per method. `issue` may be set for the next operation alone."""

    issue: Issue | None = None

    def fork(self) -> User:
        """Another user who has delivered and done the same."""
        other = copy(self)
        other.clock, other._told = dict(self.clock), dict(self._told)
        other.delivered = list(self.delivered)
        return other

    # What is shown

    def look(self, path: str) -> NodeView:
        views = self.view().boxes
        found = None
        for name in path.split("/"):
            found = next((view for view in views if view.name == name), None)
            if found is None:
                raise Refused(f"{path} is not shown")
            views = found.children
        assert found is not None
        return found

    def folder(self, path: str, *kinds: Kind) -> NodeView:
        found = self.look(path)
        if found.kind not in (kinds or (Kind.FOLDER,)):
            raise Refused(f"{path} is a {found.kind}")
        return found

    def entry(self, path: str, text: str) -> EntryView:
        for entry in self.folder(path).entries:
            if entry.blob == blob_of(text):
                return entry
        raise Refused(f"{path} shows no message {text!r}")

    # The seven requests

    def create_box(self, name: str, *, fold: bool = False) -> Dot:
        return self.ask(BoxMade(name, fold))

    def create(self, path: str, content: str | None = None) -> Dot:
        above, _, name = path.rpartition("/")
        parent = self._free(above, name)
        if content is None:
            return self.ask(FolderMade(parent.ids[0], name))
        return self.ask(FileMade(parent.ids[0], name, blob_of(content)))

    def delete(self, path: str) -> Dot:
        target = self.folder(path, Kind.FOLDER, Kind.FILE)
        self._may_change(target)
        parent_of = {n.id: n.parent for n in remember(History.of(self.delivered)).nodes.values()}
        position: dict[Dot | None, int] = {}
        waiting = [target]
        for view in waiting:
            for node in view.ids:
                position[node] = len(position)
            waiting += [child for child in view.children if child.conflict is None]
        listed = [(node, position.get(parent_of[node], -1)) for node in position if node]
        return self.ask(NodesDeleted(tuple(listed)))

    def append(self, path: str, text: str, *flags: str) -> Dot:
        folder = self.folder(path).ids[0]
        return self.ask(EntryAppended(folder, blob_of(text), flags, date_ms=len(self.delivered)))

    def copy(self, path: str, text: str, destination: str) -> Dot:
        entry = self.entry(path, text)
        folder = self.folder(destination).ids[0]
        return self.ask(EntryCopied(folder, entry.id, entry.blob, entry.flags, entry.date_ms))

    def rename(self, path: str, destination: str) -> Dot:
        """A folder or file; of INBOX (R11), the making of a folder and a move of its messages."""
        source = self.folder(path, Kind.FOLDER, Kind.FILE)
        above, _, name = destination.rpartition("/")
        if any(is_inbox(node) for node in source.ids):
            made = self.create(destination)
            self.ask(EntriesMoved(tuple(entry.id for entry in source.entries), made))
            return made
        self._may_change(source)
        if f"{destination}/".startswith(f"{path}/"):
            raise Refused(f"{destination} is below {path}")
        parent = self._free(above, name)
        old_above, _, old_name = path.rpartition("/")
        place = None if above == old_above else parent.ids[0]
        return self.ask(NodesRenamed(source.ids, place, None if name == old_name else name))

    def move(self, path: str, text: str, destination: str) -> Dot:
        folder = self.folder(destination).ids[0]
        return self.ask(EntriesMoved((self.entry(path, text).id,), folder))

    def flag(self, path: str, text: str, *flags: str) -> Dot:
        return self._store(path, text, add=flags)

    def unflag(self, path: str, text: str, *flags: str) -> Dot:
        entry = self.entry(path, text)
        undelete = (entry.id,) if DELETED in entry.flags and DELETED in flags else ()
        return self._store(path, text, remove=flags, undelete=undelete)

    def set_flags(self, path: str, text: str, *flags: str) -> Dot:
        entry = self.entry(path, text)
        undelete = (entry.id,) if DELETED in entry.flags and DELETED not in flags else ()
        return self._store(path, text, add=flags, replace=True, undelete=undelete)

    def write(self, path: str, content: str) -> Dot:
        return self.ask(FileWritten(self.folder(path, Kind.FILE).ids, blob_of(content)))

    def expunge(self, path: str, *texts: str) -> Dot:
        """Those given, else all that show as \\Deleted."""
        shown = self.folder(path).entries
        wanted = [self.entry(path, text) for text in texts] if texts else shown
        ids = tuple(entry.id for entry in wanted if texts or DELETED in entry.flags)
        if not ids:
            raise Refused(f"{path} shows nothing to expunge")
        return self.ask(EntriesExpunged(ids))

    def ask(self, body: Body) -> Dot:
        issue, self.issue = self.issue, None
        return self.do(body, issue)

    def _store(
        self,
        path: str,
        text: str,
        *,
        add: tuple[str, ...] = (),
        remove: tuple[str, ...] = (),
        undelete: tuple[Dot, ...] = (),
        replace: bool = False,
    ) -> Dot:
        folder, entry = self.folder(path).ids[0], self.entry(path, text).id
        return self.ask(FlagsStored(folder, (entry,), add, remove, replace, undelete))

    def _free(self, above: str, name: str) -> NodeView:
        parent = self.folder(above, Kind.BOX, Kind.FOLDER)
        if any(child.name == name for child in parent.children):
            raise Refused(f"{above}/{name} is taken")
        return parent

    def _may_change(self, target: NodeView) -> None:
        if target.conflict is not None or any(is_inbox(node) for node in target.ids):
            raise Refused(f"{target.name} cannot be renamed or deleted")


def users(letters: str) -> list[User]:
    return [User((letter * 16).encode()) for letter in letters]


def meet(everyone: Iterable[User]) -> None:
    """Everything arrives everywhere."""
    everyone = list(everyone)
    for one in everyone:
        one.sees(*everyone)
