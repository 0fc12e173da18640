"""Random causal histories: a few naive replicas, one small tree, many conflicts.

Users mostly do what their replica shows; `BLUNT` steps are well-formed operations that no honest
origin makes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from random import Random
from typing import TypeVar

from crdt import (
    DELETED,
    ROOT,
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
    Operation,
    inbox_of,
    is_inbox,
)
from tests.oracle.history import History
from tests.oracle.names import boxes
from tests.oracle.remembered import Memory, remember
from tests.oracle.visible import look
from tests.scripts import Act, Script, Start, Step
from tests.site import Site, actor_named, all_of, blob_of

T = TypeVar("T")

NAMES = ("A", "B", "A", "B", "a", "inbox", "f.txt", "caf\u00e9", "cafe\u0301", "A~1", ".rc")
TEXTS = ("", "x", "y", "z")
FLAGS = ("\\Seen", "\\seen", "Work", DELETED, "\\deleted")


class Shown:
    """What one replica shows at one time, as flat lists to choose from."""

    def __init__(self, site: Site) -> None:
        self.memory: Memory = remember(History.of(site.delivered))
        self.boxes: list[NodeView] = []
        self.folders: list[NodeView] = []
        self.files: list[NodeView] = []
        self.entries: list[tuple[EntryView, NodeView]] = []
        self.above: dict[tuple[Dot, ...], NodeView] = {}
        self.ids: set[Dot] = set()
        for box in boxes(look(self.memory)):
            self.boxes.append(box)
            self._flatten(box)

    def _flatten(self, parent: NodeView) -> None:
        self.ids |= {*parent.ids, *(entry.id for entry in parent.entries)}
        self.entries += [(entry, parent) for entry in parent.entries]
        for child in parent.children:
            if child.conflict is None:
                (self.files if child.kind is Kind.FILE else self.folders).append(child)
                self.above[child.ids] = parent
                self._flatten(child)

    @staticmethod
    def is_folder(view: NodeView) -> bool:
        return view.kind is Kind.FOLDER

    @property
    def parents(self) -> list[NodeView]:
        return self.boxes + self.folders

    @property
    def changeable(self) -> list[NodeView]:
        return [f for f in self.folders + self.files if not any(map(is_inbox, f.ids))]


class World:
    """The sites of one script, and what its steps do."""

    def __init__(self, script: Script) -> None:
        self.honest = script.honest
        letters = "cabed"[: script.sites]  # the first to act is not the least actor
        self.sites = [Site(actor_named(letter)) for letter in letters]
        self.numbers = 0
        self.groups = [0] * script.sites
        self._shown: dict[int, tuple[int, Shown]] = {}
        if script.start is not Start.NOTHING:
            begin(self.sites[0], script)
            for site in self.sites[1:]:
                site.sees(self.sites[0])
        for step in script.steps:
            self.take(step)

    def operations(self) -> list[Operation]:
        return all_of(self.sites)

    def shown(self, site: int) -> Shown:
        delivered = len(self.sites[site].delivered)
        if site not in self._shown or self._shown[site][0] != delivered:
            self._shown[site] = (delivered, Shown(self.sites[site]))
        return self._shown[site][1]

    def take(self, step: Step) -> None:
        site = self.sites[step.site]
        match step.act:
            case Act.SYNC | Act.TRICKLE:
                self._receive(step)
            case Act.SPLIT:
                self.groups = [(step.x >> index) & 1 for index in range(len(self.sites))]
            case Act.HEAL:
                self.groups = [0] * len(self.sites)
            case Act.REPEAT:
                self._repeat(step)
            case Act.BLUNT:
                assert not self.honest
                site.do(self._blunt(step), self._issue(step))
            case _:
                body = self._ask(step)
                if body is not None:
                    site.do(body, self._issue(step))

    # Delivery

    def _receive(self, step: Step) -> None:
        site = self.sites[step.site]
        near = [s for s, g in zip(self.sites, self.groups, strict=True)
                if g == self.groups[step.site] and s is not site]  # fmt: skip
        if not near:
            return
        if step.act is Act.SYNC:
            site.sees(_pick(near, step.x))
            return
        late = [operation for operation in all_of(near) if not site.knows(operation.dot)]
        if late:
            chosen = _pick(late, step.x)
            for operation in [o for o in late if chosen.saw(o.dot)] + [chosen, chosen]:
                site.deliver(operation)  # its causes first; itself twice

    # Honest requests

    def _issue(self, step: Step) -> Issue | None:
        if step.z % 4 == 0:
            return None
        self.numbers += 1
        return Issue(b"client%02d" % (step.z % 3), self.numbers, step.z % 2, b"body")

    def _ask(self, step: Step) -> Body | None:
        """What a user of the site asks for there; None where nothing fits."""
        shown = self.shown(step.site)
        if not shown.boxes or (step.act is Act.BOX and step.x % 4 == 0):
            return BoxMade(("mail", "Mail")[step.x % 7 == 0], step.y % 5 == 0)
        name = self._name(step, shown)
        text = TEXTS[step.y % len(TEXTS)]
        parent = _pick(shown.parents, step.x)
        folder = _pick(shown.folders, step.x)
        match step.act:
            case Act.FOLDER:
                return FolderMade(parent.ids[0], name)
            case Act.FILE:
                return FileMade(parent.ids[0], name, blob_of(TEXTS[step.z % len(TEXTS)]))
            case Act.APPEND:
                flags = FLAGS[step.z % 8 :][: step.y % 3]
                return EntryAppended(folder.ids[0], blob_of(text), flags, step.z)
            case Act.DELETE | Act.NAME | Act.PLACE:
                return self._of_node(step, shown, name)
            case Act.WRITE:
                if shown.files:
                    return FileWritten(_pick(shown.files[:2], step.x).ids, blob_of(text))
            case _:
                if shown.entries:
                    return self._of_entries(step, shown)
        return None

    @staticmethod
    def _name(step: Step, shown: Shown) -> str:
        """Mostly one of a few; at times the very name that another would get by a suffix."""
        nodes = shown.changeable
        if step.z % 8 != 7 or not nodes:
            return NAMES[step.y % len(NAMES)]
        node = _pick(nodes, step.y)
        dot = node.ids[0]
        digits = sha256(dot.actor + dot.seq.to_bytes(8, "big")).hexdigest()[: 4 + step.x % 2]
        stem, point, extension = node.name.rpartition(".")
        if stem and node.kind is Kind.FILE:
            return f"{stem}~{digits}{point}{extension}"
        return f"{node.name}~{digits}"

    def _of_node(self, step: Step, shown: Shown, name: str) -> Body | None:
        if not shown.changeable:
            return None
        target = _pick(shown.changeable, step.x)
        if step.act is Act.DELETE:
            return delete_of(target, shown.memory)
        if step.act is Act.PLACE and step.z % 4 and any(map(shown.is_folder, shown.changeable)):
            target = _pick(list(filter(shown.is_folder, shown.changeable)), step.x)
        if step.act is Act.NAME:
            return NodesRenamed(target.ids, None, name)
        parent = _pick(shown.parents, step.y)
        above: NodeView | None = parent
        while above is not None:
            if above.ids == target.ids:
                return None
            above = shown.above.get(above.ids)
        return NodesRenamed(target.ids, parent.ids[0], name if step.z % 3 == 0 else None)

    def _of_entries(self, step: Step, shown: Shown) -> Body | None:
        entry, folder = _pick(shown.entries, step.x)
        target = _pick(shown.folders, step.y)
        wanted = folder.entries if step.z % 4 == 0 else (entry,)
        ids = tuple(other.id for other in wanted)
        marked = tuple(other.id for other in folder.entries if DELETED in other.flags)
        flags = (FLAGS[step.y % 3],)
        match step.act:
            case Act.COPY:
                return EntryCopied(target.ids[0], entry.id, entry.blob, entry.flags, entry.date_ms)
            case Act.MOVE:
                return EntriesMoved(ids, target.ids[0])
            case Act.MARK:
                return FlagsStored(folder.ids[0], ids, (DELETED,), (), False, ())
            case Act.UNMARK:  # also of what is not marked
                ids = marked if marked and step.z % 3 else ids
                undelete = tuple(dot for dot in ids if dot in marked)
                return FlagsStored(folder.ids[0], ids, (), (DELETED,), False, undelete)
            case Act.FLAG:
                add, remove = ((), flags) if step.y % 2 else (flags, ())
                return FlagsStored(folder.ids[0], ids, add, remove, False, ())
            case Act.SET:
                keep = () if step.y % 5 == 0 else tuple(dot for dot in ids if dot in marked)
                new = (*flags, DELETED) if step.y % 5 == 0 else flags
                return FlagsStored(folder.ids[0], ids, new, (), True, keep)
            case Act.EXPUNGE:
                return EntriesExpunged(marked or ids)
            case _:
                return None

    # Repeated requests (R10)

    def _repeat(self, step: Step) -> None:
        """Asks once more, at another site, for what was asked elsewhere under the same issue."""
        site = self.sites[step.site]
        asked = [operation for operation in self.operations() if operation.issue is not None]
        unseen = [operation for operation in asked if not site.knows(operation.dot)]
        odd = 99 if self.honest else step.y % 16
        chosen = asked if odd == 0 else unseen  # a seen one: no honest site does
        if not chosen:
            return
        operation = _pick(chosen, step.x)
        body: Body | None = operation.body
        if odd == 1 or not self._could_ask(step.site, operation.body):
            act = _ACT_OF[type(operation.body)] if odd != 1 else Act.FOLDER
            body = self._ask(step._replace(act=act))
        if body is not None:
            site.do(body, operation.issue)

    def _could_ask(self, site: int, body: Body) -> bool:
        named = named_in(body)
        if self.honest:  # what changes nodes carries all that show as one there
            of_nodes = isinstance(body, (NodesDeleted, NodesRenamed, FileWritten))
            return not of_nodes and set(named) <= self.shown(site).ids
        return all(self.sites[site].knows(Dot(dot.actor, abs(dot.seq))) for dot in named)

    # What no honest origin makes

    def _blunt(self, step: Step) -> Body:
        """Any kind of body over any ids that the site knows, of whatever kind."""
        random = Random(step.x * 4096 + step.y * 64 + step.z)
        delivered = self.sites[step.site].delivered
        known = [ROOT, *(o.dot for o in delivered), *(inbox_of(o.dot) for o in delivered)]
        nodes = [o.dot for o in delivered if isinstance(o.body, _NODE_MAKERS)] or known
        entries = [o.dot for o in delivered if isinstance(o.body, _ENTRY_MAKERS)] or known

        def one() -> Dot:
            return random.choice(random.choice((nodes, nodes, known)))

        def some(kind: Sequence[Dot] = nodes) -> tuple[Dot, ...]:
            ids = random.choice((kind, kind, known))
            return tuple(random.choice(ids) for _ in range(random.randrange(6)))

        def flags() -> tuple[str, ...]:
            return tuple(random.choice(FLAGS) for _ in range(random.randrange(3)))

        name, blob = random.choice(NAMES), blob_of(random.choice(TEXTS))
        bodies: list[Callable[[], Body]] = [
            lambda: FolderMade(one(), name),
            lambda: FileMade(one(), name, blob),
            lambda: EntryAppended(one(), blob, flags(), step.z),
            lambda: EntryCopied(one(), one(), blob, flags(), step.z),
            lambda: EntriesMoved(some(entries), one()),
            lambda: FlagsStored(
                one(), some(entries), flags(), flags(), random.random() < 0.3, some(entries)
            ),
            lambda: FileWritten(some(), blob),
            lambda: EntriesExpunged(some(entries)),
            lambda: NodesRenamed(some(), one(), random.choice((None, name))),
            lambda: NodesRenamed(some(), random.choice((None, one())), random.choice((None, name))),
            lambda: NodesDeleted(
                tuple((dot, random.randrange(-1, place)) for place, dot in enumerate(some()))
            ),
        ]
        return random.choice(bodies)()


def begin(site: Site, script: Script) -> None:
    box = site.do(BoxMade("mail", script.fold))
    if script.start is Start.TREE:
        top = site.do(FolderMade(box, "A"))
        inner = site.do(FolderMade(top, "B"))
        site.do(EntryAppended(top, blob_of("x"), (), 0))
        site.do(EntryAppended(inner, blob_of("y"), (DELETED, "Work"), 0))
        site.do(FileMade(inner, "f.txt", blob_of("z")))


def delete_of(target: NodeView, memory: Memory) -> NodesDeleted:
    """All that shows at and below `target`, parents first, each with its parent inside."""
    position: dict[Dot | None, int] = {}
    waiting = [target]
    for view in waiting:
        for node in view.ids:
            position[node] = len(position)
        waiting += [child for child in view.children if child.conflict is None]
    parents = ((dot, memory.nodes[dot].parent) for dot in position if dot is not None)
    return NodesDeleted(tuple((dot, position.get(parent, -1)) for dot, parent in parents))


def named_in(body: Body) -> list[Dot]:
    """The ids that `body` names."""
    named: list[Dot] = []
    for field in body.__struct_fields__:
        value = getattr(body, field)
        items = value if isinstance(value, tuple) and not isinstance(value, Dot) else (value,)
        for item in items:
            inner = item[0] if type(item) is tuple else item  # a node beside its position
            if isinstance(inner, Dot):
                named.append(inner)
    return named


def causal_order(operations: Sequence[Operation], random: Random) -> list[Operation]:
    """One of the orders in which causality allows to deliver `operations` (a closed set)."""
    queues: dict[bytes, list[Operation]] = {}
    for operation in sorted(operations, key=lambda operation: operation.dot, reverse=True):
        queues.setdefault(operation.dot.actor, []).append(operation)
    clock: dict[bytes, int] = {}
    order: list[Operation] = []
    stay = random.choice((0.0, 0.5, 0.9))  # how long one actor's operations go on
    actor = None
    while len(order) < len(operations):
        ready = [a for a, queue in queues.items() if queue and all(
            clock.get(other, 0) >= seq for other, seq in queue[-1].others.items())]  # fmt: skip
        if actor not in ready or random.random() >= stay:
            actor = random.choice(ready)
        assert actor is not None
        order.append(queues[actor].pop())
        clock[actor] = order[-1].dot.seq
    return order


def _pick(choices: Sequence[T], number: int) -> T:
    return choices[number % len(choices)]


_NODE_MAKERS = (BoxMade, FolderMade, FileMade)
_ENTRY_MAKERS = (EntryAppended, EntryCopied)
_ACT_OF: dict[type, Act] = {
    BoxMade: Act.BOX, FolderMade: Act.FOLDER, FileMade: Act.FILE, EntryAppended: Act.APPEND,
    EntryCopied: Act.COPY, EntriesMoved: Act.MOVE, FlagsStored: Act.FLAG, FileWritten: Act.WRITE,
    NodesDeleted: Act.DELETE, NodesRenamed: Act.NAME, EntriesExpunged: Act.EXPUNGE,
}  # fmt: skip
