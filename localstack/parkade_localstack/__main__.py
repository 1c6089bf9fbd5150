"""Command line: the port, the state folder and the log level."""

import argparse
import sys
from pathlib import Path

from parkade_localstack import launcher


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="parkade_localstack",
        description="Runs the local cloud on 127.0.0.1 until SIGTERM or SIGINT.",
        epilog=f"Exit codes: 0 stopped, {launcher.PORT_TAKEN} the port is taken, 2 wrong arguments.",
    )
    parser.add_argument("--port", type=int, default=4566)
    parser.add_argument("--state-dir", type=Path, required=True, help="the only folder that it writes to")
    parser.add_argument("--log-level", default="warning", choices=["debug", "info", "warning", "error"])
    arguments = parser.parse_args()
    return launcher.run(arguments.port, arguments.state_dir, arguments.log_level)


if __name__ == "__main__":
    sys.exit(main())
