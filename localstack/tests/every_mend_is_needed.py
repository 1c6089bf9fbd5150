"""Leaves out each mend once and runs the tests that guard it: they must fail.

    python localstack/tests/every_mend_is_needed.py [NAME …]

Prints a line for each mend; ends with 1 if one was not missed.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from parkade_localstack.mends import MENDS, WITHOUT  # noqa: E402

# What nothing runs without.
ESSENTIAL = ("executor", "dynamodb")


def tests_without(mend: str) -> tuple[bool, str]:
    """Whether the tests missed it, and which did."""
    # Without `loopback` the Twisted server must be in use, as ours obeys in any case.
    left_out = f"{mend},server" if mend == "loopback" else mend
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", str(HERE), "-q", "--guards", mend, "--tb=no", "-p", "no:cacheprovider"],
        env={**os.environ, WITHOUT: left_out},
        capture_output=True,
        text=True,
    )
    failed = re.findall(r"^(?:FAILED|ERROR) \S+::(\S+)", ended.stdout, re.MULTILINE)
    return bool(failed), ", ".join(failed) or ended.stdout.strip().splitlines()[-1]


def main() -> int:
    names = sys.argv[1:] or [mend.name for mend in MENDS if mend.name not in ESSENTIAL]
    unmissed = 0
    for name in names:
        missed, told = tests_without(name)
        unmissed += not missed
        print(f"{'missed ' if missed else 'NOT MISSED'} {name}: {told}", flush=True)
    return 1 if unmissed else 0


if __name__ == "__main__":
    sys.exit(main())
