//! The in-memory store passes the conformance suite, and behaves exactly like a simple model of it.

use std::collections::BTreeMap;

use event_sourcing::conformance::{self, Noted};
use event_sourcing::memory::MemoryStore;
use event_sourcing::store::{Commit, EventStore, Recorded, StoreError, Streams};
use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

#[tokio::test]
async fn the_memory_store_conforms() {
    conformance::all(&MemoryStore::default()).await;
}

/// An operation of a store, on one of three streams.
#[derive(Clone, Debug)]
enum Operation {
    /// An append of this many events, this many versions past the right one.
    Append {
        stream: usize,
        off: i64,
        events: usize,
    },
    /// The same commit again, if there were that many.
    AppendAgain {
        number: usize,
    },
    Load {
        stream: usize,
        after: u64,
    },
    LoadBack {
        stream: usize,
        from: u64,
        limit: usize,
    },
    Streams,
}

fn operation() -> impl Strategy<Value = Operation> {
    let stream = || 0..3_usize;
    prop_oneof![
        6 => (stream(), prop_oneof![6 => Just(0), 1 => -3..4_i64], 1..4_usize)
            .prop_map(|(stream, off, events)| Operation::Append { stream, off, events }),
        2 => (0..20_usize).prop_map(|number| Operation::AppendAgain { number }),
        1 => (stream(), 0..30_u64).prop_map(|(stream, after)| Operation::Load { stream, after }),
        1 => (stream(), 0..30_u64, 0..9_usize)
            .prop_map(|(stream, from, limit)| Operation::LoadBack { stream, from, limit }),
        1 => Just(Operation::Streams),
    ]
}

/// The model of a store: events in rows, and where each commit begins.
#[derive(Default)]
struct Model {
    /// For each event of each stream, its id and the version at which its commit begins.
    rows: BTreeMap<usize, Vec<(Uuid, u64)>>,
}

impl Model {
    fn append(&mut self, stream: usize, commit: &Commit<Noted>) -> bool {
        let rows = self.rows.get(&stream).map(Vec::as_slice).unwrap_or_default();
        let ids: Vec<_> = commit.events.iter().map(|it| (it.id, commit.version)).collect();
        if rows.windows(ids.len()).any(|window| window == ids) {
            return true;
        }
        if commit.version != rows.len() as u64 + 1 {
            return false;
        }
        self.rows.entry(stream).or_default().extend(ids);
        true
    }

    /// Where the commits of a stream begin.
    fn begins(&self, stream: usize) -> Vec<u64> {
        let mut begins: Vec<_> =
            self.rows.get(&stream).into_iter().flatten().map(|(_, begin)| *begin).collect();
        begins.dedup();
        begins
    }
}

proptest! {
    #[test]
    fn the_memory_store_behaves_like_its_model(operation in prop::collection::vec(operation(), 0..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (store, mut model) = (MemoryStore::default(), Model::default());
            let mut sent: Vec<(usize, Commit<Noted>)> = Vec::new();
            for operation in operation {
                match operation {
                    Operation::Append { stream, off, events } => {
                        let length = model.rows.get(&stream).map_or(0, Vec::len) as u64;
                        let version = (length + 1).saturating_add_signed(off).max(1);
                        sent.push((stream, commit(version, events)));
                        append(&store, &mut model, sent.last().expect("just sent")).await?;
                    }
                    Operation::AppendAgain { number } => {
                        if let Some(sent) = sent.get(number) {
                            append(&store, &mut model, sent).await?;
                        }
                    }
                    Operation::Load { stream, after } => {
                        let read = store.load(&stream.to_string(), after).await.expect("readable");
                        let begins: Vec<_> = read.iter().map(|it| it.version).collect();
                        let expected: Vec<_> =
                            model.begins(stream).into_iter().filter(|it| *it > after).collect();
                        prop_assert_eq!(begins, expected);
                    }
                    Operation::LoadBack { stream, from, limit } => {
                        let read = store.load_back(&stream.to_string(), from, limit).await;
                        let begins: Vec<_> =
                            read.expect("readable").iter().map(|it| it.version).collect();
                        let back = model.begins(stream).into_iter().rev().filter(|it| *it <= from);
                        prop_assert_eq!(begins, back.take(limit).collect::<Vec<_>>());
                    }
                    Operation::Streams => {
                        let page = store.streams(None).await.expect("readable");
                        let expected: Vec<_> = model.rows.keys().map(usize::to_string).collect();
                        prop_assert_eq!(page.streams, expected);
                    }
                }
            }
            for (stream, rows) in &model.rows {
                let read = store.load(&stream.to_string(), 0).await.expect("readable");
                let ids: Vec<_> = read
                    .iter()
                    .flat_map(|commit| commit.events.iter().map(|it| (it.id, commit.version)))
                    .collect();
                prop_assert_eq!(&ids, rows);
            }
            Ok(())
        })?;
    }
}

async fn append(
    store: &MemoryStore<Noted>,
    model: &mut Model,
    (stream, commit): &(usize, Commit<Noted>),
) -> Result<(), TestCaseError> {
    let is_taken = model.append(*stream, commit);
    match store.append(&stream.to_string(), commit.clone()).await {
        Ok(()) => prop_assert!(is_taken),
        Err(StoreError::Conflict) => prop_assert!(!is_taken),
        Err(error) => prop_assert!(false, "{error}"),
    }
    Ok(())
}

fn commit(version: u64, events: usize) -> Commit<Noted> {
    let recorded =
        (0..events).map(|_| Recorded { id: Uuid::now_v7(), event: Noted("a".to_owned()) });
    Commit {
        version,
        command_id: Uuid::now_v7(),
        occurred_at: Timestamp::UNIX_EPOCH,
        correlation_id: Uuid::nil(),
        causation_id: Uuid::nil(),
        trace: Default::default(),
        events: recorded.collect(),
        snapshot: None,
    }
}
