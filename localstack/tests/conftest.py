"""One local cloud for all tests of a run, on a free port, with its state in a temporary folder.

`--guards NAME` runs the tests that guard one patch, as `every_patch_is_needed.py` does.
"""

import tempfile
from pathlib import Path

import pytest
from cloud import Cloud, unique


def pytest_addoption(parser):
    parser.addoption("--guards", help="run only the tests that guard this patch")


def pytest_configure(config):
    config.addinivalue_line("markers", "guards(*patches): the test fails without any of these patches")


def pytest_collection_modifyitems(config, items):
    wanted = config.getoption("--guards")
    if wanted:
        kept = [i for i in items if any(wanted in mark.args for mark in i.iter_markers("guards"))]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def temporary_folder():
    """Deleted with its test. pytest's own keeps the last three, or is not safe for concurrent runs."""
    return tempfile.TemporaryDirectory(prefix="parkade-localstack-", ignore_cleanup_errors=True)


@pytest.fixture
def folder():
    with temporary_folder() as name:
        yield Path(name)


@pytest.fixture(scope="session")
def cloud(request):
    with temporary_folder() as name:
        cloud = Cloud.start(Path(name))
        yield cloud
        cloud.stop()
        if request.session.testsfailed:
            print("\nThe end of the cloud's log, whose folder is deleted:\n", (cloud.state / "log").read_text()[-4000:])


@pytest.fixture(scope="session")
def alarm(cloud):
    """An alarm that is about to fire. It takes ten seconds, so it is created early, by the first test that uses it."""
    cloudwatch, name = cloud.client("cloudwatch"), unique("alarm")
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="Test",
        MetricName=name,
        Statistic="Sum",
        Period=10,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
    )
    cloudwatch.put_metric_data(Namespace="Test", MetricData=[{"MetricName": name, "Value": 3}])
    return name
