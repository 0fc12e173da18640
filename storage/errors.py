"""What can go wrong in storage: the disk's fault, the data's, the caller's."""

from __future__ import annotations

from crdt import Dot


class StorageError(Exception):
    """Root of all errors of this package."""


class DiskError(StorageError):
    """The disk did not do what was asked."""


class DiskFull(DiskError):
    """No space, quota or file size is left. Nothing was changed; try again when there is space."""


class DiskReadOnly(DiskError):
    """The file system or its permissions refuse writes. Nothing was changed."""


class DiskReadFailed(DiskError):
    """The medium could not give back what was written."""


class DiskWriteFailed(DiskError):
    """A write failed for another reason than space or permission: what is on disk is unknown."""


class SyncFailed(DiskError):
    """The kernel may have dropped the pages: stop the process.

    A retry that succeeds proves nothing.
    """


class FileMissing(DiskError):
    """A file that must be there is not."""


class DirectoryLocked(StorageError):
    """Another process works on this data directory."""


class NotOurs(StorageError):
    """Well-formed data, of another cluster, shard or node."""


class TooNew(StorageError):
    """Written by a later version: upgrade, nothing is wrong with the data."""


class Damaged(StorageError):
    """Bytes that were written are not the bytes that are read."""


class ChainBroken(Damaged):
    """A record that was fetched again, `refused`, does not join those around it: it is of another
    history. Nothing was changed. Those of its actor up to `sound` may join all the same, without
    it."""

    def __init__(self, text: str, refused: Dot, *, sound: int = 0) -> None:
        super().__init__(text)
        self.refused = refused
        self.sound = sound


class LogDamaged(Damaged):
    """A confirmed part of the log does not read back: close the log and open it again.

    `found` says what was found and where.
    """

    def __init__(self, found: str) -> None:
        super().__init__(f"{found}; close the log and open it again to see what is missing")
        self.found = found


class RecordsMissing(StorageError):
    """The log does not hold the record that was asked for."""


class Poisoned(StorageError):
    """An earlier failure left unknown what is on disk: stop the process."""


class BlobMissing(StorageError):
    """No pack holds a blob of this name."""


class BlobDamaged(Damaged):
    """A pack holds this blob, but its bytes are not those it was named after."""
