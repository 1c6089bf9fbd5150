//! Compares the event store with `dynamo-es`: the same work in one run, in turns.
//!
//! Times are those of the cloud at `PARKADE_ENDPOINT`, or of a database in process without one. Calls and units are
//! always counted in process, by DynamoDB's rules. Every single time is written to the file named by
//! `PARKADE_BENCH_CSV`.

use std::fmt::Write as _;
use std::time::Instant;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::{PersistedEventRepository, PersistedEventStore, SerializedEvent};
use cqrs_es::{Aggregate, DomainEvent, EventStore as _};
use dynamo_es::DynamoEventRepository;
use dynoxide_client::{DynamoDb, Spent};
use event_sourcing::dynamodb::DynamoStore;
use event_sourcing::store::{Commit, EventStore, Recorded};
use event_sourcing::upcast::Upcast;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

const LENGTHS: [u64; 4] = [1, 10, 100, 1_000];
/// Enough samples for p90 not to be a single outlier.
const SAMPLES: usize = 200;
/// Fewer, because a long stream takes a local cloud a while.
const LONG_SAMPLES: usize = 40;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Deposited {
    cents: u64,
    reference: String,
}

impl Upcast for Deposited {}

impl DomainEvent for Deposited {
    fn event_type(&self) -> String {
        "Deposited".to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

/// The aggregate that `dynamo-es` requires besides events; it handles no command.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Account {
    cents: u64,
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = ();
    type Event = Deposited;
    type Error = std::convert::Infallible;
    type Services = ();

    async fn handle(&mut self, (): (), (): &(), _: &EventSink<Self>) -> Result<(), Self::Error> {
        Ok(())
    }

    fn apply(&mut self, event: Deposited) {
        self.cents += event.cents;
    }
}

fn deposited() -> Deposited {
    Deposited { cents: 100, reference: "an invoice, say, of some month".to_owned() }
}

/// A store with one stream of some length.
trait Subject {
    const NAME: &'static str;
    /// The names of its table's keys.
    const KEYS: [&'static str; 2];

    fn of(client: Client, table: &str) -> Self;

    /// Appends the event of this version, with ids, time and causes: the same data in every store.
    async fn append(&self, stream: &str, version: u64);

    /// Reads every event; returns their number.
    async fn load(&self, stream: &str) -> usize;
}

impl Subject for DynamoStore {
    const NAME: &'static str = "ours";
    const KEYS: [&'static str; 2] = ["stream", "version"];

    fn of(client: Client, table: &str) -> Self {
        Self::new(client, table.to_owned())
    }

    async fn append(&self, stream: &str, version: u64) {
        let id = Uuid::now_v7();
        let commit = Commit {
            version,
            command_id: id,
            occurred_at: Timestamp::now(),
            correlation_id: id,
            causation_id: id,
            trace: Default::default(),
            events: vec![Recorded { id, event: deposited() }],
            snapshot: None,
        };
        EventStore::append(self, stream, commit).await.expect("there is no other writer");
    }

    async fn load(&self, stream: &str) -> usize {
        let commits: Vec<Commit<Deposited>> =
            EventStore::load(self, stream, 0).await.expect("readable");
        commits.iter().map(|commit| commit.events.len()).sum()
    }
}

struct Theirs {
    repository: DynamoEventRepository,
    store: PersistedEventStore<DynamoEventRepository, Account>,
}

impl Subject for Theirs {
    const NAME: &'static str = "dynamo-es";
    const KEYS: [&'static str; 2] = ["AggregateTypeAndId", "AggregateIdSequence"];

    fn of(client: Client, table: &str) -> Self {
        let repository =
            || DynamoEventRepository::new(client.clone()).with_tables(table, "no-snapshots");
        let store = PersistedEventStore::new_event_store(repository());
        Self { repository: repository(), store }
    }

    async fn append(&self, stream: &str, version: u64) {
        let (id, event) = (Uuid::now_v7(), deposited());
        let serialized = SerializedEvent::new(
            stream.to_owned(),
            usize::try_from(version).expect("small"),
            Account::TYPE.to_owned(),
            event.event_type(),
            event.event_version(),
            serde_json::to_value(&event).expect("JSON"),
            json!({
                "id": id,
                "command_id": id,
                "occurred_at": Timestamp::now(),
                "correlation_id": id,
                "causation_id": id,
            }),
        );
        let done = self.repository.persist::<Account>(&[serialized], None).await;
        done.expect("there is no other writer");
    }

    async fn load(&self, stream: &str) -> usize {
        // Its envelopes require texts as metadata, and these are.
        self.store.load_events(stream).await.expect("readable").len()
    }
}

/// One store, on the cloud for the times, and on a database in process for the counts.
struct Side<S> {
    store: S,
    counting: S,
    counted: DynamoDb,
    table: String,
}

impl<S: Subject> Side<S> {
    async fn new(client: &Client) -> Self {
        let counted = DynamoDb::new();
        let there = table::<S>(&counted.client()).await;
        let table = table::<S>(client).await;
        Self {
            store: S::of(client.clone(), &table),
            counting: S::of(counted.client(), &there),
            counted,
            table,
        }
    }

    async fn make(&self, stream: &str, length: u64) {
        for version in 1..=length {
            self.store.append(stream, version).await;
            self.counting.append(stream, version).await;
        }
        drop(self.counted.spent());
    }

    async fn time_load(&self, stream: &str, length: u64) -> u128 {
        let started = Instant::now();
        let found = self.store.load(stream).await;
        let micros = started.elapsed().as_micros();
        assert_eq!(u64::try_from(found), Ok(length), "{} has lost some", S::NAME);
        micros
    }

    async fn time_append(&self, stream: &str, version: u64) -> u128 {
        let started = Instant::now();
        self.store.append(stream, version).await;
        started.elapsed().as_micros()
    }

    async fn price_of_load(&self, stream: &str) -> Price {
        self.counting.load(stream).await;
        Price::of(&self.counted.spent())
    }

    async fn price_of_append(&self, stream: &str, version: u64) -> Price {
        self.counting.append(stream, version).await;
        Price::of(&self.counted.spent())
    }
}

#[derive(Clone, Copy, Debug)]
struct Price {
    calls: u64,
    units: f64,
}

impl Price {
    fn of(spent: &Spent) -> Self {
        const ALL: [&str; 3] = ["Query", "PutItem", "TransactWriteItems"];
        Self {
            calls: ALL.iter().map(|it| spent.calls(it)).sum(),
            units: ALL.iter().map(|it| spent.units(it)).sum(),
        }
    }
}

/// The measurements of one operation at one stream length: ours, and theirs.
struct Row {
    what: &'static str,
    length: u64,
    micros: [Vec<u128>; 2],
    prices: [Price; 2],
}

fn percentile(micros: &[u128], percent: usize) -> u128 {
    let mut sorted = micros.to_vec();
    sorted.sort_unstable();
    let at = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(at).copied().unwrap_or_default()
}

/// Measures both in turns, starting with each in turn, so that neither always uses caches warmed by the other.
async fn in_turns(
    samples: usize,
    ours: impl AsyncFn(u64) -> u128,
    theirs: impl AsyncFn(u64) -> u128,
) -> [Vec<u128>; 2] {
    let mut micros = [Vec::with_capacity(samples), Vec::with_capacity(samples)];
    // Once for the connections and the caches.
    ours(0).await;
    theirs(0).await;
    for at in 1..=samples {
        let at = u64::try_from(at).expect("small");
        let [one, other] = if at % 2 == 0 {
            let one = ours(at).await;
            [one, theirs(at).await]
        } else {
            let other = theirs(at).await;
            [ours(at).await, other]
        };
        micros[0].push(one);
        micros[1].push(other);
    }
    micros
}

async fn table<S: Subject>(client: &Client) -> String {
    let table = format!("bench-{}", Uuid::now_v7());
    let mut create = client.create_table().table_name(&table);
    for (name, kind, role) in [
        (S::KEYS[0], ScalarAttributeType::S, KeyType::Hash),
        (S::KEYS[1], ScalarAttributeType::N, KeyType::Range),
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
    let client = match std::env::var("PARKADE_ENDPOINT") {
        Ok(endpoint) => cloud(endpoint),
        Err(_) => DynamoDb::new().client(),
    };
    let ours = Side::<DynamoStore>::new(&client).await;
    let theirs = Side::<Theirs>::new(&client).await;
    let mut rows = Vec::new();
    for length in LENGTHS {
        let stream = &Uuid::now_v7().to_string();
        ours.make(stream, length).await;
        theirs.make(stream, length).await;
        rows.push(Row {
            what: "load",
            length,
            micros: in_turns(
                if length > 100 { LONG_SAMPLES } else { SAMPLES },
                async |_| ours.time_load(stream, length).await,
                async |_| theirs.time_load(stream, length).await,
            )
            .await,
            prices: [ours.price_of_load(stream).await, theirs.price_of_load(stream).await],
        });
        // Last, because it makes the stream longer.
        let next = length + 1;
        rows.push(Row {
            what: "append",
            length,
            micros: in_turns(
                SAMPLES,
                async |at| ours.time_append(stream, next + at).await,
                async |at| theirs.time_append(stream, next + at).await,
            )
            .await,
            prices: [
                ours.price_of_append(stream, next).await,
                theirs.price_of_append(stream, next).await,
            ],
        });
    }
    for table in [&ours.table, &theirs.table] {
        client.delete_table().table_name(table).send().await.map(drop).unwrap_or_default();
    }
    print(rows);
}

fn print(mut rows: Vec<Row>) {
    rows.sort_by_key(|row| (row.what, row.length));
    println!("append: one event, its version known · load: every event · neither with snapshots");
    println!("times in µs, in turns; ratio: ours to dynamo-es, below 1 is faster");
    println!(
        "a local cloud is slower with binary values, which dynamo-es stores: benches/README.md\n"
    );
    println!(
        "{:6} {:>6}  {:>15}  {:>15}  {:>11}  {:>5}  {:>13}",
        "", "", "ours", "dynamo-es", "ratio", "calls", "units"
    );
    println!(
        "{:6} {:>6}  {:>7} {:>7}  {:>7} {:>7}  {:>5} {:>5}  {:>5}  {:>6} {:>6}",
        "", "length", "p50", "p90", "p50", "p90", "p50", "p90", "", "ours", "theirs"
    );
    let mut csv = "store,what,length,micros\n".to_owned();
    for Row { what, length, micros, prices: [our_price, their_price] } in &rows {
        let [[our50, our90], [their50, their90]] =
            [0, 1].map(|it: usize| [50, 90].map(|percent| percentile(&micros[it], percent)));
        println!(
            "{what:6} {length:6}  {our50:7} {our90:7}  {their50:7} {their90:7}  {:5.2} {:5.2}  {:>5}  {:6} {:6}",
            ratio(our50, their50),
            ratio(our90, their90),
            format!("{}/{}", our_price.calls, their_price.calls),
            our_price.units,
            their_price.units,
        );
        for (name, micros) in [DynamoStore::NAME, Theirs::NAME].into_iter().zip(micros) {
            for micros in micros {
                writeln!(csv, "{name},{what},{length},{micros}")
                    .expect("writing to a string cannot fail");
            }
        }
    }
    if let Ok(path) = std::env::var("PARKADE_BENCH_CSV") {
        std::fs::write(&path, csv).expect("the file can be written");
        println!("\nevery single time is in {path}");
    }
}

fn ratio(ours: u128, theirs: u128) -> f64 {
    ours as f64 / theirs.max(1) as f64
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
