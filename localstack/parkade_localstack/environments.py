"""LocalStack's choice of an execution environment: two races fixed, and no thread per invocation for its timer."""

import functools
import threading
import time
from collections import defaultdict

ARNS_MAX = 4096


class _ListedEnvironments(dict):
    """Environments of a version; it can grow while another thread iterates over it."""

    def values(self):
        return list(super().values())


def fix_races() -> None:
    """Each race made an invocation fail when several environments started at once.

    LocalStack iterates over a dict of environments that grows meanwhile. It also lists a new environment before it has
    reserved it for the waiting invocation, so that another invocation can take it.
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
    """To count running functions, LocalStack builds the ARN of each function of the account at each invocation."""
    from localstack.services.lambda_.invocation.lambda_models import VersionIdentifier

    for name in ("qualified_arn", "unqualified_arn"):
        setattr(VersionIdentifier, name, functools.lru_cache(maxsize=ARNS_MAX)(getattr(VersionIdentifier, name)))


def share_one_timer() -> None:
    """LocalStack starts a `threading.Timer`, a thread, after each invocation, to stop the environment when it is
    idle."""
    from localstack.services.lambda_.invocation import execution_environment

    execution_environment.Timer = SharedTimer


class SharedTimer:
    """`threading.Timer` for timers that are nearly always cancelled: one thread checks all of them, twice a second."""

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
