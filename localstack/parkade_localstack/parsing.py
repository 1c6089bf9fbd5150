"""A workaround for a bug of CPython 3.11 and 3.12 when two threads parse Python at once."""

import ast
import threading


def one_parse_at_a_time() -> None:
    """Two `ast.parse` in parallel can fail with SystemError "AST constructor recursion depth mismatch".

    Step Functions' intrinsic functions and werkzeug's URL rules parse Python at run time. With twenty concurrent
    executions, the bug made an execution fail with `Lambda.InternalError`.
    """
    original = ast.parse
    lock = threading.RLock()

    def parse(*args, **kwargs):
        with lock:
            return original(*args, **kwargs)

    ast.parse = parse
