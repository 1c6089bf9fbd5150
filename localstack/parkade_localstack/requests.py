"""The fixed cost of every request."""

import gc
import logging
import random
import secrets
import time
import uuid

# New objects before a collection of the youngest generation, and how many of those before one of the older ones.
GARBAGE_THRESHOLDS = (20_000, 20, 10)


def log_only_if_enabled() -> None:
    """As shipped, a log line with request and response is built for each request, and dropped unless the log level is
    at least "info".  The launcher turns the log off, and a line that is off is not built."""
    from localstack.aws.handlers.logging import ResponseLogger

    log = ResponseLogger._log
    logger = logging.getLogger("localstack.request")

    def log_if_enabled(self, context, response):
        if logger.isEnabledFor(logging.INFO):
            log(self, context, response)

    ResponseLogger._log = log_if_enabled


def make_ids_without_the_kernel() -> None:
    """Each request creates half a dozen random ids.  Each calls the kernel, which releases the interpreter lock; under
    load it takes long to reacquire it.  Here the kernel is called once, for the seed."""
    from localstack.utils.xray import trace_header, traceid

    bits = random.Random(random.SystemRandom().getrandbits(512)).getrandbits  # one call, so safe among threads

    def uuid4() -> uuid.UUID:
        return uuid.UUID(int=bits(128), version=4)

    class TraceId(traceid.TraceId):
        def __init__(self):
            self.start_time = int(time.time())
            self._TraceId__number = f"{bits(96):024x}"

    uuid.uuid4 = uuid4
    trace_header.generate_random_id = lambda: f"{bits(64):016x}"
    trace_header.TraceId = traceid.TraceId = TraceId
    secrets.token_hex = lambda size: f"{bits(8 * size):0{2 * size}x}"


def collect_garbage_seldom() -> None:
    """Python looks for cycles after each 700 new objects; half a dozen concurrent requests hold more live objects than
    that, so most of these collections find nothing."""
    gc.set_threshold(*GARBAGE_THRESHOLDS)
