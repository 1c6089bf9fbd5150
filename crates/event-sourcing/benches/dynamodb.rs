//! Appending and loading by length of stream, as `cargo xtask bench store` runs it.
//!
//! Times are those of the cloud at `PARKADE_ENDPOINT`, one call after the other; without one, of a database in process.
//! Items and units are always counted in process, by DynamoDB's rules: a local cloud need not know its prices. Every
//! single time is written to the file that `PARKADE_BENCH_CSV` names.

#![expect(clippy::print_stdout, reason = "a table is what it is for")]
#![expect(clippy::disallowed_methods, reason = "it measures time, and has no config.rs")]

use std::fmt::Write as _;
use std::time::Instant;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use dynoxide_client::DynamoDb;
use event_sourcing::decider::Decider;
use event_sourcing::dynamodb::DynamoStore;
use event_sourcing::execute::{Metadata, execute};
use event_sourcing::snapshot::Snapshots;
use event_sourcing::state::latest;
use event_sourcing::store::{Commit, EventStore, Recorded};
use event_sourcing::upcast::Upcast;
use futures::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const LENGTHS: [u64; 5] = [1, 10, 100, 1_000, 10_000];
/// So that p99 is the second slowest, and no single hiccup.
const SAMPLES: usize = 200;
/// Reading a long stream whole takes a while; its p99 is its slowest then.
const WHOLE_SAMPLES: usize = 20;
/// Appends in flight while a stream is made.
const AT_ONCE: u64 = 16;

/// An account of money.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Account {
    cents: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Deposited {
    cents: u64,
    reference: String,
}

impl Upcast for Account {}
impl Upcast for Deposited {}

impl Decider for Account {
    type Command = Deposited;
    type Event = Deposited;
    type Rejection = std::convert::Infallible;

    const SNAPSHOTS: Option<Snapshots<Self>> = Some(Snapshots::every(100));

    fn decide(&self, command: &Deposited) -> Result<Vec<Deposited>, Self::Rejection> {
        Ok(vec![command.clone()])
    }

    fn evolve(self, event: &Deposited) -> Self {
        Self { cents: self.cents + event.cents }
    }
}

fn deposited() -> Deposited {
    Deposited { cents: 100, reference: "an invoice, say, of some month".to_owned() }
}

async fn deposit(store: &DynamoStore, stream: &str) {
    let metadata = Metadata::new(Uuid::now_v7(), Timestamp::now());
    let done = execute::<Account>(store, stream, &deposited(), &metadata, Uuid::now_v7).await;
    done.expect("there is one writer");
}

async fn load_state(store: &DynamoStore, stream: &str) {
    latest::<Account>(store, stream).await.expect("readable");
}

async fn load_whole(store: &DynamoStore, stream: &str) {
    let commits: Vec<Commit<Deposited>> = store.load(stream, 0).await.expect("readable");
    assert!(!commits.is_empty());
}

/// A stream of `length` events, with the snapshot that commands would have left.
async fn make(store: &DynamoStore, length: u64) -> String {
    let stream = Uuid::now_v7().to_string();
    let plain = length.saturating_sub(50);
    let versions: Vec<u64> = (1..=plain).collect();
    for versions in versions.chunks(usize::try_from(AT_ONCE).expect("small")) {
        let appends = versions.iter().map(|version| {
            let id = Uuid::now_v7();
            let commit = Commit {
                version: *version,
                command_id: id,
                occurred_at: Timestamp::now(),
                correlation_id: id,
                causation_id: id,
                trace: Default::default(),
                events: vec![Recorded { id, event: deposited() }],
                snapshot: None,
            };
            store.append(&stream, commit)
        });
        for appended in join_all(appends).await {
            appended.expect("there is one writer");
        }
    }
    // The first of these takes a snapshot if there is enough before it, so that the last is 50 events old.
    for _ in plain..length {
        deposit(store, &stream).await;
    }
    stream
}

/// One row: what was done, to a stream of which length.
struct Row {
    what: &'static str,
    length: u64,
    micros: Vec<u128>,
    items: u64,
    read_units: f64,
    write_units: f64,
}

impl Row {
    fn percentile(&self, percent: usize) -> u128 {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * percent).div_ceil(100).max(1) - 1;
        sorted.get(at).copied().unwrap_or_default()
    }
}

async fn time(samples: usize, act: impl AsyncFn()) -> Vec<u128> {
    let mut micros = Vec::with_capacity(samples);
    // Once for the connection and the caches.
    act().await;
    for _ in 0..samples {
        let started = Instant::now();
        act().await;
        micros.push(started.elapsed().as_micros());
    }
    micros
}

async fn table(client: &Client) -> String {
    let table = format!("bench-{}", Uuid::now_v7());
    let mut create = client.create_table().table_name(&table);
    for (name, kind, role) in [
        ("stream", ScalarAttributeType::S, KeyType::Hash),
        ("version", ScalarAttributeType::N, KeyType::Range),
    ] {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(kind);
        let key = KeySchemaElement::builder().attribute_name(name).key_type(role);
        create = create
            .attribute_definitions(attribute.build().expect("complete"))
            .key_schema(key.build().expect("complete"));
    }
    create.billing_mode(BillingMode::PayPerRequest).send().await.expect("a table");
    table
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let counted = DynamoDb::new();
    let client = match std::env::var("PARKADE_ENDPOINT") {
        Ok(endpoint) => cloud(endpoint),
        Err(_) => counted.client(),
    };
    let table_name = table(&client).await;
    let store = DynamoStore::new(client.clone(), table_name.clone());
    let counting = DynamoStore::new(counted.client(), table(&counted.client()).await);
    let mut rows = Vec::new();
    for length in LENGTHS {
        let (here, there) = (make(&counting, length).await, make(&store, length).await);
        drop(counted.spent());
        load_state(&counting, &here).await;
        let state = counted.spent();
        load_whole(&counting, &here).await;
        let whole = counted.spent();
        deposit(&counting, &here).await;
        let append = counted.spent();
        let row = |what, micros, spent: dynoxide_client::Spent| Row {
            what,
            length,
            micros,
            items: spent.items("Query"),
            read_units: spent.units("Query"),
            write_units: spent.units("PutItem"),
        };
        rows.push(row(
            "state",
            time(SAMPLES, async || load_state(&store, &there).await).await,
            state,
        ));
        let samples = if length > 100 { WHOLE_SAMPLES } else { SAMPLES };
        rows.push(row(
            "whole",
            time(samples, async || load_whole(&store, &there).await).await,
            whole,
        ));
        // Last, since it makes the stream longer.
        rows.push(row(
            "command",
            time(SAMPLES, async || deposit(&store, &there).await).await,
            append,
        ));
    }
    client.delete_table().table_name(table_name).send().await.map(drop).unwrap_or_default();
    print(rows);
}

fn print(mut rows: Vec<Row>) {
    rows.sort_by_key(|row| (row.what, row.length));
    println!(
        "command: read the state, decide, append · state: read it, from a snapshot if there is one"
    );
    println!(
        "whole: read every event · times in µs; snapshots every 100 events, the last 50 events old\n"
    );
    println!("         length     p50     p90     p99   items  read units  write units");
    let mut csv = "what,length,micros\n".to_owned();
    for row in &rows {
        let [p50, p90, p99] = [50, 90, 99].map(|percent| row.percentile(percent));
        let Row { what, length, items, read_units, write_units, .. } = row;
        println!(
            "{what:8} {length:6} {p50:7} {p90:7} {p99:7} {items:7} {read_units:11} {write_units:12}"
        );
        for micros in &row.micros {
            writeln!(csv, "{what},{length},{micros}").expect("a text takes it");
        }
    }
    if let Ok(path) = std::env::var("PARKADE_BENCH_CSV") {
        std::fs::write(&path, csv).expect("the file can be written");
        println!("\nevery single time is in {path}");
    }
}

fn cloud(endpoint: String) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(endpoint)
        .build();
    Client::from_conf(config)
}
