"""LocalStack's gateway on plain HTTP/1.1: one thread per connection, no reactor, only on the addresses configured.

LocalStack's Twisted server passes each request from a reactor to a pool and back, and parses each Content-Type with
Python's e-mail package, an eighth of all time under load.  This server supports neither TLS nor WebSocket.
"""

import io
import logging
import socket
import threading
from urllib.parse import unquote_to_bytes

from localstack.runtime.server.core import RuntimeServer, RuntimeServerPlugin
from rolo.response import Response
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Request

from parkade_localstack import plugins, shortcuts
from parkade_localstack.http1 import BadRequest, Head, TooLong, read_body, read_head

LOG = logging.getLogger(__name__)
BACKLOG = 512
# A response part larger than this is sent at once; smaller ones wait for the next, to fill packets.
SEND_SIZE = 65_536
REJECTION = b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
# How long and how much a rejected client may continue to send before the connection is closed.
LINGER_SECONDS = 1
LINGER_BYTES = 1 << 20


class ThreadServerPlugin(RuntimeServerPlugin):
    name = "threads"

    def load(self, *args, **kwargs):
        return ThreadServer()


def register() -> None:
    plugins.register(RuntimeServerPlugin.namespace, ThreadServerPlugin.name, ThreadServerPlugin)


class ThreadServer(RuntimeServer):
    def __init__(self):
        self._listeners: list[socket.socket] = []
        self._stopped = threading.Event()

    def register(self, gateway, listen, ssl_creds=None):
        for address in listen:
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            listener = socket.create_server((address.host, address.port), family=family, backlog=BACKLOG)
            self._listeners.append(listener)
            _start(self._accept, gateway, listener, name=f"accept-{address.port}")

    def run(self):
        self._stopped.wait()

    def shutdown(self):
        self._stopped.set()
        for listener in self._listeners:
            try:
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            except OSError:
                pass
            listener.close()

    def _accept(self, gateway, listener: socket.socket):
        here = listener.getsockname()
        while not self._stopped.is_set():
            try:
                connection, peer = listener.accept()
            except OSError:
                continue
            _start(self._serve, gateway, connection, peer, here, name="connection")

    def _serve(self, gateway, connection: socket.socket, peer, here):
        try:
            with connection, connection.makefile("rb", SEND_SIZE) as stream:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    while not self._stopped.is_set() and (head := read_head(stream)):
                        if not Exchange(head, connection, stream, peer, here).run(gateway):
                            return
                except BadRequest as error:
                    _reject(connection, b"414 URI Too Long" if isinstance(error, TooLong) else b"400 Bad Request")
        except (OSError, ValueError):
            pass  # the peer has closed
        except Exception:
            LOG.exception("serving a connection")


def _reject(connection: socket.socket, status: bytes) -> None:
    """If it were closed with unread input, the connection would be reset, and the client would not see the response."""
    connection.sendall(REJECTION % status)
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(LINGER_SECONDS)
    left = LINGER_BYTES
    while left > 0 and (data := connection.recv(SEND_SIZE)):
        left -= len(data)


def _start(target, *args, name: str) -> None:
    threading.Thread(target=target, args=args, name=name, daemon=True).start()


class Exchange:
    """One request and its response."""

    def __init__(self, head: Head, connection: socket.socket, stream, peer, here):
        self.head, self.connection, self.stream, self.peer, self.here = head, connection, stream, peer, here
        self.headers = head.by_lower_name()

    def run(self, gateway) -> bool:
        """Serves the request; returns whether the connection stays open."""
        if self.headers.get("expect", "").lower() == "100-continue":
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body, length = read_body(self.stream, self.headers)
        if isinstance(body, io.BytesIO) and self._keeps_alive({}):
            response = shortcuts.take(shortcuts.Call(gateway, self.head, self.headers, body.getvalue()))
            if isinstance(response, bytes):
                self.connection.sendall(response)
                return True
            if response is not None:
                return self._respond(response, self._environ())
        environ = self._environ()
        environ["wsgi.input"] = body
        if length and not environ["CONTENT_LENGTH"]:
            environ["CONTENT_LENGTH"] = str(length)
        try:
            request, response = Request(environ), Response()
            request.headers = Headers(self.head.headers)  # original spelling: S3 metadata and HTTP proxying need it
            gateway.process(request, response)
            return self._respond(response, environ)
        finally:
            environ["wsgi.input"].close()

    def _environ(self) -> dict:
        target = self.head.target
        if target.startswith("http"):  # the absolute form, as sent to a proxy
            target = "/" + target.partition("://")[2].partition("/")[2]
        path, _, query = target.partition("?")
        environ = {
            "REQUEST_METHOD": self.head.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "REQUEST_URI": target,
            "RAW_URI": target,
            "SERVER_PROTOCOL": self.head.version,
            "SERVER_NAME": self.here[0],
            "SERVER_PORT": str(self.here[1]),
            "REMOTE_ADDR": self.peer[0],
            "REMOTE_PORT": str(self.peer[1]),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": io.BytesIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }
        for name, value in self.headers.items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            environ[name] = environ.pop("HTTP_" + name, "")
        return environ

    def _respond(self, response: Response, environ: dict) -> bool:
        parts, status, headers = response.get_wsgi_response(environ)
        names = {name.lower(): value for name, value in headers}
        keep = self._keeps_alive(names)
        bodiless = self.head.method == "HEAD" or status[:3] in ("204", "304") or status[0] == "1"
        chunked = not bodiless and "content-length" not in names
        if chunked:
            headers.append(("Transfer-Encoding", "chunked"))
        if not keep and "connection" not in names:
            headers.append(("Connection", "close"))
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), "\r\n"]
        try:
            self._send("\r\n".join(lines).encode("latin-1"), () if bodiless else parts, chunked)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        return keep

    def _keeps_alive(self, response_headers: dict[str, str]) -> bool:
        said = (self.headers.get("connection", "").lower(), response_headers.get("connection", "").lower())
        return self.head.version == "HTTP/1.1" and "close" not in said

    def _send(self, head: bytes, parts, chunked: bool) -> None:
        waiting = [head]
        for part in parts:
            if not part:
                continue
            waiting += [b"%x\r\n" % len(part), part, b"\r\n"] if chunked else [part]
            # A chunked body is a stream: its reader waits for each part.
            if chunked or len(part) > SEND_SIZE:
                self.connection.sendall(b"".join(waiting))
                waiting = []
        if chunked:
            waiting.append(b"0\r\n\r\n")
        if waiting:
            self.connection.sendall(b"".join(waiting))
