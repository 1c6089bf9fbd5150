"""State machines."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cloud import ROLE, eventually, unique

INVOKE = "arn:aws:states:::lambda:invoke"


class Machine:
    def __init__(self, cloud, definition, **more):
        self.states = cloud.client("stepfunctions")
        self.arn = self.states.create_state_machine(
            name=unique("machine"), definition=json.dumps(definition), roleArn=ROLE, **more
        )["stateMachineArn"]

    def start(self, given=None, **more):
        return self.states.start_execution(stateMachineArn=self.arn, input=json.dumps(given or {}), **more)[
            "executionArn"
        ]

    def finished(self, execution, seconds=20):
        def description():
            found = self.states.describe_execution(executionArn=execution)
            return None if found["status"] == "RUNNING" else found

        return eventually(description, seconds, 0.005)

    def run(self, given=None):
        return self.finished(self.start(given))


def task(function, payload, **more):
    return {"Type": "Task", "Resource": INVOKE, "Parameters": {"FunctionName": function, **payload}, **more}


def steps(function, number):
    names = [f"S{n}" for n in range(number)]
    states = {
        name: task(
            function, {"Payload": {"step": name}}, ResultPath=None, **({"Next": after} if after else {"End": True})
        )
        for name, after in zip(names, [*names[1:], None])
    }
    return {"StartAt": "S0", "States": states}


def test_variables_are_assigned_by_tasks_and_catchers_and_used_in_parameters(cloud):
    function = cloud.function()
    machine = Machine(
        cloud,
        {
            "StartAt": "First",
            "States": {
                "First": task(
                    function,
                    {"Payload": {"kept.$": "$.booking"}},
                    Assign={"booking.$": "$.Payload.event.kept"},
                    ResultPath=None,
                    Next="Failing",
                ),
                "Failing": task(
                    function,
                    {"Payload": {"raise": "Rejected"}},
                    Catch=[
                        {
                            "ErrorEquals": ["Rejected"],
                            "Assign": {"reason.$": "$.Error"},
                            "ResultPath": "$.failure",
                            "Next": "Compensate",
                        }
                    ],
                    End=True,
                ),
                "Compensate": task(
                    function,
                    {"Payload": {"booking.$": "$booking", "reason.$": "$reason"}},
                    OutputPath="$.Payload.event",
                    End=True,
                ),
            },
        },
    )
    done = machine.run({"booking": "b-1"})
    assert done["status"] == "SUCCEEDED", done
    assert json.loads(done["output"]) == {"booking": "b-1", "reason": "Rejected"}


def test_a_transient_error_is_retried_and_a_final_one_caught(cloud):
    function = cloud.function()
    machine = Machine(
        cloud,
        {
            "StartAt": "Try",
            "States": {
                "Try": task(
                    function,
                    {"Payload": {"raise": "Transient"}},
                    Retry=[
                        {
                            "ErrorEquals": ["Transient"],
                            "IntervalSeconds": 1,
                            "MaxAttempts": 2,
                            "BackoffRate": 1,
                            "JitterStrategy": "FULL",
                            "MaxDelaySeconds": 1,
                        }
                    ],
                    Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
                    End=True,
                ),
                "Caught": {"Type": "Pass", "End": True},
            },
        },
    )
    done = machine.run()
    assert done["status"] == "SUCCEEDED" and json.loads(done["output"])["Error"] == "Transient"
    assert len(cloud.seen(function)) == 3


def test_a_task_that_takes_too_long_is_a_states_timeout(cloud):
    function = cloud.function()
    machine = Machine(
        cloud,
        {
            "StartAt": "Slow",
            "States": {
                "Slow": task(
                    function,
                    {"Payload": {"sleep": 3}},
                    TimeoutSeconds=1,
                    Catch=[{"ErrorEquals": ["States.Timeout"], "Next": "Late"}],
                    End=True,
                ),
                "Late": {"Type": "Pass", "End": True},
            },
        },
    )
    started = time.monotonic()
    done = machine.run()
    assert json.loads(done["output"])["Error"] == "States.Timeout" and time.monotonic() - started < 2.5


def test_a_machine_has_a_time_limit(cloud):
    machine = Machine(
        cloud, {"TimeoutSeconds": 1, "StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 9, "End": True}}}
    )
    assert machine.run()["status"] == "TIMED_OUT"


def test_the_name_of_an_execution_is_unique(cloud):
    machine = Machine(cloud, {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "End": True}}})
    name, states = unique("booking"), cloud.client("stepfunctions")
    execution = machine.start({"a": 1}, name=name)
    assert machine.start({"a": 1}, name=name) == execution
    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        machine.start({"a": 2}, name=name)
    assert machine.finished(execution)["name"] == name
    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        machine.start({"a": 1}, name=name)


def test_the_history_lists_each_step(cloud):
    machine = Machine(cloud, steps(cloud.function(), 2))
    done = machine.run()
    history = cloud.client("stepfunctions").get_execution_history(executionArn=done["executionArn"])["events"]
    assert [event["type"] for event in history] == [
        "ExecutionStarted",
        *["TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited"] * 2,
        "ExecutionSucceeded",
    ]
    assert history[1]["stateEnteredEventDetails"]["name"] == "S0"


def test_twenty_executions_at_once_all_succeed(cloud):
    machine = Machine(cloud, steps(cloud.function(), 5))
    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(lambda n: machine.run({"n": n}), range(20)))
    assert [execution["status"] for execution in done] == ["SUCCEEDED"] * 20
    assert sorted(json.loads(execution["output"])["n"] for execution in done) == list(range(20))


def test_executions_are_logged(cloud):
    group = f"/aws/vendedlogs/states/{unique('log')}"
    cloud.client("logs").create_log_group(logGroupName=group)
    destination = {
        "cloudWatchLogsLogGroup": {"logGroupArn": f"arn:aws:logs:us-east-1:000000000000:log-group:{group}:*"}
    }
    logging = {"level": "ALL", "includeExecutionData": True, "destinations": [destination]}
    machine = Machine(cloud, steps(cloud.function(), 1), loggingConfiguration=logging)
    machine.run()
    eventually(lambda: any("ExecutionSucceeded" in line for line in cloud.log_lines(group)))


@pytest.mark.guards("jsonata")
def test_jsonata_is_evaluated_with_strings_as_they_are(cloud):
    machine = Machine(
        cloud,
        {
            "QueryLanguage": "JSONata",
            "StartAt": "A",
            "States": {
                "A": {"Type": "Pass", "Assign": {"v": "{% $states.input.x %}"}, "Next": "B"},
                "B": {"Type": "Pass", "Output": {"sum": "{% $states.input.n + 1 %}", "text": "{% $v %}"}, "End": True},
            },
        },
    )
    done = machine.run({"n": 41, "x": 'a"b\nc'})
    assert json.loads(done["output"]) == {"sum": 42, "text": 'a"b\nc'}
