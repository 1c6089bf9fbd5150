"""Starts and stops a local cloud for a test; small helpers for clients."""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import boto3
from botocore.config import Config

HERE = Path(__file__).parent
PACKAGE_ROOT = HERE.parent
ROLE = "arn:aws:iam::000000000000:role/test"
START_SECONDS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def eventually(condition, seconds=15, pause=0.02):
    """The condition's value, as soon as it is true; fails after the timeout."""
    until = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        assert time.monotonic() < until, "the condition was not met in time"
        time.sleep(pause)


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Runs in the child: a signal on which it also stops the processes that it has started."""
    if _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Cloud:
    """One local cloud, as `python -m parkade_localstack` starts it."""

    def __init__(self, state: Path, port: int, process: subprocess.Popen):
        self.state, self.port, self.process = state, port, process
        self.endpoint = f"http://127.0.0.1:{port}"
        self._clients = {}
        self.memory = state / "memory"
        self.memory.mkdir(exist_ok=True)

    @classmethod
    def start(cls, state: Path, without="", port=None, environment=None) -> "Cloud":
        port = port or free_port()
        state.mkdir(parents=True, exist_ok=True)
        without = ",".join(filter(None, [without, os.environ.get("PARKADE_LOCALSTACK_WITHOUT", "")]))
        process = subprocess.Popen(
            [sys.executable, "-m", "parkade_localstack", "--port", str(port), "--state-dir", str(state)],
            env={
                **os.environ,
                "PYTHONPATH": str(PACKAGE_ROOT),
                "PARKADE_LOCALSTACK_WITHOUT": without,
                **(environment or {}),
            },
            stdout=(state / "log").open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,  # pytest handles Ctrl-C and stops the cloud itself
            preexec_fn=end_with_parent,  # if pytest is killed, it cannot
        )
        cloud = cls(state, port, process)
        try:
            eventually(cloud.is_ready, START_SECONDS)
        except BaseException:
            cloud.stop()
            raise
        return cloud

    def is_ready(self) -> bool:
        assert self.process.poll() is None, (self.state / "log").read_text()
        try:
            return urllib.request.urlopen(self.endpoint + "/_localstack/health", timeout=5).status == 200
        except OSError:
            return False

    def stop(self, how=signal.SIGTERM) -> float:
        """Seconds until the process had exited."""
        started = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return time.monotonic() - started

    def cpu_seconds(self) -> float:
        """CPU time used so far: unlike elapsed time, it does not depend on the load of the machine."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def client(self, service: str):
        if service not in self._clients:
            self._clients[service] = self.new_client(service)
        return self._clients[service]

    def new_client(self, service: str):
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(
                retries={"max_attempts": 0},
                max_pool_connections=50,
                inject_host_prefix=False,
                read_timeout=60,
            ),
        )

    # -- functions

    def code(self, name: str) -> Path:
        """A folder of its own with the test function's `bootstrap`."""
        folder = self.state / "code" / name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "bootstrap", folder / "bootstrap")
        return folder

    def function(self, prefix="fn", timeout=10, **variables) -> str:
        """Creates a function, waits until it is active, returns its name."""
        name = unique(prefix)
        awslambda = self.client("lambda")
        awslambda.create_function(
            FunctionName=name,
            Runtime="provided.al2023",
            Handler="bootstrap",
            Role=ROLE,
            Timeout=timeout,
            Code={"S3Bucket": "hot-reload", "S3Key": str(self.code(name))},
            Environment={"Variables": {"MEMORY_DIR": str(self.memory), **variables}},
        )
        self.wait_until_active(name)
        return name

    def wait_until_active(self, name: str):
        def active():
            configuration = self.client("lambda").get_function_configuration(FunctionName=name)
            return configuration["State"] == "Active" and configuration["LastUpdateStatus"] == "Successful"

        eventually(active)

    def invoke(self, name: str, event, client=None, **parameters):
        """The error's type or None, and the response."""
        response = (client or self.client("lambda")).invoke(FunctionName=name, Payload=json.dumps(event), **parameters)
        body = json.loads(response["Payload"].read() or "null")
        return (body["errorType"] if response.get("FunctionError") else None), body

    def seen(self, function: str) -> list[dict]:
        """The invocations that the function received, with time and process."""
        try:
            written = (self.memory / function).read_text()
        except FileNotFoundError:
            return []
        # An incomplete last line is still being written.
        return [json.loads(line) for line in written.split("\n")[:-1]]

    # -- other resources

    def queue(self, prefix="queue", **attributes) -> tuple[str, str]:
        """URL and ARN."""
        name = unique(prefix)
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=name, Attributes={k: str(v) for k, v in attributes.items()})["QueueUrl"]
        return url, f"arn:aws:sqs:us-east-1:000000000000:{name}"

    def receive(self, url: str, seconds=15) -> dict:
        sqs = self.client("sqs")

        def message():
            messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages")
            return messages and messages[0]

        return eventually(message, seconds)

    def table(self, prefix="table", stream=None, range_key=None, ttl=None, index=None) -> str:
        name = unique(prefix)
        dynamodb = self.client("dynamodb")
        attributes = {"pk": "S"} | ({"sk": range_key} if range_key else {}) | ({index: "S"} if index else {})
        schema = [{"AttributeName": "pk", "KeyType": "HASH"}]
        if range_key:
            schema.append({"AttributeName": "sk", "KeyType": "RANGE"})
        more = {}
        if stream:
            more["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": stream}
        if index:
            more["GlobalSecondaryIndexes"] = [
                {
                    "IndexName": index,
                    "KeySchema": [{"AttributeName": index, "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ]
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": k, "AttributeType": v} for k, v in attributes.items()],
            KeySchema=schema,
            **more,
        )
        if ttl:
            dynamodb.update_time_to_live(
                TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": ttl}
            )
        return name

    def stream_arn(self, table: str) -> str:
        return self.client("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"]

    def stream_records(self, table: str) -> list[dict]:
        streams = self.client("dynamodbstreams")
        arn = self.stream_arn(table)
        shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
        iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
        return streams.get_records(ShardIterator=iterator["ShardIterator"])["Records"]

    def deploy(self, stack: str, template: str, update=False, **parameters) -> dict[str, str]:
        """Creates or updates a stack, waits, returns its outputs."""
        cloudformation = self.client("cloudformation")
        (cloudformation.update_stack if update else cloudformation.create_stack)(
            StackName=stack,
            TemplateBody=template,
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )

        def finished():
            description = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
            return None if description["StackStatus"].endswith("_IN_PROGRESS") else description

        description = eventually(finished, 60, 0.1)
        status = description["StackStatus"]
        assert status == ("UPDATE_COMPLETE" if update else "CREATE_COMPLETE"), self.failures(stack, status)
        return {o["OutputKey"]: o["OutputValue"] for o in description.get("Outputs", [])}

    def delete(self, stack: str):
        cloudformation = self.client("cloudformation")
        stack_id = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackId"]
        cloudformation.delete_stack(StackName=stack)

        def is_deleted():
            status = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"]
            return status == "DELETE_COMPLETE"

        eventually(is_deleted, 30, 0.05)

    def failures(self, stack: str, status: str) -> str:
        events = self.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
        reasons = [
            f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason')}"
            for e in events
            if "FAIL" in e["ResourceStatus"]
        ]
        return "\n".join([status, *reasons])

    def log_lines(self, group: str) -> list[str]:
        logs = self.client("logs")
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            return [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
        return []


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


class Response:
    def __init__(self, status: int, headers, body: bytes):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


def http(url: str, method="GET", body=None, **headers) -> Response:
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data, named, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return Response(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        return Response(error.code, error.headers, error.read())
