"""LocalStack as shipped and patched, in turn, on the same work; prints a table.

    PYTHONPATH=localstack .local/venv/bin/python localstack/bench.py [--rounds 2]

"As shipped" is LocalStack with no more patches than it needs to run without Docker: functions as processes, DynamoDB
over moto alone, listening on the loopback interface.  Client and cloud share the machine.
"""

import argparse
import http.client
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Callable

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "tests")]

from cloud import ROLE, Cloud, eventually  # noqa: E402
from parkade_localstack.patches import PATCHES  # noqa: E402

KEPT = {"executor", "dynamodb", "loopback", "s3.folder"}
AS_SHIPPED = ",".join(patch.name for patch in PATCHES if patch.name not in KEPT)
CLIENTS = 8


def median_ms(call: Callable[[int], None], times: int) -> float:
    took = []
    for number in range(times):
        started = time.perf_counter()
        call(number)
        took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took)


def per_second(call_of_client: Callable[[], Callable[[], None]], each: int) -> float:
    """Calls a second by several clients, each with connections of its own."""
    clients = [call_of_client() for _ in range(CLIENTS)]

    def work(call):
        for _ in range(each):
            call()

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(work, clients))  # warm
        started = time.perf_counter()
        list(pool.map(work, clients))
        return CLIENTS * each / (time.perf_counter() - started)


class Bench:
    """The resources deployed on one cloud, and the measurements."""

    def __init__(self, cloud: Cloud):
        self.cloud = cloud
        self.function = cloud.function("plain")
        self.machine = self._machine()
        self.api_path = self._api()
        self.queue_function, self.bus = self._bus()
        self.stream_function, self.table = self._stream()

    def _machine(self) -> str:
        names = [f"S{n}" for n in range(5)]
        states = {
            name: {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Parameters": {"FunctionName": self.function, "Payload": {"step": name}},
                "ResultPath": None,
                **({"Next": after} if after else {"End": True}),
            }
            for name, after in zip(names, [*names[1:], None])
        }
        definition = json.dumps({"StartAt": "S0", "States": states})
        created = self.cloud.client("stepfunctions").create_state_machine(
            name="bench", definition=definition, roleArn=ROLE
        )
        return created["stateMachineArn"]

    def _api(self) -> str:
        uri = (
            "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
            f"arn:aws:lambda:us-east-1:000000000000:function:{self.function}/invocations"
        )
        integration = {"type": "aws_proxy", "httpMethod": "POST", "uri": uri}
        method = {"responses": {"200": {"description": "ok"}}, "x-amazon-apigateway-integration": integration}
        definition = {
            "openapi": "3.0.1",
            "info": {"title": "bench", "version": "1"},
            "paths": {"/thing": {"get": method}},
        }
        gateway = self.cloud.client("apigateway")
        api = gateway.import_rest_api(body=json.dumps(definition))["id"]
        gateway.create_deployment(restApiId=api, stageName="v1")
        return f"/_aws/execute-api/{api}/v1/thing"

    def _bus(self) -> tuple[str, str]:
        events, function = self.cloud.client("events"), self.cloud.function("queue")
        _, arn = self.cloud.queue()
        events.create_event_bus(Name="bench")
        events.put_rule(Name="bench", EventBusName="bench", EventPattern='{"source":["bench"]}')
        events.put_targets(Rule="bench", EventBusName="bench", Targets=[{"Id": "queue", "Arn": arn}])
        self.cloud.client("lambda").create_event_source_mapping(EventSourceArn=arn, FunctionName=function)
        return function, "bench"

    def _stream(self) -> tuple[str, str]:
        table, function = self.cloud.table(stream="NEW_IMAGE", range_key="N"), self.cloud.function("stream")
        self.cloud.client("lambda").create_event_source_mapping(
            EventSourceArn=self.cloud.stream_arn(table), FunctionName=function, StartingPosition="TRIM_HORIZON"
        )
        return function, table

    # -- measurements

    def warm_invoke(self) -> float:
        median_ms(lambda _: self.cloud.invoke(self.function, {}), 20)
        return median_ms(lambda _: self.cloud.invoke(self.function, {}), 150)

    def invokes_of_8_clients(self) -> float:
        def client():
            awslambda = self.cloud.new_client("lambda")
            return lambda: self.cloud.invoke(self.function, {}, awslambda)

        return per_second(client, 30)

    def _get(self) -> Callable[[], None]:
        connection = http.client.HTTPConnection("127.0.0.1", self.cloud.port)

        def get():
            connection.request("GET", self.api_path)
            response = connection.getresponse()
            response.read()
            assert response.status == 200

        return get

    def api_call(self) -> float:
        get = self._get()
        median_ms(lambda _: get(), 20)
        return median_ms(lambda _: get(), 150)

    def api_calls_of_8_clients(self) -> float:
        return per_second(self._get, 30)

    def _finished(self, execution: str) -> dict:
        states = self.cloud.client("stepfunctions")

        def description():
            found = states.describe_execution(executionArn=execution)
            return found if found["status"] != "RUNNING" else None

        found = eventually(description, 60, 0.01)
        assert found["status"] == "SUCCEEDED", found
        return found

    def _start(self) -> str:
        return self.cloud.client("stepfunctions").start_execution(stateMachineArn=self.machine)["executionArn"]

    def execution_of_5_steps(self) -> float:
        took = []
        for _ in range(12):
            done = self._finished(self._start())
            took.append((done["stopDate"] - done["startDate"]).total_seconds() * 1000)
        return statistics.median(took[2:])

    def executions_20_at_once(self) -> float:
        rates = []
        for _ in range(3):
            started = [self._start() for _ in range(20)]
            done = [self._finished(execution) for execution in started]
            span = max(e["stopDate"] for e in done) - min(e["startDate"] for e in done)
            rates.append(20 / span.total_seconds())
        return max(rates)

    def _arrival(self, function: str, word: str, started: float) -> float:
        """Milliseconds from `started` until the function was called with the word."""

        def at():
            return next((s["at"] for s in reversed(self.cloud.seen(function)) if word in json.dumps(s)), None)

        return (eventually(at, 30, 0.002) - started) * 1000

    def bus_to_queue_to_function(self) -> float:
        events, took = self.cloud.client("events"), []
        for number in range(12):
            time.sleep(0.2)
            entry = {"Source": "bench", "DetailType": f"n{number}!", "Detail": "{}", "EventBusName": self.bus}
            started = time.time()
            events.put_events(Entries=[entry])
            took.append(self._arrival(self.queue_function, f"n{number}!", started))
        return statistics.median(took[2:])

    def stream_to_function(self) -> float:
        dynamodb, took = self.cloud.client("dynamodb"), []
        for number in range(12):
            time.sleep(0.2)
            started = time.time()
            dynamodb.put_item(TableName=self.table, Item={"pk": {"S": f"n{number}!"}, "sk": {"N": "1"}})
            took.append(self._arrival(self.stream_function, f"n{number}!", started))
        return statistics.median(took[2:])

    def _items(self) -> str:
        if not hasattr(self, "_item_table"):
            self._item_table = self.cloud.table(range_key="N")
            items = [{"pk": {"S": str(n % 100)}, "sk": {"N": str(n)}, "data": {"S": "x" * 100}} for n in range(1000)]
            for start in range(0, len(items), 25):
                requests = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
                self.cloud.client("dynamodb").batch_write_item(RequestItems={self._item_table: requests})
        return self._item_table

    def dynamodb_put(self) -> float:
        table, dynamodb = self._items(), self.cloud.client("dynamodb")
        return median_ms(
            lambda n: dynamodb.put_item(TableName=table, Item={"pk": {"S": "new"}, "sk": {"N": str(n)}}), 100
        )

    def dynamodb_get(self) -> float:
        table, dynamodb = self._items(), self.cloud.client("dynamodb")
        return median_ms(lambda n: dynamodb.get_item(TableName=table, Key={"pk": {"S": "7"}, "sk": {"N": "7"}}), 100)

    def dynamodb_query(self) -> float:
        table, dynamodb = self._items(), self.cloud.client("dynamodb")
        values = {":p": {"S": "7"}}
        return median_ms(
            lambda n: dynamodb.query(
                TableName=table, KeyConditionExpression="pk = :p", ExpressionAttributeValues=values
            ),
            60,
        )

    def dynamodb_transaction(self) -> float:
        table, dynamodb = self._items(), self.cloud.client("dynamodb")

        def transact(n):
            puts = [{"Put": {"TableName": table, "Item": {"pk": {"S": f"t{i}"}, "sk": {"N": str(n)}}}} for i in (1, 2)]
            dynamodb.transact_write_items(TransactItems=puts)

        return median_ms(transact, 30)

    def idle_cpu(self) -> float:
        """Percent of a core, with two event source mappings."""
        time.sleep(2)
        before, started = self.cloud.cpu_seconds(), time.monotonic()
        time.sleep(6)
        return (self.cloud.cpu_seconds() - before) / (time.monotonic() - started) * 100


# Name, unit, measurement, whether more is better.
ROWS = (
    ("warm invoke", "ms", Bench.warm_invoke, False),
    ("invokes, 8 clients", "/s", Bench.invokes_of_8_clients, True),
    ("API call to a function", "ms", Bench.api_call, False),
    ("API calls, 8 clients", "/s", Bench.api_calls_of_8_clients, True),
    ("execution of 5 steps", "ms", Bench.execution_of_5_steps, False),
    ("20 executions at once", "/s", Bench.executions_20_at_once, True),
    ("bus → queue → function", "ms", Bench.bus_to_queue_to_function, False),
    ("stream → function", "ms", Bench.stream_to_function, False),
    ("DynamoDB put", "ms", Bench.dynamodb_put, False),
    ("DynamoDB get", "ms", Bench.dynamodb_get, False),
    ("DynamoDB query, 1,000 items in the table", "ms", Bench.dynamodb_query, False),
    ("DynamoDB transaction of 2, likewise", "ms", Bench.dynamodb_transaction, False),
    ("CPU when idle", "%", Bench.idle_cpu, False),
)
START, STOP = ("start until it responds", "ms", None, False), ("stop", "ms", None, False)


def measure(without: str) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    with tempfile.TemporaryDirectory(prefix="parkade-bench-") as folder:
        started = time.perf_counter()
        cloud = Cloud.start(Path(folder), without)
        found[START[0]] = (time.perf_counter() - started) * 1000
        try:
            bench = Bench(cloud)
            for name, unit, measurement, _ in ROWS:
                try:
                    found[name] = measurement(bench)
                except Exception as error:  # as shipped it may well fail: that is a result
                    print(f"  {name}: {type(error).__name__} {str(error)[:200]}", file=sys.stderr)
                    found[name] = None
                else:
                    print(f"  {name}: {found[name]:.1f} {unit}", file=sys.stderr)
        finally:
            try:
                found[STOP[0]] = cloud.stop() * 1000
            except subprocess.TimeoutExpired:  # as shipped it sometimes does not stop, and is killed
                print(f"  {STOP[0]}: not within 20 s", file=sys.stderr)
                found[STOP[0]] = None
    return found


def table(shipped: list[dict], patched: list[dict]) -> str:
    lines = ["| | as shipped | patched | ratio |", "|---|---|---|---|"]
    for name, unit, _, more_is_better in (*ROWS, START, STOP):
        before, after = _median(shipped, name), _median(patched, name)
        ratio = "" if not before or not after else f"{after / before if more_is_better else before / after:.1f} ×"
        lines.append(f"| {name} | {_formatted(before, unit)} | {_formatted(after, unit)} | {ratio} |")
    return "\n".join(lines)


def _median(rounds: list[dict], name: str) -> float | None:
    values = [r[name] for r in rounds if r.get(name) is not None]
    return statistics.median(values) if values else None


def _formatted(value: float | None, unit: str) -> str:
    if value is None:
        return "failed"
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.1f} {unit}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    rounds = parser.parse_args().rounds
    shipped, patched = [], []
    for number in range(rounds):
        for name, without, results in (("as shipped", AS_SHIPPED, shipped), ("patched", "", patched)):
            print(f"{name}, round {number + 1}", file=sys.stderr)
            results.append(measure(without))
    load = os.getloadavg()[0]
    print(f"{date.today()}, Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()}", end="")
    print(f" {platform.machine()}, medians of {rounds} rounds, load {load:.1f} at the end\n")
    print(table(shipped, patched))


if __name__ == "__main__":
    main()
