"""A log, read back whole: what does not read, what does not follow, what no file holds.

Of a stopped log, everything that a start would use is read, and nothing is changed: a torn tail is
no damage, and stays. Of a running one, what is sealed or synced when its file's turn comes;
segments that were marked as damaged before are left to the start that mends them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from storage.coverage import Missing, runs_of
from storage.disk import Disk
from storage.errors import Damaged, DiskReadFailed, FileMissing
from storage.files import DAMAGED, FileName, parse_name
from storage.findings import Damage, Portion
from storage.frames import readable_records, seed_of
from storage.header import LOG_MAGIC, NO_ID, Header, check_ours, find_header
from storage.log import NOTHING, Log
from storage.opening import SEGMENT
from storage.recovery import Unsealed, load_unsealed
from storage.segment import Segment, State, read_header, read_trailer, read_whole
from storage.segment_check import Followed, SegmentCheck, index_of
from storage.verdict import judge


def check_running_log(log: Log, *, cluster: str, shard: str) -> Iterator[Portion]:
    """The segments that `log` has now, one after the other, up to what is synced in each."""
    followed = Followed(cluster, shard)
    number = 0
    while (segment := _next(log, number)) is not None:
        number = segment.number
        if segment.state is State.DAMAGED:
            followed.tips = None
            continue
        end = segment.end if segment.state is State.TAIL else None
        try:
            yield from SegmentCheck(log.disk, segment.name, followed, end).run()
        except FileMissing:
            if segment in log.segments():
                raise
            followed.tips = None  # it was covered by a snapshot, and went while it was read
    yield Portion(damages=_missing(log.missing()))


def _next(log: Log, number: int) -> Segment | None:
    return next((segment for segment in log.segments() if segment.number > number), None)


def check_stopped_log(
    disk: Disk, *, cluster: str, shard: str, start: Mapping[bytes, int] = NOTHING
) -> Iterator[Portion]:
    """All of a log that no process has open. `start` is what a snapshot stands for: of a log that
    is cut, what lies before is not missed.

    Raises `NotOurs`, `TooNew`, `DiskError`.
    """
    headers, damages = _headers(disk, cluster=cluster, shard=shard)
    yield Portion(damages=tuple(damages))
    followed = Followed(cluster, shard)
    first = headers[min(headers)] if headers else None
    is_cut = first is not None and (first.begins or first.first_batch > 1)
    for name in sorted(headers):
        last = name == max(headers)
        if name.state == DAMAGED:
            yield from _quarantined(disk, name, followed)
        elif last and not _is_sealed(disk, name, headers[name]):
            yield from _tail(disk, name, followed)
        else:
            yield from SegmentCheck(disk, name, followed, None).run()
    stood_on = start if is_cut else NOTHING
    yield Portion(damages=_missing(followed.coverage.missing(stood_on, followed.known)))


def _headers(
    disk: Disk, *, cluster: str, shard: str
) -> tuple[dict[FileName, Header], list[Damage]]:
    """Of the segments that a start would use."""
    headers: dict[FileName, Header] = {}
    damages: list[Damage] = []
    for text in disk.names():
        name = parse_name(text, kind="log", states=(SEGMENT, DAMAGED))
        if name is None:
            continue
        try:
            header = _any_header(disk, name)
        except Damaged as error:
            damages.append(Damage(file=text, what=str(error)))
            continue
        check_ours(header, cluster=cluster, shard=shard, where=text)
        if header.number == name.number:
            headers[name] = header
    replaced = {header.replaces for header in headers.values()} - {NO_ID}
    begins = max((name for name, header in headers.items() if header.begins), default=None)
    used = {n: h for n, h in headers.items() if h.id not in replaced}
    return {n: h for n, h in used.items() if begins is None or n >= begins}, damages


def _any_header(disk: Disk, name: FileName) -> Header:
    try:
        return read_header(disk, name)[0]
    except (Damaged, DiskReadFailed):
        return find_header(read_whole(disk, name), LOG_MAGIC, name.text)[0]


def _is_sealed(disk: Disk, name: FileName, header: Header) -> bool:
    trailer = read_trailer(disk, name)
    return trailer is not None and trailer.id == header.id


def _quarantined(disk: Disk, name: FileName, followed: Followed) -> Iterator[Portion]:
    """What reads of it counts; what it lost was fetched again, or is missing."""
    buffer = read_whole(disk, name)
    header, _ = find_header(buffer, LOG_MAGIC, name.text)
    records = readable_records(buffer, 0, len(buffer), seed=seed_of(header.id))
    for run in runs_of(records, name.number):
        followed.heard_of(run.actor, run.span.last)
        followed.coverage.add_missing_part(run.actor, run.span)
    index = index_of(disk, name)
    for actor, part in ({} if index is None else index.actors).items():
        followed.heard_of(actor, part.tip.seq)
    followed.tips = None
    yield Portion(bytes=len(buffer), records=len(records))


def _tail(disk: Disk, name: FileName, followed: Followed) -> Iterator[Portion]:
    """What a start would keep of it is checked like any segment; the start cuts the rest."""
    found = load_unsealed(disk, name)
    kept, damages = _kept(found)
    if damages or found.base is None:
        if found.base is None:
            damages = (*damages, Damage(file=name.text, what="the base does not read"))
        yield Portion(bytes=len(found.buffer), damages=damages)
        yield from _quarantined(disk, name, followed)
    else:
        yield from SegmentCheck(disk, name, followed, kept).run()


def _kept(found: Unsealed) -> tuple[int, tuple[Damage, ...]]:
    """Where what counts ends, if all of it is whole."""
    header = found.header
    verdict = judge(
        found.buffer,
        found.start,
        seed=seed_of(header.id),
        first_batch=header.first_batch,
        synced=header.synced,
        sealed_at=None,
    )
    end = max([found.start, *(stretch.end for stretch in verdict.kept)])
    broken = [stretch for stretch in verdict.kept if not stretch.whole]
    return end, tuple(
        Damage(
            file=found.name.text,
            what=f"bytes {stretch.start} to {stretch.end} were confirmed and do not read back",
        )
        for stretch in broken
    )


def _missing(missing: tuple[Missing, ...]) -> tuple[Damage, ...]:
    if not missing:
        return ()
    return (Damage(file="", what="records that no segment holds", records=missing),)
