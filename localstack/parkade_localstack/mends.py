"""Every change made to LocalStack: its name, the function that makes it, and when.

`PARKADE_LOCALSTACK_WITHOUT=name,name` leaves some out, a prefix (`dynamodb`) all of its kind.  Tests use it to show
that each mend is needed, and `bench.py` to compare with LocalStack as shipped.
"""

import os
import threading
from dataclasses import dataclass
from importlib import import_module

WITHOUT = "PARKADE_LOCALSTACK_WITHOUT"


@dataclass(frozen=True)
class Mend:
    """One change.

    `where` is `module:function`, or None for a setting that the launcher makes.  `service` is the service it waits for:
    imported at start, all of them would cost a second and 70 MB.
    """

    name: str
    where: str | None
    service: str | None = None

    def apply(self) -> None:
        if self.where is None:
            return
        module, _, function = self.where.partition(":")
        getattr(import_module(f"parkade_localstack.{module}"), function)()


MENDS = (
    # Needed to run at all without Docker and downloads.
    Mend("executor", "plugins:register_executor"),
    Mend("dynamodb", "plugins:register_dynamodb"),
    # Behaviour.
    Mend("loopback", "loopback:bind_twisted_to_loopback"),
    Mend("shutdown", "shutdown:stop_at_once"),
    Mend("s3.folder", "s3:keep_objects_in_state_folder", "s3"),
    Mend("parse-lock", "parsing:one_parse_at_a_time"),
    Mend("lambda.races", "environments:mend_races", "lambda"),
    Mend("dynamodb.lock", "dynamodb.lock:apply", "dynamodb"),
    Mend("dynamodb.streams", "dynamodb.streams:apply", "dynamodb"),
    Mend("dynamodb.updates", "dynamodb.writes:atomic_updates", "dynamodb"),
    Mend("dynamodb.transactions", "dynamodb.writes:atomic_transactions", "dynamodb"),
    Mend("dynamodb.tokens", "dynamodb.tokens:honour_request_tokens", "dynamodb"),
    Mend("dynamodb.capacity", "dynamodb.capacity:count_by_size", "dynamodb"),
    Mend("dynamodb.queries", "dynamodb.reads:query_one_partition", "dynamodb"),
    Mend("dynamodb.ttl", "dynamodb.ttl:start_sweeper", "dynamodb"),
    Mend("apigateway.authorizers", "apigateway.authorizers:apply", "apigateway"),
    Mend("apigateway.definitions", "apigateway.definitions:import_gateway_responses", "apigateway"),
    Mend("apigateway.responses", "apigateway.responses:apply", "apigateway"),
    Mend("apigateway.size", "apigateway.limits:limit_body_size", "apigateway"),
    Mend("apigateway.throttling", "apigateway.limits:throttle_methods", "apigateway"),
    Mend("apigateway.usage-plans", "apigateway.limits:enforce_usage_plans", "apigateway"),
    Mend("apigateway.access-logs", "apigateway.access_logs:apply", "apigateway"),
    Mend("apigateway.compression", "apigateway.compression:compress_long_answers", "apigateway"),
    Mend("apigateway.addresses", "apigateway.addresses:serve_named_apis_at_the_root", "apigateway"),
    Mend("apigateway.bodies", "apigateway.requests:keep_bodies", "apigateway"),
    Mend("apigateway.malformed", "apigateway.requests:refuse_what_cannot_be_read", "apigateway"),
    Mend("apigateway.header-case", "apigateway.requests:match_required_headers_in_any_case", "apigateway"),
    Mend("cloudformation.references", "cloudformation:allow_references_to_what_sam_makes", "cloudformation"),
    Mend("cloudformation.races", "cloudformation:transform_one_template_at_a_time", "cloudformation"),
    Mend("cloudformation.polling", "cloudformation:poll_often", "cloudformation"),
    Mend("cloudformation.stages", "resource_updates:keep_stage_settings", "cloudformation"),
    Mend("cloudformation.replacement", "resource_updates:replace_only_what_must_be", "cloudformation"),
    Mend("cloudformation.updates", "resource_updates:update_more_kinds", "cloudformation"),
    Mend("cloudformation.refusal", "resource_updates:refuse_updates_that_do_nothing", "cloudformation"),
    Mend("cloudformation.failures", "resource_updates:tell_failed_updates", "cloudformation"),
    Mend("cloudformation.deployments", "resource_updates:keep_stages_of_other_deployments", "cloudformation"),
    Mend("jsonata", "jsonata:evaluate_in_python", "stepfunctions"),
    # Speed.
    Mend("server", "server:register"),
    Mend("memory", None),
    Mend("request-log", "requests:log_where_it_is_wanted"),
    Mend("ids", "requests:make_ids_without_the_kernel"),
    Mend("inprocess", "inprocess:call_providers_directly"),
    Mend("garbage", "requests:collect_garbage_seldom"),
    Mend("dynamodb.expressions", "dynamodb.expressions:parse_once", "dynamodb"),
    Mend("dynamodb.items", "dynamodb.items:walk_once", "dynamodb"),
    Mend("dynamodb.counts", "dynamodb.reads:count_without_copies", "dynamodb"),
    Mend("dynamodb.direct", "dynamodb.direct:serve_at_once", "dynamodb"),
    Mend("lambda.direct", "direct:invoke_at_once", "lambda"),
    Mend("events.direct", "direct:put_events_at_once", "events"),
    Mend("sqs.direct", "direct:tell_queue_attributes_at_once", "sqs"),
    Mend("apigateway.validators", "apigateway.requests:keep_validators", "apigateway"),
    Mend("events.patterns", "events:compile_patterns_once", "events"),
    Mend("lambda.arns", "environments:write_arns_once", "lambda"),
    Mend("timers", "environments:share_one_timer", "lambda"),
    Mend("polling", "polling:wait_for_arrivals", "lambda"),
    Mend("telemetry.lambda-metrics", "telemetry:batch_lambda_metrics", "lambda"),
    Mend("telemetry.lambda-logs", "telemetry:batch_lambda_logs", "lambda"),
    Mend("telemetry.sqs-metrics", "telemetry:batch_sqs_metrics", "sqs"),
    Mend("telemetry.history", "telemetry:batch_execution_logs", "stepfunctions"),
    Mend("stepfunctions", "stepfunctions:do_once", "stepfunctions"),
    Mend("stepfunctions.paths", "stepfunctions:parse_paths_once", "stepfunctions"),
)


def _left_out() -> set[str]:
    return {name.strip() for name in os.environ.get(WITHOUT, "").split(",") if name.strip()}


def wanted(name: str) -> bool:
    """Whether the mend is not left out, by its own name or by a prefix of it."""
    left_out = _left_out()
    kind = name.partition(".")[0]
    return name not in left_out and not (kind != name and kind in left_out)


def apply_all() -> None:
    """Makes the changes that are due now and arranges for the others to be made when their service is first needed."""
    pending: dict[str, list[Mend]] = {}
    for mend in MENDS:
        if not wanted(mend.name):
            continue
        if mend.service is None:
            mend.apply()
        else:
            pending.setdefault(mend.service, []).append(mend)
    _apply_before_service(pending)


def _apply_before_service(pending: dict[str, list[Mend]]) -> None:
    """A service is loaded in `get_service_container`; its mends go in just before, once, while others wait."""
    from localstack.services.plugins import ServicePluginManager

    original = ServicePluginManager.get_service_container
    lock = threading.RLock()

    def get_service_container(self, name):
        if name in pending and name not in self._services:
            with lock:
                for mend in pending.get(name, ()):
                    mend.apply()
                pending.pop(name, None)  # last: a second caller must not go on before all are in
        return original(self, name)

    ServicePluginManager.get_service_container = get_service_container
