"""Loaded by a process of Python that finds this folder first: shifts its wall clock.

Not that of OpenSSL and of datetime, which ask the system; the monotonic clock goes on as it is.
"""

import os
import time

_shift_s = int(os.environ.get("SHIFTED_CLOCK_S", "0"))
if _shift_s:
    _time, _time_ns = time.time, time.time_ns
    time.time = lambda: _time() + _shift_s
    time.time_ns = lambda: _time_ns() + _shift_s * 1_000_000_000
