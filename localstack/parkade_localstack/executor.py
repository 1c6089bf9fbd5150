"""Lambda without containers: each execution environment is one process of the function's `bootstrap`.

It behaves as AWS does in error cases: a function that exceeds its timeout is killed and reported as `Sandbox.Timedout`,
one that exits as `Runtime.ExitError`, and the next invocation gets a new process in the same environment.
"""

import json
import os
import stat
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout

from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from parkade_localstack.process import FunctionProcess
from parkade_localstack.runtime_api import Invocation, RuntimeApi
from parkade_localstack.telemetry import deliver_later, put_log_events

# As on AWS.
INIT_SECONDS = 10
LOOPBACK = "127.0.0.1"


class ProcessExecutor(RuntimeExecutor):
    """One execution environment. LocalStack calls it from one thread at a time, except for `stop`."""

    def __init__(self, id, function_version):
        super().__init__(id, function_version)
        self._environment: dict[str, str] = {}
        self._run: Run | None = None
        self._lock = threading.Lock()
        self._stopped = False

    def start(self, env_vars):
        self._environment = {name: str(value) for name, value in env_vars.items()}
        self._start_run()

    def stop(self):
        with self._lock:
            self._stopped = True
            run = self._run
        if run:
            run.cancel()

    def invoke(self, payload):
        if not self._run.process.alive:  # it has exited since, or during the last invocation
            self._start_run()
        run, seconds = self._run, self.function_version.config.timeout
        request_id = payload["invoke-id"]
        started = time.time()
        is_error, body = run.invoke(
            Invocation(
                request_id,
                payload["invoked-function-arn"],
                payload["trace-id"],
                int((started + seconds) * 1000),
                payload["payload"].encode(),
            ),
            seconds,
        )
        return InvocationResult(request_id, body, is_error, self._log_of(run, request_id, time.time() - started))

    def get_address(self):
        return LOOPBACK

    def get_endpoint_from_executor(self):
        """LocalStack derives AWS_ENDPOINT_URL from it: an SDK in the function reaches the local cloud without DNS."""
        return LOOPBACK

    def get_runtime_endpoint(self):
        return f"http://{LOOPBACK}"

    def get_logs(self):
        return "\n".join(self._run.process.take_output()) if self._run else ""

    @classmethod
    def prepare_version(cls, function_version):
        if function_version.config.code:
            function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version):
        pass

    def _start_run(self) -> None:
        code = self.function_version.config.code.get_unzipped_code_location()
        run = Run(str(code), self._environment)
        with self._lock:
            self._run = run
            stopped = self._stopped
        if stopped:
            run.cancel()
        try:
            run.wait_until_ready()
        except StatusErrorException:
            self._log_failed_start(run)
            raise

    def _log_failed_start(self, run: "Run") -> None:
        """The output of a failed start belongs to no invocation, so LocalStack would drop it; it contains the
        reason."""
        now, environment = int(time.time() * 1000), self._environment
        version = self.function_version.id
        group, stream = environment["AWS_LAMBDA_LOG_GROUP_NAME"], environment["AWS_LAMBDA_LOG_STREAM_NAME"]
        for line in run.process.take_output():
            event = {"timestamp": now, "message": line + "\n"}
            deliver_later(put_log_events, (version.account, version.region, group, stream), event)

    def _log_of(self, run: "Run", request_id: str, seconds: float) -> str:
        ms, size = seconds * 1000, self.function_version.config.memory_size
        return "\n".join(
            [
                f"START RequestId: {request_id} Version: {self.function_version.id.qualifier}",
                *run.process.take_output(),
                f"END RequestId: {request_id}",
                f"REPORT RequestId: {request_id}\tDuration: {ms:.2f} ms\tBilled Duration: {int(ms) + 1} ms\t"
                f"Memory Size: {size} MB\tMax Memory Used: {run.process.resident_mb()} MB",
            ]
        )


class Run:
    """One process, from its start to its exit, with its Runtime API."""

    def __init__(self, folder: str, environment: dict[str, str]):
        self._ready: Future[None] = Future()
        self._current: tuple[str, Future] | None = None
        self._lock = threading.Lock()
        self._api = RuntimeApi(self)
        try:
            _make_executable(os.path.join(folder, "bootstrap"))
            self.process = FunctionProcess(folder, self._complete(environment, folder), self.exited)
        except OSError as error:
            self._api.close()
            raise _init_error("Runtime.InvalidEntrypoint", f"cannot start {folder}/bootstrap: {error}") from error

    def _complete(self, environment: dict[str, str], folder: str) -> dict[str, str]:
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TMPDIR": os.environ["TMPDIR"],
            **environment,
            "LAMBDA_TASK_ROOT": folder,
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
        }

    def wait_until_ready(self) -> None:
        try:
            self._ready.result(INIT_SECONDS)
        except FutureTimeout:
            self.end()
            raise _init_error("Sandbox.Timedout", f"Init timed out after {INIT_SECONDS} seconds") from None
        except StatusErrorException:
            self.end()
            raise

    def invoke(self, invocation: Invocation, seconds: float) -> tuple[bool, bytes]:
        """Whether it failed, and its response."""
        result: Future[tuple[bool, bytes]] = Future()
        with self._lock:
            self._current = (invocation.request_id, result)
        if not self.process.alive:
            self._complete_invocation(None, (True, _exit_error(invocation.request_id, self.process)))
        try:
            return self._api.invoke(invocation, result, seconds)
        except FutureTimeout:
            self.end()
            message = f"RequestId: {invocation.request_id} Error: Task timed out after {seconds}.00 seconds"
            return True, _error("Sandbox.Timedout", message)

    def cancel(self) -> None:
        with self._lock:
            current = self._current
        if current:
            current[1].cancel()
        self.end()

    def end(self) -> None:
        self.process.kill()
        self._api.close()

    # -- callbacks of the Runtime API and the process

    def ready(self) -> None:
        with self._lock:
            if not self._ready.done():
                self._ready.set_result(None)

    def init_failed(self, error: bytes) -> None:
        with self._lock:
            if not self._ready.done():
                self._ready.set_exception(StatusErrorException("the function failed to start", payload=error))

    def responded(self, request_id: str, body: bytes, is_error: bool) -> None:
        self._complete_invocation(request_id, (is_error, body))

    def exited(self, code: int) -> None:
        self._api.close()
        request_id = self._current[0] if self._current else ""
        error = _exit_error(request_id, self.process, code)
        self.init_failed(error)
        self._complete_invocation(None, (True, error))

    def _complete_invocation(self, request_id: str | None, result: tuple[bool, bytes]) -> None:
        """The first result wins; a response to another invocation than the current one is too late."""
        with self._lock:
            if not self._current or request_id not in (None, self._current[0]):
                return
            future = self._current[1]
            if not future.done():
                future.set_result(result)


def _make_executable(path: str) -> None:
    """A zip made without modes, or a folder for hot reload, may lack the executable bit."""
    mode = os.stat(path).st_mode
    if not mode & stat.S_IXUSR:
        os.chmod(path, mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


def _exit_error(request_id: str, process: FunctionProcess, code: int | None = None) -> bytes:
    code = process.exit_code if code is None else code
    how = f"signal: {-code}" if code and code < 0 else f"exit status {code}"
    return _error("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited with error: {how}")


def _init_error(kind: str, message: str) -> StatusErrorException:
    return StatusErrorException(message, payload=_error(kind, message))
