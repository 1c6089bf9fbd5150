"""CloudFormation: references to what SAM generates, and waiting without dawdling."""

import json
import threading

POLL_SECONDS = 0.1


def allow_references_to_what_sam_makes() -> None:
    """`!Ref Function.Alias`, `!GetAtt FunctionRole.Arn` and `!Ref Api.Stage` name resources that exist after SAM only.

    LocalStack evaluates the whole template before it applies SAM, in search of `Fn::Transform` inside it, and stumbles
    over them.  It need not look where there is none.
    """
    from localstack.services.cloudformation.engine.v2.change_set_model_transform import ChangeSetModelTransform

    original = ChangeSetModelTransform._execute_local_transforms

    def execute_local_transforms(self):
        templates = (self._before_template, self._after_template)
        if any(isinstance(t, dict) and '"Fn::Transform"' in json.dumps(t, default=str) for t in templates):
            original(self)

    ChangeSetModelTransform._execute_local_transforms = execute_local_transforms


def transform_one_template_at_a_time() -> None:
    """LocalStack tells SAM the region by a variable of the process, and takes it away when it is done: of two stacks
    made at the same time one could fail with "AWS Region cannot be found"."""
    from localstack.services.cloudformation.engine.v2.change_set_model_transform import ChangeSetModelTransform

    original = ChangeSetModelTransform._apply_global_serverless_transformation
    lock = threading.Lock()

    def transform(region_name, template, parameters):
        with lock:
            return original(region_name, template, parameters)

    ChangeSetModelTransform._apply_global_serverless_transformation = staticmethod(transform)


def poll_often() -> None:
    """What is not ready at once, as a function never is, is looked at again after 0.1 s and not after 1 to 5 s."""
    from botocore.waiter import Waiter
    from localstack.services.cloudformation.resource_provider import ResourceProviderExecutor

    max_timeout, _ = ResourceProviderExecutor.deploy_loop.__defaults__
    ResourceProviderExecutor.deploy_loop.__defaults__ = (max_timeout, POLL_SECONDS)

    # boto's waiters in this process all wait for the local cloud itself.
    wait = Waiter.wait

    def wait_impatiently(self, **parameters):
        seconds = self.config.delay * self.config.max_attempts
        often = {"Delay": POLL_SECONDS, "MaxAttempts": int(seconds / POLL_SECONDS)}
        return wait(self, **{"WaiterConfig": often, **parameters})

    Waiter.wait = wait_impatiently
