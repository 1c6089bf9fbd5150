"""LocalStack services that are backed by moto."""

from localstack.aws.forwarder import ForwardingFallbackDispatcher
from localstack.services.moto import call_moto
from localstack.services.plugins import Service

from parkade_localstack.dynamodb import lock


def create(api: str) -> Service:
    if api == "dynamodb":
        from localstack.aws.api.dynamodb import DynamodbApi as Api
    else:
        from localstack.aws.api.dynamodbstreams import DynamodbstreamsApi as Api

    def forward(context, request):
        with lock.HELD_WHILE_MOTO_RUNS:
            return call_moto(context)

    return Service.for_provider(
        type("MotoProvider", (Api,), {})(),
        dispatch_table_factory=lambda provider: ForwardingFallbackDispatcher(provider, forward),
    )
