"""Compression of long responses for clients that accept it."""

import gzip
import zlib

from localstack.services.apigateway.next_gen.execute_api.handlers.method_response import MethodResponseHandler
from moto.apigateway.models import apigateway_backends

# In AWS's order of preference.
CODINGS = {"gzip": lambda body: gzip.compress(body, mtime=0), "deflate": zlib.compress}


def compress_long_responses() -> None:
    """Compresses responses of integrations, as the API's `minimumCompressionSize` requires."""
    original = MethodResponseHandler.__call__

    def write_compressed(self, chain, context, response):
        original(self, chain, context, response)
        _compress(context, response)

    MethodResponseHandler.__call__ = write_compressed


def _compress(context, response) -> None:
    api = apigateway_backends[context.account_id][context.region].apis[context.api_id]
    size = api.minimum_compression_size
    if size is None or "Content-Encoding" in response.headers:
        return
    # A star would stand for any coding; AWS does not accept it.
    accepted = {coding for coding, quality in context.request.accept_encodings if quality > 0}
    coding = next((coding for coding in CODINGS if coding in accepted), None)
    body = response.data
    if coding is None or not body or len(body) < int(size):
        return
    response.set_data(CODINGS[coding](body))
    response.headers["Content-Encoding"] = coding
