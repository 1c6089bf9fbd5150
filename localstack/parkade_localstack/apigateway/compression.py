"""Long answers, compressed for whoever says that they can read it."""

import gzip
import zlib

from localstack.services.apigateway.next_gen.execute_api.handlers.method_response import MethodResponseHandler
from moto.apigateway.models import apigateway_backends

# In the order in which AWS prefers them.
CODINGS = {"gzip": lambda body: gzip.compress(body, mtime=0), "deflate": zlib.compress}


def compress_long_answers() -> None:
    """What the integration has answered, as the API's `minimumCompressionSize` has it."""
    original = MethodResponseHandler.__call__

    def answer(self, chain, context, response):
        original(self, chain, context, response)
        _compress(context, response)

    MethodResponseHandler.__call__ = answer


def _compress(context, response) -> None:
    api = apigateway_backends[context.account_id][context.region].apis[context.api_id]
    size = api.minimum_compression_size
    if size is None or "Content-Encoding" in response.headers:
        return
    # A star stands for all of them, and AWS does not take it for any.
    asked = {coding for coding, quality in context.request.accept_encodings if quality > 0}
    coding = next((coding for coding in CODINGS if coding in asked), None)
    body = response.data
    if coding is None or not body or len(body) < int(size):
        return
    response.set_data(CODINGS[coding](body))
    response.headers["Content-Encoding"] = coding
