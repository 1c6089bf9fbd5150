//! Streams of tables, and how Lambda reads them: shard by shard, in the order of each item, again from what failed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lambda_events::streams::DynamoDbEventResponse;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::lambda;
use crate::wiring::{StreamSource, Wiring};
use crate::world::World;

/// Two are enough for what one shard keeps in order and two do not.
const SHARDS: usize = 2;

/// Every reader of every table's stream, and what it has not read yet.
#[derive(Debug)]
pub(crate) struct Streams {
    readers: Vec<Reader>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Reader {
    /// Its place among the sources.
    source: usize,
    shard: usize,
}

#[derive(Debug, Default)]
struct Inner {
    /// What each reader still has to read.
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

    /// Shows a write of an item to every reader of its table.
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
        let drawn = world.dice.place(SHARDS);
        let shard = *inner.shards.entry(item.to_owned()).or_insert(drawn);
        let record_of = |text: String| Record { item: item.to_owned(), sequence, text };
        let text = record_of(record.to_string());
        let mut to_wake = Vec::new();
        for (place, reader) in self.readers.iter().enumerate() {
            let source = &world.platform.wiring.stream_sources[reader.source];
            if reader.shard != shard || source.table != table || !source.passes(&record) {
                continue;
            }
            if source.function.ends_with("-publish") && world.befalls(world.plan.forgotten) {
                // As after 24 hours: only an operator can have it published from the table.
                world.laws.forgot();
                continue;
            }
            let pending = &mut inner.pending[place];
            // Order is kept for each item, and for nothing else.
            let mut at = pending.records.len();
            while at > 0
                && pending.records[at - 1].item != item
                && world.befalls(world.plan.reordered)
            {
                at -= 1;
            }
            pending.records.insert(at, text.clone());
            if !pending.is_read {
                pending.is_read = true;
                to_wake.push(place);
            }
        }
        drop(inner);
        for place in to_wake {
            let world_of = world.arc();
            world.spawn(async move { world_of.streams.read(&world_of, place).await });
        }
    }

    /// Reads a shard to its end, batch by batch.
    async fn read(&self, world: &World, place: usize) {
        let source = &world.platform.wiring.stream_sources[self.readers[place].source];
        let mut failures = 0;
        loop {
            sleep(world.latency()).await;
            let Some(batch) = self.batch(world, place, source) else { return };
            let done = self.deliver(world, source, &batch).await.unwrap_or_default();
            if done < batch.len() {
                failures += 1;
                if failures > source.retries_max {
                    let record = &batch[done];
                    world.laws.broken(format!("stream of {} gave up on {record:?}", source.table));
                    failures = 0;
                    self.put_back(place, &batch[done + 1..]);
                } else {
                    self.put_back(place, &batch[done..]);
                    sleep(world.dice.millis(100..=2_000)).await;
                }
            } else {
                failures = 0;
                if world.befalls(world.plan.twice) {
                    // Whatever comes of it: it has been handled.
                    self.deliver(world, source, &batch).await;
                }
            }
        }
    }

    fn batch(&self, world: &World, place: usize, source: &StreamSource) -> Option<Vec<Record>> {
        let mut inner = self.lock();
        let pending = &mut inner.pending[place];
        if pending.records.is_empty() {
            pending.is_read = false;
            return None;
        }
        let most = pending.records.len().min(source.batch_max);
        let size = 1 + world.dice.place(most);
        Some(pending.records.drain(..size).collect())
    }

    fn put_back(&self, place: usize, records: &[Record]) {
        let mut inner = self.lock();
        for record in records.iter().rev() {
            inner.pending[place].records.push_front(record.clone());
        }
    }

    /// How many records of the batch are done; nothing if the function failed.
    async fn deliver(
        &self,
        world: &World,
        source: &StreamSource,
        batch: &[Record],
    ) -> Option<usize> {
        let texts: Vec<&str> = batch.iter().map(|it| it.text.as_str()).collect();
        let payload = format!(r#"{{"Records":[{}]}}"#, texts.join(","));
        let answer = lambda::invoke(world, &source.function, payload.into_bytes()).await.ok()?;
        let response: DynamoDbEventResponse = serde_json::from_slice(&answer).ok()?;
        let failed = response.batch_item_failures.first().map(|it| it.item_identifier.clone());
        Some(failed.map_or(batch.len(), |failed| {
            batch.iter().position(|it| Some(&it.sequence) == failed.as_ref()).unwrap_or(0)
        }))
    }
}
