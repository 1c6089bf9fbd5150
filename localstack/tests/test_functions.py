"""Functions as processes."""

import base64
import gzip
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cloud import eventually


def is_running(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")


def has_ended(pid: int) -> bool:
    """Whether it has exited, even if its exit code has not been collected yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_function_responds_and_keeps_its_process(cloud):
    name = cloud.function()
    first, second = cloud.invoke(name, {"n": 1}), cloud.invoke(name, {"n": 2})
    assert first[0] is None and first[1]["event"] == {"n": 1}
    assert first[1]["pid"] == second[1]["pid"]


def test_a_function_reaches_the_local_cloud_without_dns(cloud):
    _, environment = cloud.invoke(cloud.function(), {"env": 1})
    assert environment["AWS_ENDPOINT_URL"] == cloud.endpoint
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment["TMPDIR"].startswith(str(cloud.state))


def test_exceeding_the_timeout_kills_the_process(cloud):
    name = cloud.function(timeout=1)
    _, before = cloud.invoke(name, {})
    started = time.monotonic()
    kind, body = cloud.invoke(name, {"sleep": 30})
    assert kind == "Sandbox.Timedout" and "timed out after 1.00 seconds" in body["errorMessage"]
    assert time.monotonic() - started < 3
    assert not is_running(before["pid"])
    _, after = cloud.invoke(name, {})
    assert after["pid"] != before["pid"]


def test_after_a_crash_the_next_call_gets_a_new_process(cloud):
    name = cloud.function()
    _, before = cloud.invoke(name, {})
    kind, body = cloud.invoke(name, {"exit": 3})
    assert kind == "Runtime.ExitError" and "exit status 3" in body["errorMessage"]
    kind, after = cloud.invoke(name, {})
    assert kind is None and after["pid"] != before["pid"]


@pytest.mark.parametrize("connections", ["one", "new", "two", "all"])
def test_a_function_may_use_as_many_connections_as_it_likes(cloud, connections):
    name = cloud.function(timeout=3, CONNECTIONS=connections)
    responses = [cloud.invoke(name, [number]) for number in range(8)]
    assert responses == [(None, [number]) for number in range(8)]
    assert cloud.invoke(name, {"raise": "Rejected"})[0] == "Rejected"
    assert cloud.invoke(name, {"exit": 3})[0] == "Runtime.ExitError"
    assert cloud.invoke(name, {"sleep": 30})[0] == "Sandbox.Timedout"
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda number: cloud.invoke(name, [number])[1], range(40))) == [[n] for n in range(40)]


def test_after_an_exit_between_two_calls_the_next_call_gets_a_new_process(cloud):
    name = cloud.function()
    _, before = cloud.invoke(name, {})
    os.kill(before["pid"], signal.SIGKILL)
    eventually(lambda: has_ended(before["pid"]))
    kind, after = cloud.invoke(name, {})
    assert kind is None and after["pid"] != before["pid"]


def test_an_error_keeps_its_kind_and_its_process(cloud):
    name = cloud.function()
    kind, body = cloud.invoke(name, {"raise": "Rejected"})
    assert kind == "Rejected" and body["errorMessage"] == "as requested"


def test_a_failed_start_is_reported_and_logged(cloud):
    name = cloud.function(FAIL_AT_START="1")
    kind, body = cloud.invoke(name, {})
    assert kind == "Init.Broken" and body["errorMessage"] == "cannot start"
    eventually(lambda: any("this is why" in line for line in cloud.log_lines(f"/aws/lambda/{name}")))


def test_a_response_over_six_megabytes_is_rejected(cloud):
    name = cloud.function()
    kind, _ = cloud.invoke(name, {"large": 7_000_000})
    assert kind == "Function.ResponseSizeTooLarge"
    assert cloud.invoke(name, {})[0] is None


def test_sixteen_calls_at_once_run_in_sixteen_processes(cloud):
    name = cloud.function()

    def call(_):
        return cloud.invoke(name, {"sleep": 1}, cloud.new_client("lambda"))

    started = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        responses = list(pool.map(call, range(16)))
    assert [kind for kind, _ in responses] == [None] * 16
    assert len({body["pid"] for _, body in responses}) == 16
    assert time.monotonic() - started < 10


def test_the_output_of_a_function_is_in_its_log(cloud):
    name = cloud.function()
    response = cloud.client("lambda").invoke(
        FunctionName=name, Payload=json.dumps({"print": "hello log"}), LogType="Tail"
    )
    tail = base64.b64decode(response["LogResult"]).decode()
    assert "hello log" in tail and "REPORT RequestId:" in tail
    lines = eventually(lambda: cloud.log_lines(f"/aws/lambda/{name}"))
    assert any("hello log" in line for line in lines)


def test_updated_code_runs_at_the_next_call(cloud):
    name = cloud.function()
    assert cloud.invoke(name, {})[1]["version"] == "1"
    bootstrap = cloud.code(name) / "bootstrap"
    replaced = bootstrap.read_text().replace('"VERSION_MARK", "1"', '"VERSION_MARK", "2"')
    replacement = bootstrap.with_name("bootstrap.new")
    replacement.write_text(replaced)
    replacement.chmod(0o755)
    replacement.rename(bootstrap)
    cloud.client("lambda").update_function_code(FunctionName=name, S3Bucket="hot-reload", S3Key=str(bootstrap.parent))
    cloud.wait_until_active(name)
    assert cloud.invoke(name, {})[1]["version"] == "2"


def test_log_filters_apply_with_and_without_http(cloud):
    """Log lines go to moto without HTTP, unless there is a metric filter; filters work the same in both cases."""
    logs, names = cloud.client("logs"), [cloud.function(), cloud.function()]
    reader = cloud.function("reader")
    reader_arn = cloud.client("lambda").get_function_configuration(FunctionName=reader)["FunctionArn"]

    def say(text):
        for name in names:
            cloud.invoke(name, {"print": text})
        groups = [f"/aws/lambda/{name}" for name in names]
        eventually(lambda: all(any(text in line for line in cloud.log_lines(group)) for group in groups))

    def given():
        """The lines that the subscribed function received, by group."""
        unpacked = [json.loads(gzip.decompress(base64.b64decode(seen["event"]["awslogs"]["data"])))
                    for seen in cloud.seen(reader)]  # fmt: skip
        return [(one["logGroup"], event["message"].strip()) for one in unpacked for event in one["logEvents"]]

    def counted():
        now, hour = datetime.now(timezone.utc), timedelta(hours=1)
        points = cloud.client("cloudwatch").get_metric_statistics(
            Namespace="Test", MetricName=names[0], StartTime=now - hour, EndTime=now + hour, Period=60, Statistics=["Sum"]
        )["Datapoints"]
        return sum(point["Sum"] for point in points)

    say("before")
    for name in names:
        logs.put_subscription_filter(
            logGroupName=f"/aws/lambda/{name}", filterName="f", filterPattern="", destinationArn=reader_arn
        )
    say("after")
    both = {f"/aws/lambda/{name}" for name in names}
    eventually(lambda: {group for group, line in given() if line == "after"} == both)
    # From here on every line in the region goes by HTTP, so that LocalStack can apply the filter.
    transformation = {"metricName": names[0], "metricNamespace": "Test", "metricValue": "1"}
    logs.put_metric_filter(
        logGroupName=f"/aws/lambda/{names[0]}",
        filterName="m",
        filterPattern="",
        metricTransformations=[transformation],
    )
    try:
        say("counted")
        eventually(lambda: counted() >= 1)
        eventually(lambda: {group for group, line in given() if line == "counted"} == both)
    finally:
        logs.delete_metric_filter(logGroupName=f"/aws/lambda/{names[0]}", filterName="m")
    assert not any(line == "before" for _, line in given())
    logs.put_retention_policy(logGroupName=f"/aws/lambda/{names[0]}", retentionInDays=1)
    say("kept")


def test_a_deleted_log_group_is_recreated_by_the_next_line(cloud):
    name = cloud.function()
    group = f"/aws/lambda/{name}"
    cloud.invoke(name, {"print": "first"})
    eventually(lambda: any("first" in line for line in cloud.log_lines(group)))
    cloud.client("logs").delete_log_group(logGroupName=group)
    cloud.invoke(name, {"print": "second"})
    eventually(lambda: any("second" in line for line in cloud.log_lines(group)))
    assert not any("first" in line for line in cloud.log_lines(group))
