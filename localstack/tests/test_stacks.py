"""Stacks: what SAM makes, updates, and what one stack takes from another."""

import json
import time

import pytest
from cloud import http, unique
from templates import API, SERVICE


@pytest.fixture(scope="module")
def parameters(cloud):
    return {"Code": str(cloud.code("stacks")), "Memory": str(cloud.memory)}


@pytest.mark.guards("cloudformation.references")
def test_a_template_may_refer_to_what_sam_makes(cloud, parameters):
    outputs = cloud.deploy(unique("refer"), SERVICE, **parameters)
    assert ":live" in outputs["Alias"] and ":role/" in outputs["Role"]


@pytest.mark.guards("cloudformation.polling")
def test_functions_are_updated_without_dawdling(cloud, parameters):
    stack = unique("quick")
    cloud.deploy(stack, SERVICE, **parameters)
    started = time.monotonic()
    cloud.deploy(stack, SERVICE.replace("Timeout: 5", "Timeout: 6"), update=True, **parameters)
    assert time.monotonic() - started < 2.5


@pytest.mark.guards("cloudformation.updates", "cloudformation.deployments")
def test_a_changed_definition_updates_the_api_in_place(cloud, parameters):
    stack = unique("api")
    url = f"{cloud.endpoint}/_aws/execute-api/{cloud.deploy(stack, API, **parameters)['ApiId']}/v1"
    assert http(url + "/added").status == 404
    route = "          '/slow/{id}': *open\n"
    changed = API.replace(route, route + "          /added: *open\n")
    changed = changed.replace("maxLength: 5", "maxLength: 50").replace('{"type":"not-found"}', '{"type":"gone"}')
    cloud.deploy(stack, changed, update=True, **parameters)
    assert http(url + "/added").status == 200 and http(url + "/open").status == 200
    headers = {"Authorization": "Bearer erin", "Idempotency-Key": "k"}
    assert http(url + "/things", "POST", {"name": "longer than five"}, **headers).status == 200
    assert http(url + "/absent").json == {"type": "gone"}
    assert [http(url + "/slow/1").status for _ in range(3)] == [200, 200, 429]


@pytest.mark.guards("cloudformation.replacement", "cloudformation.updates")
def test_an_alias_moves_to_the_new_version(cloud, parameters):
    stack = unique("alias")
    outputs = cloud.deploy(stack, SERVICE, **parameters)
    function, alias = outputs["Function"], outputs["Alias"]
    awslambda = cloud.client("lambda")
    assert awslambda.get_alias(FunctionName=function, Name="live")["FunctionVersion"] == "1"
    other = {**parameters, "Code": str(cloud.code("stacks-other"))}
    cloud.deploy(stack, SERVICE, update=True, **other)
    assert awslambda.get_alias(FunctionName=function, Name="live")["FunctionVersion"] == "2"
    assert cloud.invoke(alias, {})[0] is None


@pytest.mark.guards("cloudformation.updates")
def test_a_queues_attributes_can_be_changed(cloud, parameters):
    stack = unique("queue")
    url = cloud.deploy(stack, SERVICE, **parameters)["Queue"]
    cloud.deploy(stack, SERVICE.replace("VisibilityTimeout: 30", "VisibilityTimeout: 40"), update=True, **parameters)
    attributes = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "40"


@pytest.mark.guards("cloudformation.refusal")
def test_an_update_that_cannot_be_made_is_not_reported_as_made(cloud, parameters):
    stack = unique("refused")
    cloud.deploy(stack, SERVICE, **parameters)
    changed = SERVICE.replace("StreamViewType: NEW_IMAGE", "StreamViewType: KEYS_ONLY")
    with pytest.raises(AssertionError, match="cannot update AWS::DynamoDB::Table"):
        cloud.deploy(stack, changed, update=True, **parameters)


@pytest.mark.guards("cloudformation.failures")
def test_a_failed_update_is_told_and_can_be_deleted(cloud):
    stack, first, second = unique("failed"), unique("first"), unique("second")

    def queue(name):
        return {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name}}

    def table(view):
        return {
            "Type": "AWS::DynamoDB::Table",
            "DependsOn": "First",
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "StreamSpecification": {"StreamViewType": view},
            },
        }

    old = {"First": queue(first), "Table": table("NEW_IMAGE")}
    new = {"First": queue(first), "Added": queue(second), "Table": {**table("KEYS_ONLY"), "DependsOn": "Added"}}
    cloud.deploy(stack, json.dumps({"Resources": old}))
    with pytest.raises(AssertionError, match="^UPDATE_FAILED"):
        cloud.deploy(stack, json.dumps({"Resources": new}), update=True)
    cloud.delete(stack)
    urls = cloud.client("sqs").list_queues().get("QueueUrls", [])
    assert not [url for url in urls if url.endswith((first, second))]


def test_a_failed_creation_can_be_deleted_and_made_again(cloud):
    stack, name = unique("again"), unique("queue")
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name}}
    broken = {"Type": "AWS::Lambda::Permission", "DependsOn": "Queue", "Properties": {"FunctionName": "absent"}}
    with pytest.raises(AssertionError, match="^CREATE_FAILED|^ROLLBACK"):
        cloud.deploy(stack, json.dumps({"Resources": {"Queue": queue, "Broken": broken}}))
    cloud.delete(stack)
    cloud.deploy(stack, json.dumps({"Resources": {"Queue": queue}}))


def test_a_stack_takes_exports_and_parameters_from_another(cloud):
    name = unique("shared")
    giver = {
        "Resources": {
            "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": name}},
            "Value": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {"Name": f"/{name}/v", "Type": "String", "Value": "42"},
            },
        },
        "Outputs": {"Bus": {"Value": {"Ref": "Bus"}, "Export": {"Name": name}}},
    }
    taker = {
        "Parameters": {"Given": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": f"/{name}/v"}},
        "Resources": {"Group": {"Type": "AWS::Logs::LogGroup"}},
        "Outputs": {"Imported": {"Value": {"Fn::ImportValue": name}}, "Given": {"Value": {"Ref": "Given"}}},
    }
    cloud.deploy(unique("giver"), json.dumps(giver))
    outputs = cloud.deploy(unique("taker"), json.dumps(taker))
    assert outputs == {"Imported": name, "Given": "42"}


MIXED = """
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Parameters: {Code: {Type: String}, Memory: {Type: String}}
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Function:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: provided.al2023
      Handler: bootstrap
      Timeout: 5
      CodeUri: {Bucket: hot-reload, Key: !Ref Code}
      Environment: {Variables: {MEMORY_DIR: !Ref Memory, GIVEN: before}}
      Policies:
        - Statement: [{Effect: Allow, Action: sqs:ReceiveMessage, Resource: !GetAtt Queue.Arn, Sid: before}]
      Events:
        Messages: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn, BatchSize: 3}}
  Value: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: before}}
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      Role: arn:aws:iam::000000000000:role/test
      Definition: {StartAt: before, States: {before: {Type: Pass, End: true}}}
Outputs:
  Function: {Value: !Ref Function}
  Role: {Value: !Ref FunctionRole}
  Value: {Value: !Ref Value}
  Machine: {Value: !Ref Machine}
"""


@pytest.mark.guards("cloudformation.updates")
def test_functions_roles_mappings_parameters_and_machines_are_updated(cloud, parameters):
    stack = unique("mixed")
    cloud.deploy(stack, MIXED, **parameters)
    changed = (
        MIXED.replace("before", "after").replace("Timeout: 5", "Timeout: 7").replace("BatchSize: 3", "BatchSize: 4")
    )
    outputs = cloud.deploy(stack, changed, update=True, **parameters)
    awslambda, function = cloud.client("lambda"), outputs["Function"]
    configuration = awslambda.get_function_configuration(FunctionName=function)
    assert configuration["Timeout"] == 7 and configuration["Environment"]["Variables"]["GIVEN"] == "after"
    [mapping] = awslambda.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    assert mapping["BatchSize"] == 4
    assert cloud.client("ssm").get_parameter(Name=outputs["Value"])["Parameter"]["Value"] == "after"
    machine = cloud.client("stepfunctions").describe_state_machine(stateMachineArn=outputs["Machine"])
    assert '"after"' in machine["definition"]
    iam = cloud.client("iam")
    [policy] = iam.list_role_policies(RoleName=outputs["Role"])["PolicyNames"]
    assert "after" in json.dumps(iam.get_role_policy(RoleName=outputs["Role"], PolicyName=policy)["PolicyDocument"])
