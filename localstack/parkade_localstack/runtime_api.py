"""The Lambda Runtime API for one execution environment, on a port of its own."""

import queue
import socket
import threading
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


class RuntimeApi:
    def __init__(self, listener: Listener):
        self._listener = listener
        self._waiting: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.address = "127.0.0.1:%d" % self._socket.getsockname()[1]
        threading.Thread(target=self._accept, name="runtime-api", daemon=True).start()

    def offer(self, invocation: Invocation) -> None:
        self._waiting.put(invocation)

    def close(self) -> None:
        self._waiting.put(None)
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
            threading.Thread(target=self._talk, args=(connection,), name="runtime-api", daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb", 65_536) as stream:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while head := read_head(stream):
                    body = read_body(stream, head.by_lower_name())[0].read()
                    if not self._serve(connection, head.method, head.target, body):
                        return
        except (OSError, ValueError):
            pass  # the process has gone

    def _serve(self, connection: socket.socket, method: str, target: str, body: bytes) -> bool:
        """One call; whether the connection stays open. Paths are /2018-06-01/runtime/…"""
        match method, target.strip("/").split("/")[2:]:
            case "GET", ["invocation", "next"]:
                return self._next(connection)
            case "POST", ["invocation", request_id, "response"] if len(body) > RESPONSE_MAX:
                _answer(connection, "413 Request Entity Too Large")
                self._listener.answered(request_id, _too_large(len(body)), True)
            case "POST", ["invocation", request_id, "response" | "error" as kind]:
                # Accepted first: the process asks for more while its answer is passed on.
                _answer(connection, "202 Accepted")
                self._listener.answered(request_id, body, kind == "error")
            case "POST", ["init", "error"]:
                _answer(connection, "202 Accepted")
                self._listener.init_failed(body)
            case _:
                _answer(connection, "404 Not Found")
        return True

    def _next(self, connection: socket.socket) -> bool:
        self._listener.ready()
        invocation = self._waiting.get()
        if invocation is None:
            return False
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


def _answer(connection: socket.socket, status: str, body: bytes = b"", *headers: tuple[str, str]) -> None:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), f"Content-Length: {len(body)}"]
    connection.sendall("\r\n".join([*lines, "\r\n"]).encode() + body)


def _too_large(length: int) -> bytes:
    return (
        b'{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size (%d bytes) exceeded '
        b'maximum allowed payload size (%d bytes)."}' % (length, RESPONSE_MAX)
    )
