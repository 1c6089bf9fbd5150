"""S3 objects in the state folder: LocalStack fixes /tmp/localstack-s3-storage, shared by all clouds of a machine."""

import os
import tempfile


def keep_objects_in_state_folder() -> None:
    from localstack.services.s3 import provider

    provider.DEFAULT_S3_TMP_DIR = os.path.join(tempfile.gettempdir(), "s3")
