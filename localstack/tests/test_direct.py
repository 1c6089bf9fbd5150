"""What goes past LocalStack's handlers is answered as if it had gone through them."""

import json

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
# One after the other on one table, the good and the bad: operation and what is asked, without the table.
ASKED = [
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
    """What is asked, with the table's name wherever it belongs."""
    if "TransactItems" not in given:
        return {"TableName": table, **given}
    steps = [{kind: {"TableName": table, **of}} for step in given["TransactItems"] for kind, of in step.items()]
    return {**given, "TransactItems": steps}


def ask(cloud, operation, body: bytes, **more):
    """Status, headers that do not differ from call to call, and what is answered."""
    credential = "Credential=test/20260101/us-east-1/dynamodb/aws4_request"
    headers = {
        "X_Amz_Target": f"DynamoDB_20120810.{operation}",
        "Content_Type": "application/x-amz-json-1.0",
        "Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0",
        **more,
    }
    answer = http(cloud.endpoint + "/", "POST", body, **headers)
    kept = {k.lower(): v for k, v in answer.headers.items() if k.lower() not in ("content-length", "x-amzn-requestid")}
    assert answer.headers["x-amzn-requestid"]
    return answer.status, kept, answer.json


def through_the_handlers(cloud) -> dict[str, str]:
    """With this header a request is looked at by the handler against cross-site requests, and so takes the long way."""
    return {"Referer": f"http://localhost:{cloud.port}/"}


def answers(cloud, **more) -> list:
    """Of a table of its own, whose name is taken out."""
    table = cloud.table(range_key="N", index="kind", stream="NEW_AND_OLD_IMAGES")
    told = []
    for operation, given in ASKED:
        status, headers, body = ask(cloud, operation, json.dumps(with_table(table, given)).encode(), **more)
        told.append((operation, given, status, headers, json.loads(json.dumps(body).replace(table, "TABLE"))))
    return told + [record["dynamodb"]["Keys"] for record in cloud.stream_records(table)]


def test_items_are_answered_as_by_the_long_way(cloud):
    for direct, long in zip(answers(cloud), answers(cloud, **through_the_handlers(cloud)), strict=True):
        assert direct == long
    statuses = [told[2] for told in answers(cloud) if isinstance(told, tuple)]
    assert statuses.count(200) > 25 and statuses.count(400) > 15


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b'{"TableName": 5, "Key": {}}', b'{"TableName": "absent", "Key": {"pk": {"S": "a"}}}'],
)
def test_what_is_no_request_is_answered_as_by_the_long_way(cloud, body):
    assert ask(cloud, "GetItem", body) == ask(cloud, "GetItem", body, **through_the_handlers(cloud))


def test_accounts_and_regions_are_kept_apart(cloud):
    table = cloud.table()
    body = json.dumps({"TableName": table, "Key": {"pk": {"S": "a"}}}).encode()

    def status(access_key, region):
        credential = f"Credential={access_key}/20260101/{region}/dynamodb/aws4_request"
        signed = {"Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"}
        direct = ask(cloud, "GetItem", body, **signed)
        assert direct == ask(cloud, "GetItem", body, **signed, **through_the_handlers(cloud))
        return direct[0]

    assert status("test", "us-east-1") == status("AKIAIOSFODNN7EXAMPLE", "us-east-1") == 200
    assert status("test", "eu-west-1") == status("111111111111", "us-east-1") == 400
    assert status("test", "nowhere-9") == 200  # LocalStack takes it for us-east-1


def test_a_browser_of_another_origin_is_still_refused(cloud):
    request = {"X_Amz_Target": "DynamoDB_20120810.PutItem", "Content_Type": "application/x-amz-json-1.0"}
    table = cloud.table()
    body = json.dumps({"TableName": table, "Item": {"pk": {"S": unique("a")}}}).encode()
    assert http(cloud.endpoint + "/", "POST", body, Origin="http://evil.example", **request).status == 403
    assert cloud.client("dynamodb").scan(TableName=table)["Count"] == 0
