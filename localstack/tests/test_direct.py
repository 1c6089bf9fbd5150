"""Requests that bypass LocalStack's gateway get the same responses as requests through it."""

import json
import re
from urllib.parse import quote

import pytest
from cloud import http, unique

KEY = {"pk": {"S": "a"}, "sk": {"N": "1"}}
LIST = {"L": [{"S": "x"}, {"NULL": True}, {"M": {}}]}
ITEM = {**KEY, "kind": {"S": "red"}, "v": {"N": "1"}, "l": LIST, "f": {"BOOL": False}}
BINARY = {"pk": {"S": "binary"}, "sk": {"N": "1"}, "B": {"B": "AQI="}, "set": {"BS": ["AQ==", "Ag=="]}}
SET_V = {"UpdateExpression": "SET v = :v", "ExpressionAttributeValues": {":v": {"N": "2"}}}
IS_NEW = {"ConditionExpression": "attribute_not_exists(pk)"}
OF_A = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "a"}}}
TOTAL = {"ReturnConsumedCapacity": "TOTAL"}
# One after the other on one table, valid and invalid: operation and request, without the table.
REQUESTS = [
    ("PutItem", {"Item": ITEM}),
    ("PutItem", {"Item": {**ITEM, "v": {"N": "3"}}, **TOTAL}),
    ("PutItem", {"Item": ITEM, "ReturnConsumedCapacity": "INDEXES", "ReturnItemCollectionMetrics": "SIZE"}),
    ("PutItem", {"Item": ITEM, "ReturnValues": "ALL_OLD"}),
    ("PutItem", {"Item": ITEM, **IS_NEW}),
    ("PutItem", {"Item": ITEM, **IS_NEW, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}),
    ("PutItem", {"Item": {**KEY, "sk": {"N": "2"}, "text": {"S": "ä\u2028😀\"\\"}}, **IS_NEW}),
    ("PutItem", {"Item": {"pk": {"S": "a"}}}),
    ("PutItem", {"Item": {**KEY, "pk": {"S": ""}}}),
    ("PutItem", {"Item": {**KEY, "pk": {"N": "1"}}}),
    ("PutItem", {"Item": {**KEY, "v": {"N": "no number"}}}),
    ("PutItem", {"Item": {**KEY, "v": 1}}),
    ("PutItem", {"Item": "nothing"}),
    ("PutItem", {"Item": ITEM, "ReturnValues": "NONSENSE"}),
    ("PutItem", {"Item": ITEM, "ReturnConsumedCapacity": "NONSENSE"}),
    ("PutItem", {"Item": ITEM, "ConditionExpression": "no good ("}),
    ("PutItem", {}),
    ("PutItem", {"Item": BINARY}),
    ("PutItem", {"Item": {**BINARY, "B": {"B": "no base64!"}}}),
    ("GetItem", {"Key": KEY}),
    ("GetItem", {"Key": KEY, "ConsistentRead": True, **TOTAL}),
    ("GetItem", {"Key": KEY, "ProjectionExpression": "#v, l[0]", "ExpressionAttributeNames": {"#v": "v"}}),
    ("GetItem", {"Key": KEY, "ExpressionAttributeNames": {"#v": "v"}}),
    ("GetItem", {"Key": {**KEY, "sk": {"N": "2"}}}),
    ("GetItem", {"Key": {"pk": {"S": "binary"}, "sk": {"N": "1"}}}),
    ("GetItem", {"Key": {**KEY, "sk": {"N": "99"}}}),
    ("GetItem", {"Key": {**KEY, "sk": {"N": "99"}}, **TOTAL}),
    ("GetItem", {"Key": {"pk": {"S": "a"}}}),
    ("GetItem", {"Key": {**KEY, "absent": {"S": "a"}}}),
    ("Query", OF_A),
    ("Query", {**OF_A, "Limit": 1, "ScanIndexForward": False, **TOTAL}),
    ("Query", {**OF_A, "ExclusiveStartKey": KEY}),
    ("Query", {**OF_A, "Select": "COUNT"}),
    ("Query", {**OF_A, "FilterExpression": "attribute_exists(v)", "ProjectionExpression": "sk", **TOTAL}),
    ("Query", {**OF_A, "KeyConditionExpression": "pk = :p AND begins_with(sk, :p)"}),
    ("Query", {**OF_A, "KeyConditionExpression": "kind = :p"}),
    ("Query", {**OF_A, "ExpressionAttributeValues": {":p": {"S": "binary"}}}),
    ("Query", {**OF_A, "ExpressionAttributeValues": {":p": {"S": "absent"}}}),
    ("Query", {"KeyConditionExpression": "kind = :k", "ExpressionAttributeValues": {":k": {"S": "red"}}, "IndexName": "kind"}),
    ("Query", {**OF_A, "IndexName": "absent"}),
    ("UpdateItem", {"Key": KEY, **SET_V}),
    ("UpdateItem", {"Key": KEY, **SET_V, "ReturnValues": "ALL_NEW"}),
    ("UpdateItem", {"Key": KEY, **SET_V, **TOTAL}),
    ("UpdateItem", {"Key": KEY, **SET_V, **IS_NEW}),
    ("UpdateItem", {"Key": {**KEY, "sk": {"N": "3"}}, **SET_V}),
    ("UpdateItem", {"Key": KEY, **SET_V, "UpdateExpression": "SET w = :v ADD kind :v"}),
    ("UpdateItem", {"Key": KEY, **SET_V, "UpdateExpression": "SET w = :absent"}),
    ("UpdateItem", {"Key": KEY, **SET_V, "UpdateExpression": "SET pk = :v"}),
    ("DeleteItem", {"Key": {**KEY, "sk": {"N": "3"}}, **TOTAL}),
    ("DeleteItem", {"Key": {**KEY, "sk": {"N": "3"}}}),
    ("DeleteItem", {"Key": KEY, **IS_NEW}),
    ("DeleteItem", {"Key": {**KEY, "sk": {"N": "2"}}, "ReturnValues": "ALL_OLD"}),
    ("TransactWriteItems", {"TransactItems": [{"Put": {"Item": {**KEY, "sk": {"N": "7"}}, **IS_NEW}}], **TOTAL}),
    ("TransactWriteItems", {"TransactItems": [{"Put": {"Item": {**KEY, "sk": {"N": "7"}}, **IS_NEW}}]}),
    ("TransactWriteItems", {"TransactItems": [{"Update": {"Key": KEY, **SET_V}}, {"Delete": {"Key": {**KEY, "sk": {"N": "7"}}}}]}),
    ("TransactWriteItems", {"TransactItems": [{"Delete": {"Key": KEY}}, {"Delete": {"Key": KEY}}]}),
    ("TransactWriteItems", {"TransactItems": []}),
    ("Scan", {}),
]  # fmt: skip


def with_table(table, given):
    """The request, with the table's name filled in."""
    if "TransactItems" not in given:
        return {"TableName": table, **given}
    steps = [{kind: {"TableName": table, **of}} for step in given["TransactItems"] for kind, of in step.items()]
    return {**given, "TransactItems": steps}


def send(cloud, operation, body: bytes, **more):
    """Status, headers that do not differ from call to call, and the body."""
    credential = "Credential=test/20260101/us-east-1/dynamodb/aws4_request"
    headers = {
        "X_Amz_Target": f"DynamoDB_20120810.{operation}",
        "Content_Type": "application/x-amz-json-1.0",
        "Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0",
        **more,
    }
    response = http(cloud.endpoint + "/", "POST", body, **headers)
    kept = {k.lower(): v for k, v in response.headers.items() if k.lower() not in ("content-length", "x-amzn-requestid")}
    assert response.headers["x-amzn-requestid"]
    return response.status, kept, response.json


def through_the_handlers(cloud) -> dict[str, str]:
    """A request with this header is examined by the handler against cross-site requests, and so goes through the
    gateway."""
    return {"Referer": f"http://localhost:{cloud.port}/"}


def responses(cloud, **more) -> list:
    """Responses of a table of its own, with its name removed."""
    table = cloud.table(range_key="N", index="kind", stream="NEW_AND_OLD_IMAGES")
    results = []
    for operation, given in REQUESTS:
        status, headers, body = send(cloud, operation, json.dumps(with_table(table, given)).encode(), **more)
        results.append((operation, given, status, headers, json.loads(json.dumps(body).replace(table, "TABLE"))))
    return results + [record["dynamodb"]["Keys"] for record in cloud.stream_records(table)]


def test_items_get_the_same_responses_as_through_the_gateway(cloud):
    for direct, long in zip(responses(cloud), responses(cloud, **through_the_handlers(cloud)), strict=True):
        assert direct == long
    statuses = [result[2] for result in responses(cloud) if isinstance(result, tuple)]
    assert statuses.count(200) > 25 and statuses.count(400) > 15


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b'{"TableName": 5, "Key": {}}', b'{"TableName": "absent", "Key": {"pk": {"S": "a"}}}'],
)
def test_invalid_requests_get_the_same_responses_as_through_the_gateway(cloud, body):
    assert send(cloud, "GetItem", body) == send(cloud, "GetItem", body, **through_the_handlers(cloud))


def test_accounts_and_regions_are_kept_apart(cloud):
    table = cloud.table()
    body = json.dumps({"TableName": table, "Key": {"pk": {"S": "a"}}}).encode()

    def status(access_key, region):
        credential = f"Credential={access_key}/20260101/{region}/dynamodb/aws4_request"
        signed = {"Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"}
        direct = send(cloud, "GetItem", body, **signed)
        assert direct == send(cloud, "GetItem", body, **signed, **through_the_handlers(cloud))
        return direct[0]

    assert status("test", "us-east-1") == status("AKIAIOSFODNN7EXAMPLE", "us-east-1") == 200
    assert status("test", "eu-west-1") == status("111111111111", "us-east-1") == 400
    assert status("test", "nowhere-9") == 200  # LocalStack treats it as us-east-1


def test_a_browser_of_another_origin_is_still_rejected(cloud):
    request = {"X_Amz_Target": "DynamoDB_20120810.PutItem", "Content_Type": "application/x-amz-json-1.0"}
    table = cloud.table()
    body = json.dumps({"TableName": table, "Item": {"pk": {"S": unique("a")}}}).encode()
    assert http(cloud.endpoint + "/", "POST", body, Origin="http://evil.example", **request).status == 403
    assert cloud.client("dynamodb").scan(TableName=table)["Count"] == 0


def invoke(cloud, path, payload, **more):
    """Status, headers that do not differ from call to call, and the body."""
    credential = "Credential=test/20260101/us-east-1/lambda/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0", **more}
    response = http(f"{cloud.endpoint}/2015-03-31/functions/{path}", "POST", payload, **headers)
    assert response.headers["x-amzn-requestid"] and response.headers["x-amz-request-id"]
    differing = ("content-length", "x-amzn-requestid", "x-amz-request-id", "x-amz-log-result")
    kept = {name.lower(): value for name, value in response.headers.items() if name.lower() not in differing}
    return response.status, kept, re.sub(rb"RequestId: \S+", b"RequestId", response.body)


def test_invocations_get_the_same_responses_as_through_the_gateway(cloud):
    name = cloud.function()
    arn = cloud.client("lambda").get_function_configuration(FunctionName=name)["FunctionArn"]
    version = cloud.client("lambda").publish_version(FunctionName=name)["Version"]
    cloud.invoke(f"{name}:{version}", [])
    requests = [
        (name, b"[1]", {}),
        (quote(arn, safe=""), b'["\xc3\xa4"]', {}),
        (arn, b"[]", {}),
        (f"{arn}:{version}", b"[2]", {}),
        (f"{name}:{version}", b"null", {}),
        (f"{name}:absent", b"[]", {}),
        ("absent", b"[]", {}),
        ("no%20name", b"[]", {}),
        (name, b'{"raise": "Rejected"}', {}),
        (name, b'{"exit": 3}', {}),
        (name, b"no json", {}),
        (name, b"\xff", {}),
        (name, b"", {}),
        (name, b"[3]", {"X_Amz_Invocation_Type": "Event"}),
        (name, b"[4]", {"X_Amz_Invocation_Type": "DryRun"}),
        (name, b"[5]", {"X_Amz_Invocation_Type": "Nonsense"}),
        (name, b"[6]", {"X_Amz_Log_Type": "Tail"}),
        (name, b"[7]", {"X_Amz_Client_Context": "e30="}),
    ]
    statuses = []
    for function, payload, more in requests:
        direct, long = (
            invoke(cloud, f"{function}/invocations", payload, **more, **way)
            for way in ({}, through_the_handlers(cloud))
        )
        assert direct == long, (function, payload, more)
        statuses.append(direct[0])
    assert statuses.count(200) > 8 and statuses.count(404) == 2
    by_query = f"{name}/invocations?Qualifier={version}"
    direct, long = invoke(cloud, by_query, b"[8]"), invoke(cloud, by_query, b"[8]", **through_the_handlers(cloud))
    assert direct == long and direct[1]["x-amz-executed-version"] == version


def test_a_trace_reaches_a_function(cloud):
    name, trace = cloud.function(), "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    invoke(cloud, f"{name}/invocations", b'{"trace": 1}', X_Amzn_Trace_Id=trace)
    assert cloud.seen(name)[0]["trace"] == trace


EVENT = {"Source": "direct", "DetailType": "kind", "Detail": '{"n": 1}'}


def test_events_get_the_same_responses_as_through_the_gateway(cloud):
    events, bus = cloud.client("events"), unique("bus")
    url, arn = cloud.queue()
    events.create_event_bus(Name=bus)
    events.put_rule(Name="rule", EventBusName=bus, EventPattern='{"source":["direct"]}')
    events.put_targets(Rule="rule", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    event = {**EVENT, "EventBusName": bus}
    bus_arn = f"arn:aws:events:us-east-1:000000000000:event-bus/{bus}"
    requests = [
        {"Entries": [event]},
        {"Entries": [event, {**event, "Source": "other"}, {**event, "Detail": "no json"}]},
        {"Entries": [{**event, "EventBusName": bus_arn, "Detail": '{"text": "\u00e4"}'}]},
        {"Entries": [{**event, "EventBusName": "absent"}]},
        {"Entries": [{name: value for name, value in event.items() if name != "Detail"}]},
        {"Entries": [{**event, "Time": 1700000000}]},
        {"Entries": [{**event, "Resources": ["a"]}]},
        {"Entries": [{**event, "Unknown": "x"}]},
        {"Entries": [{**event, "Detail": {"n": 1}}]},
        {"Entries": [{**event, "Source": None}]},
        {"Entries": [event] * 11},
        {"Entries": []},
        {"Entries": "none"},
        {"Entries": [event], "EndpointId": "x"},
        {},
        [],
    ]

    def responses(**way):
        for request in requests:
            status, headers, body = send(
                cloud, "", json.dumps(request).encode(), X_Amz_Target="AWSEvents.PutEvents",
                Content_Type="application/x-amz-json-1.1", **signed_for("events"), **way
            )  # fmt: skip
            yield status, headers, re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", json.dumps(body))

    def delivered():
        """All messages in the queue, without the parts that differ from call to call."""
        found, sqs = [], cloud.client("sqs")
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages"):
            for message in messages:
                body = json.loads(message["Body"])
                found.append(json.dumps({**body, "id": "", "time": body["time"] if body["time"] < "2024" else ""}))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return sorted(found)

    direct, given = list(responses()), delivered()
    assert direct == list(responses(**through_the_handlers(cloud)))
    assert len(given) > 4 and given == delivered()


def test_queue_attributes_are_the_same_as_through_the_gateway(cloud):
    url, _ = cloud.queue()
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "QueueArn"]
    requests = [
        {"QueueUrl": url, "AttributeNames": counts},
        {"QueueUrl": url, "AttributeNames": ["All"]},
        {"QueueUrl": url, "AttributeNames": []},
        {"QueueUrl": url, "AttributeNames": ["RedrivePolicy"]},
        {"QueueUrl": url, "AttributeNames": ["Nonsense"]},
        {"QueueUrl": url, "AttributeNames": "All"},
        {"QueueUrl": url, "AttributeNames": [1]},
        {"QueueUrl": url},
        {"QueueUrl": url + "-absent", "AttributeNames": counts},
        {"QueueUrl": 1, "AttributeNames": counts},
        {"AttributeNames": counts},
        {"QueueUrl": url, "AttributeNames": counts, "Unknown": "x"},
        {},
        [],
    ]

    def responses(**way):
        for request in requests:
            status, headers, body = send(
                cloud, "", json.dumps(request).encode(), X_Amz_Target="AmazonSQS.GetQueueAttributes",
                Content_Type="application/x-amz-json-1.0", **signed_for("sqs"), **way
            )  # fmt: skip
            yield status, headers, re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", json.dumps(body))

    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="x")
    direct = list(responses())
    assert '"ApproximateNumberOfMessages": "1"' in direct[0][2]
    assert direct == list(responses(**through_the_handlers(cloud)))


def signed_for(service):
    credential = f"Credential=test/20260101/us-east-1/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"}
