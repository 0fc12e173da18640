"""Who a data directory is: the file `identity` in it, and the copy of it kept elsewhere.

The file is one line of JSON with a checksum, so that a person can read it. It is replaced as a
whole: written beside, synced, renamed, the directory synced. A field that is missing or of the
wrong type is an error, never a default. `format`, `version`, and `checksum` at the end of the line
stay as they are in every version, so that a reader of any can tell "too new" from "damaged".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
from crc32c import crc32c

from storage.disk import Disk
from storage.errors import Damaged, NotOurs, TooNew

IDENTITY_NAME: Final = "identity"
IDENTITY_VERSION: Final = 1
IDENTITY_BYTES_MAX: Final = 4096
STORE_ID_BYTES: Final = 16
_FORMAT = "samebox identity"
_SUM_DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """`store` is 16 random bytes, minted with the directory; `inode` is that of the directory.

    `actor` mints dots here. `starts` counts the starts, so that a directory put back as it was
    some starts ago differs from the copy kept elsewhere. `is_starting` is set while a start looks
    through the log: what it finds and mends is known to nobody if it does not end.
    """

    cluster: str
    node: str
    shard: str
    store: bytes
    inode: int
    actor: bytes
    starts: int
    is_starting: bool = False


class _Kind(msgspec.Struct):
    format: str
    version: int


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: int
    cluster: str
    node: str
    shard: str
    store: str
    inode: int
    actor: str
    starts: int
    is_starting: bool
    checksum: str


def encode_identity(identity: Identity) -> bytes:
    document = _Document(
        format=_FORMAT,
        version=IDENTITY_VERSION,
        cluster=identity.cluster,
        node=identity.node,
        shard=identity.shard,
        store=identity.store.hex(),
        inode=identity.inode,
        actor=identity.actor.hex(),
        starts=identity.starts,
        is_starting=identity.is_starting,
        checksum="",
    )
    document.checksum = _checksum(document)
    return msgspec.json.encode(document) + b"\n"


def decode_identity(content: bytes, where: str) -> Identity:
    """Raises `TooNew`, `Damaged`; `where` names the file in the message."""
    try:
        kind = msgspec.json.decode(content, type=_Kind)
        is_later = kind.format == _FORMAT and kind.version > IDENTITY_VERSION
        if is_later and _is_whole(content):
            raise TooNew(
                f"{where}: written in format {kind.version}, this program reads up to "
                f"{IDENTITY_VERSION}; start a version that knows it"
            )
        document = msgspec.json.decode(content, type=_Document)
        identity = _identity(document)
    except (msgspec.MsgspecError, ValueError) as error:
        raise _damaged(where, str(error)) from error
    if document.format != _FORMAT or document.version != IDENTITY_VERSION:
        raise _damaged(where, f"format {document.format!r}, version {document.version}")
    if document.checksum != _checksum(document):
        raise _damaged(where, f"checksum {document.checksum!r}")
    return identity


def load_identity(disk: Disk, *, where: str) -> Identity | None:
    """None where there is none yet. Raises `TooNew`, `Damaged`, `DiskError`."""
    if IDENTITY_NAME not in disk.names():
        return None
    return decode_identity(disk.read(IDENTITY_NAME, 0, IDENTITY_BYTES_MAX), where)


def save_identity(disk: Disk, identity: Identity) -> None:
    """Durable when it returns; after a crash on the way the old one is there, or the new one."""
    beside = f"{IDENTITY_NAME}.new"
    if beside in disk.names():
        disk.remove(beside)
    disk.create(beside)
    disk.write(beside, 0, encode_identity(identity))
    disk.sync(beside)
    disk.rename(beside, IDENTITY_NAME)
    disk.sync_directory()


def check_identity(identity: Identity, *, cluster: str, node: str, shard: str, where: str) -> None:
    """Raises `NotOurs`."""
    expected = (cluster, node, shard)
    found = (identity.cluster, identity.node, identity.shard)
    if found != expected:
        raise NotOurs(
            f"{where}: expected cluster, node and shard {expected}, found {found}; this data "
            "directory belongs to another node: check `data` in the node list"
        )


def _identity(document: _Document) -> Identity:
    store, actor = bytes.fromhex(document.store), bytes.fromhex(document.actor)
    if len(store) != STORE_ID_BYTES or len(actor) != STORE_ID_BYTES:
        raise ValueError(
            f"expected ids of {STORE_ID_BYTES} bytes, found {len(store)}, {len(actor)}"
        )
    return Identity(
        cluster=document.cluster,
        node=document.node,
        shard=document.shard,
        store=store,
        inode=document.inode,
        actor=actor,
        starts=document.starts,
        is_starting=document.is_starting,
    )


def _checksum(document: _Document) -> str:
    unsummed = msgspec.structs.replace(document, checksum="")
    return f"{crc32c(msgspec.json.encode(unsummed)):08x}"


def _is_whole(content: bytes) -> bool:
    """Whether the checksum of a line of any version holds: the same sum, over the line as it is."""
    end = b'"}\n'
    unsummed, digits = content[: -_SUM_DIGITS - len(end)], content[-_SUM_DIGITS - len(end) :]
    return digits == f"{crc32c(unsummed + end[:-1]):08x}".encode() + end


def _damaged(where: str, found: str) -> Damaged:
    return Damaged(
        f"{where}: expected an identity of version {IDENTITY_VERSION}, found {found}; put the copy "
        "back that is kept outside the data directory, or remove the file to start as a new actor"
    )
