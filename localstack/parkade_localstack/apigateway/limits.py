"""Limits on requests: size, throttling of stages and methods, throttling and quotas of usage plans."""

import threading
import time
from datetime import datetime, timedelta, timezone

from localstack.services.apigateway.next_gen.execute_api import handlers
from localstack.services.apigateway.next_gen.execute_api.gateway_response import (
    QuotaExceededError,
    RequestTooLargeError,
    ThrottledError,
)
from localstack.services.apigateway.next_gen.execute_api.handlers.api_key_validation import ApiKeyValidationHandler
from localstack.services.apigateway.next_gen.execute_api.moto_helpers import get_usage_plan_keys, get_usage_plans

BODY_MAX = 10 << 20

_lock = threading.Lock()


def limit_body_size() -> None:
    def reject_large_body(chain, context, response) -> None:
        if len(context.invocation_request["body"] or b"") > BODY_MAX:
            raise RequestTooLargeError("Request Too Long")

    handlers.modify_request.append(reject_large_body)


# -- throttling ------------------------------------------------------------------------------------------------------


class Bucket:
    """A token bucket: `burst` at once, refilled at `rate` a second."""

    def __init__(self, burst: float, now: float):
        self.tokens, self.at = burst, now

    def take(self, rate: float, burst: float, now: float) -> bool:
        self.tokens = min(burst, self.tokens + (now - self.at) * rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


_buckets: dict[tuple, Bucket] = {}


def _take(key: tuple, settings: dict, rate_name: str, burst_name: str) -> None:
    """Raises if the limit, if there is one, is reached."""
    rate, burst = settings.get(rate_name), settings.get(burst_name)
    if rate is None or float(rate) < 0:  # CloudFormation writes -1 for "no limit"
        return
    rate = float(rate)
    burst = max(float(burst) if burst is not None and float(burst) >= 0 else rate, 0)
    now = time.monotonic()
    with _lock:
        bucket = _buckets.setdefault(key, Bucket(burst, now))
        if not bucket.take(rate, burst, now):
            raise ThrottledError("Too Many Requests")


def throttle_methods() -> None:
    """The stage's method settings: those for a method override those for all; each method has its own bucket."""
    # First, so that throttled requests do not reach the authorizer.
    handlers.preprocess_request.handlers.insert(0, _throttle)


def _throttle(chain, context, response) -> None:
    settings = (context.stage_configuration or {}).get("methodSettings") or {}
    if not settings:
        return
    path, method = context.resource["path"], context.request.method
    key = (context.api_id, context.stage, path, method)
    _take(key, _method_settings(settings, path, method), "throttlingRateLimit", "throttlingBurstLimit")


def _method_settings(settings: dict, path: str, method: str) -> dict:
    """The most specific first. Paths are `a/b`, `/a/b` or escaped, depending on their source."""
    by_name = {_plain_name(name): value for name, value in settings.items()}
    merged: dict = {}
    for name in ("*/*", f"*/{method}", f"{path.strip('/')}/*", f"{path.strip('/')}/{method}"):
        merged |= {k: v for k, v in by_name.get(name, {}).items() if v is not None}
    return merged


def _plain_name(name: str) -> str:
    path, _, method = name.rpartition("/")
    return f"{path.replace('~1', '/').strip('/')}/{method}"


# -- usage plans -----------------------------------------------------------------------------------------------------

# How much of a quota is used: by plan, key and start of the period.
_used: dict[tuple[str, str, datetime], int] = {}


def enforce_usage_plans() -> None:
    """After the key has been validated, before the request is passed on."""
    validate = ApiKeyValidationHandler.__call__

    def validate_and_count(self, chain, context, response):
        validate(self, chain, context, response)
        if context.resource_method.get("apiKeyRequired"):
            _count(context, context.context_variables["identity"]["apiKeyId"])

    ApiKeyValidationHandler.__call__ = validate_and_count


def _count(context, key: str) -> None:
    for plan in get_usage_plans(account_id=context.account_id, region_name=context.region):
        stage = _stage_of(plan, context)
        if stage is None or not _has_key(plan, key, context):
            continue
        _throttle_client(context, plan, stage, key)
        _use_quota(plan, key, datetime.now(timezone.utc))
        return


def _stage_of(plan: dict, context) -> dict | None:
    wanted = (context.api_id, context.stage)
    return next((s for s in plan.get("apiStages") or [] if (s.get("apiId"), s.get("stage")) == wanted), None)


def _has_key(plan: dict, key: str, context) -> bool:
    keys = get_usage_plan_keys(plan["id"], account_id=context.account_id, region_name=context.region)
    return any(k["id"] == key for k in keys)


def _throttle_client(context, plan: dict, stage: dict, key: str) -> None:
    path, method = context.resource["path"], context.request.method
    own = (stage.get("throttle") or {}).get(f"{path}/{method}")
    if own:
        _take((plan["id"], key, path, method), own, "rateLimit", "burstLimit")
    else:
        _take((plan["id"], key), plan.get("throttle") or {}, "rateLimit", "burstLimit")


def _use_quota(plan: dict, key: str, now: datetime) -> None:
    quota = plan.get("quota") or {}
    if not quota.get("limit"):
        return
    counted = (plan["id"], key, _period_start(quota["period"], int(quota.get("offset") or 0), now))
    with _lock:
        if _used.get(counted, 0) >= int(quota["limit"]):
            raise QuotaExceededError("Limit Exceeded")
        _used[counted] = _used.get(counted, 0) + 1


def _period_start(period: str, offset: int, now: datetime) -> datetime:
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    match period:
        case "WEEK":  # weeks begin on Sunday, `offset` days later
            return today - timedelta(days=(today.isoweekday() - offset) % 7)
        case "MONTH":
            return today.replace(day=1)
        case _:
            return today
