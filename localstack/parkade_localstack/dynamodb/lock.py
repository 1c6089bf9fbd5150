"""One lock around moto: without it, racing conditional writes both succeed."""

import contextlib
import threading

# A no-op until `apply` sets a lock.
HELD_WHILE_MOTO_RUNS: contextlib.AbstractContextManager = contextlib.nullcontext()


def apply() -> None:
    global HELD_WHILE_MOTO_RUNS
    HELD_WHILE_MOTO_RUNS = threading.RLock()
