"""Shortcuts: requests that bypass LocalStack's gateway and go from the connection straight to the provider.

As shipped, a request passes some thirty handlers, is parsed by the service's model, and its response is serialized by
it; for the requests that functions make most often, that is several times the work of the operation itself.  Any
request that needs more than that goes through LocalStack's gateway as shipped.
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


# Each returns the whole response, a werkzeug response, or None to pass the request on, in the end to LocalStack.
_shortcuts: list[Callable[[Call], Any]] = []


def add(shortcut: Callable[[Call], Any]) -> None:
    _shortcuts.append(shortcut)


def take(call: Call) -> Any:
    for shortcut in _shortcuts:
        response = shortcut(call)
        if response is not None:
            return response
    return None


@functools.cache
def _special() -> tuple[str, ...]:
    """Headers that some handler reads."""
    from localstack.aws.connect import INTERNAL_REQUEST_PARAMS_HEADER

    return ("origin", "referer", "content-encoding", "transfer-encoding", INTERNAL_REQUEST_PARAMS_HEADER.lower())


def is_ordinary(call: Call) -> bool:
    """Whether LocalStack's handlers would only pass it on."""
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
    """The function that LocalStack would route the request to; None while the service is not loaded."""
    from localstack.aws.api.core import ServiceOperation

    return call.gateway.service_request_router.handlers.get(ServiceOperation(service, operation))


def caller(call: Call, service: str) -> Caller | None:
    """Caller, account and region, as LocalStack reads them from the signature; None if it has another form."""
    scheme, _, parameters = call.headers.get("authorization", "").partition(" ")
    return _caller(parameters.partition(",")[0], service) if scheme == "AWS4-HMAC-SHA256" else None


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


def response(content_type: str, body: bytes, *headers: str) -> bytes:
    """A whole 200 response; each further header is a line."""
    lines = ("HTTP/1.1 200 OK", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers)
    return "\r\n".join((*lines, "x-localstack: true\r\n\r\n")).encode("latin-1") + body
