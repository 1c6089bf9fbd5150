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

# The largest response of a function on AWS: 6 MB and some room for the envelope.
RESPONSE_MAX = 6_291_556


class Invocation(NamedTuple):
    """The response to `next`: one invocation for the function."""

    request_id: str
    function_arn: str
    trace_id: str
    deadline_ms: int
    payload: bytes


class Listener(Protocol):
    """Receives the function's reports; each call comes from the connection's thread."""

    def ready(self) -> None: ...

    def init_failed(self, error: bytes) -> None: ...

    def responded(self, request_id: str, body: bytes, is_error: bool) -> None: ...


class Connection:
    """One connection of the process; only the thread that owns it reads from it."""

    def __init__(self, opened: socket.socket):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket, self.stream = opened, opened.makefile("rb", 65_536)
        # Whether the process waits for an invocation on this connection.
        self.waits = False

    def limit(self, seconds: float) -> None:
        """A read ends after this many seconds, as if the peer had closed; 0 means never."""
        whole, fraction = divmod(seconds, 1)
        microseconds = max(int(fraction * 1_000_000), 1) if seconds else 0
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(whole), microseconds))

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


class Wakeup:
    """Wakes the thread that waits for a connection."""

    def __init__(self):
        self._in, self._out = os.pipe()
        self._rung = False

    def wake(self) -> None:
        self._rung = True
        os.write(self._out, b"!")

    def wait_for(self, connection: Connection, seconds: float) -> bool:
        """Whether data has arrived on the connection, before a wakeup and in time."""
        poll = select.poll()
        poll.register(connection.socket, select.POLLIN)
        poll.register(self._in, select.POLLIN)
        ready = poll.poll(math.ceil(seconds * 1000))
        return bool(ready) and all(fd != self._in for fd, _ in ready)

    def clear(self) -> None:
        if self._rung:
            self._rung = False
            os.read(self._in, 64)

    def __del__(self):
        os.close(self._in)
        os.close(self._out)


class RuntimeApi:
    """Hands invocations to the process and receives its responses.

    A thread serves each connection until the process waits for an invocation on it. From then on the connection is
    idle, and the invoking thread serves it: handing each invocation and its response from thread to thread costs more
    than all other work here.  A process that responds on another connection than it polls, or polls on several, is
    served by threads.
    """

    def __init__(self, listener: Listener):
        self._listener = listener
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[Invocation] = queue.SimpleQueue()
        # Either those on which the process waits, or one on which it has responded and will poll again.
        self._idle: list[Connection] = []
        # The connection that is served by the invoking thread.
        self._served: Connection | None = None
        self._wakeup = Wakeup()
        self._closed = False
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.address = "127.0.0.1:%d" % self._socket.getsockname()[1]
        threading.Thread(target=self._accept, name="runtime-api", daemon=True).start()

    def invoke(self, invocation: Invocation, result: Future, seconds: float):
        """Hands the invocation to the process and waits until the listener, which receives the response, has set it."""
        until = time.monotonic() + seconds
        with self._lock:
            self._waiting.put(invocation)
            connection = self._served = self._idle.pop() if self._idle else None
        if connection:
            self._serve_until(connection, result, until)
        return result.result(max(0, until - time.monotonic()))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            if self._served:
                self._wakeup.wake()
        for connection in idle:
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
        threading.Thread(target=self._serve_connection, args=(connection,), name="runtime-api", daemon=True).start()

    def _serve_connection(self, connection: Connection) -> None:
        """Serves a connection until it is idle or closed."""
        good = True
        try:
            connection.limit(0)
            while good and self._serve_next(connection):
                while good and connection.waits:
                    if self._set_idle(connection):
                        return
                    good = self._send_next(connection)
        except (OSError, ValueError):
            pass  # the process has exited
        connection.close()

    def _serve_until(self, connection: Connection, result: Future, until: float) -> None:
        """In place of a thread, until there is a response, the time is up, or the process uses another connection or
        exits."""
        good = True
        try:
            good = not connection.waits or self._send_next(connection)
            while good and not result.done() and (left := until - time.monotonic()) > 0:
                if not self._wakeup.wait_for(connection, left):
                    break
                connection.limit(max(until - time.monotonic(), 0.001))
                good = self._serve_next(connection)
        except (OSError, ValueError):
            good = False
        with self._lock:
            self._served = None
            self._wakeup.clear()
        if not good:
            connection.close()
        elif not result.done() or not self._set_idle(connection):
            self._start(connection)

    def _set_idle(self, connection: Connection) -> bool:
        """Whether it is idle now: not if an invocation has arrived meanwhile, or if the process polls on another."""
        with self._lock:
            if self._closed or not self._waiting.empty() or self._idle and not connection.waits:
                return False
            displaced = [one for one in self._idle if not one.waits]
            self._idle = [one for one in self._idle if one.waits] + [connection]
        for one in displaced:
            self._start(one)
        return True

    def _continue_on(self, connection: Connection) -> None:
        """The invoking thread would wait on this connection for data that arrives on another."""
        with self._lock:
            if self._served not in (None, connection):
                self._wakeup.wake()

    def _serve_next(self, connection: Connection) -> bool:
        """Serves one request; returns whether more may follow."""
        head = read_head(connection.stream)
        if not head:
            return False
        body = read_body(connection.stream, head.by_lower_name())[0].read()
        return self._serve(connection, head.method, head.target, body)

    def _serve(self, connection: Connection, method: str, target: str, body: bytes) -> bool:
        """One call; returns whether the connection stays open. Paths are /2018-06-01/runtime/…"""
        match method, target.strip("/").split("/")[2:]:
            case "GET", ["invocation", "next"]:
                self._listener.ready()
                connection.waits = True
                return self._send_next(connection)
            case "POST", ["invocation", request_id, "response"] if len(body) > RESPONSE_MAX:
                _respond(connection, "413 Request Entity Too Large")
                self._listener.responded(request_id, _too_large(len(body)), True)
                self._continue_on(connection)
            case "POST", ["invocation", request_id, "response" | "error" as kind]:
                # Accepted first: the process polls again while its response is passed on.
                _respond(connection, "202 Accepted")
                self._listener.responded(request_id, body, kind == "error")
                self._continue_on(connection)
            case "POST", ["init", "error"]:
                _respond(connection, "202 Accepted")
                self._listener.init_failed(body)
            case _:
                _respond(connection, "404 Not Found")
        return True

    def _send_next(self, connection: Connection) -> bool:
        """Responds to a waiting process, if there is an invocation; returns whether the connection stays open."""
        try:
            invocation = self._waiting.get_nowait()
        except queue.Empty:
            return not self._closed
        connection.waits = False
        self._continue_on(connection)
        _respond(
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


def _respond(connection: Connection, status: str, body: bytes = b"", *headers: tuple[str, str]) -> None:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), f"Content-Length: {len(body)}"]
    connection.socket.sendall("\r\n".join([*lines, "\r\n"]).encode() + body)


def _too_large(length: int) -> bytes:
    return (
        b'{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size (%d bytes) exceeded '
        b'maximum allowed payload size (%d bytes)."}' % (length, RESPONSE_MAX)
    )
