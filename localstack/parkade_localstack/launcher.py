"""Starts LocalStack in this process, with an environment of its own making.

The caller passes a port and a folder, nothing else: its environment does not reach LocalStack or the functions, so
that neither its AWS credentials nor its proxies can turn a local call into a call to somewhere else.
"""

import logging
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from parkade_localstack import mends

HOST = "127.0.0.1"
PORT_TAKEN = 3
# Of the caller's environment only what names no credential, proxy or LocalStack setting.
KEPT = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
KEPT_PREFIX = "PARKADE_LOCALSTACK_"

# For event source mappings that `polling` does not look after: by default up to ten seconds pass between two looks.
_OFTEN = {
    "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": "0.1",
    "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "0.1",
    "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_ERROR_SEC": "1",
}


def run(port: int, state_dir: Path, log_level: str) -> int:
    """Runs the local cloud until it is told to stop; its exit code."""
    if taken := _why_taken(port):
        print(f"parkade_localstack: cannot listen on {HOST}:{port}: {taken}", file=sys.stderr)
        return PORT_TAKEN
    _enter(state_dir.resolve(), port, log_level)
    mends.apply_all()
    logging.getLogger("localstack.deprecations").setLevel(logging.ERROR)
    from localstack.runtime.main import main

    main()  # ends with SystemExit
    return 0


def _why_taken(port: int) -> str | None:
    """Asked before LocalStack is imported, so that a wrong port is told at once and in one line."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            return getattr(error, "strerror", None) or str(error)
    return None


def _enter(state: Path, port: int, log_level: str) -> None:
    """Replaces the environment, and makes the state folder the place for everything."""
    temporary = state / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)  # nothing lasts from one start to the next
    temporary.mkdir(parents=True, exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if k in KEPT or k.startswith(KEPT_PREFIX)}
    os.environ.clear()
    os.environ.update(kept)
    os.environ.update(settings(state, port, log_level))
    tempfile.tempdir = None  # found anew from TMPDIR
    os.chdir(state)


def _is_quiet(log_level: str) -> bool:
    return mends.wanted("request-log") and log_level.lower() in ("warn", "warning", "error")


def settings(state: Path, port: int, log_level: str) -> dict[str, str]:
    """What LocalStack is told."""
    host = HOST if mends.wanted("loopback") else "0.0.0.0"  # as LocalStack does in a container
    return {
        "GATEWAY_LISTEN": f"{host}:{port}",
        "LOCALSTACK_HOST": f"{HOST}:{port}",
        # Folders.
        "HOME": str(state),
        "TMPDIR": str(state / "tmp"),
        "FILESYSTEM_ROOT": str(state / "filesystem"),
        "LOCALSTACK_VOLUME_DIR": str(state / "volume"),
        # Nothing is fetched and nothing is reported.
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
        "AWS_EC2_METADATA_DISABLED": "true",
        # What the mends provide.
        **({"GATEWAY_SERVER": "threads"} if mends.wanted("server") else {}),
        # LocalStack's own switch: its services call each other without a socket, though with all of the protocol.
        **({"IN_MEMORY_CLIENT": "1"} if mends.wanted("memory") else {}),
        "LAMBDA_RUNTIME_EXECUTOR": "process",
        "PROVIDER_OVERRIDE_DYNAMODB": "moto",
        "PROVIDER_OVERRIDE_DYNAMODBSTREAMS": "moto",
        # Queue addresses that need no DNS.
        "SQS_ENDPOINT_STRATEGY": "path",
        **(_OFTEN if mends.wanted("polling") else {}),
        # AWS waits a minute before it calls a failed asynchronous invocation again, and two before the next.
        "LAMBDA_RETRY_BASE_DELAY": "1",
        # How often the depths of queues become metrics: once a minute as shipped, and nobody waits that long for an alarm.
        "SQS_CLOUDWATCH_METRICS_REPORT_INTERVAL": "10",
        # Dashboards, which nobody could look at here, are passed over. As shipped too, with a warning that this may end.
        "CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES": "1",
        "EAGER_SERVICE_LOADING": "0",
        "LS_LOG": log_level,
        # A line for each request is made as shipped, and thrown away unless the level is at least "info".
        **({"LOG_LEVEL_OVERRIDES": "localstack.request=WARNING"} if _is_quiet(log_level) else {}),
        "PYTHONUNBUFFERED": "1",
    }
