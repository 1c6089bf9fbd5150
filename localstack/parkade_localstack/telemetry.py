"""Metrics and logs leave the request path: one thread gathers them and delivers a batch twice a second.

As shipped, each Lambda invocation starts a thread and makes two HTTP calls for its metric and its log lines, each SQS
call one or two for metrics, each event in an execution's history one for its log line.
"""

import logging
import queue
import threading
import time
from collections import defaultdict
from datetime import datetime, timezone

LOG = logging.getLogger(__name__)
INTERVAL_SECONDS = 0.5
# The largest batch of both APIs.
BATCH_MAX = 1000

_waiting: queue.SimpleQueue = queue.SimpleQueue()
_start_once = threading.Lock()
_thread: threading.Thread | None = None


def deliver_later(deliver, key, value) -> None:
    """Schedules `deliver(key, values)`, with all values of the same key in the order in which they arrived."""
    global _thread
    _waiting.put((deliver, key, value))
    if _thread is None:
        with _start_once:
            if _thread is None:
                _thread = threading.Thread(target=_deliver_forever, name="telemetry", daemon=True)
                _thread.start()


def _deliver_forever() -> None:
    while True:
        batch = [_waiting.get()]
        time.sleep(INTERVAL_SECONDS)
        while not _waiting.empty():
            batch.append(_waiting.get())
        groups = defaultdict(list)
        for deliver, key, value in batch:
            groups[deliver, key].append(value)
        for (deliver, key), values in groups.items():
            try:
                deliver(key, values)
            except Exception as error:
                LOG.warning("%s lost %d: %s", deliver.__name__, len(values), error)


def _slices(values: list):
    return (values[start : start + BATCH_MAX] for start in range(0, len(values), BATCH_MAX))


# -- metrics -------------------------------------------------------------------------------------------------------


def _put_metrics(key, measurements) -> None:
    from localstack.aws.connect import connect_to

    account, region, namespace = key
    by_metric = defaultdict(list)
    for metric, value in measurements:
        by_metric[metric].append(value)
    now = datetime.now(timezone.utc)
    data = [_metric_datum(metric, values, now) for metric, values in by_metric.items()]
    client = connect_to(aws_access_key_id=account, region_name=region).cloudwatch
    for some in _slices(data):
        client.put_metric_data(Namespace=namespace, MetricData=some)


def _metric_datum(metric: tuple, values: list[float], now: datetime) -> dict:
    name, (dimension, of), unit = metric
    datum = {"MetricName": name, "Dimensions": [{"Name": dimension, "Value": of}], "Timestamp": now}
    if unit:
        datum["Unit"] = unit
    if len(values) == 1:
        return {**datum, "Value": values[0]}
    statistics = {"SampleCount": len(values), "Sum": sum(values), "Minimum": min(values), "Maximum": max(values)}
    return {**datum, "StatisticValues": statistics}


def batch_lambda_metrics() -> None:
    from localstack.services.lambda_.invocation import metrics, version_manager

    start_thread = version_manager.start_thread

    def publish(metric, value, kwargs, account_id=None, region_name=None):
        dimension = ("FunctionName", kwargs["func_name"])
        deliver_later(_put_metrics, (account_id, region_name, "AWS/Lambda"), ((metric, dimension, None), value))

    def start(target, *args, name="", **kwargs):
        if name.startswith("record-cloudwatch-metric"):
            return target()  # only calls `publish` above: not worth a thread
        return start_thread(target, *args, name=name, **kwargs)

    metrics.publish_lambda_metric = publish
    version_manager.start_thread = start


def batch_sqs_metrics() -> None:
    """Without the metric for an empty receive: each poll of an event source mapping would produce one."""
    from localstack.services.sqs.provider import CloudwatchDispatcher

    def dispatch(self, account_id, region, queue_name, metric, value=1, unit="Count"):
        if self.running and metric != "NumberOfEmptyReceives":
            measurement = ((metric, ("QueueName", queue_name), unit), value)
            deliver_later(_put_metrics, (account_id, region, "AWS/SQS"), measurement)

    CloudwatchDispatcher.dispatch_sqs_metric = dispatch


# -- logs ----------------------------------------------------------------------------------------------------------


def put_log_events(key, events) -> None:
    """Creates the group and the stream if they are missing."""
    from localstack.aws.connect import connect_to

    account, region, group, stream = key
    # The API requires it. Threads that write to one stream read the clock and queue their events in different
    # orders.
    events = sorted(events, key=lambda event: event["timestamp"])
    if _put_at_once(account, region, group, stream, events):
        return
    client = connect_to(aws_access_key_id=account, region_name=region).logs
    for some in _slices(events):
        try:
            client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=some)
        except client.exceptions.ResourceNotFoundException:
            _create(client, group, stream)
            client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=some)


def _put_at_once(account: str | None, region: str, group: str, stream: str, events: list[dict]) -> bool:
    """Passes events to moto without HTTP; returns whether it could.

    Not if there are metric filters, which LocalStack adds to moto, nor if the group or stream is missing.
    """
    from localstack.constants import DEFAULT_AWS_ACCOUNT_ID
    from moto.logs.models import logs_backends

    backend = logs_backends[account or DEFAULT_AWS_ACCOUNT_ID][region]
    if backend.filters.metric_filters or stream not in getattr(backend.groups.get(group), "streams", ()):
        return False
    for some in _slices(events):
        backend.put_log_events(group, stream, some)
    return True


def _create(client, group: str, stream: str) -> None:
    for create, names in (
        (client.create_log_group, {"logGroupName": group}),
        (client.create_log_stream, {"logGroupName": group, "logStreamName": stream}),
    ):
        try:
            create(**names)
        except client.exceptions.ResourceAlreadyExistsException:
            pass


def batch_lambda_logs() -> None:
    from localstack.services.lambda_.invocation.logs import LogHandler
    from localstack.utils.bootstrap import is_api_enabled

    def add_logs(self, item):
        if not is_api_enabled("logs"):
            return
        now = int(time.time() * 1000)
        account = self.role_arn.split(":")[4] if self.role_arn.count(":") > 4 else None
        key = (account, self.region, item.log_group, item.log_stream)
        for line in item.logs.split("\n"):
            if line:
                deliver_later(put_log_events, key, {"timestamp": now, "message": line + "\n"})

    LogHandler.add_logs = add_logs
    LogHandler.start_subscriber = lambda self: None


def batch_execution_logs() -> None:
    from localstack.services.stepfunctions.asl.eval.event import logging as execution_logging

    def publish_history_log(self, history_log):
        configuration = self.configuration
        event = {
            "timestamp": int(history_log["event_timestamp"].timestamp() * 1000),
            "message": execution_logging.to_json_str(history_log),
        }
        key = (
            configuration.log_account_id,
            configuration.log_region,
            configuration.log_group_name,
            configuration.log_stream_name,
        )
        deliver_later(_put_history, key, (self, event))

    execution_logging.CloudWatchLoggingSession.publish_history_log = publish_history_log


def _put_history(key, values) -> None:
    """Through LocalStack's own function, which uses the role and creates the stream."""
    session = values[-1][0]
    for some in _slices([event for _, event in values]):
        session._publish_history_log_or_setup(log_events=some)
