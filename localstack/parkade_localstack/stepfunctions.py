"""Step Functions without the work that LocalStack repeats for each execution and each step."""

import collections
import functools
import logging
import queue
import sys
import threading

LOG = logging.getLogger(__name__)
DEFINITIONS_MAX = 256
PATHS_MAX = 4096
OPERATIONS_MAX = 1024
CLIENTS_MAX = 512
# LocalStack keeps every thread that it has started for a step.
THREADS_KEPT = 1000


def do_once() -> None:
    parse_definitions_once()
    find_operations_once()
    assume_roles_once()
    start_no_needless_threads()
    announce_in_background()


def parse_definitions_once() -> None:
    """A definition is parsed, by ANTLR in Python, once and not at each execution.

    The parsed form holds no state of an execution, except for the key under which a component finds its own state in
    the execution's heap, which is created at first use: made constant here.
    """
    from localstack.services.stepfunctions.asl.component.eval_component import EvalComponent
    from localstack.services.stepfunctions.asl.parse.asl_parser import AmazonStateLanguageParser

    cached = functools.lru_cache(maxsize=DEFINITIONS_MAX)(AmazonStateLanguageParser.parse)
    AmazonStateLanguageParser.parse = staticmethod(cached)
    EvalComponent.heap_key = property(lambda self: str(id(self)))


def find_operations_once() -> None:
    """The operation of a task is looked up once, not by converting the names of all operations for each task."""
    from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service import (
        state_task_service,
    )

    service = state_task_service.StateTaskService
    service._get_boto_operation_model = staticmethod(
        functools.lru_cache(maxsize=OPERATIONS_MAX)(service._get_boto_operation_model)
    )


def parse_paths_once() -> None:
    """A JSONPath is parsed once and not at each lookup.

    The library rebuilds the tables of its parser for each path, some 10 ms; a parsed path is read-only.
    """
    from localstack.services.stepfunctions.asl.utils import json_path

    json_path.parse = functools.lru_cache(maxsize=PATHS_MAX)(json_path.parse)


def assume_roles_once() -> None:
    """One client is kept for each service, region and role.

    LocalStack assumes the role before each task, gets new credentials and so builds a new client: 10 ms under a global
    lock, never freed. The price: credentials are not renewed, which a local cloud does not need.
    """
    from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.credentials import (
        StateCredentials,
    )
    from localstack.services.stepfunctions.asl.utils import boto_client

    original = boto_client.boto_client_for

    @functools.lru_cache(maxsize=CLIENTS_MAX)
    def client(service, region, role_arn):
        return original(service=service, region=region, state_credentials=StateCredentials(role_arn=role_arn))

    def boto_client_for(service, region, state_credentials):
        return client(service, region, state_credentials.role_arn)

    for name, module in list(sys.modules.items()):
        if name.startswith("localstack.services.stepfunctions") and vars(module).get("boto_client_for") is original:
            module.boto_client_for = boto_client_for


_calling = threading.local()


class _CalledAtOnce:
    """Replaces a thread that its starter would only wait for."""

    def __init__(self, target):
        self.start = target


def start_no_needless_threads() -> None:
    """An execution or a task without a timeout runs in the calling thread: a thread is only needed to enforce a
    timeout."""
    from localstack.services.stepfunctions.asl.component.common.timeouts.timeout import TimeoutSeconds
    from localstack.services.stepfunctions.asl.component.eval_component import EvalComponent
    from localstack.services.stepfunctions.asl.component.program.program import Program
    from localstack.services.stepfunctions.asl.component.state.state_execution import execute_state

    eval_in_thread = Program.eval
    evaluate_in_thread = execute_state.ExecutionState._evaluate_with_timeout
    endless = TimeoutSeconds.DEFAULT_TIMEOUT_SECONDS

    def eval_program(self, env):
        if self.timeout_seconds:
            return eval_in_thread(self, env)
        env.next_state_name = self.start_at.start_at_name
        try:
            EvalComponent.eval(self, env)
        except Exception:
            LOG.exception("evaluating a state machine")  # the thread would have ended with it

    def evaluate_task(self, env):
        self.timeout.eval(env=env)
        _calling.at_once = env.stack.pop() == endless
        return evaluate_in_thread(self, env)

    def thread(target, daemon=True):
        at_once, _calling.at_once = getattr(_calling, "at_once", False), False
        return _CalledAtOnce(target) if at_once else threading.Thread(target=target, daemon=daemon)

    Program.eval = eval_program
    execute_state.ExecutionState._evaluate_with_timeout = evaluate_task
    execute_state.Thread = thread
    execute_state.TMP_THREADS = collections.deque(maxlen=THREADS_KEPT)


def announce_in_background() -> None:
    """A thread publishes status-change events to the bus, in order, so that StartExecution does not wait for them."""
    from localstack.services.stepfunctions.backend.execution import Execution

    publish_now = Execution.publish_execution_status_change_event
    waiting: queue.SimpleQueue = queue.SimpleQueue()

    class Snapshot:
        """The execution as it is now; the original changes meanwhile."""

        def __init__(self, execution):
            self.__dict__.update(execution.__dict__)
            self._get_events_client = execution._get_events_client

    def publish_forever():
        while True:
            try:
                publish_now(waiting.get())
            except Exception:
                LOG.exception("publishing an execution's status")

    threading.Thread(target=publish_forever, name="execution-events", daemon=True).start()
    Execution.publish_execution_status_change_event = lambda self: waiting.put(Snapshot(self))
