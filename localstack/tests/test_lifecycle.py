"""Start and stop: listening addresses, files left behind, exit."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cloud import PACKAGE_ROOT, Cloud, eventually, free_port

STOP_SECONDS = 1.5


@pytest.fixture
def own_cloud(folder):
    cloud = Cloud.start(folder)
    yield cloud
    cloud.stop(signal.SIGKILL)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def busy(cloud) -> list[int]:
    """Creates functions and mappings; returns the processes of the functions."""
    function = cloud.function()
    for _ in range(3):
        _, arn = cloud.queue()
        cloud.client("lambda").create_event_source_mapping(EventSourceArn=arn, FunctionName=function)
    return [cloud.invoke(function, {})[1]["pid"]]


def listening(pid: int) -> set[str]:
    """Addresses on which a process listens."""
    sockets = {os.readlink(f) for f in Path(f"/proc/{pid}/fd").iterdir() if f.exists() or f.is_symlink()}
    inodes = {link[8:-1] for link in sockets if link.startswith("socket:[")}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address = bytes.fromhex(fields[1].partition(":")[0])
                found.add(socket.inet_ntoa(address[::-1]) if len(address) == 4 else "tcp6")
    return found


@pytest.mark.guards("loopback")
def test_it_listens_on_the_loopback_interface_alone(cloud):
    cloud.invoke(cloud.function(), {})  # a Runtime API, too
    assert listening(cloud.process.pid) == {"127.0.0.1"}


@pytest.mark.guards("shutdown")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_with_all_its_functions(own_cloud, how):
    processes = busy(own_cloud)
    assert own_cloud.stop(how) < STOP_SECONDS
    assert own_cloud.process.returncode == 0
    assert not any(is_running(pid) for pid in processes)


def test_functions_are_killed_when_it_is_killed(own_cloud):
    processes = busy(own_cloud)
    assert all(is_running(pid) for pid in processes)
    own_cloud.stop(signal.SIGKILL)
    eventually(lambda: not any(is_running(pid) for pid in processes), 2)


def test_a_port_in_use_is_reported_in_one_line(folder):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        ended = subprocess.run(
            [sys.executable, "-m", "parkade_localstack", "--port", str(port), "--state-dir", str(folder)],
            env={**os.environ, "PYTHONPATH": str(PACKAGE_ROOT)},
            capture_output=True,
            text=True,
            timeout=20,
        )
    assert ended.returncode == 3
    assert ended.stderr == f"parkade_localstack: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_it_can_be_started_again_on_the_same_port_and_folder(folder):
    port = free_port()
    for _ in range(2):
        cloud = Cloud.start(folder, port=port)
        assert cloud.client("sqs").list_queues().get("QueueUrls") is None  # no state is kept
        cloud.queue()
        cloud.stop()


def test_the_callers_environment_does_not_leak_in(folder):
    secrets = {
        "AWS_ACCESS_KEY_ID": "AKIAREAL",
        "AWS_PROFILE": "production",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
        "LAMBDA_RUNTIME_EXECUTOR": "docker",
        "SECRET_OF_THE_CALLER": "x",
    }
    cloud = Cloud.start(folder, environment=secrets)
    try:
        environment = Path(f"/proc/{cloud.process.pid}/environ")  # of its start
        assert "SECRET_OF_THE_CALLER" in environment.read_text()
        kind, seen = cloud.invoke(cloud.function(), {"env": 1})
        assert kind is None
        assert not {name for name in secrets if seen.get(name) == secrets[name]}
    finally:
        cloud.stop()


@pytest.mark.guards("s3.folder")
def test_it_writes_only_to_its_folder(cloud):
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="objects")
    s3.put_object(Bucket="objects", Key="a/b ü+%.txt", Body=b"x" * 2_000_000)
    assert len(s3.get_object(Bucket="objects", Key="a/b ü+%.txt")["Body"].read()) == 2_000_000
    # Objects are open files without a name; Linux still shows their folder.
    links = [os.readlink(fd) for fd in Path(f"/proc/{cloud.process.pid}/fd").iterdir() if fd.is_symlink()]
    assert [link for link in links if link.startswith(str(cloud.state / "tmp" / "s3"))]
    assert not [link for link in links if link.startswith("/tmp/localstack")]


def test_this_folder_does_not_shadow_the_localstack_package():
    """Python started at the root of the repository must not use this folder as the package of that name."""
    code = "import localstack.constants as c; print(c.VERSION)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE_ROOT.parent, capture_output=True, text=True)
    assert ended.stdout == "4.9.2\n", ended.stderr


def test_a_cloud_of_the_tests_stops_when_they_are_killed(folder):
    starts_one = (
        "import sys; from pathlib import Path; from cloud import Cloud\n"
        f"print(Cloud.start(Path({str(folder / 'orphan')!r})).process.pid, flush=True); sys.stdin.read()"
    )
    search = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    tests = subprocess.Popen(
        [sys.executable, "-c", starts_one],
        env={**os.environ, "PYTHONPATH": search},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with tests:
        pid = int(tests.stdout.readline())
        assert is_running(pid)
        tests.kill()
    eventually(lambda: not is_running(pid))
