"""The Lambda Runtime API for one execution environment, on a port of its own."""

import math
import os
import queue
import select
import socket
import struct
import threading
import time
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from parkade_localstack.http1 import read_body, read_head

# What AWS takes as a response: 6 MB and some room for the envelope.
RESPONSE_MAX = 6_291_556


class Invocation(NamedTuple):
    """What `next` hands to the function."""

    request_id: str
    function_arn: str
    trace_id: str
    deadline_ms: int
    payload: bytes


class Listener(Protocol):
    """Who is told what the function says; each call comes from the connection's thread."""

    def ready(self) -> None: ...

    def init_failed(self, error: bytes) -> None: ...

    def answered(self, request_id: str, body: bytes, is_error: bool) -> None: ...


class Connection:
    """One connection of the process: whoever holds it reads from it."""

    def __init__(self, opened: socket.socket):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket, self.stream = opened, opened.makefile("rb", 65_536)
        # Whether the process waits for an invocation on it.
        self.waits = False

    def limit(self, seconds: float) -> None:
        """A read ends after so many seconds, as if the peer had gone; 0 for never."""
        whole, fraction = divmod(seconds, 1)
        microseconds = max(int(fraction * 1_000_000), 1) if seconds else 0
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(whole), microseconds))

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


class Bell:
    """Wakes who waits for a connection."""

    def __init__(self):
        self._in, self._out = os.pipe()
        self._rung = False

    def ring(self) -> None:
        self._rung = True
        os.write(self._out, b"!")

    def has_come(self, connection: Connection, seconds: float) -> bool:
        """Whether something has come on the connection, before it rang and in time."""
        poll = select.poll()
        poll.register(connection.socket, select.POLLIN)
        poll.register(self._in, select.POLLIN)
        ready = poll.poll(math.ceil(seconds * 1000))
        return bool(ready) and all(fd != self._in for fd, _ in ready)

    def silence(self) -> None:
        if self._rung:
            self._rung = False
            os.read(self._in, 64)

    def __del__(self):
        os.close(self._in)
        os.close(self._out)


class RuntimeApi:
    """Where the process asks for invocations and leaves its answers.

    A thread serves each connection until the process waits for an invocation on it. From then on it rests, and who
    invokes serves it: to pass each invocation to a thread, and its answer back, costs more than all else here.  A
    process that answers by another connection than it has asked on, or asks on several, is served by threads.
    """

    def __init__(self, listener: Listener):
        self._listener = listener
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[Invocation] = queue.SimpleQueue()
        # Either those on which the process waits, or one on which it has answered and will ask.
        self._resting: list[Connection] = []
        # The one that is served by who invokes.
        self._served: Connection | None = None
        self._bell = Bell()
        self._closed = False
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.address = "127.0.0.1:%d" % self._socket.getsockname()[1]
        threading.Thread(target=self._accept, name="runtime-api", daemon=True).start()

    def invoke(self, invocation: Invocation, answer: Future, seconds: float):
        """Hands it to the process and waits until the listener, who is told of the answer, has set it."""
        until = time.monotonic() + seconds
        with self._lock:
            self._waiting.put(invocation)
            connection = self._served = self._resting.pop() if self._resting else None
        if connection:
            self._serve_until(connection, answer, until)
        return answer.result(max(0, until - time.monotonic()))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            resting, self._resting = self._resting, []
            if self._served:
                self._bell.ring()
        for connection in resting:
            connection.close()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        except OSError:
            pass
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._start(Connection(connection))

    def _start(self, connection: Connection) -> None:
        threading.Thread(target=self._talk, args=(connection,), name="runtime-api", daemon=True).start()

    def _talk(self, connection: Connection) -> None:
        """Serves a connection until it rests or is closed."""
        good = True
        try:
            connection.limit(0)
            while good and self._serve_next(connection):
                while good and connection.waits:
                    if self._rest(connection):
                        return
                    good = self._hand_over(connection)
        except (OSError, ValueError):
            pass  # the process has gone
        connection.close()

    def _serve_until(self, connection: Connection, answer: Future, until: float) -> None:
        """In place of a thread, until there is an answer, time is up, or the process goes on elsewhere or has gone."""
        good = True
        try:
            good = not connection.waits or self._hand_over(connection)
            while good and not answer.done() and (left := until - time.monotonic()) > 0:
                if not self._bell.has_come(connection, left):
                    break
                connection.limit(max(until - time.monotonic(), 0.001))
                good = self._serve_next(connection)
        except (OSError, ValueError):
            good = False
        with self._lock:
            self._served = None
            self._bell.silence()
        if not good:
            connection.close()
        elif not answer.done() or not self._rest(connection):
            self._start(connection)

    def _rest(self, connection: Connection) -> bool:
        """Whether it rests now: not if an invocation has come meanwhile, or if another is asked on."""
        with self._lock:
            if self._closed or not self._waiting.empty() or self._resting and not connection.waits:
                return False
            displaced = [one for one in self._resting if not one.waits]
            self._resting = [one for one in self._resting if one.waits] + [connection]
        for one in displaced:
            self._start(one)
        return True

    def _goes_on_by(self, connection: Connection) -> None:
        """Who invokes looks for it on another connection in vain."""
        with self._lock:
            if self._served not in (None, connection):
                self._bell.ring()

    def _serve_next(self, connection: Connection) -> bool:
        """Serves one request; whether more may come."""
        head = read_head(connection.stream)
        if not head:
            return False
        body = read_body(connection.stream, head.by_lower_name())[0].read()
        return self._serve(connection, head.method, head.target, body)

    def _serve(self, connection: Connection, method: str, target: str, body: bytes) -> bool:
        """One call; whether the connection stays open. Paths are /2018-06-01/runtime/…"""
        match method, target.strip("/").split("/")[2:]:
            case "GET", ["invocation", "next"]:
                self._listener.ready()
                connection.waits = True
                return self._hand_over(connection)
            case "POST", ["invocation", request_id, "response"] if len(body) > RESPONSE_MAX:
                _answer(connection, "413 Request Entity Too Large")
                self._listener.answered(request_id, _too_large(len(body)), True)
                self._goes_on_by(connection)
            case "POST", ["invocation", request_id, "response" | "error" as kind]:
                # Accepted first: the process asks for more while its answer is passed on.
                _answer(connection, "202 Accepted")
                self._listener.answered(request_id, body, kind == "error")
                self._goes_on_by(connection)
            case "POST", ["init", "error"]:
                _answer(connection, "202 Accepted")
                self._listener.init_failed(body)
            case _:
                _answer(connection, "404 Not Found")
        return True

    def _hand_over(self, connection: Connection) -> bool:
        """Answers a process that waits, if there is an invocation; whether the connection stays open."""
        try:
            invocation = self._waiting.get_nowait()
        except queue.Empty:
            return not self._closed
        connection.waits = False
        self._goes_on_by(connection)
        _answer(
            connection,
            "200 OK",
            invocation.payload,
            ("Content-Type", "application/json"),
            ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
            ("Lambda-Runtime-Invoked-Function-Arn", invocation.function_arn),
            ("Lambda-Runtime-Trace-Id", invocation.trace_id),
            ("Lambda-Runtime-Deadline-Ms", str(invocation.deadline_ms)),
        )
        return True


def _answer(connection: Connection, status: str, body: bytes = b"", *headers: tuple[str, str]) -> None:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), f"Content-Length: {len(body)}"]
    connection.socket.sendall("\r\n".join([*lines, "\r\n"]).encode() + body)


def _too_large(length: int) -> bytes:
    return (
        b'{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size (%d bytes) exceeded '
        b'maximum allowed payload size (%d bytes)."}' % (length, RESPONSE_MAX)
    )
