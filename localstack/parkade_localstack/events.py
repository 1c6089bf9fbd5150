"""EventBridge without the work that LocalStack repeats for each event and rule."""

import functools

PATTERNS_MAX = 1024


class _Flat(list):
    """A pattern's alternatives, each with the conditions by path."""

    @functools.cached_property
    def beginnings(self) -> frozenset[str]:
        """First parts of the paths: members of an event that begin otherwise are skipped."""
        return frozenset(path[:end] for conditions in self for path in conditions for end in range(len(path) + 1))


class _Compiled(dict):
    """A pattern, and the form of it that LocalStack compares events with."""

    @functools.cached_property
    def flat(self) -> _Flat:
        return _Flat(self.flatten(self))


def compile_patterns_once() -> None:
    """As shipped, each rule's pattern is parsed, checked and flattened again for each event, and each member of the
    event is compared with all its paths, even if no path begins with it."""
    from localstack.services.events.event_rule_engine import EventPatternCompiler, EventRuleEngine

    compile_pattern = EventPatternCompiler.compile_event_pattern
    flatten, flatten_event = EventRuleEngine.flatten_pattern, EventRuleEngine.flatten_payload
    _Compiled.flatten = staticmethod(flatten)
    compiler = EventPatternCompiler()

    @functools.lru_cache(maxsize=PATTERNS_MAX)
    def compiled(pattern: str) -> _Compiled:
        return _Compiled(compile_pattern(compiler, pattern))

    def compile_event_pattern(self, event_pattern):
        return compiled(event_pattern) if isinstance(event_pattern, str) else compile_pattern(self, event_pattern)

    def flatten_pattern(pattern):
        return pattern.flat if isinstance(pattern, _Compiled) else flatten(pattern)

    def flatten_payload(payload, patterns):
        if not isinstance(patterns, _Flat):
            return flatten_event(payload, patterns)
        return _flatten(payload, patterns.beginnings, [{}], None)

    EventPatternCompiler.compile_event_pattern = compile_event_pattern
    EventRuleEngine.flatten_pattern = staticmethod(flatten_pattern)
    EventRuleEngine.flatten_payload = staticmethod(flatten_payload)


def _flatten(value, beginnings: frozenset[str], flat: list[dict], path: str | None) -> list[dict]:
    """The event's values by path, each member of a list in a dict of its own."""
    if isinstance(value, dict):
        for name, member in value.items():
            below = f"{path}.{name}" if path else name
            if below in beginnings:
                flat = _flatten(member, beginnings, flat, below)
        return flat
    if isinstance(value, list):
        return [one for member in value for one in _flatten(member, beginnings, flat, path)] if value else flat
    return [{**one, path: value} for one in flat]
