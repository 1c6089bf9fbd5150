"""CloudFormation: references to resources that SAM generates, template transforms and faster polling."""

import json
import threading

POLL_SECONDS = 0.1


def allow_references_to_what_sam_makes() -> None:
    """`!Ref Function.Alias`, `!GetAtt FunctionRole.Arn` and `!Ref Api.Stage` name resources that exist only after SAM.

    LocalStack evaluates the whole template before it applies SAM, to find `Fn::Transform` inside it, and fails on these
    references.  A template without `Fn::Transform` needs no such evaluation.
    """
    from localstack.services.cloudformation.engine.v2.change_set_model_transform import ChangeSetModelTransform

    original = ChangeSetModelTransform._execute_local_transforms

    def execute_local_transforms(self):
        templates = (self._before_template, self._after_template)
        if any(isinstance(t, dict) and '"Fn::Transform"' in json.dumps(t, default=str) for t in templates):
            original(self)

    ChangeSetModelTransform._execute_local_transforms = execute_local_transforms


def transform_one_template_at_a_time() -> None:
    """LocalStack passes the region to SAM in an environment variable of the process and removes it afterwards. Of two
    stacks created at the same time, one could fail with "AWS Region cannot be found"."""
    from localstack.services.cloudformation.engine.v2.change_set_model_transform import ChangeSetModelTransform

    original = ChangeSetModelTransform._apply_global_serverless_transformation
    lock = threading.Lock()

    def transform(region_name, template, parameters):
        with lock:
            return original(region_name, template, parameters)

    ChangeSetModelTransform._apply_global_serverless_transformation = staticmethod(transform)


def poll_often() -> None:
    """A resource that is not ready, as a function never is at first, is polled again after 0.1 s, not after 1 to 5
    s."""
    from botocore.waiter import Waiter
    from localstack.services.cloudformation.resource_provider import ResourceProviderExecutor

    max_timeout, _ = ResourceProviderExecutor.deploy_loop.__defaults__
    ResourceProviderExecutor.deploy_loop.__defaults__ = (max_timeout, POLL_SECONDS)

    # boto's waiters in this process all wait for the local cloud itself.
    wait = Waiter.wait

    def wait_with_short_delay(self, **parameters):
        seconds = self.config.delay * self.config.max_attempts
        often = {"Delay": POLL_SECONDS, "MaxAttempts": int(seconds / POLL_SECONDS)}
        return wait(self, **{"WaiterConfig": often, **parameters})

    Waiter.wait = wait_with_short_delay
