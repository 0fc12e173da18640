"""The header with which every segment, every pack and every snapshot begins.

+0   8    magic: which kind of file this is
+8   u16  format version
+10  u16  length of the whole header
+12  u32  CRC-32C of bytes +0 to +12
------------------------------------ the lines above never change, so that a reader of any
+16  u8   flags: 1 = the replaced      version can tell "too new" from "damaged"
          segment was damaged
+17  u8   codec of the payloads: 0 = as they are; others reserved
+18  u64  number of the file
+26  16   id of the file, its own for ever
+42  16   id of the key that payloads are encrypted with: reserved, zero
+58  16   id of the file whose contents this one took over; zero if none
+74  u64  number of the first batch in this file
+82  u64  last batch of this file that was synced before the file got its name
+90  u16  length of the cluster's name, then the name in UTF-8
     u16  length of the shard's name, then the name in UTF-8
     u32  CRC-32C of everything before
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from crc32c import crc32c

from storage.errors import Damaged, NotOurs, TooNew

FORMAT_VERSION: Final = 1
LOG_MAGIC: Final = b"sbx-log\n"
PACK_MAGIC: Final = b"sbx-pck\n"
SNAPSHOT_MAGIC: Final = b"sbx-snp\n"
ID_BYTES: Final = 16
NO_ID: Final = bytes(ID_BYTES)
NAME_BYTES_MAX: Final = 255
HEADER_BYTES_MAX: Final = 98 + 2 * NAME_BYTES_MAX

_PROLOGUE = Struct("<8sHHI")
_PROLOGUE_UNSUMMED = Struct("<8sHH")
_BODY = Struct("<BBQ16s16s16sQQ")
_LENGTH = Struct("<H")
_CRC = Struct("<I")
_REPLACED_DAMAGED = 1
_BEGINS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    magic: bytes
    number: int
    id: bytes
    cluster: str
    shard: str
    replaces: bytes = NO_ID
    replaced_damaged: bool = False
    begins: bool = False
    first_batch: int = 1
    synced: int = 0


def encode_header(header: Header) -> bytes:
    cluster, shard = header.cluster.encode(), header.shard.encode()
    assert len(cluster) <= NAME_BYTES_MAX and len(shard) <= NAME_BYTES_MAX, "a name is too long"
    assert len(header.id) == ID_BYTES and header.id != NO_ID, "a file needs an id of its own"
    body = _BODY.pack(
        _REPLACED_DAMAGED * header.replaced_damaged + _BEGINS * header.begins,
        0,
        header.number,
        header.id,
        NO_ID,
        header.replaces,
        header.first_batch,
        header.synced,
    )
    names = _LENGTH.pack(len(cluster)) + cluster + _LENGTH.pack(len(shard)) + shard
    length = _PROLOGUE.size + len(body) + len(names) + _CRC.size
    prologue = _PROLOGUE_UNSUMMED.pack(header.magic, FORMAT_VERSION, length)
    unsummed = prologue + _CRC.pack(crc32c(prologue)) + body + names
    return unsummed + _CRC.pack(crc32c(unsummed))


def header_length(buffer: bytes, magic: bytes, where: str) -> int:
    """Length of the header at the start of `buffer`. Raises `TooNew`, `Damaged`."""
    if len(buffer) < _PROLOGUE.size:
        raise Damaged(f"{where}: expected a header, found {len(buffer)} bytes")
    found, version, length, crc = _PROLOGUE.unpack_from(buffer, 0)
    if found != magic or crc != crc32c(buffer[: _PROLOGUE_UNSUMMED.size]):
        raise Damaged(f"{where}: expected a header that starts {magic!r}, found {found!r}")
    if version > FORMAT_VERSION:
        raise TooNew(
            f"{where}: written in format {version}, this program reads up to {FORMAT_VERSION}; "
            "start a version that knows it"
        )
    return int(length)


def decode_header(buffer: bytes, magic: bytes, where: str) -> Header:
    """The header at the start of `buffer`. Raises `TooNew`, `Damaged`."""
    length = header_length(buffer, magic, where)
    end = length - _CRC.size
    whole = _PROLOGUE.size + _BODY.size < end and length <= len(buffer)
    if not whole or _CRC.unpack_from(buffer, end)[0] != crc32c(buffer[:end]):
        raise Damaged(f"{where}: the checksum of the header does not hold")
    flags, codec, number, id, key, replaces, first_batch, synced = _BODY.unpack_from(
        buffer, _PROLOGUE.size
    )
    if codec or key != NO_ID or flags & ~(_REPLACED_DAMAGED | _BEGINS):
        raise TooNew(f"{where}: codec {codec}, key {key.hex()}, flags {flags} are not known here")
    cluster, shard = _names(buffer[_PROLOGUE.size + _BODY.size : end], where)
    return Header(
        magic=magic,
        number=number,
        id=id,
        cluster=cluster,
        shard=shard,
        replaces=replaces,
        replaced_damaged=bool(flags & _REPLACED_DAMAGED),
        begins=bool(flags & _BEGINS),
        first_batch=first_batch,
        synced=synced,
    )


def check_ours(header: Header, *, cluster: str, shard: str, where: str) -> None:
    """Raises `NotOurs`."""
    if (header.cluster, header.shard) != (cluster, shard):
        raise NotOurs(
            f"{where}: expected cluster {cluster!r}, shard {shard!r}; found cluster "
            f"{header.cluster!r}, shard {header.shard!r}; check the data directory"
        )


def find_header(buffer: bytes, magic: bytes, where: str) -> tuple[Header, int]:
    """The first header in `buffer` that holds, and its offset. Raises `TooNew`, `Damaged`."""
    at = buffer.find(magic)
    while at >= 0:
        try:
            return decode_header(buffer[at : at + HEADER_BYTES_MAX], magic, where), at
        except Damaged:
            at = buffer.find(magic, at + 1)
    raise Damaged(f"{where}: no header holds in {len(buffer)} bytes")


def _names(buffer: bytes, where: str) -> tuple[str, str]:
    names: list[str] = []
    at = 0
    for _ in range(2):
        (length,) = _LENGTH.unpack_from(buffer, at)
        at += _LENGTH.size + length
        names.append(buffer[at - length : at].decode())
    if at != len(buffer):
        raise Damaged(f"{where}: the header holds {len(buffer) - at} bytes too many")
    return names[0], names[1]
