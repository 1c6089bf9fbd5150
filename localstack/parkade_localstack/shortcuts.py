"""Requests that go from the connection straight to what answers them, past LocalStack's gateway.

As shipped a request runs through some thirty handlers, is parsed by the service's model, and its answer is written by
it; for the requests that functions make all the time that is several times the work of answering.  Whatever is out of
the ordinary takes the way as shipped.
"""

import functools
import logging
from typing import Any, Callable, NamedTuple

from parkade_localstack.http1 import Head

BODY_MAX = 1 << 20
_request_log = logging.getLogger("localstack.request.aws")


class Call(NamedTuple):
    """A request as it came in; `headers` by lower-case names."""

    gateway: Any
    head: Head
    headers: dict[str, str]
    body: bytes


class Caller(NamedTuple):
    account: str
    region: str
    access_key: str


# Each gives the whole answer, a response of werkzeug's, or None: then the next is asked, and LocalStack at last.
_shortcuts: list[Callable[[Call], Any]] = []


def add(shortcut: Callable[[Call], Any]) -> None:
    _shortcuts.append(shortcut)


def take(call: Call) -> Any:
    for shortcut in _shortcuts:
        answer = shortcut(call)
        if answer is not None:
            return answer
    return None


@functools.cache
def _special() -> tuple[str, ...]:
    """Headers that some handler looks at."""
    from localstack.aws.connect import INTERNAL_REQUEST_PARAMS_HEADER

    return ("origin", "referer", "content-encoding", "transfer-encoding", INTERNAL_REQUEST_PARAMS_HEADER.lower())


def is_ordinary(call: Call) -> bool:
    """Whether no handler of LocalStack's would do more with it than pass it on."""
    headers = call.headers
    return (
        call.head.method == "POST"
        and 0 < len(call.body) < BODY_MAX
        and not any(name in headers for name in _special())
        and "amazonaws.com" not in headers.get("host", "")  # each may name a region
        and "region/" not in headers.get("user-agent", "")
        and not _request_log.isEnabledFor(logging.INFO)
    )


def handler_of(call: Call, service: str, operation: str):
    """What LocalStack would route the request to; None while the service is not loaded."""
    from localstack.aws.api.core import ServiceOperation

    return call.gateway.service_request_router.handlers.get(ServiceOperation(service, operation))


def caller(call: Call, service: str) -> Caller | None:
    """Who asks, and where, as LocalStack reads it from the signature; None where it has another form."""
    scheme, _, rest = call.headers.get("authorization", "").partition(" ")
    return _caller(rest.partition(",")[0], service) if scheme == "AWS4-HMAC-SHA256" else None


@functools.lru_cache(maxsize=1024)
def _caller(credential: str, service: str) -> Caller | None:
    from localstack.aws.accounts import get_account_id_from_access_key_id
    from localstack.aws.handlers import rewrite_region

    name, _, scope = credential.partition("=")
    parts = scope.split("/")
    if name != "Credential" or len(parts) != 5 or parts[3:] != [service, "aws4_request"]:
        return None
    access_key, _, region, *_ = parts
    if region not in rewrite_region.region_rewriter_strategy.available_regions:
        return None
    return Caller(get_account_id_from_access_key_id(access_key), region, access_key)


def answer(content_type: str, body: bytes, *headers: str) -> bytes:
    """A whole 200; each further header is a line."""
    lines = ("HTTP/1.1 200 OK", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers)
    return "\r\n".join((*lines, "x-localstack: true\r\n\r\n")).encode("latin-1") + body
