"""Shutdown: immediate, with all function processes.

As shipped it takes 2 to 7 s: pollers are waited for, and services stop one after the other, each waiting for threads.
None of that is needed: the local cloud keeps no state across restarts, and its folder is cleared at the next start.
"""

import os
import sys


def stop_at_once() -> None:
    from localstack.runtime.runtime import LocalstackRuntime

    def exit_at_once(self, code: int = 0) -> None:
        from parkade_localstack import process

        process.kill_all()
        sys.stdout.flush()
        os._exit(code)  # past all threads and their locks

    LocalstackRuntime.exit = exit_at_once
