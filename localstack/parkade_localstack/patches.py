"""Every change made to LocalStack: its name, the function that makes it, and when.

`PARKADE_LOCALSTACK_WITHOUT=name,name` disables patches, a prefix (`dynamodb`) all patches of that service.  Tests use
it to show that each patch is needed, and `bench.py` to compare with LocalStack as shipped.
"""

import os
import threading
from dataclasses import dataclass
from importlib import import_module

WITHOUT = "PARKADE_LOCALSTACK_WITHOUT"


@dataclass(frozen=True)
class Patch:
    """One change.

    `where` is `module:function`, or None for a setting made by the launcher.  `service` delays the patch until that
    service is loaded: importing all services at start would cost a second and 70 MB.
    """

    name: str
    where: str | None
    service: str | None = None

    def apply(self) -> None:
        if self.where is None:
            return
        module, _, function = self.where.partition(":")
        getattr(import_module(f"parkade_localstack.{module}"), function)()


PATCHES = (
    # Needed to run at all without Docker and downloads.
    Patch("executor", "plugins:register_executor"),
    Patch("dynamodb", "plugins:register_dynamodb"),
    # Behaviour.
    Patch("loopback", "loopback:bind_twisted_to_loopback"),
    Patch("shutdown", "shutdown:stop_at_once"),
    Patch("s3.folder", "s3:keep_objects_in_state_folder", "s3"),
    Patch("parse-lock", "parsing:one_parse_at_a_time"),
    Patch("lambda.races", "environments:fix_races", "lambda"),
    Patch("dynamodb.lock", "dynamodb.lock:apply", "dynamodb"),
    Patch("dynamodb.streams", "dynamodb.streams:apply", "dynamodb"),
    Patch("dynamodb.updates", "dynamodb.writes:atomic_updates", "dynamodb"),
    Patch("dynamodb.transactions", "dynamodb.writes:atomic_transactions", "dynamodb"),
    Patch("dynamodb.tokens", "dynamodb.tokens:enforce_request_tokens", "dynamodb"),
    Patch("dynamodb.capacity", "dynamodb.capacity:count_by_size", "dynamodb"),
    Patch("dynamodb.queries", "dynamodb.reads:query_one_partition", "dynamodb"),
    Patch("dynamodb.ttl", "dynamodb.ttl:start_sweeper", "dynamodb"),
    Patch("apigateway.authorizers", "apigateway.authorizers:apply", "apigateway"),
    Patch("apigateway.definitions", "apigateway.definitions:import_gateway_responses", "apigateway"),
    Patch("apigateway.responses", "apigateway.responses:apply", "apigateway"),
    Patch("apigateway.size", "apigateway.limits:limit_body_size", "apigateway"),
    Patch("apigateway.throttling", "apigateway.limits:throttle_methods", "apigateway"),
    Patch("apigateway.usage-plans", "apigateway.limits:enforce_usage_plans", "apigateway"),
    Patch("apigateway.access-logs", "apigateway.access_logs:apply", "apigateway"),
    Patch("apigateway.compression", "apigateway.compression:compress_long_responses", "apigateway"),
    Patch("apigateway.addresses", "apigateway.addresses:serve_named_apis_at_the_root", "apigateway"),
    Patch("apigateway.bodies", "apigateway.requests:keep_bodies", "apigateway"),
    Patch("apigateway.malformed", "apigateway.requests:reject_unreadable_bodies", "apigateway"),
    Patch("apigateway.header-case", "apigateway.requests:match_required_headers_in_any_case", "apigateway"),
    Patch("cloudformation.references", "cloudformation:allow_references_to_what_sam_makes", "cloudformation"),
    Patch("cloudformation.races", "cloudformation:transform_one_template_at_a_time", "cloudformation"),
    Patch("cloudformation.polling", "cloudformation:poll_often", "cloudformation"),
    Patch("cloudformation.stages", "resource_updates:keep_stage_settings", "cloudformation"),
    Patch("cloudformation.replacement", "resource_updates:replace_only_what_must_be", "cloudformation"),
    Patch("cloudformation.updates", "resource_updates:update_more_kinds", "cloudformation"),
    Patch("cloudformation.refusal", "resource_updates:reject_unsupported_updates", "cloudformation"),
    Patch("cloudformation.failures", "resource_updates:report_failed_updates", "cloudformation"),
    Patch("cloudformation.deployments", "resource_updates:keep_stages_of_other_deployments", "cloudformation"),
    Patch("jsonata", "jsonata:evaluate_in_python", "stepfunctions"),
    # Speed.
    Patch("server", "server:register"),
    Patch("memory", None),
    Patch("request-log", "requests:log_only_if_enabled"),
    Patch("ids", "requests:make_ids_without_the_kernel"),
    Patch("inprocess", "inprocess:call_providers_directly"),
    Patch("garbage", "requests:collect_garbage_seldom"),
    Patch("dynamodb.expressions", "dynamodb.expressions:parse_once", "dynamodb"),
    Patch("dynamodb.items", "dynamodb.items:walk_once", "dynamodb"),
    Patch("dynamodb.counts", "dynamodb.reads:count_without_copies", "dynamodb"),
    Patch("dynamodb.direct", "dynamodb.direct:serve_directly", "dynamodb"),
    Patch("lambda.direct", "direct:invoke_directly", "lambda"),
    Patch("events.direct", "direct:put_events_directly", "events"),
    Patch("sqs.direct", "direct:get_queue_attributes_directly", "sqs"),
    Patch("apigateway.validators", "apigateway.requests:keep_validators", "apigateway"),
    Patch("events.patterns", "events:compile_patterns_once", "events"),
    Patch("lambda.arns", "environments:write_arns_once", "lambda"),
    Patch("timers", "environments:share_one_timer", "lambda"),
    Patch("polling", "polling:wait_for_arrivals", "lambda"),
    Patch("telemetry.lambda-metrics", "telemetry:batch_lambda_metrics", "lambda"),
    Patch("telemetry.lambda-logs", "telemetry:batch_lambda_logs", "lambda"),
    Patch("telemetry.sqs-metrics", "telemetry:batch_sqs_metrics", "sqs"),
    Patch("telemetry.history", "telemetry:batch_execution_logs", "stepfunctions"),
    Patch("stepfunctions", "stepfunctions:do_once", "stepfunctions"),
    Patch("stepfunctions.paths", "stepfunctions:parse_paths_once", "stepfunctions"),
)


def _disabled() -> set[str]:
    return {name.strip() for name in os.environ.get(WITHOUT, "").split(",") if name.strip()}


def is_enabled(name: str) -> bool:
    """Whether the patch is not disabled, by its own name or by a prefix of it."""
    left_out = _disabled()
    kind = name.partition(".")[0]
    return name not in left_out and not (kind != name and kind in left_out)


def apply_all() -> None:
    """Applies the patches that are due now, and arranges for the others to be applied when their service is loaded."""
    pending: dict[str, list[Patch]] = {}
    for patch in PATCHES:
        if not is_enabled(patch.name):
            continue
        if patch.service is None:
            patch.apply()
        else:
            pending.setdefault(patch.service, []).append(patch)
    _apply_before_service(pending)


def _apply_before_service(pending: dict[str, list[Patch]]) -> None:
    """A service is loaded in `get_service_container`; its patches are applied just before, once, under a lock."""
    from localstack.services.plugins import ServicePluginManager

    original = ServicePluginManager.get_service_container
    lock = threading.RLock()

    def get_service_container(self, name):
        if name in pending and name not in self._services:
            with lock:
                for patch in pending.get(name, ()):
                    patch.apply()
                pending.pop(name, None)  # last: a second caller must not proceed before all patches are applied
        return original(self, name)

    ServicePluginManager.get_service_container = get_service_container
