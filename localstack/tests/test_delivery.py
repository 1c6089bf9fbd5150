"""Streams, buses and queues into functions."""

import base64
import json
import time

import pytest
from cloud import eventually, unique


def put(cloud, table, key, **more):
    item = {"pk": {"S": key}, **{name: {"S": value} for name, value in more.items()}}
    cloud.client("dynamodb").put_item(TableName=table, Item=item)


def mapping(cloud, source, function, **more):
    awslambda = cloud.client("lambda")
    if "dynamodb" in source:
        more = {"StartingPosition": "TRIM_HORIZON", **more}
    made = awslambda.create_event_source_mapping(EventSourceArn=source, FunctionName=function, **more)

    def enabled():
        return awslambda.get_event_source_mapping(UUID=made["UUID"])["State"] == "Enabled"

    eventually(enabled)
    return made["UUID"]


def records(cloud, function):
    return [record for seen in cloud.seen(function) for record in seen["event"]["Records"]]


def latencies(send, arrived, times):
    """Milliseconds from sending to arrival, sorted."""
    took = []
    for number in range(times):
        started = time.time()
        send(number)
        took.append((eventually(lambda: arrived(number), 10, 0.001) - started) * 1000)
    return sorted(took)


def median(values):
    return values[len(values) // 2]


def test_a_stream_reaches_its_function_in_order(cloud):
    table, function = cloud.table(stream="NEW_AND_OLD_IMAGES"), cloud.function()
    mapping(cloud, cloud.stream_arn(table), function)
    for number in range(40):
        put(cloud, table, str(number))
    eventually(lambda: len(records(cloud, function)) == 40)
    seen = records(cloud, function)
    assert [r["dynamodb"]["Keys"]["pk"]["S"] for r in seen] == [str(n) for n in range(40)]
    record = seen[0]
    assert record["eventName"] == "INSERT" and record["eventSource"] == "aws:dynamodb"
    assert record["eventSourceARN"] == cloud.stream_arn(table)
    assert record["dynamodb"]["NewImage"] == {"pk": {"S": "0"}}
    assert abs(record["dynamodb"]["ApproximateCreationDateTime"] - time.time()) < 60


def by_http(record):
    """A record of GetRecords, in the form in which a function receives it."""
    image = dict(record["dynamodb"])
    image["ApproximateCreationDateTime"] = image["ApproximateCreationDateTime"].timestamp()
    text = json.dumps(image, default=lambda binary: base64.b64encode(binary).decode())
    return {"eventID": record["eventID"], "eventName": record["eventName"], "dynamodb": json.loads(text)}


@pytest.mark.parametrize("view", ["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"])
@pytest.mark.parametrize("is_binary", [False, True], ids=["plain", "binary"])
def test_a_function_gets_the_records_of_get_records(cloud, view, is_binary):
    """Plain records are read without HTTP, those with binary values by HTTP; the results are equal."""
    table, function, dynamodb = cloud.table(stream=view, range_key="N"), cloud.function(), cloud.client("dynamodb")
    key = {"pk": {"S": "ä\u2028😀"}, "sk": {"N": "1"}}
    of_each_type = {
        "n": {"N": "1.50"},
        "null": {"NULL": True},
        "list": {"L": [{"S": ""}, {"BOOL": False}, {"M": {"deep": {"N": "3"}}}]},
        "set": {"SS": ["a", "b"]},
        "B": {"S": "a name like a type"},
        "time": {"S": "2026-01-01T00:00:00Z"},
    }
    binary = {"blob": {"B": b"\x00\xff"}, "blobs": {"BS": [b"\x01"]}} if is_binary else {}
    dynamodb.put_item(TableName=table, Item={**key, **of_each_type, **binary})
    mapping(cloud, cloud.stream_arn(table), function, BatchSize=2)
    dynamodb.put_item(TableName=table, Item={**key, **binary})
    dynamodb.delete_item(TableName=table, Key=key)
    for number in range(2, 5):
        dynamodb.put_item(TableName=table, Item={"pk": {"S": "other"}, "sk": {"N": str(number)}})
    eventually(lambda: len(records(cloud, function)) == 6)
    seen = records(cloud, function)
    assert [{k: record[k] for k in ("eventID", "eventName", "dynamodb")} for record in seen] == [
        by_http(record) for record in cloud.stream_records(table)
    ]
    numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in seen]
    assert numbers == sorted(set(numbers))
    assert all(len(batch["event"]["Records"]) <= 2 for batch in cloud.seen(function))


def test_a_mapping_outlives_its_table(cloud):
    """It has nothing left to read, and does not disturb the mappings of other tables."""
    dynamodb, function = cloud.client("dynamodb"), cloud.function()
    table = cloud.table(stream="NEW_IMAGE")
    old = cloud.stream_arn(table)
    put(cloud, table, "first")
    made = mapping(cloud, old, function)
    eventually(lambda: len(records(cloud, function)) == 1)
    dynamodb.delete_table(TableName=table)
    time.sleep(1.2)  # the poller has found the table missing
    other, still_there = cloud.table(stream="NEW_IMAGE"), cloud.function()
    mapping(cloud, cloud.stream_arn(other), still_there)
    put(cloud, other, "second")
    eventually(lambda: len(records(cloud, still_there)) == 1)
    assert len(records(cloud, function)) == 1
    cloud.client("lambda").delete_event_source_mapping(UUID=made)


def test_a_filter_drops_records_that_do_not_match(cloud):
    table, function = cloud.table(stream="NEW_AND_OLD_IMAGES"), cloud.function()
    pattern = {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"kind": {"S": ["wanted"]}}}}
    mapping(cloud, cloud.stream_arn(table), function, FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)}]})
    put(cloud, table, "1", kind="other")
    put(cloud, table, "2", kind="wanted")
    put(cloud, table, "2", kind="wanted", more="modified")
    put(cloud, table, "3", kind="wanted")
    eventually(lambda: len(records(cloud, function)) == 2)
    assert [r["dynamodb"]["Keys"]["pk"]["S"] for r in records(cloud, function)] == ["2", "3"]


def test_a_reported_record_is_retried_and_then_sent_to_the_destination(cloud):
    table, function = cloud.table(stream="NEW_AND_OLD_IMAGES"), cloud.function()
    url, arn = cloud.queue()
    mapping(
        cloud,
        cloud.stream_arn(table),
        function,
        BatchSize=10,
        MaximumRetryAttempts=2,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )
    put(cloud, table, "poison", kind="poison")
    message = json.loads(cloud.receive(url)["Body"])
    assert message["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert message["DDBStreamBatchInfo"]["streamArn"] == cloud.stream_arn(table)
    assert len([r for r in records(cloud, function) if "poison" in json.dumps(r)]) == 3
    put(cloud, table, "after")
    eventually(lambda: "after" in json.dumps(records(cloud, function)[-1]))


@pytest.mark.guards("polling")
def test_a_record_reaches_its_function_at_once(cloud):
    table, function = cloud.table(stream="NEW_IMAGE"), cloud.function()
    mapping(cloud, cloud.stream_arn(table), function)
    put(cloud, table, "warm")
    eventually(lambda: cloud.seen(function))
    time.sleep(1)

    def arrived(number):
        return next((s["at"] for s in cloud.seen(function) if f'"r{number}"' in json.dumps(s)), None)

    assert median(latencies(lambda n: put(cloud, table, f"r{n}"), arrived, 9)) < 45


@pytest.mark.guards("polling")
def test_a_message_reaches_its_function_at_once(cloud):
    function = cloud.function()
    url, arn = cloud.queue()
    mapping(cloud, arn, function)

    def send(number):
        cloud.client("sqs").send_message(QueueUrl=url, MessageBody=f"m{number}!")

    def arrived(number):
        return next((s["at"] for s in cloud.seen(function) if f"m{number}!" in json.dumps(s)), None)

    send("warm")
    eventually(lambda: cloud.seen(function))
    assert median(latencies(send, arrived, 9)) < 100


@pytest.mark.guards("polling")
def test_idle_mappings_cost_almost_no_cpu(cloud):
    function = cloud.function()
    for _ in range(4):
        mapping(cloud, cloud.queue()[1], function)
        mapping(cloud, cloud.stream_arn(cloud.table(stream="NEW_IMAGE")), function)
    time.sleep(1)
    before, started = cloud.cpu_seconds(), time.monotonic()
    time.sleep(3)
    assert (cloud.cpu_seconds() - before) / (time.monotonic() - started) < 0.08


def test_a_message_reported_as_failed_ends_in_the_dead_letter_queue(cloud):
    function = cloud.function()
    dead_url, dead_arn = cloud.queue("dead")
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})
    url, arn = cloud.queue(VisibilityTimeout=1, RedrivePolicy=redrive)
    mapping(cloud, arn, function, BatchSize=10, FunctionResponseTypes=["ReportBatchItemFailures"])
    entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(["good", "poison", "fine"])]
    cloud.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)
    assert cloud.receive(dead_url)["Body"] == "poison"
    bodies = [record["body"] for record in records(cloud, function)]
    assert bodies.count("poison") == 2 and bodies.count("good") == bodies.count("fine") == 1


def test_a_delayed_message_is_delivered_later(cloud):
    url, _ = cloud.queue()
    started = time.monotonic()
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="later", DelaySeconds=2)
    assert cloud.receive(url)["Body"] == "later"
    assert 1.9 < time.monotonic() - started < 4


def test_a_message_sent_by_a_delayed_queue_reaches_its_function(cloud):
    function = cloud.function()
    url, arn = cloud.queue()
    mapping(cloud, arn, function)
    started = time.time()
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="later", DelaySeconds=2)
    [seen] = eventually(lambda: cloud.seen(function))
    assert 1.9 < seen["at"] - started < 4


def test_an_event_goes_by_rule_to_a_queue_and_its_function(cloud):
    events, bus, function = cloud.client("events"), unique("bus"), cloud.function()
    url, arn = cloud.queue()
    events.create_event_bus(Name=bus)
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
            }
        ],
    }
    cloud.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    pattern = {"source": ["parkade.booking"], "detail-type": [{"prefix": "Booking"}]}
    events.put_rule(Name="to-queue", EventBusName=bus, EventPattern=json.dumps(pattern))
    events.put_targets(Rule="to-queue", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    mapping(cloud, arn, function)

    def entry(kind):
        return {"Source": "parkade.booking", "DetailType": kind, "EventBusName": bus, "Detail": json.dumps({"a": 1})}

    assert events.put_events(Entries=[entry("SlotCreated"), entry("BookingCreated")])["FailedEntryCount"] == 0
    [seen] = eventually(lambda: cloud.seen(function))
    event = json.loads(seen["event"]["Records"][0]["body"])
    assert event["detail-type"] == "BookingCreated" and event["detail"] == {"a": 1} and event["source"]


def test_a_failed_asynchronous_invocation_goes_to_its_destination(cloud):
    function, awslambda = cloud.function(), cloud.client("lambda")
    url, arn = cloud.queue()
    awslambda.put_function_event_invoke_config(
        FunctionName=function,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )
    awslambda.invoke(FunctionName=function, InvocationType="Event", Payload=b'{"raise": "Broken"}')
    message = json.loads(cloud.receive(url)["Body"])
    assert message["responsePayload"]["errorType"] == "Broken" and len(cloud.seen(function)) == 2


def test_an_alarm_fires(cloud, alarm):
    def rings():
        # By its history: the alarm is over when there is nothing new to measure.
        items = cloud.client("cloudwatch").describe_alarm_history(AlarmName=alarm, HistoryItemType="StateUpdate")
        return any("to ALARM" in item["HistorySummary"] for item in items["AlarmHistoryItems"])

    eventually(rings, 15, 0.2)
