"""Reading HTTP/1.1: what the gateway's server and the Runtime API server share."""

import io
import tempfile
from typing import BinaryIO, NamedTuple

LINE_MAX = 65_536
HEADERS_MAX = 200
# Bodies over this go to a temporary file: uploads to S3 may be large.
IN_MEMORY_MAX = 4 << 20
CHUNK = 1 << 20
DIGITS_MAX = 16


class BadRequest(ValueError):
    """The input is not the subset of HTTP/1.1 supported here."""


class TooLong(BadRequest):
    """A request line that is too long."""


class Head(NamedTuple):
    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]

    def by_lower_name(self) -> dict[str, str]:
        """Names in lower case; the values of a repeated header are joined, as the standard allows."""
        joined: dict[str, str] = {}
        for name, value in self.headers:
            key = name.lower()
            joined[key] = f"{joined[key]},{value}" if key in joined else value
        return joined


def read_head(stream: BinaryIO) -> Head | None:
    """Request line and headers, in the order and spelling in which they were sent; None if the peer has closed."""
    line = stream.readline(LINE_MAX)
    while line in (b"\r\n", b"\n"):  # some clients end a body with an extra line break
        line = stream.readline(LINE_MAX)
    if not line:
        return None
    if len(line) == LINE_MAX:
        raise TooLong("request line")
    words = line.decode("latin-1").split()
    if len(words) != 3:
        raise BadRequest("request line")
    return Head(*words, _read_headers(stream))


def _read_headers(stream: BinaryIO) -> list[tuple[str, str]]:
    headers = []
    while (line := stream.readline(LINE_MAX)) not in (b"\r\n", b"\n"):
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or len(headers) == HEADERS_MAX:
            raise BadRequest("header")
        headers.append((name, value.strip()))
    return headers


def read_body(stream: BinaryIO, headers: dict[str, str]) -> tuple[BinaryIO, int]:
    """The whole body and its length; `headers` by lower-case names."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return _read_chunked(stream)
    length = _number(headers.get("content-length") or "0", 10)
    if length <= IN_MEMORY_MAX:
        data = stream.read(length) if length else b""
        if len(data) < length:
            raise ConnectionError("the body ends early")
        return io.BytesIO(data), length
    body = tempfile.TemporaryFile()
    _copy(stream, body, length)
    return _rewound(body)


def _read_chunked(stream: BinaryIO) -> tuple[BinaryIO, int]:
    body = tempfile.SpooledTemporaryFile(IN_MEMORY_MAX)
    while size := _number(stream.readline(1024).partition(b";")[0].strip().decode("latin-1"), 16):
        _copy(stream, body, size)
        stream.readline(2)
    while stream.readline(LINE_MAX) not in (b"\r\n", b"\n", b""):
        pass  # trailers
    return _rewound(body)


def _number(text: str, base: int) -> int:
    """A number of digits only: `int` also accepts signs, spaces and underscores."""
    if not text.isascii() or not text.isalnum() or len(text) > DIGITS_MAX:
        raise BadRequest("length")
    try:
        return int(text, base)
    except ValueError:
        raise BadRequest("length") from None


def _copy(source: BinaryIO, target: BinaryIO, length: int) -> None:
    while length:
        data = source.read(min(length, CHUNK))
        if not data:
            raise ConnectionError("the body ends early")
        target.write(data)
        length -= len(data)


def _rewound(body: BinaryIO) -> tuple[BinaryIO, int]:
    length = body.tell()
    body.seek(0)
    return body, length
