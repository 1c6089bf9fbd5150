"""A condition is parsed once, not twice for each write, and tokenized without trying six patterns for each token."""

import functools
import json
from collections import deque

from moto.dynamodb.comparisons import ConditionExpressionParser

CONDITIONS_MAX = 1024


def parse_once() -> None:
    find_words, parse = ConditionExpressionParser._lex_condition_expression, ConditionExpressionParser.parse

    @functools.lru_cache(maxsize=CONDITIONS_MAX)
    def words(expression):
        return tuple(find_words(ConditionExpressionParser(expression, None, None)))

    @functools.lru_cache(maxsize=CONDITIONS_MAX)
    def parsed(expression, names, values):
        parser = ConditionExpressionParser(expression, json.loads(names), json.loads(values))
        return parse(parser), parser.expr_attr_names_found, parser.expr_attr_values_found

    def parse_or_remember(self):
        try:
            names, values = json.dumps(self.expression_attribute_names), json.dumps(self.expression_attribute_values)
        except TypeError:  # binary values
            return parse(self)
        # The parsed condition is only evaluated, never changed.
        condition, names_found, values_found = parsed(self.condition_expression, names, values)
        self.expr_attr_names_found.extend(names_found)
        self.expr_attr_values_found.extend(values_found)
        return condition

    ConditionExpressionParser._lex_condition_expression = lambda self: deque(words(self.condition_expression))
    ConditionExpressionParser.parse = parse_or_remember
