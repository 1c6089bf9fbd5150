"""Disables each patch once and runs the tests that guard it: they must fail.

    python localstack/tests/every_patch_is_needed.py [NAME …]

Prints a line for each patch; exits with 1 if the tests pass without one of them.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from parkade_localstack.patches import PATCHES, WITHOUT  # noqa: E402

# Without these nothing runs.
ESSENTIAL = ("executor", "dynamodb")


def tests_without(patch: str) -> tuple[bool, str]:
    """Whether the tests failed without it, and which did."""
    # Without `loopback` the Twisted server must be in use, as our own server binds correctly in any case.
    left_out = f"{patch},server" if patch == "loopback" else patch
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", str(HERE), "-q", "--guards", patch, "--tb=no", "-p", "no:cacheprovider"],
        env={**os.environ, WITHOUT: left_out},
        capture_output=True,
        text=True,
    )
    failed = re.findall(r"^(?:FAILED|ERROR) \S+::(\S+)", ended.stdout, re.MULTILINE)
    return bool(failed), ", ".join(failed) or ended.stdout.strip().splitlines()[-1]


def main() -> int:
    names = sys.argv[1:] or [patch.name for patch in PATCHES if patch.name not in ESSENTIAL]
    not_needed = 0
    for name in names:
        needed, failed = tests_without(name)
        not_needed += not needed
        print(f"{'needed    ' if needed else 'NOT NEEDED'} {name}: {failed}", flush=True)
    return 1 if not_needed else 0


if __name__ == "__main__":
    sys.exit(main())
