"""Starts LocalStack in this process, with an environment of its own.

The caller passes a port and a folder, nothing else. Its environment does not reach LocalStack or the functions, so
neither its AWS credentials nor its proxies can redirect a local call to another host.
"""

import logging
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from parkade_localstack import patches

HOST = "127.0.0.1"
PORT_TAKEN = 3
# Only variables of the caller's environment that hold no credential, proxy or LocalStack setting.
KEPT = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
KEPT_PREFIX = "PARKADE_LOCALSTACK_"

# For event source mappings that `polling` does not handle: by default up to ten seconds pass between two polls.
_OFTEN = {
    "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": "0.1",
    "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "0.1",
    "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_ERROR_SEC": "1",
}


def run(port: int, state_dir: Path, log_level: str) -> int:
    """Runs the local cloud until it is stopped; returns its exit code."""
    if taken := _why_taken(port):
        print(f"parkade_localstack: cannot listen on {HOST}:{port}: {taken}", file=sys.stderr)
        return PORT_TAKEN
    _enter(state_dir.resolve(), port, log_level)
    patches.apply_all()
    logging.getLogger("localstack.deprecations").setLevel(logging.ERROR)
    from localstack.runtime.main import main

    main()  # ends with SystemExit
    return 0


def _why_taken(port: int) -> str | None:
    """Checked before LocalStack is imported, so that a port in use is reported at once and in one line."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            return getattr(error, "strerror", None) or str(error)
    return None


def _enter(state: Path, port: int, log_level: str) -> None:
    """Replaces the environment, and makes the state folder the only folder that is written to."""
    temporary = state / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)  # no state is kept across restarts
    temporary.mkdir(parents=True, exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if k in KEPT or k.startswith(KEPT_PREFIX)}
    os.environ.clear()
    os.environ.update(kept)
    os.environ.update(settings(state, port, log_level))
    tempfile.tempdir = None  # read again from TMPDIR
    os.chdir(state)


def _is_quiet(log_level: str) -> bool:
    return patches.is_enabled("request-log") and log_level.lower() in ("warn", "warning", "error")


def settings(state: Path, port: int, log_level: str) -> dict[str, str]:
    """LocalStack's settings."""
    host = HOST if patches.is_enabled("loopback") else "0.0.0.0"  # as LocalStack does in a container
    return {
        "GATEWAY_LISTEN": f"{host}:{port}",
        "LOCALSTACK_HOST": f"{HOST}:{port}",
        # Folders.
        "HOME": str(state),
        "TMPDIR": str(state / "tmp"),
        "FILESYSTEM_ROOT": str(state / "filesystem"),
        "LOCALSTACK_VOLUME_DIR": str(state / "volume"),
        # No downloads and no telemetry.
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
        "AWS_EC2_METADATA_DISABLED": "true",
        # Settings that belong to patches.
        **({"GATEWAY_SERVER": "threads"} if patches.is_enabled("server") else {}),
        # LocalStack's own switch: its services call each other without a socket, but still with the whole
        # protocol.
        **({"IN_MEMORY_CLIENT": "1"} if patches.is_enabled("memory") else {}),
        "LAMBDA_RUNTIME_EXECUTOR": "process",
        "PROVIDER_OVERRIDE_DYNAMODB": "moto",
        "PROVIDER_OVERRIDE_DYNAMODBSTREAMS": "moto",
        # Queue URLs that need no DNS.
        "SQS_ENDPOINT_STRATEGY": "path",
        **(_OFTEN if patches.is_enabled("polling") else {}),
        # AWS waits a minute before it retries a failed asynchronous invocation, and two before the next
        # retry.
        "LAMBDA_RETRY_BASE_DELAY": "1",
        # How often queue depths become metrics: once a minute as shipped, which makes tests of alarms too
        # slow.
        "SQS_CLOUDWATCH_METRICS_REPORT_INTERVAL": "10",
        # Dashboards cannot be viewed here and are skipped, as by default, but without the deprecation
        # warning.
        "CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES": "1",
        "EAGER_SERVICE_LOADING": "0",
        "LS_LOG": log_level,
        # As shipped, a line is built for each request, and dropped unless the level is at least "info".
        **({"LOG_LEVEL_OVERRIDES": "localstack.request=WARNING"} if _is_quiet(log_level) else {}),
        "PYTHONUNBUFFERED": "1",
    }
