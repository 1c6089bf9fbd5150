"""JSONata in state machines by a Python library: LocalStack would download Java for it."""

import json


def evaluate_in_python() -> None:
    from localstack.services.stepfunctions.asl.eval import states, variable_store
    from localstack.services.stepfunctions.asl.jsonata import jsonata

    jsonata._eval_jsonata = _evaluate
    for module in (jsonata, states, variable_store):
        module.encode_jsonata_variable_declarations = _declarations


def _evaluate(expression: str):
    from jsonata import Jsonata
    from jsonata.utils import Utils
    from localstack.services.stepfunctions.asl.jsonata.jsonata import JSONataException

    def plain(value):
        return None if value is Utils.NULL_VALUE else str(value)

    try:
        value = Jsonata.jsonata(expression).evaluate(None)
        return None if value is Utils.NULL_VALUE else json.loads(json.dumps(value, default=plain))
    except Exception as error:  # the library raises several kinds; the state machine must see one kind
        raise JSONataException("UNKNOWN", str(error)) from error


def _declarations(bindings: dict) -> str:
    """`$name:=value;` for each variable. JSON is valid JSONata, and unlike LocalStack's rendering it escapes
    strings."""
    return "".join(f"{name}:={json.dumps(value, separators=(',', ':'))};" for name, value in bindings.items())
