"""One lock around moto: without it, conditional writes that race both win."""

import contextlib
import threading

# Nothing, until `apply` puts a lock here.
HELD_WHILE_MOTO_RUNS: contextlib.AbstractContextManager = contextlib.nullcontext()


def apply() -> None:
    global HELD_WHILE_MOTO_RUNS
    HELD_WHILE_MOTO_RUNS = threading.RLock()
