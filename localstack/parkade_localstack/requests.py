"""What LocalStack does for each request, whatever it is about."""

import gc
import logging
import random
import secrets
import time
import uuid

# New objects before the young are looked at, and how many times that is before the older ones are.
GARBAGE_THRESHOLDS = (20_000, 20, 10)


def log_where_it_is_wanted() -> None:
    """As shipped a line is put together for each request, with all that was asked and answered, and is then thrown away
    unless the log level is at least "info".  The launcher turns it off, and what is off is not put together."""
    from localstack.aws.handlers.logging import ResponseLogger

    log = ResponseLogger._log
    logger = logging.getLogger("localstack.request")

    def log_if_wanted(self, context, response):
        if logger.isEnabledFor(logging.INFO):
            log(self, context, response)

    ResponseLogger._log = log_if_wanted


def make_ids_without_the_kernel() -> None:
    """Each request has half a dozen random ids.  For each the kernel is asked, which lets go of the interpreter's lock,
    and under load it takes long to get it back.  Here the kernel is asked once, for the seed."""
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
    """Python looks for cycles each time there are 700 objects more than before, and half a dozen requests at work have
    more than that which are no garbage, to be looked at in vain."""
    gc.set_threshold(*GARBAGE_THRESHOLDS)
