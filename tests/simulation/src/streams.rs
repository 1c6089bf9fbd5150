//! Table streams, and how Lambda reads them: by shard, in the order of each item, retrying from the first failed
//! record.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lambda_events::streams::DynamoDbEventResponse;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::lambda;
use crate::wiring::{StreamSource, Wiring};
use crate::world::World;

/// Two are enough to show that order is kept within a shard and not between shards.
const SHARDS: usize = 2;

/// All readers of all table streams, with their unread records.
#[derive(Debug)]
pub(crate) struct Streams {
    readers: Vec<Reader>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Reader {
    /// Its index among the sources.
    source: usize,
    shard: usize,
}

#[derive(Debug, Default)]
struct Inner {
    /// The unread records of each reader.
    pending: Vec<Pending>,
    /// The shard of each item.
    shards: BTreeMap<String, usize>,
    sequence: u64,
}

#[derive(Debug, Default)]
struct Pending {
    records: VecDeque<Record>,
    is_read: bool,
}

#[derive(Clone, Debug)]
struct Record {
    item: String,
    sequence: String,
    text: String,
}

impl Streams {
    pub(crate) fn new(wiring: &Wiring) -> Self {
        let sources = 0..wiring.stream_sources.len();
        let readers: Vec<Reader> = sources
            .flat_map(|source| (0..SHARDS).map(move |shard| Reader { source, shard }))
            .collect();
        let pending = readers.iter().map(|_| Pending::default()).collect();
        Self { readers, inner: Mutex::new(Inner { pending, ..Inner::default() }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the record of a write to every reader of its table.
    pub(crate) fn write(&self, world: &World, table: &str, item: &str, keys: Value, image: Value) {
        let mut inner = self.lock();
        inner.sequence += 1;
        let sequence = format!("{:021}", inner.sequence);
        let record = json!({
            "eventID": sequence,
            "eventName": if inner.shards.contains_key(item) { "MODIFY" } else { "INSERT" },
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": world.now().as_second(),
                "Keys": keys,
                "NewImage": image,
                "SequenceNumber": sequence,
                "SizeBytes": 300,
                "StreamViewType": "NEW_IMAGE",
            },
            "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2026-01-01T00:00:00.000",
        });
        let drawn = world.rng.index(SHARDS);
        let shard = *inner.shards.entry(item.to_owned()).or_insert(drawn);
        let record_of = |text: String| Record { item: item.to_owned(), sequence, text };
        let text = record_of(record.to_string());
        let mut to_wake = Vec::new();
        for (index, reader) in self.readers.iter().enumerate() {
            let source = &world.platform.wiring.stream_sources[reader.source];
            if reader.shard != shard || source.table != table || !source.passes(&record) {
                continue;
            }
            if source.function.ends_with("-publish") && world.injects(world.plan.trimmed) {
                // As after 24 hours: only an operator can republish the change from the table.
                world.invariants.count_trimmed();
                continue;
            }
            let pending = &mut inner.pending[index];
            // Order is kept for each item, and for nothing else.
            let mut at = pending.records.len();
            while at > 0
                && pending.records[at - 1].item != item
                && world.injects(world.plan.reordered)
            {
                at -= 1;
            }
            pending.records.insert(at, text.clone());
            if !pending.is_read {
                pending.is_read = true;
                to_wake.push(index);
            }
        }
        drop(inner);
        for index in to_wake {
            let world_of = world.arc();
            world.spawn(async move { world_of.streams.read(&world_of, index).await });
        }
    }

    /// Reads a shard to its end, batch by batch.
    async fn read(&self, world: &World, index: usize) {
        let source = &world.platform.wiring.stream_sources[self.readers[index].source];
        let mut failures = 0;
        loop {
            sleep(world.latency()).await;
            let Some(batch) = self.batch(world, index, source) else { return };
            let done = self.deliver(world, source, &batch).await.unwrap_or_default();
            if done < batch.len() {
                failures += 1;
                if failures > source.retries_max {
                    let record = &batch[done];
                    world
                        .invariants
                        .violated(format!("stream of {} abandoned {record:?}", source.table));
                    failures = 0;
                    self.requeue(index, &batch[done + 1..]);
                } else {
                    self.requeue(index, &batch[done..]);
                    sleep(world.rng.millis(100..=2_000)).await;
                }
            } else {
                failures = 0;
                if world.injects(world.plan.duplicated) {
                    // The result does not matter: the batch has been handled.
                    self.deliver(world, source, &batch).await;
                }
            }
        }
    }

    fn batch(&self, world: &World, index: usize, source: &StreamSource) -> Option<Vec<Record>> {
        let mut inner = self.lock();
        let pending = &mut inner.pending[index];
        if pending.records.is_empty() {
            pending.is_read = false;
            return None;
        }
        let most = pending.records.len().min(source.batch_max);
        let size = 1 + world.rng.index(most);
        Some(pending.records.drain(..size).collect())
    }

    fn requeue(&self, index: usize, records: &[Record]) {
        let mut inner = self.lock();
        for record in records.iter().rev() {
            inner.pending[index].records.push_front(record.clone());
        }
    }

    /// The number of records of the batch that were processed; `None` if the function failed.
    async fn deliver(
        &self,
        world: &World,
        source: &StreamSource,
        batch: &[Record],
    ) -> Option<usize> {
        let texts: Vec<&str> = batch.iter().map(|it| it.text.as_str()).collect();
        let payload = format!(r#"{{"Records":[{}]}}"#, texts.join(","));
        let response = lambda::invoke(world, &source.function, payload.into_bytes()).await.ok()?;
        let response: DynamoDbEventResponse = serde_json::from_slice(&response).ok()?;
        let failed = response.batch_item_failures.first().map(|it| it.item_identifier.clone());
        Some(failed.map_or(batch.len(), |failed| {
            batch.iter().position(|it| Some(&it.sequence) == failed.as_ref()).unwrap_or(0)
        }))
    }
}
