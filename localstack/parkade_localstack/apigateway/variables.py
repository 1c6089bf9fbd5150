"""`$context…` in gateway responses and access logs."""

import json
import re
from typing import Any

_VARIABLE = re.compile(r"\$(context|stageVariables)((?:\.[A-Za-z_][\w-]*)+)")


def substitute(template: str, context: dict[str, Any], stage_variables: dict[str, str], missing: str) -> str:
    """The template with each variable replaced by its value as text, or by `missing`."""

    def value(match: re.Match) -> str:
        found: Any = context if match[1] == "context" else stage_variables
        for name in match[2][1:].split("."):
            found = found.get(name) if isinstance(found, dict) else None
        return missing if found is None else _as_text(found)

    return _VARIABLE.sub(value, template)


def _as_text(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case dict() | list():
            return json.dumps(value, separators=(",", ":"))
        case _:
            return str(value)


def error_variables(message: str | None, kind: str | None, validation: str) -> dict[str, Any]:
    """`$context.error`. `messageString` is the message as JSON, quotes included, as templates expect it."""
    return {
        "message": message,
        "messageString": json.dumps(message),
        "responseType": kind,
        "validationErrorString": validation,
    }
