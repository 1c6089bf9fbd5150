"""Patches whose bug rarely shows from outside: tested on LocalStack's own parts, each in a process of its own."""

import subprocess
import sys
import textwrap

import pytest
from cloud import PACKAGE_ROOT


def run(code: str, patch: str) -> str:
    """Runs the code, with the patch unless the environment disables it; returns the output."""
    given = f"""
        from parkade_localstack import patches
        [patch] = [m for m in patches.PATCHES if m.name == {patch!r}]
        if patches.is_enabled(patch.name):
            patch.apply()
    """
    program = textwrap.dedent(given) + textwrap.dedent(code)
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=PACKAGE_ROOT, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


@pytest.mark.guards("parse-lock")
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="patched in CPython 3.12")
def test_python_is_parsed_by_one_thread_at_a_time():
    assert not run(
        """
        import ast, gc, threading, time
        class LetsAnotherThreadIn:
            def __del__(self):
                time.sleep(0)
        source = "f(" + ",".join("{'a': [1, 2, (3, 4)]}" for _ in range(30)) + ")"
        gc.set_threshold(20)
        failed = []
        def parse():
            for _ in range(150):
                garbage = LetsAnotherThreadIn(); garbage.me = garbage; del garbage
                try:
                    ast.parse(source)
                except SystemError as error:
                    failed.append(error)
        threads = [threading.Thread(target=parse) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(*failed)
        """,
        "parse-lock",
    )


@pytest.mark.guards("lambda.races")
def test_environments_may_be_listed_while_one_is_added():
    assert (
        run(
            """
        from types import SimpleNamespace
        from localstack.services.lambda_.invocation.assignment import AssignmentService
        service = AssignmentService()
        environments = service.environments["version"]
        environments["a"] = SimpleNamespace()
        try:
            for _ in environments.values():
                environments["another"] = SimpleNamespace()
            print("fine")
        except RuntimeError as error:
            print(error)
        """,
            "lambda.races",
        )
        == "fine"
    )


@pytest.mark.guards("lambda.races")
def test_a_new_environment_belongs_to_the_invocation_that_started_it():
    assert (
        run(
            """
        import threading
        from localstack.services.lambda_.invocation import assignment
        from localstack.services.lambda_.invocation.execution_environment import ExecutionEnvironment, RuntimeStatus

        def started(self):
            self.status = RuntimeStatus.READY
        def made(self, function_version, initialization_type, on_timeout, version_manager_id):
            self.id, self.status, self.status_lock = "e", RuntimeStatus.INACTIVE, threading.RLock()
            self.initialization_type, self.version_manager_id = initialization_type, version_manager_id
            self.keepalive_timer = threading.Timer(0, print)
        ExecutionEnvironment.__init__, ExecutionEnvironment.start = made, started
        ExecutionEnvironment.release = ExecutionEnvironment.stop = lambda self: None
        service = assignment.AssignmentService()

        class Competitor(dict):
            # Takes a new environment at the moment it is listed.
            def __setitem__(self, key, environment):
                super().__setitem__(key, environment)
                thread = threading.Thread(target=self.take, args=(environment,))
                thread.start(); thread.join()
            def take(self, environment):
                try:
                    environment.reserve()
                    self.stolen = True
                except Exception:
                    self.stolen = False
        service.environments["version"] = competitor = Competitor()
        try:
            with service.get_environment("version", None, "on-demand"):
                print("stolen" if competitor.stolen else "kept")
        except Exception as error:
            print(type(error).__name__)
        """,
            "lambda.races",
        )
        == "kept"
    )


@pytest.mark.guards("timers")
def test_timers_of_idle_environments_share_a_thread():
    assert (
        run(
            """
        import threading, time
        from localstack.services.lambda_.invocation import execution_environment
        fired = threading.Event()
        timers = [execution_environment.Timer(60, print) for _ in range(50)]
        for timer in timers: timer.start()
        short = execution_environment.Timer(0.1, fired.set)
        short.start()
        count = threading.active_count()
        for timer in timers: timer.cancel()
        print(count < 10, fired.wait(3))
        """,
            "timers",
        )
        == "True True"
    )


@pytest.mark.guards("cloudformation.races")
def test_the_region_is_kept_while_a_template_is_transformed():
    assert (
        run(
            """
        import os, threading
        from localstack.services.cloudformation.engine.v2 import change_set_model_transform as module

        is_in, is_done, seen = [threading.Event(), threading.Event()], threading.Event(), []
        def transform_sam(template, parameters, loader):
            number = template["number"]
            is_in[number].set()
            # Without the patch both are in it at the same time, and the first takes the region away from the second.
            (is_in[1] if number == 0 else is_done).wait(0.5)
            seen.append(os.environ.get("AWS_DEFAULT_REGION"))
        module.transform_sam, module.create_policy_loader = transform_sam, lambda: None
        os.environ.pop("AWS_DEFAULT_REGION", None)

        def transform(number):
            apply = module.ChangeSetModelTransform._apply_global_serverless_transformation
            apply("eu-west-1", {"number": number}, {})
            is_done.set()
        first, second = (threading.Thread(target=transform, args=(number,)) for number in range(2))
        first.start(); is_in[0].wait(); second.start(); first.join(); second.join()
        print(*seen)
        """,
            "cloudformation.races",
        )
        == "eu-west-1 eu-west-1"
    )


@pytest.mark.guards("apigateway.validators")
def test_a_model_is_validated_once():
    assert (
        run(
            """
        from jsonschema import Draft202012Validator, ValidationError
        from localstack.services.apigateway.next_gen.execute_api.handlers import method_request

        checked = []
        Draft202012Validator.check_schema = classmethod(lambda cls, schema: checked.append(schema))
        schema = {"type": "object", "properties": {"next": {"$ref": "#"}, "n": {"type": "number"}}, "required": ["n"]}
        other = {"type": "array"}
        def is_valid(instance, schema):
            try:
                method_request.validate(instance=instance, schema=schema)
            except ValidationError:
                return False
            return True
        valid = [({"n": 1}, schema), ({"n": 1, "next": {"n": 2}}, schema), ([], other), ({"n": 1}, dict(schema))]
        invalid = [({}, schema), ({"n": 1, "next": {}}, schema), ({"n": 1}, other), ([], schema)]
        print(*[is_valid(*case) for case in valid], *[is_valid(*case) for case in invalid], len(checked))
        """,
            "apigateway.validators",
        )
        == "True True True True False False False False 3"
    )


@pytest.mark.guards("request-log")
def test_a_disabled_log_line_is_not_built():
    assert (
        run(
            """
        import logging
        from pathlib import Path
        from localstack.aws.handlers.logging import ResponseLogger
        from parkade_localstack.launcher import settings

        levels = [settings(Path("/"), 1, level).get("LOG_LEVEL_OVERRIDES") for level in ("warning", "info")]
        logging.getLogger("localstack.request").setLevel(logging.WARNING)
        try:
            ResponseLogger()._log(object(), None)
            print("fine", *levels)
        except AttributeError as error:
            print(error)
        """,
            "request-log",
        )
        == "fine localstack.request=WARNING None"
    )


def test_log_events_that_arrive_out_of_order_are_kept():
    assert (
        run(
            """
        import time
        from moto.logs.models import logs_backends
        from parkade_localstack.telemetry import put_log_events

        backend, now = logs_backends["000000000000"]["us-east-1"], int(time.time() * 1000)
        backend.create_log_group("group", {})
        backend.create_log_stream("group", "stream")
        events = [{"timestamp": now + after, "message": str(after)} for after in (2, 1, 3, 1)]
        put_log_events((None, "us-east-1", "group", "stream"), events)
        found, _, _ = backend.filter_log_events("group", [], 0, 0, None, None, "", False)
        print(*[event["message"] for event in found])
        """,
            "telemetry.lambda-logs",
        )
        == "1 1 2 3"
    )


@pytest.mark.guards("stepfunctions.paths")
def test_a_cached_path_finds_the_same_values_as_a_new_one():
    assert (
        run(
            """
        import copy, json, threading
        from localstack.services.stepfunctions.asl.utils import json_path

        parse, parsed = json_path.parse, []
        def parse_again(path):
            parsed.append(path)
            return getattr(parse, "__wrapped__", parse)(path)
        data = [
            {"a": [{"b": 1, "c": "x"}, {"b": 2}], "n": None, "deep": {"b": [3, [4]]}, "0": "zero"},
            {"a": [], "n": 5},
            {"a": {"b": 7}},
        ]
        paths = ["$", "$.a", "$.a[*].b", "$.a[0]", "$.a[0].b", "$.a[-1:]", "$.a[0:1]", "$..b", "$.n", "$['0']", "$.absent",
                 "$.a[?(@.b > 1)]", "$.a[?(@.c == 'x')].b", "$.deep.b[1][0]", "$.a[5]", "$.a.b", "$[", "$.a[", ""]

        def found(path, given):
            given = copy.deepcopy(given)
            try:
                return json.dumps(json_path.extract_json(path, given)), given
            except Exception as error:
                return type(error).__name__, str(error), given
        cases = [(path, given) for path in paths for given in data]
        kept = json_path.parse
        json_path.parse = parse_again
        expected = [found(*case) for case in cases]
        json_path.parse = kept
        wrong = []
        def read():
            wrong.extend(case for case, response in zip(cases * 3, expected * 3) if found(*case) != response)
        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(len(parsed) == len(cases), hasattr(kept, "cache_info") and kept.cache_info().currsize > 10, wrong)
        """,
            "stepfunctions.paths",
        )
        == "True True []"
    )


@pytest.mark.guards("ids")
def test_ids_are_random_and_do_not_call_the_kernel():
    assert (
        run(
            """
        import os, re, threading, uuid
        from localstack.aws.api import RequestContext
        from localstack.http import Request
        from localstack.utils.strings import long_uid
        from localstack.utils.xray.trace_header import TraceHeader

        kernel_reads, made = [], []
        urandom = os.urandom
        os.urandom = uuid.os.urandom = lambda size: kernel_reads.append(size) or urandom(size)
        def make():
            for _ in range(5000):
                header = TraceHeader().ensure_root_exists()
                header.ensure_parent_exists()
                made.extend((long_uid(), header.root, header.parent))
        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        ids, roots, parents = made[::3], made[1::3], made[2::3]
        print(
            len(kernel_reads),
            len(set(made)) == 60_000,
            all(uuid.UUID(one).version == 4 and uuid.UUID(one).variant == uuid.RFC_4122 for one in ids),
            all(re.fullmatch("1-[0-9a-f]{8}-[0-9a-f]{24}", one) for one in roots),
            all(re.fullmatch("[0-9a-f]{16}", one) for one in parents),
        )
        """,
            "ids",
        )
        == "0 True True True True"
    )


@pytest.mark.guards("ids")
def test_trace_ids_do_not_call_the_kernel():
    assert (
        run(
            """
        import os, random
        from localstack.services.apigateway.next_gen.execute_api.helpers import generate_trace_id, generate_trace_parent
        kernel_reads, urandom = [], random._urandom
        random._urandom = lambda size: kernel_reads.append(size) or urandom(size)
        ids = {(generate_trace_id(), generate_trace_parent()) for _ in range(100)}
        print(len(kernel_reads), len(ids), {(len(trace), len(parent)) for trace, parent in ids})
        """,
            "ids",
        )
        == "0 100 {(35, 16)}"
    )


@pytest.mark.guards("garbage")
def test_garbage_collections_are_rare():
    assert (
        run(
            """
        import gc
        collections = []
        gc.callbacks.append(lambda phase, info: phase == "start" and collections.append(info))
        kept = [[] for _ in range(10_000)]
        print(len(collections) < 3)
        """,
            "garbage",
        )
        == "True"
    )


def test_a_waiting_process_needs_no_thread():
    """The invoking thread serves it, so that an invocation and its response do not wake one thread after the other."""
    assert (
        run(
            """
        import http.client, json, threading, time
        from concurrent.futures import Future
        from parkade_localstack.runtime_api import Invocation, RuntimeApi

        class Listener:
            def ready(self): pass
            def init_failed(self, error): pass
            def responded(self, request_id, body, is_error):
                by.append(threading.current_thread())
                results[request_id].set_result((is_error, body))
        by, results = [], {}
        api = RuntimeApi(Listener())

        def function():
            connection = http.client.HTTPConnection(api.address)
            def call(method, path, body=None):
                connection.request(method, f"/2018-06-01/runtime/invocation/{path}", body)
                response = connection.getresponse()
                return response.headers["Lambda-Runtime-Aws-Request-Id"], response.read()
            for _ in range(5):
                request_id, payload = call("GET", "next")
                call("POST", f"{request_id}/response", payload)
        threading.Thread(target=function, daemon=True).start()
        before = threading.active_count()
        while not api._idle:
            time.sleep(0.01)
        for number in range(5):
            results[str(number)] = result = Future()
            payload = b"%d" % number
            assert api.invoke(Invocation(str(number), "arn", "", 0, payload), result, 5) == (False, payload)
        names = [thread.name for thread in threading.enumerate()]
        print({thread.name for thread in by}, names.count("runtime-api"))
        """,
            "ids",
        )
        == "{'MainThread'} 1"
    )


@pytest.mark.guards("lambda.arns")
def test_the_arn_of_a_version_is_built_once():
    assert (
        run(
            """
        from localstack.services.lambda_.invocation import lambda_models
        written = []
        for name in ("qualified_lambda_arn", "unqualified_lambda_arn"):
            def write(original=getattr(lambda_models, name), **given):
                written.append(given)
                return original(**given)
            setattr(lambda_models, name, write)
        versions = [lambda_models.VersionIdentifier("f", str(n % 2), "us-east-1", "000000000000") for n in range(10)]
        arns = {arn for version in versions for arn in (version.qualified_arn(), version.unqualified_arn())}
        print(len(written), *sorted(arn.partition("function:")[2] for arn in arns))
        """,
            "lambda.arns",
        )
        == "4 f f:0 f:1"
    )


@pytest.mark.guards("events.patterns")
def test_a_pattern_is_compiled_once_and_matches_the_same_events():
    assert (
        run(
            """
        import json, random
        from localstack.services.events.event_rule_engine import EventPatternCompiler, EventRuleEngine
        from localstack.utils.event_matcher import matches_event

        checked, check = [], EventPatternCompiler.aggregate_rules
        EventPatternCompiler.aggregate_rules = lambda self, pattern: checked.append(pattern) or check(self, pattern)
        chance, names = random.Random(1), ["a", "ab", "b", "a.b", ""]

        def some_event(depth):
            kind = chance.random() if depth else 0
            if kind < 0.3:
                return chance.choice([1, "a", None, True])
            if kind < 0.5:
                return [some_event(depth - 1) for _ in range(chance.randrange(3))]
            return {chance.choice(names): some_event(depth - 1) for _ in range(chance.randrange(4))}

        def some_pattern(depth):
            pattern = {}
            for _ in range(chance.randint(1, 3)):
                name = chance.choice([*names, "$or"])
                if name == "$or":
                    pattern[name] = [some_pattern(0), some_pattern(0)]
                elif depth and chance.random() < 0.5:
                    pattern[name] = some_pattern(depth - 1)
                else:
                    pattern[name] = ["a", 1, {"exists": False}]
            return pattern

        events = [{"a": some_event(3), "b": some_event(3)} for _ in range(30)]
        same = matching = valid = 0
        for _ in range(100):
            pattern = some_pattern(2)
            # A pattern that is a dict is never cached.
            try:
                expected = [matches_event(pattern, event) for event in events]
            except Exception:
                continue
            valid += 1
            checked.clear()
            same += [matches_event(json.dumps(pattern), event) for event in events] == expected and len(checked) < 2
            matching += sum(expected)
        print(same == valid, valid > 50, matching > 100)
        """,
            "events.patterns",
        )
        == "True True True"
    )


@pytest.mark.guards("dynamodb.expressions")
def test_a_condition_is_parsed_once_and_holds_for_the_same_items():
    assert (
        run(
            """
        from moto.dynamodb.comparisons import ConditionExpressionParser as Parser
        from moto.dynamodb.models.dynamo_type import DynamoType, Item

        parsed, apply_functions = [], Parser._apply_functions
        Parser._apply_functions = lambda self, nodes: parsed.append(nodes) or apply_functions(self, nodes)
        item = Item(DynamoType({"S": "a"}), None, {"pk": {"S": "a"}, "n": {"N": "5"}, "m": {"M": {"x": {"S": "y"}}}})
        cases = [
            ("attribute_not_exists(pk)", None, None),
            ("n > :n AND #m.x = :x", {"#m": "m"}, {":n": {"N": "4"}, ":x": {"S": "y"}}),
            ("n > :n AND #m.x = :x", {"#m": "m"}, {":n": {"N": "5"}, ":x": {"S": "y"}}),
            ("n > :n AND #m.x = :x", {"#m": "absent"}, {":n": {"N": "4"}, ":x": {"S": "y"}}),
            ("begins_with(pk, :p) OR n < :n", {}, {":n": {"N": "1"}, ":p": {"S": "a"}}),
            ("pk = :b", None, {":b": {"B": b"a"}}),
            ("", None, None),
            (None, {}, {}),
            ("no good (", None, None),
            ("n = :absent", None, {}),
        ]

        def holds(condition, names, values):
            parser = Parser(condition, names, values)
            try:
                op = parser.parse()
                return op.expr(item), op.expr(None), parser.expr_attr_names_found, parser.expr_attr_values_found
            except Exception as error:
                return type(error).__name__, str(error)
        first = [holds(*one) for one in cases]
        times = len(parsed)
        again = [holds(*one) for one in cases]
        print([result[0] for result in first[:5]], first == again, len(parsed) - times < times / 2)
        """,
            "dynamodb.expressions",
        )
        == "[False, True, False, False, True] True True"
    )


@pytest.mark.guards("dynamodb.counts")
def test_counted_items_are_not_copied():
    assert (
        run(
            """
        import json
        from copy import deepcopy
        from moto.core import DEFAULT_ACCOUNT_ID
        from moto.dynamodb.models import dynamodb_backends
        from moto.dynamodb.models.dynamo_type import DynamoType, Item
        from moto.dynamodb.responses import DynamoHandler

        backend = dynamodb_backends[DEFAULT_ACCOUNT_ID]["us-east-1"]
        keys = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
        table = backend.create_table(
            "t", schema=keys, throughput=None, indexes=None, global_indexes=None, streams=None, billing_mode=None,
            sse_specification=None, tags=[], deletion_protection_enabled=False, warm_throughput=None,
            attr=[{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"}],
        )
        for number in range(10):
            table.put_item({"pk": {"S": "a"}, "sk": {"N": str(number)}, "more": {"S": "x"}})
        done = {"measured": 0}
        measure = DynamoType.size
        def counted(self):
            done["measured"] += 1
            return measure(self)
        DynamoType.size = counted

        def query(**more):
            handler = DynamoHandler.__new__(DynamoHandler)
            handler.current_account, handler.region = DEFAULT_ACCOUNT_ID, "us-east-1"
            handler.body = {
                "TableName": "t", "KeyConditionExpression": "pk = :a",
                "ExpressionAttributeValues": {":a": {"S": "a"}}, **more,
            }
            return json.loads(handler.query())
        copies = []
        copy = Item.__deepcopy__
        def seen(self, memo):
            made = copy(self, memo)
            copies.append(made is not self)
            return made
        Item.__deepcopy__ = seen
        done["measured"] = 0
        response = query(Select="COUNT", Limit=7)
        print(response["Count"], "Items" in response, response["LastEvaluatedKey"]["sk"], any(copies), done["measured"])
        copies.clear()
        response = query()
        print(response["Count"], len(response["Items"]), all(copies))

        # A change works on a copy of the item, even if the request wants a count, which a write cannot have.
        from parkade_localstack.dynamodb import reads
        handler = DynamoHandler.__new__(DynamoHandler)
        handler.body = {"Select": "COUNT"}
        with reads.recorded(handler):
            item = table.get_item(DynamoType({"S": "a"}), DynamoType({"N": "1"}))
            print(deepcopy(item) is not item)
        """,
            "dynamodb.counts",
        ).splitlines()
        == ["7 False {'N': '6'} False 24", "10 10 True", "True"]
    )


@pytest.mark.guards("dynamodb.items")
def test_a_nested_value_is_traversed_once():
    assert (
        run(
            """
        import copy, json, sys
        from moto.dynamodb.exceptions import ItemSizeTooLarge
        from moto.dynamodb.models.dynamo_type import DynamoType, Item

        def nested(depth):
            value = {"S": "end"}
            for level in range(depth):
                in_list, in_map = {"L": [value, {"BOOL": True}, {"NULL": True}]}, {"M": {"in": value, "n": {"N": "1"}}}
                value = in_map if level % 2 else in_list
            return value
        def item(attributes):
            return Item(DynamoType({"S": "a"}), DynamoType({"N": "1"}), attributes)
        attributes = {"pk": {"S": "a"}, "sk": {"N": "1"}, "deep": nested(8), "": {"S": ""}}
        attributes |= {"set": {"SS": ["a", "b"]}, "bin": {"B": "AQI="}}
        one = item(attributes)
        other = copy.deepcopy(one)
        same = one == other and one.to_json() == other.to_json() and one.size() == other.size() == 49
        other.attrs["deep"].value.clear()
        other.attrs["set"].value.append("c")
        apart = one.attrs["deep"].to_regular_json() == attributes["deep"] and one.attrs["set"].value == ["a", "b"]
        written = one.attrs["bin"].to_regular_json() == {"B": b"\\x01\\x02"}

        def refused(size):
            try:
                item({"a": {"S": "x" * (size // 2)}, "b": {"S": "x" * (size // 2 - 2)}})
            except ItemSizeTooLarge:
                return True
        def calls(work):
            count = [0]
            sys.setprofile(lambda frame, kind, what: count.__setitem__(0, count[0] + (kind == "call")))
            work()
            sys.setprofile(None)
            return count[0]
        def grows(work):
            return calls(lambda: work(nested(40))) / calls(lambda: work(nested(20)))
        linear = [
            grows(lambda value: copy.deepcopy(item({"deep": value}))) < 3,
            grows(lambda value: item({"deep": value}).attrs["deep"].to_regular_json()) < 3,
        ]
        print(same, apart, written, refused(404_998), refused(405_100), *linear)
        """,
            "dynamodb.items",
        )
        == "True True True None True True True"
    )
