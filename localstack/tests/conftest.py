"""One local cloud for all tests of a run, on a free port, with its state in a folder that goes with it."""

import pytest
from cloud import Cloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    cloud = Cloud.start(tmp_path_factory.mktemp("cloud") / "state")
    yield cloud
    cloud.stop()
