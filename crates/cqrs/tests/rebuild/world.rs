//! A source, the stream of its changes, a view in generations, and connections to them that can be slow or fail.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::dynamodb::EventRecord;
use cqrs::generation::{Generations, ProjectionState, ProjectionStateStore, RowsPage};
use cqrs::lag::{Lag, LagReport, ReportThrottle};
use cqrs::projector::{self, ProjectError, RowUpdate};
use cqrs::rebuild::{RebuildSource, SourceError, SourcePage, SourceRow};
use cqrs::view::{Positioned, Range, Reader, Row, Versioned, View, ViewError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

/// A row that contains the version of its aggregate, so that a wrong row is recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lamp {
    pub(crate) text: String,
}

impl Row for Lamp {
    fn index(&self) -> Vec<(&'static str, String)> {
        vec![("colour", "red".to_owned()), ("position", self.text.clone())]
    }
}

pub(crate) fn lamp(id: &str, version: u64) -> Lamp {
    Lamp { text: format!("{id} at {version}") }
}

/// A small seeded random number generator.
#[derive(Debug)]
pub(crate) struct Rng(Mutex<u64>);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1))
    }

    pub(crate) fn below(&self, end: u64) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 11) % end
    }
}

/// A connection: before each call, other tasks may run, or the caller may crash.
#[derive(Debug)]
pub(crate) struct Line {
    rng: Rng,
    calls: AtomicUsize,
    crashes_at: Option<usize>,
    crashes_after: bool,
}

impl Line {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Self::crashing(seed, None, false)
    }

    pub(crate) fn crashing(seed: u64, crashes_at: Option<usize>, crashes_after: bool) -> Arc<Self> {
        let calls = AtomicUsize::new(0);
        Arc::new(Self { rng: Rng::new(seed), calls, crashes_at, crashes_after })
    }

    pub(crate) fn has_crashed(&self) -> bool {
        self.crashes_at.is_some_and(|at| self.calls.load(Ordering::SeqCst) > at)
    }

    async fn carry<T>(&self, call: impl Future<Output = T>) -> T {
        for _ in 0..self.rng.below(4) {
            tokio::task::yield_now().await;
        }
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let crashes = self.crashes_at.is_some_and(|at| number >= at);
        if crashes && !(self.crashes_after && Some(number) == self.crashes_at) {
            return pending().await;
        }
        let response = call.await;
        if crashes {
            return pending().await;
        }
        for _ in 0..self.rng.below(3) {
            tokio::task::yield_now().await;
        }
        response
    }
}

/// Something at the other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Far<T> {
    pub(crate) near: T,
    pub(crate) line: Arc<Line>,
}

impl<V: Reader<Lamp> + Sync> Reader<Lamp> for Far<V> {
    async fn get(&self, id: &str) -> Result<Option<Versioned<Lamp>>, ViewError> {
        self.line.carry(self.near.get(id)).await
    }

    async fn list(&self, range: Range<'_>) -> Result<Vec<Positioned<Lamp>>, ViewError> {
        self.line.carry(self.near.list(range)).await
    }

    async fn count(&self, range: Range<'_>) -> Result<usize, ViewError> {
        self.line.carry(self.near.count(range)).await
    }
}

impl<V: View<Lamp> + Sync> View<Lamp> for Far<V> {
    async fn upsert_if_newer(&self, id: &str, version: u64, row: &Lamp) -> Result<bool, ViewError> {
        self.line.carry(self.near.upsert_if_newer(id, version, row)).await
    }
}

impl<G: ProjectionStateStore + Sync> ProjectionStateStore for Far<G> {
    async fn state(&self) -> Result<(ProjectionState, Lag), ViewError> {
        self.line.carry(self.near.state()).await
    }

    async fn update_state(&self, next: &ProjectionState) -> Result<bool, ViewError> {
        self.line.carry(self.near.update_state(next)).await
    }

    async fn report_lag(&self, mark: &LagReport) -> Result<(), ViewError> {
        self.line.carry(self.near.report_lag(mark)).await
    }

    async fn collect_garbage(
        &self,
        kept: &[u64],
        newest: u64,
        after: Option<&str>,
    ) -> Result<Option<String>, ViewError> {
        self.line.carry(self.near.collect_garbage(kept, newest, after)).await
    }
}

impl<G: Generations<Lamp>> Generations<Lamp> for Far<G> {
    type View = Far<G::View>;

    fn generation(&self, number: u64) -> Self::View {
        Far { near: self.near.generation(number), line: Arc::clone(&self.line) }
    }

    async fn rows(
        &self,
        generation: u64,
        after: Option<&str>,
    ) -> Result<RowsPage<Lamp>, ViewError> {
        self.line.carry(self.near.rows(generation, after)).await
    }
}

/// The versions of the aggregates, and the records that the stream has not delivered yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) source: Arc<Mutex<BTreeMap<String, u64>>>,
    pub(crate) stream: Arc<Mutex<VecDeque<EventRecord>>>,
    pub(crate) unreadable: Arc<Mutex<Vec<String>>>,
}

/// A small page, so that a few aggregates fill several pages.
const PAGE: usize = 3;

impl RebuildSource<Lamp> for Far<World> {
    async fn page(&self, after: Option<&str>) -> Result<SourcePage<Lamp>, SourceError> {
        let page = async {
            let source = self.near.source.lock().unwrap();
            let ids = source.keys().filter(|id| after.is_none_or(|after| id.as_str() > after));
            let ids: Vec<String> = ids.take(PAGE).cloned().collect();
            let next = ids.last().filter(|_| ids.len() == PAGE).cloned();
            let source_row =
                ids.into_iter().map(|id| (id.clone(), self.near.source_row(&source, &id)));
            SourcePage { rows: source_row.collect(), next }
        };
        Ok(self.line.carry(page).await)
    }

    async fn load(&self, id: &str) -> Result<SourceRow<Lamp>, SourceError> {
        let load = async { self.near.source_row(&self.near.source.lock().unwrap(), id) };
        Ok(self.line.carry(load).await)
    }
}

impl World {
    fn source_row(&self, source: &BTreeMap<String, u64>, id: &str) -> SourceRow<Lamp> {
        if self.unreadable.lock().unwrap().iter().any(|it| it == id) {
            return SourceRow::Unreadable("gibberish".to_owned());
        }
        match source.get(id) {
            Some(version) => {
                SourceRow::Row(Versioned { version: *version, row: lamp(id, *version) })
            }
            None => SourceRow::Absent,
        }
    }

    /// Commits a change to the source and its stream, atomically.
    pub(crate) fn commit(&self, id: &str) -> u64 {
        let mut source = self.source.lock().unwrap();
        let version = source.entry(id.to_owned()).or_default();
        *version += 1;
        self.stream.lock().unwrap().push_back(record(id, *version));
        *version
    }

    /// Delivers batches until the stream is empty and all writers have ended.
    pub(crate) async fn project<G: Generations<Lamp>>(
        &self,
        views: &G,
        rng: &Rng,
        is_over: impl Fn() -> bool,
    ) {
        let throttle = ReportThrottle::default();
        loop {
            let batch: Vec<EventRecord> = {
                let mut stream = self.stream.lock().unwrap();
                let size = usize::try_from(rng.below(4)).unwrap() + 1;
                let size = size.min(stream.len());
                stream.drain(..size).collect()
            };
            if batch.is_empty() {
                if is_over() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
                continue;
            }
            // Sometimes twice, the second time late.
            if rng.below(5) == 0 {
                self.stream.lock().unwrap().extend(batch.clone());
            }
            let row_of = async |_: &G::View, record: &EventRecord| row_of(record);
            let dead_letter = async |_: &EventRecord, cause: &ProjectError| {
                unreachable!("every record can be applied: {cause}")
            };
            let projected =
                projector::project(views, &throttle, now, &batch, row_of, dead_letter).await;
            assert_eq!(projected.failed, None);
        }
    }
}

pub(crate) fn row_of(record: &EventRecord) -> Result<Option<RowUpdate<Lamp>>, ProjectError> {
    let image = serde_dynamo::from_item(record.change.new_image.clone());
    let Image { id, version } = image.map_err(ProjectError::poison)?;
    let row = lamp(&id, version);
    Ok(Some(RowUpdate { id, version, row }))
}

#[derive(Deserialize)]
struct Image {
    id: String,
    version: u64,
}

pub(crate) fn record(id: &str, version: u64) -> EventRecord {
    serde_json::from_value(json!({
        "eventID": format!("{id}-{version}"),
        "eventName": "MODIFY",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_767_268_800,
            "Keys": { "id": { "S": id } },
            "NewImage": { "id": { "S": id }, "version": { "N": version.to_string() } },
            "SequenceNumber": version.to_string(),
            "SizeBytes": 10,
            "StreamViewType": "NEW_IMAGE",
        },
    }))
    .unwrap()
}

/// The time of the runtime, so that a test need not wait.
pub(crate) fn now() -> Timestamp {
    thread_local!(static BEGAN: Instant = Instant::now());
    let began = BEGAN.with(|it| *it);
    let passed = i64::try_from(began.elapsed().as_millis()).unwrap();
    Timestamp::from_millisecond(1_767_268_800_000 + passed).unwrap()
}

/// Runs a test with a paused clock.
pub(crate) fn day<T>(work: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(work)
}
