"""A guard against a fault of CPython 3.11 and 3.12 when two threads parse Python at once."""

import ast
import threading


def one_parse_at_a_time() -> None:
    """Two `ast.parse` in parallel can fail with SystemError "AST constructor recursion depth mismatch".

    Step Functions' intrinsic functions and werkzeug's URL rules parse Python at run time; with twenty executions at
    once the fault showed as a failed execution with `Lambda.InternalError`.
    """
    original = ast.parse
    lock = threading.RLock()

    def parse(*args, **kwargs):
        with lock:
            return original(*args, **kwargs)

    ast.parse = parse
