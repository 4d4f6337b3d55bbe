"""Read by Python at its start where this folder is on its path: in the one process whose clock the harness sets.

libfaketime 0.9.10 refuses the system call of `time.sleep` (clock_nanosleep until an instant of the monotonic clock), on
which the store's driver relies; `select` it leaves alone. The real clock of such a machine would not do that.
"""

import select
import time


def _sleep(seconds: float) -> None:
    select.select([], [], [], seconds)


time.sleep = _sleep
