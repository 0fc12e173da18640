"""How often Python looks for garbage cycles in a process that runs a node.

What a batch of requests makes, some twelve containers for each, lives until the batch is confirmed
and is freed by its counts. By default Python looks for cycles after every 700 containers, so it
walks all of that a dozen times a batch and finds nothing: 10 to 15 % of the processor time.
"""

from __future__ import annotations

import ctypes
import gc

CONTAINERS_MAX = 50_000
"""Made and not freed since the last look: four times what the two largest batches hold at once, so
that it is reached by what stays, or by cycles, and not by work. At most some 10 MB of garbage."""
LOOKS_PER_OLDER = 10
"""Python's own number."""


def collect_seldom() -> None:
    """For the owner of the process to call, before a node is opened and once it is open: it
    concerns the whole process. To make a lost state again takes a fifth less time then.

    What is there by now stays for good, and is never walked again. What the start has freed goes
    back to the system.
    """
    gc.collect()
    give_back()
    gc.freeze()
    gc.set_threshold(CONTAINERS_MAX, LOOKS_PER_OLDER, LOOKS_PER_OLDER)


def give_back() -> None:
    """The C library of GNU keeps what was freed between pieces that are in use: 36 of the 121 MB of
    a node that has opened a box of a million entries. Others give it back by themselves."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
