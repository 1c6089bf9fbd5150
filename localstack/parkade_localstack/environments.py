"""LocalStack's choice of an execution environment: two races mended, and no thread per invocation for its timer."""

import functools
import threading
import time
from collections import defaultdict

ARNS_MAX = 4096


class _ListedEnvironments(dict):
    """Environments of a version; iterating over it is safe while it grows."""

    def values(self):
        return list(super().values())


def mend_races() -> None:
    """Each made an invocation fail when several environments started at once.

    LocalStack walks a dict of environments that grows meanwhile, and it lists a new environment before it has reserved
    it for the invocation that waits for it, so that another can take it away.
    """
    from localstack.services.lambda_.invocation.assignment import AssignmentService
    from localstack.services.lambda_.invocation.execution_environment import ExecutionEnvironment, RuntimeStatus

    init = AssignmentService.__init__
    start_environment = AssignmentService.start_environment
    reserve = ExecutionEnvironment.reserve

    def init_with_lists(self):
        init(self)
        self.environments = defaultdict(_ListedEnvironments)

    def start_reserved(self, *args, **kwargs):
        environment = start_environment(self, *args, **kwargs)
        environment.reserved_by = threading.get_ident()
        environment.status = RuntimeStatus.INVOKING
        return environment

    def reserve_unless_mine(self):
        if getattr(self, "reserved_by", None) == threading.get_ident():
            self.reserved_by = None
        else:
            reserve(self)

    AssignmentService.__init__ = init_with_lists
    AssignmentService.start_environment = start_reserved
    ExecutionEnvironment.reserve = reserve_unless_mine


def write_arns_once() -> None:
    """To count what runs, LocalStack writes the ARN of each function of the account at each invocation."""
    from localstack.services.lambda_.invocation.lambda_models import VersionIdentifier

    for name in ("qualified_arn", "unqualified_arn"):
        setattr(VersionIdentifier, name, functools.lru_cache(maxsize=ARNS_MAX)(getattr(VersionIdentifier, name)))


def share_one_timer() -> None:
    """LocalStack starts a `threading.Timer`, a thread, after each invocation, to stop the environment when it idles."""
    from localstack.services.lambda_.invocation import execution_environment

    execution_environment.Timer = SharedTimer


class SharedTimer:
    """`threading.Timer` for timers that are nearly always cancelled: one thread looks after all, twice a second."""

    _running: set["SharedTimer"] = set()
    _lock = threading.Lock()
    _thread: threading.Thread | None = None

    def __init__(self, interval, function):
        self.interval, self.function = interval, function
        self.due = None

    def start(self):
        self.due = time.monotonic() + self.interval
        with self._lock:
            self._running.add(self)
            if SharedTimer._thread is None:
                SharedTimer._thread = threading.Thread(target=self._look_after_all, name="timers", daemon=True)
                SharedTimer._thread.start()

    def cancel(self):
        with self._lock:
            self._running.discard(self)

    @classmethod
    def _look_after_all(cls):
        while True:
            time.sleep(0.5)
            with cls._lock:
                due = [timer for timer in cls._running if timer.due <= time.monotonic()]
                cls._running.difference_update(due)
            for timer in due:
                threading.Thread(target=timer.function, name="timer", daemon=True).start()
