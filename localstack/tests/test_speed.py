"""The cost of an operation in CPU time of the local cloud, compared with a cloud without the patch.

Both are measured in turns within one test, so that the result does not depend on the machine; `bench.py` has times.
"""

import json
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cloud import Cloud, eventually, unique
from test_workflows import Machine, steps

# As many rounds as needed, up to the maximum: one round on a busy machine proves nothing.
ROUNDS_MIN, ROUNDS_MAX = 2, 6
# Batched metrics and logs are delivered within this time: their cost is included.
SETTLE_SECONDS = 0.8
# The patch with the smallest effect saves a third; two equal clouds differ by a few per cent.
SAVES_AT_LEAST = 0.1


def each(*patches):
    """One test for each patch, which guards it."""
    return pytest.mark.parametrize("patch", [pytest.param(patch, marks=pytest.mark.guards(patch)) for patch in patches])


def cost_ms(cloud, call, times) -> float:
    """CPU time of a call, including the background work that it causes."""
    before = cloud.cpu_seconds()
    for _ in range(times):
        call()
    time.sleep(SETTLE_SECONDS)
    return (cloud.cpu_seconds() - before) * 1000 / times


def saves(cloud, folder, patch, operation, times) -> bool:
    """Whether an operation costs less than on a cloud without the patch; the best of several rounds of each counts."""
    plain = Cloud.start(folder, without=patch)
    try:
        calls = [(cloud, operation(cloud)), (plain, operation(plain))]
        for _, call in calls:
            for _ in range(5):
                call()
        time.sleep(SETTLE_SECONDS)
        rounds = []
        while len(rounds) < ROUNDS_MAX:
            rounds.append([cost_ms(one, call, times) for one, call in calls])
            patched, lacking = (min(costs) for costs in zip(*rounds, strict=True))
            if len(rounds) >= ROUNDS_MIN and patched < lacking * (1 - SAVES_AT_LEAST):
                return True
    finally:
        plain.stop()
    print(rounds)
    return False


@pytest.mark.guards("server")
def test_a_request_costs_little(cloud, folder):
    def put(cloud):
        table, dynamodb = cloud.table(), cloud.client("dynamodb")
        return lambda: dynamodb.put_item(TableName=table, Item={"pk": {"S": "a"}})

    assert saves(cloud, folder, "server", put, 100)


@pytest.mark.guards("dynamodb.direct")
def test_an_item_costs_little(cloud, folder):
    def put_and_get(cloud):
        table, dynamodb = cloud.table(), cloud.client("dynamodb")

        def call():
            dynamodb.put_item(TableName=table, Item={"pk": {"S": "a"}})
            dynamodb.get_item(TableName=table, Key={"pk": {"S": "a"}})

        return call

    assert saves(cloud, folder, "dynamodb.direct", put_and_get, 60)


@pytest.mark.guards("dynamodb.direct")
def test_a_query_costs_little(cloud, folder):
    def query(cloud):
        table, dynamodb = cloud.table(), cloud.client("dynamodb")
        parameters = {"KeyConditionExpression": "pk = :a", "ExpressionAttributeValues": {":a": {"S": "a"}}}

        def call():
            dynamodb.query(TableName=table, **parameters)
            dynamodb.query(TableName=table, Select="COUNT", **parameters)

        return call

    assert saves(cloud, folder, "dynamodb.direct", query, 60)


@each("telemetry.lambda-metrics", "telemetry.lambda-logs", "lambda.direct")
def test_an_invocation_costs_little(cloud, folder, patch):
    def invoke(cloud):
        function = cloud.function()
        return lambda: cloud.invoke(function, {})

    assert saves(cloud, folder, patch, invoke, 250)


@pytest.mark.guards("telemetry.sqs-metrics")
def test_a_message_costs_little(cloud, folder):
    def send(cloud):
        (url, _), sqs = cloud.queue(), cloud.client("sqs")
        return lambda: sqs.send_message(QueueUrl=url, MessageBody="x")

    assert saves(cloud, folder, "telemetry.sqs-metrics", send, 100)


@pytest.mark.guards("sqs.direct")
def test_counting_a_queue_costs_little(cloud, folder):
    def count(cloud):
        (url, _), sqs = cloud.queue(), cloud.client("sqs")
        return lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])

    assert saves(cloud, folder, "sqs.direct", count, 250)


@each("inprocess", "events.direct")
def test_an_event_to_a_queue_costs_little(cloud, folder, patch):
    def put(cloud):
        events, bus = cloud.client("events"), unique("bus")
        _, arn = cloud.queue()
        events.create_event_bus(Name=bus)
        events.put_rule(Name="rule", EventBusName=bus, EventPattern='{"source":["a"]}')
        events.put_targets(Rule="rule", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
        entry = {"Source": "a", "DetailType": "b", "Detail": "{}", "EventBusName": bus}
        return lambda: events.put_events(Entries=[entry])

    assert saves(cloud, folder, patch, put, 250)


@each("stepfunctions", "telemetry.history")
def test_an_execution_with_its_log_costs_little(cloud, folder, patch):
    def run(cloud):
        group = f"/aws/vendedlogs/states/{unique('log')}"
        cloud.client("logs").create_log_group(logGroupName=group)
        destination = {
            "cloudWatchLogsLogGroup": {"logGroupArn": f"arn:aws:logs:us-east-1:000000000000:log-group:{group}:*"}
        }
        logging = {"level": "ALL", "includeExecutionData": True, "destinations": [destination]}
        return Machine(cloud, steps(cloud.function(), 5), loggingConfiguration=logging).run

    assert saves(cloud, folder, patch, run, 8)


@pytest.mark.guards("stepfunctions.paths")
def test_a_path_costs_little(cloud, folder):
    def run(cloud):
        looked_up = {f"{name}.$": f"$.{name}" for name in "abcdefgh"}
        state = {"Type": "Pass", "Parameters": looked_up, "End": True}
        machine = Machine(cloud, {"StartAt": "Look", "States": {"Look": state}})
        return lambda: machine.run(dict.fromkeys("abcdefgh", 1))

    assert saves(cloud, folder, "stepfunctions.paths", run, 10)


def connections_to_itself(cloud) -> int:
    """Established connections with both ends in the local cloud, found by its own port."""
    own = f"{cloud.port:04X}"
    sockets = {link[8:-1] for link in map(_link, Path(f"/proc/{cloud.process.pid}/fd").iterdir()) if "socket:[" in link}
    lines = Path(f"/proc/{cloud.process.pid}/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(f[2].endswith(":" + own) and f[3] == "01" and f[9] in sockets for f in fields)


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


@pytest.mark.guards("memory")
def test_services_call_each_other_without_a_socket(cloud):
    template = {"Resources": {"Table": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "1"}}}}
    cloud.deploy(unique("inside"), json.dumps(template))
    cloud.invoke(cloud.function(), {"print": "logged"})
    time.sleep(SETTLE_SECONDS)
    assert connections_to_itself(cloud) == 0


def test_the_metrics_count_every_invocation(cloud):
    function, now = cloud.function(), datetime.now(timezone.utc)
    for number in range(20):
        cloud.invoke(function, {"raise": "Error"} if number < 5 else {})

    def total(metric):
        points = cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName=metric,
            Dimensions=[{"Name": "FunctionName", "Value": function}],
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=5),
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in points)

    eventually(lambda: total("Invocations") + total("Errors") >= 20)
    assert total("Errors") == 5
