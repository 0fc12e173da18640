"""Mistakes to be planted in the product, each one that somebody made in some system.

Every function plants its mistake through the patch that it is given; its name says what then goes
wrong. None of them needs a hook in the product.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

import samebox.starting
import samebox.store
import storage
import storage.files
import storage.opening
import storage.recovery
import storage.tail
from comm import CHAIN_PREFIX_BYTES, Ack, Delivery, Progress, Records
from crdt import Actor, Clock, Dot, Head, Malformed, Operation, Record, State, Unknown, read
from samebox.events import Batch, LinkUp
from samebox.forgetting import Forgetting
from samebox.history import History, Item
from samebox.holding import Holding
from samebox.making import Making
from samebox.marking import Marking
from samebox.missing import Missing
from samebox.peers import Peers
from samebox.replica import Replica
from samebox.stability import Stability
from samebox.store import Store
from samebox.succession import Succession
from samebox.write_back import WriteBackRows
from sim.shell import Shell
from storage import Continue, Disk, Identity, NewActor
from storage.files import FileName
from storage.tail import Tail
from storage.verdict import Verdict, judge
from tests.sim.planted_cuts import CUTTING

Patch = pytest.MonkeyPatch


def acknowledges_before_the_sync(patch: Patch) -> None:
    begin = Replica._begin

    def early(self: Replica, making: Making) -> None:
        begin(self, making)
        self.peers.learned([item.record for item in making.items])
        self._out.send += self.peers.acks(self.missing.listed())

    patch.setattr(Replica, "_begin", early)


def sends_its_operations_before_the_sync(patch: Patch) -> None:
    begin, append = Replica._begin, Shell._append

    def early(self: Replica, making: Making) -> None:
        begin(self, making)
        self._out.send += self.peers.ranges(self.history.clock, forward=False)

    def at_once(self: Shell, batch: Batch) -> None:
        self.recent.add(batch.records)
        append(self, batch)

    patch.setattr(Replica, "_begin", early)
    patch.setattr(Shell, "_append", at_once)


def calls_durable_what_is_not_synced(patch: Patch) -> None:
    patch.setattr(Tail, "sync", lambda self: self._show_written())


def advances_the_clock_before_the_effect(patch: Patch) -> None:
    """Some batches are told as done though their transaction was not committed."""
    original = Replica._commit

    def commit(self: Replica, number: int) -> None:
        rows = self.state.rows
        with patch.context() as for_now:
            if self._making is not None and self._making.items and number % 7 == 0:
                for_now.setattr(rows, "commit", rows.rollback)
            original(self, number)

    patch.setattr(Replica, "_commit", commit)


def cuts_damage_in_the_middle_of_the_log(patch: Patch) -> None:
    def cutting(*args: Any, **kwargs: Any) -> Verdict:
        verdict = judge(*args, **kwargs)
        for place, stretch in enumerate(verdict.kept):
            if not stretch.whole:
                return Verdict(verdict.kept[:place], stretch.start)
        return verdict

    patch.setattr(storage.recovery, "judge", cutting)


def ignores_a_dependency(patch: Patch) -> None:
    def missing(self: Delivery[Item], item: Item) -> Dot | None:
        for actor, seq in item.dependencies[:-1]:
            if self.clock.get(actor, 0) < seq:
                return Dot(actor, seq)
        return None

    patch.setattr(Delivery, "_missing", missing)
    patch.setattr(History, "_admit", _admitted_unjudged)


def _admitted_unjudged(self: History, item: Item) -> bool:
    self._advance(item, self.head(item.dot.actor))
    return True


def skips_the_chain_check(patch: Patch) -> None:
    original = History._read

    def trusting(self: History, records: Records, link: int) -> list[Item] | None:
        head = self._received_head(records.actor)
        try:
            for data, _ in records.items[max(0, head.seq + 1 - records.first) :]:
                _, _, head = read(head, data)
        except Malformed:
            return original(self, records, link)
        believed = replace(records, chain=head.chain[:CHAIN_PREFIX_BYTES])
        return original(self, believed, link)

    patch.setattr(History, "_read", trusting)


def goes_on_as_the_same_actor_after_an_old_backup(patch: Patch) -> None:
    def always(identity: Any, **kwargs: Any) -> Any:
        return original(None, **kwargs) if identity is None else Continue(identity.actor)

    original = storage.continuity
    patch.setattr("samebox.store.continuity", always)


def forgets_a_request_id(patch: Patch) -> None:
    patch.setattr(State, "issued", lambda self, client, number: [])


def believes_an_acknowledgement_of_more_than_it_names(patch: Patch) -> None:
    original = Peers.acknowledged

    def generous(self: Peers, link: int, ack: Ack) -> None:
        more = [(actor, seq + 2) for actor, seq in ack.clock]
        original(self, link, Ack(more, ack.missing, ack.more_missing))

    patch.setattr(Peers, "acknowledged", generous)


def counts_a_copy_without_looking(patch: Patch) -> None:
    patch.setattr(Holding, "lacks", lambda self, receipt, dots: None)
    patch.setattr("samebox.confirmations._Line.add", lambda self, seq, waiting: False)


def drops_a_blob_whose_operation_it_acknowledges(patch: Patch) -> None:
    append = Store.append

    def careless(self: Store, batch: Batch) -> None:
        append(self, replace(batch, blobs=batch.blobs[1:]))

    patch.setattr(Store, "append", careless)


def forgets_that_a_blob_is_missing(patch: Patch) -> None:
    patch.setattr(Missing, "add", lambda self, blob, user: None)


def renames_without_syncing_the_directory(patch: Patch) -> None:
    def hasty(disk: Disk, name: FileName, *, state: str) -> FileName:
        renamed = name._replace(state=state)
        disk.rename(name.text, renamed.text)
        return renamed

    for module in (storage.files, storage.opening):
        patch.setattr(module, "set_state", hasty)


def trusts_a_tail_that_reads_well(patch: Patch) -> None:
    """Takes over into a file whose bytes are never synced."""

    def unsynced(disk: Disk, new: FileName, *, state: str) -> FileName:
        renamed = new._replace(state=state)
        disk.rename(new.text, renamed.text)
        disk.sync_directory()
        return renamed

    patch.setattr(storage.tail, "publish", unsynced)


def keeps_the_effects_of_a_batch_that_failed(patch: Patch) -> None:
    def undo(self: Making) -> None:
        self._state.rows.commit()
        self._history.return_to(self._mark)

    patch.setattr(Making, "undo", undo)


def uses_the_dots_of_a_batch_that_failed(patch: Patch) -> None:
    patch.setattr(Making, "undo", lambda self: self._state.rows.rollback())


def remembers_what_it_sent_on_a_lost_connection(patch: Patch) -> None:
    original, down = Peers.up, Peers.down

    def up(self: Peers, event: LinkUp, own: Actor | None, clock: Clock) -> None:
        original(self, event, own, clock)
        before = vars(self).get(f"before {event.peer}")
        if before is not None:
            self._links[event.link].progress._sent = before._sent

    def remembered(self: Peers, link: int) -> None:
        if link in self._links:
            lost = self._links[link]
            vars(self)[f"before {lost.peer}"] = lost.progress
        down(self, link)

    patch.setattr(Peers, "up", up)
    patch.setattr(Peers, "down", remembered)


def does_not_answer_what_is_wanted(patch: Patch) -> None:
    patch.setattr(Progress, "wanted", lambda self, actor, first, last: None)


def reads_its_log_once_though_a_hole_was_filled(patch: Patch) -> None:
    def once(
        history: History,
        state: State,
        replay: Callable[[], Iterable[Record]],
        *,
        committed: Callable[[], None],
    ) -> Iterator[Operation]:
        state.rows.begin()
        for record in replay():
            for item in history.replay([record]):
                state.apply(item.operation)
                yield item.operation
        history.commit()

    patch.setattr(samebox.starting, "rebuild", once)


def greets_with_what_is_not_synced(patch: Patch) -> None:
    patch.setattr(Replica, "heads", property(lambda self: self.history.heads))


def does_not_listen_when_its_later_records_are_shown(patch: Patch) -> None:
    patch.setattr(Succession, "_claimed", lambda self, link, actor, what: None)


def takes_any_lamport_time(patch: Patch) -> None:
    patch.setattr(History, "_admit", _admitted_unjudged)


def counts_as_stable_what_one_member_has_not(patch: Patch) -> None:
    original = Stability.look

    def generous(
        self: Stability, durable: Clock, others: Sequence[Holding], strangers: Collection[str]
    ) -> None:
        original(self, durable, others[1:], strangers)

    patch.setattr(Stability, "look", generous)


def counts_what_is_on_its_way_as_stable(patch: Patch) -> None:
    """What members name is not waited for."""
    original = Stability.look

    def hasty(
        self: Stability, durable: Clock, others: Sequence[Holding], strangers: Collection[str]
    ) -> None:
        original(self, durable, others, strangers)
        if all(member.clock for member in others):
            clock = dict(durable)
            for member in others:
                clock = {
                    actor: min(seq, member.clock.get(actor, 0)) for actor, seq in clock.items()
                }
            self.clock = clock

    patch.setattr(Stability, "look", hasty)


def takes_an_operation_that_needs_what_is_forgotten(patch: Patch) -> None:
    patch.setattr(State, "lacks", lambda self, operation: False)


def forgets_what_is_not_stable(patch: Patch) -> None:
    original = Forgetting._fold

    def early(self: Forgetting, things: int) -> None:
        self.stability.clock = self._state.clock()
        original(self, things)

    patch.setattr(Forgetting, "_fold", early)


def compacts_away_some_blobs_that_are_used(patch: Patch) -> None:
    original = Marking.uses

    def overlooks(self: Marking, hash_: bytes) -> bool:
        return hash_[0] % 8 > 0 and original(self, hash_)

    patch.setattr(Marking, "uses", overlooks)


def forgets_that_a_start_did_not_end(patch: Patch) -> None:
    original = storage.continuity

    def forgetful(identity: Identity | None, **kwargs: Any) -> Continue | NewActor:
        ended = identity and dataclasses.replace(identity, is_starting=False)
        return original(ended, **kwargs)

    patch.setattr(samebox.store, "continuity", forgetful)


def stops_at_what_it_does_not_understand(patch: Patch) -> None:
    original = History._judged

    def strict(self: History, operation: Operation, before: Head) -> str | None:
        is_later = isinstance(operation.body, Unknown)
        return "a kind of a later version" if is_later else original(self, operation, before)

    patch.setattr(History, "_judged", strict)


def goes_on_though_own_records_wait(patch: Patch) -> None:
    patch.setattr(samebox.store, "_if_all_own_is_there", lambda decision, history, log: decision)


def keeps_a_state_that_could_not_be_read(patch: Patch) -> None:
    never = property(lambda self: False, lambda self, value: None)
    patch.setattr(WriteBackRows, "is_lost", never, raising=False)


PLANTED: tuple[Callable[[Patch], None], ...] = (
    acknowledges_before_the_sync,
    sends_its_operations_before_the_sync,
    calls_durable_what_is_not_synced,
    advances_the_clock_before_the_effect,
    cuts_damage_in_the_middle_of_the_log,
    ignores_a_dependency,
    skips_the_chain_check,
    goes_on_as_the_same_actor_after_an_old_backup,
    forgets_a_request_id,
    believes_an_acknowledgement_of_more_than_it_names,
    counts_a_copy_without_looking,
    drops_a_blob_whose_operation_it_acknowledges,
    forgets_that_a_blob_is_missing,
    renames_without_syncing_the_directory,
    trusts_a_tail_that_reads_well,
    keeps_the_effects_of_a_batch_that_failed,
    uses_the_dots_of_a_batch_that_failed,
    remembers_what_it_sent_on_a_lost_connection,
    does_not_answer_what_is_wanted,
    reads_its_log_once_though_a_hole_was_filled,
    greets_with_what_is_not_synced,
    does_not_listen_when_its_later_records_are_shown,
    takes_any_lamport_time,
    counts_as_stable_what_one_member_has_not,
    counts_what_is_on_its_way_as_stable,
    takes_an_operation_that_needs_what_is_forgotten,
    forgets_what_is_not_stable,
    compacts_away_some_blobs_that_are_used,
    *CUTTING,
    forgets_that_a_start_did_not_end,
    stops_at_what_it_does_not_understand,
)

HARMLESS: tuple[Callable[[Patch], None], ...] = (
    goes_on_though_own_records_wait,
    keeps_a_state_that_could_not_be_read,
)
"""What no world shows, because something behind it keeps the promises all the same. The first: the
delivery refuses to make a dot that was received and waits, so the node cannot write until a peer
has brought what is missing; no dot has two contents. The second: whoever meets the spoilt row again
makes the state again. A test of each shows it."""
