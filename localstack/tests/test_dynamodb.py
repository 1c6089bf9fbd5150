"""DynamoDB: concurrency, transactions, streams, time to live."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError
from cloud import eventually, unique


def text(value):
    return {"S": str(value)}


def number(value):
    return {"N": str(value)}


def code_of(call, **parameters):
    """The error's code, or None."""
    try:
        call(**parameters)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def in_parallel(threads, call):
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(call, range(threads)))


# Long, so that another thread gets to run between the reads and the writes of this one.
IS_NEW = " AND ".join(["attribute_not_exists(pk)"] * 150)
WRITERS, VERSIONS = 8, 6


def race_for_versions(cloud, append):
    """Threads append at the version they expect; returns the winners by version."""
    table = cloud.table(range_key="N")
    clients = [cloud.new_client("dynamodb") for _ in range(WRITERS)]
    winners = []

    def writer(which):
        for version in range(VERSIONS):
            if append(clients[which], table, version) is None:
                winners.append(version)

    in_parallel(WRITERS, writer)
    return sorted(winners)


@pytest.mark.guards("dynamodb.lock")
def test_of_racing_conditional_puts_one_wins(cloud):
    def append(client, table, version):
        return code_of(
            client.put_item,
            TableName=table,
            Item={"pk": text("stream"), "sk": number(version)},
            ConditionExpression=IS_NEW,
        )

    assert race_for_versions(cloud, append) == list(range(VERSIONS))


@pytest.mark.guards("dynamodb.lock")
def test_of_racing_transactions_one_wins(cloud):
    def append(client, table, version):
        put = {
            "TableName": table,
            "Item": {"pk": text("stream"), "sk": number(version)},
            "ConditionExpression": IS_NEW,
        }
        other = {"TableName": table, "Item": {"pk": text(unique("other")), "sk": number(version)}}
        return code_of(client.transact_write_items, TransactItems=[{"Put": put}, {"Put": other}])

    assert race_for_versions(cloud, append) == list(range(VERSIONS))


def test_a_cancelled_transaction_lists_each_reason_and_changes_nothing(cloud):
    dynamodb, table = cloud.client("dynamodb"), cloud.table(stream="NEW_AND_OLD_IMAGES")
    dynamodb.put_item(TableName=table, Item={"pk": text("b"), "v": number(1)})
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as refused:
        dynamodb.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": table, "Item": {"pk": text("a")}}},
                {
                    "Update": {
                        "TableName": table,
                        "Key": {"pk": text("b")},
                        "UpdateExpression": "SET v = :new",
                        "ConditionExpression": "v = :old",
                        "ExpressionAttributeValues": {":new": number(3), ":old": number(2)},
                        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                    }
                },
            ]
        )
    first, second = refused.value.response["CancellationReasons"]
    assert first["Code"] == "None"
    assert second["Code"] == "ConditionalCheckFailed" and second["Item"]["v"] == number(1)
    assert "Item" not in dynamodb.get_item(TableName=table, Key={"pk": text("a")})
    assert [r["eventName"] for r in cloud.stream_records(table)] == ["INSERT"]


def test_a_stream_goes_on_after_a_cancelled_transaction(cloud):
    dynamodb, streams = cloud.client("dynamodb"), cloud.client("dynamodbstreams")
    table = cloud.table(stream="NEW_AND_OLD_IMAGES")
    dynamodb.put_item(TableName=table, Item={"pk": text("a")})
    arn = cloud.stream_arn(table)
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="LATEST")["ShardIterator"]
    check = {"TableName": table, "Key": {"pk": text("a")}, "ConditionExpression": "attribute_not_exists(pk)"}
    put = {"TableName": table, "Item": {"pk": text("b")}}
    transaction = [{"Put": put}, {"ConditionCheck": check}]
    assert code_of(dynamodb.transact_write_items, TransactItems=transaction) == "TransactionCanceledException"
    dynamodb.put_item(TableName=table, Item={"pk": text("c")})
    records = streams.get_records(ShardIterator=iterator)["Records"]
    assert [r["dynamodb"]["Keys"]["pk"] for r in records] == [text("c")]


@pytest.mark.guards("dynamodb.transactions")
def test_a_transaction_does_not_copy_the_table(cloud):
    dynamodb, table = cloud.client("dynamodb"), cloud.table(range_key="N")
    for start in range(0, 2000, 25):
        items = [{"PutRequest": {"Item": {"pk": text(n % 50), "sk": number(n)}}} for n in range(start, start + 25)]
        dynamodb.batch_write_item(RequestItems={table: items})
    before = cloud.cpu_seconds()
    for n in range(10):
        put = {"TableName": table, "Item": {"pk": text("new"), "sk": number(n)}}
        dynamodb.transact_write_items(TransactItems=[{"Put": put}])
    assert (cloud.cpu_seconds() - before) / 10 < 0.02


@pytest.mark.guards("dynamodb.tokens")
def test_a_transaction_sent_twice_is_executed_once(cloud):
    dynamodb, table = cloud.client("dynamodb"), cloud.table()

    def add(amount):
        update = {
            "TableName": table,
            "Key": {"pk": text("a")},
            "UpdateExpression": "ADD v :amount",
            "ExpressionAttributeValues": {":amount": number(amount)},
        }
        return {"TransactItems": [{"Update": update}], "ClientRequestToken": token}

    token = unique("token")
    dynamodb.transact_write_items(**add(1))
    dynamodb.transact_write_items(**add(1))
    assert dynamodb.get_item(TableName=table, Key={"pk": text("a")})["Item"]["v"] == number(1)
    assert code_of(dynamodb.transact_write_items, **add(2)) == "IdempotentParameterMismatchException"


def test_a_failed_condition_returns_the_old_item(cloud):
    dynamodb, table = cloud.client("dynamodb"), cloud.table()
    dynamodb.put_item(TableName=table, Item={"pk": text("a"), "v": number(1)})
    condition = {
        "TableName": table,
        "ConditionExpression": "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    key = {"Key": {"pk": text("a")}}
    update = {
        **key,
        "UpdateExpression": "SET v = :v",
        "ExpressionAttributeValues": {":v": number(2)},
    }
    for call, parameters in (
        (dynamodb.put_item, {"Item": {"pk": text("a")}}),
        (dynamodb.update_item, update),
        (dynamodb.delete_item, key),
    ):
        with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException) as refused:
            call(**condition, **parameters)
        assert refused.value.response["Item"]["v"] == number(1)


@pytest.mark.guards("dynamodb.updates")
def test_an_update_of_an_absent_item_is_one_record(cloud):
    table = cloud.table(stream="NEW_AND_OLD_IMAGES")
    cloud.client("dynamodb").update_item(
        TableName=table,
        Key={"pk": text("a")},
        UpdateExpression="SET v = :v",
        ExpressionAttributeValues={":v": number(1)},
    )
    [record] = cloud.stream_records(table)
    assert record["eventName"] == "INSERT" and record["dynamodb"]["NewImage"]["v"] == number(1)


@pytest.mark.guards("dynamodb.updates")
def test_an_update_that_fails_half_way_changes_nothing(cloud):
    dynamodb, table = cloud.client("dynamodb"), cloud.table()
    dynamodb.put_item(TableName=table, Item={"pk": text("a"), "word": text("x")})
    failed = code_of(
        dynamodb.update_item,
        TableName=table,
        Key={"pk": text("a")},
        UpdateExpression="SET first = :one ADD word :one",
        ExpressionAttributeValues={":one": number(1)},
    )
    assert failed == "ValidationException"
    assert "first" not in dynamodb.get_item(TableName=table, Key={"pk": text("a")})["Item"]


@pytest.mark.guards("dynamodb.streams")
def test_a_stream_has_only_changes(cloud):
    dynamodb, table = cloud.client("dynamodb"), cloud.table(stream="NEW_AND_OLD_IMAGES")
    item = {"pk": text("a"), "v": number(1)}
    dynamodb.put_item(TableName=table, Item=item)
    dynamodb.put_item(TableName=table, Item=item)  # changes nothing
    dynamodb.delete_item(TableName=table, Key={"pk": text("a")})
    first, second = cloud.stream_records(table)
    assert first["eventName"] == "INSERT" and "OldImage" not in first["dynamodb"]
    assert second["eventName"] == "REMOVE" and "NewImage" not in second["dynamodb"]


@pytest.mark.guards("dynamodb.queries")
def test_a_query_reads_its_partition_and_not_the_table(cloud):
    dynamodb, table = cloud.client("dynamodb"), cloud.table(range_key="N", index="color")
    for start in range(0, 2000, 25):
        items = [
            {"PutRequest": {"Item": {"pk": text(n % 500), "sk": number(n), "color": text(n % 100)}}}
            for n in range(start, start + 25)
        ]
        dynamodb.batch_write_item(RequestItems={table: items})

    def query(name, value, **more):
        return dynamodb.query(
            TableName=table,
            KeyConditionExpression="#k = :v",
            ExpressionAttributeNames={"#k": name},
            ExpressionAttributeValues={":v": text(value)},
            **more,
        )["Items"]

    assert [i["sk"]["N"] for i in query("pk", 7)] == ["7", "507", "1007", "1507"]
    assert [i["sk"]["N"] for i in query("pk", 7, ScanIndexForward=False, Limit=2)] == ["1507", "1007"]
    assert query("pk", "absent") == []
    assert len(query("color", 3, IndexName="color")) == 20
    before = cloud.cpu_seconds()
    for _ in range(20):
        query("pk", 7)
    assert (cloud.cpu_seconds() - before) / 20 < 0.006


@pytest.mark.guards("dynamodb.ttl")
def test_an_expired_item_is_deleted_and_its_record_names_the_ttl_service(cloud):
    dynamodb, table = cloud.client("dynamodb"), cloud.table(stream="NEW_AND_OLD_IMAGES", ttl="expires")
    now = int(time.time())
    dynamodb.put_item(TableName=table, Item={"pk": text("past"), "expires": number(now - 5)})
    dynamodb.put_item(TableName=table, Item={"pk": text("future"), "expires": number(now + 500)})
    dynamodb.put_item(TableName=table, Item={"pk": text("mistake"), "expires": number(5)})
    eventually(lambda: dynamodb.scan(TableName=table)["Count"] == 2, 4)
    record = cloud.stream_records(table)[-1]
    assert record["eventName"] == "REMOVE" and record["dynamodb"]["Keys"]["pk"] == text("past")
    assert record["userIdentity"] == {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}


@pytest.mark.guards("dynamodb.capacity")
def test_consumed_capacity_counts_kilobytes(cloud):
    dynamodb, table = cloud.client("dynamodb"), cloud.table(range_key="N")
    large = {"pk": text("a"), "sk": number(1), "data": text("x" * 5000)}
    key = {"pk": text("a"), "sk": number(1)}

    def units(call, **parameters):
        return call(TableName=table, ReturnConsumedCapacity="TOTAL", **parameters)["ConsumedCapacity"]["CapacityUnits"]

    assert units(dynamodb.put_item, Item=large) == 5
    assert units(dynamodb.get_item, Key=key) == 1
    assert units(dynamodb.get_item, Key=key, ConsistentRead=True) == 2
    update = {"UpdateExpression": "SET v = :v", "ExpressionAttributeValues": {":v": number(1)}}
    assert units(dynamodb.update_item, Key=key, **update) == 5
    query = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": text("a")}}
    assert units(dynamodb.query, ConsistentRead=True, **query) == 2
    assert units(dynamodb.delete_item, Key=key) == 5
    put = {"Put": {"TableName": table, "Item": large}}
    response = dynamodb.transact_write_items(TransactItems=[put], ReturnConsumedCapacity="TOTAL")
    assert response["ConsumedCapacity"] == [{"TableName": table, "CapacityUnits": 10}]
