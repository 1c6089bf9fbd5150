"""Registers our plug-ins with LocalStack.

LocalStack finds plug-ins by the entry points of installed packages.  This package is not installed, so that a change
to it takes effect at the next start; instead, the finder is patched to list ours after the installed ones.
"""

from plux import PluginSpec
from plux.runtime.resolve import MetadataPluginFinder

_ours: dict[str, list[PluginSpec]] = {}
_find_installed = MetadataPluginFinder.find_plugins


def _find_plugins(self: MetadataPluginFinder) -> list[PluginSpec]:
    return [*_find_installed(self), *_ours.get(self.namespace, ())]


MetadataPluginFinder.find_plugins = _find_plugins


def register(namespace: str, name: str, factory) -> None:
    """`factory` creates the plug-in when LocalStack first needs it."""
    _ours.setdefault(namespace, []).append(PluginSpec(namespace, name, factory))


def register_executor() -> None:
    from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin

    class ProcessExecutorPlugin(RuntimeExecutorPlugin):
        name = "process"

        def load(self, *args, **kwargs):
            from parkade_localstack.executor import ProcessExecutor

            return ProcessExecutor

    register(RuntimeExecutorPlugin.namespace, ProcessExecutorPlugin.name, ProcessExecutorPlugin)


def register_dynamodb() -> None:
    """LocalStack's own DynamoDB is a download that needs Java; moto comes with LocalStack and needs neither."""
    from localstack.services.plugins import PLUGIN_NAMESPACE, ServicePluginAdapter

    def adapter(api: str):
        def create():
            from parkade_localstack.dynamodb import provider

            return provider.create(api)

        return lambda: ServicePluginAdapter(api=api, create_service=create)

    for api in ("dynamodb", "dynamodbstreams"):
        register(PLUGIN_NAMESPACE, f"{api}:moto", adapter(api))
