"""The list of chunks behind a long blob: what it names, where it can be that blob's at all.

Whoever made the operation made the list. One that does not fit its blob is nobody's chunks: the
blob stays missing, and nothing else happens.
"""

from __future__ import annotations

from crdt import CHUNK_BYTES, HASH_BYTES, Blob

CONTENTS_BYTES_MAX = CHUNK_BYTES * (CHUNK_BYTES // HASH_BYTES)
"""32 GiB: the list of chunks is a piece like any other, packed and sent in one message."""


def chunks_in(blob: Blob, listed: bytes) -> list[bytes] | None:
    """The hashes in `listed`, in order; None where it cannot be the list of the blob's chunks."""
    count = -(-blob.size // CHUNK_BYTES)
    if len(listed) != count * HASH_BYTES:
        return None
    return [listed[at : at + HASH_BYTES] for at in range(0, len(listed), HASH_BYTES)]
