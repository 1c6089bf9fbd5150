"""Mends whose fault shows too seldom from outside: tried on LocalStack's own parts, in a process of their own."""

import subprocess
import sys
import textwrap

import pytest
from cloud import PACKAGE_ROOT


def run(code: str, mend: str) -> str:
    """Runs the code with or without the mend, as the environment says; what it prints."""
    given = f"""
        from parkade_localstack import mends
        [mend] = [m for m in mends.MENDS if m.name == {mend!r}]
        if mends.wanted(mend.name):
            mend.apply()
    """
    program = textwrap.dedent(given) + textwrap.dedent(code)
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=PACKAGE_ROOT, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


@pytest.mark.guards("parse-lock")
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="mended in CPython 3.12")
def test_python_is_parsed_by_one_thread_at_a_time():
    assert not run(
        """
        import ast, gc, threading, time
        class LetsAnotherThreadIn:
            def __del__(self):
                time.sleep(0)
        source = "f(" + ",".join("{'a': [1, 2, (3, 4)]}" for _ in range(30)) + ")"
        gc.set_threshold(20)
        failed = []
        def parse():
            for _ in range(150):
                garbage = LetsAnotherThreadIn(); garbage.me = garbage; del garbage
                try:
                    ast.parse(source)
                except SystemError as error:
                    failed.append(error)
        threads = [threading.Thread(target=parse) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(*failed)
        """,
        "parse-lock",
    )


@pytest.mark.guards("lambda.races")
def test_environments_may_be_listed_while_one_is_added():
    assert (
        run(
            """
        from types import SimpleNamespace
        from localstack.services.lambda_.invocation.assignment import AssignmentService
        service = AssignmentService()
        environments = service.environments["version"]
        environments["a"] = SimpleNamespace()
        try:
            for _ in environments.values():
                environments["another"] = SimpleNamespace()
            print("fine")
        except RuntimeError as error:
            print(error)
        """,
            "lambda.races",
        )
        == "fine"
    )


@pytest.mark.guards("lambda.races")
def test_a_new_environment_belongs_to_who_has_started_it():
    assert (
        run(
            """
        import threading
        from localstack.services.lambda_.invocation import assignment
        from localstack.services.lambda_.invocation.execution_environment import ExecutionEnvironment, RuntimeStatus

        def started(self):
            self.status = RuntimeStatus.READY
        def made(self, function_version, initialization_type, on_timeout, version_manager_id):
            self.id, self.status, self.status_lock = "e", RuntimeStatus.INACTIVE, threading.RLock()
            self.initialization_type, self.version_manager_id = initialization_type, version_manager_id
            self.keepalive_timer = threading.Timer(0, print)
        ExecutionEnvironment.__init__, ExecutionEnvironment.start = made, started
        ExecutionEnvironment.release = ExecutionEnvironment.stop = lambda self: None
        service = assignment.AssignmentService()

        class Thief(dict):
            # Takes a new environment at the moment it is listed.
            def __setitem__(self, key, environment):
                super().__setitem__(key, environment)
                thread = threading.Thread(target=self.take, args=(environment,))
                thread.start(); thread.join()
            def take(self, environment):
                try:
                    environment.reserve()
                    self.stolen = True
                except Exception:
                    self.stolen = False
        service.environments["version"] = thief = Thief()
        try:
            with service.get_environment("version", None, "on-demand"):
                print("stolen" if thief.stolen else "kept")
        except Exception as error:
            print(type(error).__name__)
        """,
            "lambda.races",
        )
        == "kept"
    )


@pytest.mark.guards("timers")
def test_timers_of_idle_environments_share_a_thread():
    assert (
        run(
            """
        import threading, time
        from localstack.services.lambda_.invocation import execution_environment
        fired = threading.Event()
        timers = [execution_environment.Timer(60, print) for _ in range(50)]
        for timer in timers: timer.start()
        short = execution_environment.Timer(0.1, fired.set)
        short.start()
        count = threading.active_count()
        for timer in timers: timer.cancel()
        print(count < 10, fired.wait(3))
        """,
            "timers",
        )
        == "True True"
    )
