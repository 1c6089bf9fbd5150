"""A function's process: started so that it cannot outlive LocalStack, read from, monitored, killed."""

import ctypes
import fcntl
import os
import select
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Callable

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1
# For a call that returns at once: a call through `os` releases the interpreter lock and then has to reacquire it.
_HELD = ctypes.PyDLL(None) if sys.platform == "linux" else None
_SIGINFO_INTS = 32
READ_SIZE = 65_536
# Linux sends the parent-death signal when the *thread* that forked ends, so one permanent thread forks all processes.
_SPAWNER = ThreadPoolExecutor(1, thread_name_prefix="function-spawner")
# How often to check for an exit that the pipe does not show, because a child of the function holds it open.
EXIT_CHECK_SECONDS = 1
# How old the memory size of a process may be.
SIZE_SECONDS = 1

_running: set["FunctionProcess"] = set()
_running_lock = threading.Lock()


def kill_all() -> None:
    """On shutdown. The kernel would kill the processes, but not their children."""
    with _running_lock:
        for process in list(_running):
            process.kill()


def _exit_with_parent(parent: int) -> None:
    """Runs in the child between fork and exec, so it does as little as possible."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent exited before the signal was requested
        os._exit(1)


class FunctionProcess:
    """Runs `bootstrap`. `on_exit` is called with the exit code, once, unless `kill` was called before."""

    def __init__(self, folder: str, environment: dict[str, str], on_exit: Callable[[int], None]):
        self._on_exit = on_exit
        self._lock = threading.Lock()
        self._lines: list[str] = []
        self._partial_line = b""
        self._killed = False
        self._size, self._size_until = 0, 0.0
        self._output, write_end = os.pipe()
        fcntl.fcntl(self._output, fcntl.F_SETFL, os.O_NONBLOCK)
        try:
            self._process = _SPAWNER.submit(_spawn, folder, environment, write_end).result()
        except BaseException:
            os.close(self._output)
            raise
        finally:
            os.close(write_end)
        with _running_lock:
            _running.add(self)
        threading.Thread(target=self._watch, name="function-watch", daemon=True).start()

    @property
    def alive(self) -> bool:
        if self._process.returncode is not None:
            return False
        if _HELD is None:
            return self._process.poll() is None
        # A process that has exited stays a zombie until it is waited for, so its id is still its own.
        info, how = (ctypes.c_int * _SIGINFO_INTS)(), os.WEXITED | os.WNOHANG | os.WNOWAIT
        return _HELD.waitid(os.P_PID, self._process.pid, info, how) == 0 and not info[0]

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def take_output(self) -> list[str]:
        """Complete lines printed since the last call."""
        with self._lock:
            self._drain()
            lines, self._lines = self._lines, []
            return lines

    def resident_mb(self) -> int:
        """Measured up to a second ago."""
        now = time.monotonic()
        if now > self._size_until:
            self._size, self._size_until = self._resident_mb(), now + SIZE_SECONDS
        return self._size

    def _resident_mb(self) -> int:
        try:
            with open(f"/proc/{self._process.pid}/statm") as statm:
                return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
        except (OSError, IndexError):
            return 0

    def kill(self) -> None:
        """Kills the process and its children. May be called twice."""
        with self._lock:
            self._killed = True
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self._process.wait()

    def _watch(self) -> None:
        """Reads the process's output and detects its exit; closes the pipe last, as only this thread knows when."""
        ended = False
        while not ended:
            select.select([self._output], [], [], EXIT_CHECK_SECONDS)
            with self._lock:
                ended = self._drain() or not self.alive
        code = self._process.wait()
        with self._lock:
            self._drain()
            if self._partial_line:
                self._lines.append(self._partial_line.decode("utf-8", "replace"))
            os.close(self._output)
            self._output = -1
            killed = self._killed
        with _running_lock:
            _running.discard(self)
        if not killed:
            self._on_exit(code)

    def _drain(self) -> bool:
        """Reads what is available, holding the lock; returns whether the pipe has ended."""
        while self._output >= 0:
            try:
                data = os.read(self._output, READ_SIZE)
            except BlockingIOError:
                return False
            if not data:
                return True
            *lines, self._partial_line = (self._partial_line + data).split(b"\n")
            self._lines += [line.decode("utf-8", "replace") for line in lines]
            if len(data) < READ_SIZE:  # all that was available; the next read detects the end
                return False
        return True


def _spawn(folder: str, environment: dict[str, str], output: int) -> subprocess.Popen:
    parent = os.getpid()
    return subprocess.Popen(
        [os.path.join(folder, "bootstrap")],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        preexec_fn=(lambda: _exit_with_parent(parent)) if _LIBC else None,
    )
