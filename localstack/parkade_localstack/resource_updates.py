"""Stack updates: changed resources are updated, and an update that LocalStack cannot make fails.

As shipped, a stage loses its method settings and access log, an update replaces resources that only refer to a changed
one (and so fails with "Stage already exists", or deletes an alias it has just moved), and a resource whose update is
not implemented counts as updated.
"""

import contextlib
import copy
import json


def keep_stage_settings() -> None:
    """`MethodSettings` and `AccessLogSetting` of a stage, which LocalStack ignores in a template."""
    from localstack.services.apigateway.resource_providers.aws_apigateway_stage import ApiGatewayStageProvider

    original = ApiGatewayStageProvider.create

    def create(self, request):
        settings = copy.deepcopy(request.desired_state)
        event = original(self, request)
        _apply_stage_settings(request, settings)
        return event

    ApiGatewayStageProvider.create = create


def _apply_stage_settings(request, model: dict) -> None:
    from moto.apigateway.models import apigateway_backends

    backend = apigateway_backends[request.account_id][request.region_name]
    stage = backend.get_rest_api(model["RestApiId"]).stages[model.get("StageName", "default")]
    stage.method_settings = {_setting_name(s): _setting(s) for s in model.get("MethodSettings") or []}
    access_log = model.get("AccessLogSetting")
    stage.access_log_settings = access_log and {
        "destinationArn": access_log.get("DestinationArn"),
        "format": access_log.get("Format"),
    }


def _setting_name(setting: dict) -> str:
    """As AWS names it: `*/*` for all, else `~1path~1to/METHOD`."""
    path = setting.get("ResourcePath") or "/*"
    return f"{'*' if path == '/*' else path.replace('/', '~1')}/{setting.get('HttpMethod') or '*'}"


def _setting(setting: dict) -> dict:
    """Member names as in the API; limits as numbers, because template parameters are strings."""
    found = {name[0].lower() + name[1:]: value for name, value in setting.items()}
    for name in ("resourcePath", "httpMethod"):
        found.pop(name, None)
    if "throttlingRateLimit" in found:
        found["throttlingRateLimit"] = float(found["throttlingRateLimit"])
    if "throttlingBurstLimit" in found:
        found["throttlingBurstLimit"] = int(found["throttlingBurstLimit"])
    return found


def replace_only_what_must_be() -> None:
    """A resource is replaced if a create-only property has another value, not if its template refers to a changed
    resource."""
    from localstack.services.cloudformation.engine.v2.change_set_model_executor import ChangeSetModelExecutor
    from localstack.services.cloudformation.engine.v2.change_set_model_preproc import PreprocResource

    original = ChangeSetModelExecutor._execute_resource_change

    def execute_resource_change(self, name, before, after):
        if isinstance(before, PreprocResource) and isinstance(after, PreprocResource) and after.requires_replacement:
            provider = self.resource_provider_executor.try_load_resource_provider(after.resource_type)
            if provider is not None and not _create_only_changes(provider.SCHEMA, before, after):
                after.requires_replacement = False
        original(self, name, before, after)

    ChangeSetModelExecutor._execute_resource_change = execute_resource_change


def _create_only_changes(schema: dict, before, after) -> bool:
    def value(resource, pointer: str):
        found = resource.properties.properties
        for step in pointer.removeprefix("/properties/").split("/"):
            found = found.get(step) if isinstance(found, dict) else None
        return found

    pointers = schema.get("createOnlyProperties") or []
    return any(value(before, pointer) != value(after, pointer) for pointer in pointers)


def update_more_kinds() -> None:
    """REST APIs whose definition changes, stages, aliases, queues, the inline policies of roles."""
    from localstack.services.apigateway.resource_providers.aws_apigateway_restapi import ApiGatewayRestApiProvider
    from localstack.services.apigateway.resource_providers.aws_apigateway_stage import ApiGatewayStageProvider
    from localstack.services.iam.resource_providers.aws_iam_role import IAMRoleProvider
    from localstack.services.lambda_.resource_providers.lambda_alias import LambdaAliasProvider
    from localstack.services.sqs.resource_providers.aws_sqs_queue import SQSQueueProvider

    ApiGatewayRestApiProvider.update = _update_rest_api
    ApiGatewayStageProvider.update = _update_stage
    LambdaAliasProvider.update = _update_alias
    update_queue = SQSQueueProvider.update

    def update_queue_attributes(self, request):
        event = update_queue(self, request)
        model = {**event.resource_model, **request.desired_state}
        attributes = self._compile_sqs_queue_attributes(request.desired_state)
        attributes.pop("FifoQueue", None)
        if attributes:
            request.aws_client_factory.sqs.set_queue_attributes(QueueUrl=model["QueueUrl"], Attributes=attributes)
        return _done(model)

    SQSQueueProvider.update = update_queue_attributes
    update_role = IAMRoleProvider.update

    def update_role_policies(self, request):
        event = update_role(self, request)
        if event.resource_model is not request.previous_state:
            return event  # recreated, with its policies
        _sync_role_policies(request)
        return _done({**request.previous_state, "Policies": request.desired_state.get("Policies") or []})

    IAMRoleProvider.update = update_role_policies


def _sync_role_policies(request) -> None:
    iam, role = request.aws_client_factory.iam, request.previous_state["RoleName"]
    desired = {policy["PolicyName"]: policy["PolicyDocument"] for policy in request.desired_state.get("Policies") or []}
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        if name not in desired:
            iam.delete_role_policy(RoleName=role, PolicyName=name)
    for name, document in desired.items():
        text = document if isinstance(document, str) else json.dumps({"Version": "2012-10-17", **document})
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=text)


def _done(model: dict):
    from localstack.services.cloudformation.resource_provider import OperationStatus, ProgressEvent

    return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)


def _update_rest_api(self, request):
    api = request.aws_client_factory.apigateway
    model, previous = request.desired_state, request.previous_state
    for name in ("RestApiId", "RootResourceId", "Name"):
        if name not in model and name in previous:
            model[name] = previous[name]
    body = _body(model, request.aws_client_factory.s3)
    if body is not None:
        api.put_rest_api(
            restApiId=model["RestApiId"],
            mode="overwrite",
            body=body,
            parameters={"basepath": "ignore", **(model.get("Parameters") or {})},
        )
        # After the import, the root may be another resource.
        resources = api.get_resources(restApiId=model["RestApiId"])["items"]
        model["RootResourceId"] = next(r["id"] for r in resources if r["path"] == "/")
    return _done(model)


def _body(model: dict, s3) -> bytes | None:
    if body := model.get("Body"):
        return (json.dumps(body) if isinstance(body, dict) else body).encode()
    if location := model.get("BodyS3Location"):
        return s3.get_object(Bucket=location["Bucket"], Key=location["Key"])["Body"].read()
    return None


def _update_stage(self, request):
    model = {**request.previous_state, **request.desired_state}
    model["StageName"] = request.previous_state["StageName"]
    operations = []
    for name in ("DeploymentId", "Description", "TracingEnabled"):
        if (value := model.get(name)) is not None:
            text = str(value).lower() if isinstance(value, bool) else value
            operations.append({"op": "replace", "path": f"/{name[0].lower()}{name[1:]}", "value": text})
    for name, value in (request.desired_state.get("Variables") or {}).items():
        operations.append({"op": "replace", "path": f"/variables/{name}", "value": value})
    api = request.aws_client_factory.apigateway
    api.update_stage(restApiId=model["RestApiId"], stageName=model["StageName"], patchOperations=operations)
    _apply_stage_settings(request, {**request.desired_state, "StageName": model["StageName"]})
    return _done(model)


def _update_alias(self, request):
    model = {**request.previous_state, **request.desired_state}
    parameters = {
        name: model[name] for name in ("FunctionName", "Name", "FunctionVersion", "Description") if model.get(name)
    }
    request.aws_client_factory.lambda_.update_alias(**parameters)
    return _done(model)


def _is_as_it_was(desired: dict, previous: dict) -> bool:
    return all(previous.get(name) == value for name, value in desired.items())


def reject_unsupported_updates() -> None:
    """An update that LocalStack does not implement fails, where as shipped it is reported as complete."""
    from localstack.services.cloudformation.resource_provider import (
        OperationStatus,
        ProgressEvent,
        ResourceProviderExecutor,
    )

    original = ResourceProviderExecutor.execute_action

    def execute_action(self, resource_provider, raw_payload):
        if raw_payload["action"] not in ("Modify", "Dynamic"):
            return original(self, resource_provider, raw_payload)
        update = resource_provider.update

        def rejecting(request):
            try:
                return update(request)
            except NotImplementedError:
                if _is_as_it_was(request.desired_state, request.previous_state or {}):
                    return _done(request.previous_state)
                message = f"the local cloud cannot update {request.resource_type}: delete and create the stack"
                return ProgressEvent(status=OperationStatus.FAILED, resource_model={}, message=message)

        resource_provider.update = rejecting
        try:
            return original(self, resource_provider, raw_payload)
        finally:
            del resource_provider.update

    ResourceProviderExecutor.execute_action = execute_action


class UpdateFailed(Exception):
    """Ends an update with `UPDATE_FAILED`."""


def report_failed_updates() -> None:
    """A failed UpdateStack ends as `UPDATE_FAILED`, not as `UPDATE_COMPLETE`, and DeleteStack then finds both the
    resources that the update did not reach and those that it added.

    Until then the stack shows no other final status, which a waiting client would take for the end.
    """
    from localstack.aws.api.cloudformation import ExecutionStatus, StackStatus
    from localstack.services.cloudformation.engine.v2.change_set_model_executor import ChangeSetModelExecutor

    original = ChangeSetModelExecutor.execute

    def execute(self):
        change_set, stack = self._change_set, self._change_set.stack
        if change_set.execution_status == ExecutionStatus.EXECUTE_IN_PROGRESS:
            return original(self)  # LocalStack reads the status of its own change set from here
        is_update = stack.status == StackStatus.UPDATE_IN_PROGRESS
        with _no_final_status(stack):
            result = original(self)
        if not is_update:
            return result
        if not result.failure_message:
            stack.processed_template = change_set.processed_template
            return result
        stack.resolved_resources = {**self._before_resolved_resources, **result.resources}
        stack.processed_template = _both(stack.processed_template, change_set.processed_template, result.resources)
        raise UpdateFailed(result.failure_message)

    ChangeSetModelExecutor.execute = execute


@contextlib.contextmanager
def _no_final_status(stack):
    set_status = stack.set_stack_status

    def set_stack_status(status, reason=None):
        if status.endswith("_IN_PROGRESS"):
            set_status(status, reason)

    stack.set_stack_status = set_stack_status
    try:
        yield
    finally:
        del stack.set_stack_status


def _both(old: dict, new: dict, deployed: dict) -> dict:
    """The old template with the resources of the new one that were already created."""
    added = {name: resource for name, resource in new["Resources"].items() if name in deployed}
    return {**new, "Resources": {**old["Resources"], **added}}


def keep_stages_of_other_deployments() -> None:
    """A deleted deployment deletes the stages that point to it, and no others."""
    from localstack.services.apigateway.resource_providers.aws_apigateway_deployment import (
        ApiGatewayDeploymentProvider,
    )

    def delete(self, request):
        model, api = request.desired_state, request.aws_client_factory.apigateway
        rest_api, deployment = model["RestApiId"], model["DeploymentId"]
        try:
            for stage in api.get_stages(restApiId=rest_api)["item"]:
                if stage["deploymentId"] == deployment:
                    api.delete_stage(restApiId=rest_api, stageName=stage["stageName"])
            api.delete_deployment(restApiId=rest_api, deploymentId=deployment)
        except api.exceptions.NotFoundException:
            pass  # it was deleted with its API
        return _done(model)

    ApiGatewayDeploymentProvider.delete = delete
