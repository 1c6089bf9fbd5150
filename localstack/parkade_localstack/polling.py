"""Event source mappings wait for arrivals instead of polling ten times a second.

As shipped, a poller that has just received a message sleeps 0.5 to 1.5 s, whatever the settings: the upper limit
applies only from the second empty poll. Each poll of an empty source is an HTTP call, and its metric another.
"""

# How long one poll waits, and so how long a disabled or deleted mapping may stay active.
WAIT_SECONDS = 1
# Between polls of sources without long polling.
PAUSE_SECONDS = 0.005


def wait_for_arrivals() -> None:
    from localstack.services.lambda_.event_source_mapping import esm_worker

    _queues_wait()
    _streams_wait()
    backoff = esm_worker.ExponentialBackoff

    def backoff_after_errors_only(initial_interval, max_interval):
        # LocalStack creates two of them: that for empty polls starts at 1 s.
        if initial_interval == 1:
            return _NoBackoff()
        return backoff(initial_interval=initial_interval, max_interval=max_interval)

    esm_worker.ExponentialBackoff = backoff_after_errors_only
    esm_worker.LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC = PAUSE_SECONDS


class _NoBackoff:
    def next_backoff(self) -> float:
        return 0

    def reset(self) -> None:
        pass


class _LongPolling:
    """An SQS client that waits for a message."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        return getattr(self._client, name)

    def receive_message(self, **parameters):
        return self._client.receive_message(**{**parameters, "WaitTimeSeconds": WAIT_SECONDS})


def _queues_wait() -> None:
    from localstack.services.lambda_.event_source_mapping.pollers.sqs_poller import SqsPoller

    original = SqsPoller.poll_events

    def poll_events(self):
        # With a batching window LocalStack waits itself, to gather a batch.
        if not self.maximum_batching_window and not isinstance(self.source_client, _LongPolling):
            self.source_client = _LongPolling(self.source_client)
        return original(self)

    SqsPoller.poll_events = poll_events


def _streams_wait() -> None:
    from localstack.services.lambda_.event_source_mapping.pollers.dynamodb_poller import DynamoDBPoller

    from parkade_localstack.dynamodb.streams import read_records, wait_for_records

    original, get_records = DynamoDBPoller.poll_events_from_shard, DynamoDBPoller.get_records

    def get_records_at_once(self, shard_iterator):
        records = read_records(shard_iterator, self.stream_parameters["BatchSize"])
        return get_records(self, shard_iterator) if records is None else records

    def poll_events_from_shard(self, shard_id, shard_iterator):
        window = self.stream_parameters.get("MaximumBatchingWindowInSeconds")
        if wait_for_records(shard_iterator, 0.1 if window else WAIT_SECONDS) or window:
            original(self, shard_id, shard_iterator)

    DynamoDBPoller.poll_events_from_shard = poll_events_from_shard
    DynamoDBPoller.get_records = get_records_at_once
