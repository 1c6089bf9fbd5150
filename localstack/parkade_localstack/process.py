"""A function's process: started so that it cannot outlive LocalStack, read from, watched, killed."""

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
# For a call that is over at once: one by `os` lets go of the interpreter's lock, and has to wait for it afterwards.
_HELD = ctypes.PyDLL(None) if sys.platform == "linux" else None
_SIGINFO_INTS = 32
READ_SIZE = 65_536
# Linux sends the parent-death signal when the *thread* that forked ends, so one thread that never ends forks them all.
_SPAWNER = ThreadPoolExecutor(1, thread_name_prefix="function-spawner")
# How often to look for a death that the pipe does not tell, when a child of the function holds it open.
LOOK_SECONDS = 1
# How old the size of a process may be.
SIZE_SECONDS = 1

_running: set["FunctionProcess"] = set()
_running_lock = threading.Lock()


def kill_all() -> None:
    """When LocalStack ends. The kernel would kill the processes, but not what they have started."""
    with _running_lock:
        for process in list(_running):
            process.kill()


def _die_with_parent(parent: int) -> None:
    """Runs in the child between fork and exec, so it does as little as possible."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the signal was asked for
        os._exit(1)


class FunctionProcess:
    """Runs `bootstrap`. `on_exit` is called with the exit code, once, unless `kill` came first."""

    def __init__(self, folder: str, environment: dict[str, str], on_exit: Callable[[int], None]):
        self._on_exit = on_exit
        self._lock = threading.Lock()
        self._lines: list[str] = []
        self._rest = b""
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
        # One that has ended stays to be waited for, so that the number is still its own.
        told, how = (ctypes.c_int * _SIGINFO_INTS)(), os.WEXITED | os.WNOHANG | os.WNOWAIT
        return _HELD.waitid(os.P_PID, self._process.pid, told, how) == 0 and not told[0]

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
        """Of a second ago, perhaps."""
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
        """Kills the process and what it has started. May be called twice."""
        with self._lock:
            self._killed = True
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self._process.wait()

    def _watch(self) -> None:
        """Reads what the process prints and notices when it ends; closes the pipe last, as only it knows when."""
        ended = False
        while not ended:
            select.select([self._output], [], [], LOOK_SECONDS)
            with self._lock:
                ended = self._drain() or not self.alive
        code = self._process.wait()
        with self._lock:
            self._drain()
            if self._rest:
                self._lines.append(self._rest.decode("utf-8", "replace"))
            os.close(self._output)
            self._output = -1
            killed = self._killed
        with _running_lock:
            _running.discard(self)
        if not killed:
            self._on_exit(code)

    def _drain(self) -> bool:
        """Reads what is there, holding the lock; whether the pipe has ended."""
        while self._output >= 0:
            try:
                data = os.read(self._output, READ_SIZE)
            except BlockingIOError:
                return False
            if not data:
                return True
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._lines += [line.decode("utf-8", "replace") for line in lines]
            if len(data) < READ_SIZE:  # all there was; an end is told by the next read
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
        preexec_fn=(lambda: _die_with_parent(parent)) if _LIBC else None,
    )
