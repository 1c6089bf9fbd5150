//! Tables of state-stored aggregates, item by item like `outbox::dynamodb`, with their streams.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};

use billing::domain::Bill;
use outbox::envelope::{Envelope, RawEvent};
use outbox::republish;
use outbox::state::{Aggregate, Change, ListedState, Loaded, StatesPage, StoreError};
use parking::domain::Slot;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::World;

/// Few, so that a rebuild of a handful of aggregates reads several pages.
const STATES_PER_PAGE: usize = 3;

/// An aggregate with a table of its own.
pub(crate) trait StateRow: Aggregate + Debug + PartialEq + 'static {
    /// The table's name in the templates.
    const TABLE: &'static str;

    fn table(world: &World) -> &StateTable<Self>;

    /// Checks the invariants of a change.
    fn check(world: &World, id: &str, before: Option<&Self>, after: &Self);
}

impl StateRow for Slot {
    const TABLE: &'static str = "parking/SlotsTable";

    fn table(world: &World) -> &StateTable<Self> {
        &world.slots
    }

    fn check(world: &World, id: &str, before: Option<&Self>, after: &Self) {
        world.invariants.slot_changed(id, before, after);
    }
}

impl StateRow for Bill {
    const TABLE: &'static str = "billing/BillsTable";

    fn table(world: &World) -> &StateTable<Self> {
        &world.bills
    }

    fn check(world: &World, id: &str, before: Option<&Self>, after: &Self) {
        world.invariants.bill_changed(id, before, after);
    }
}

/// Aggregates, their tombstones, and all events that were stored for publication.
#[derive(Debug)]
pub(crate) struct StateTable<S> {
    inner: Mutex<Inner<S>>,
}

#[derive(Debug)]
struct Inner<S> {
    items: BTreeMap<String, Item<S>>,
    tombstones: BTreeMap<(String, String), bool>,
    outbox: Vec<Envelope<RawEvent>>,
}

#[derive(Clone, Debug)]
struct Item<S> {
    version: u64,
    change: Option<Uuid>,
    /// The version of the last change, and its events as stored.
    changed: u64,
    events: Vec<Envelope<RawEvent>>,
    state: Option<S>,
}

impl<S> Default for StateTable<S> {
    fn default() -> Self {
        let (items, tombstones, outbox) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { inner: Mutex::new(Inner { items, tombstones, outbox }) }
    }
}

impl<S: StateRow> StateTable<S> {
    fn lock(&self) -> MutexGuard<'_, Inner<S>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `GetItem` of the state.
    pub(crate) fn get(&self, id: &str) -> Loaded<S> {
        let inner = self.lock();
        let item = inner.items.get(id);
        Loaded {
            version: item.map_or(0, |it| it.version),
            state: item.and_then(|it| it.state.clone()),
            has_tombstone: false,
        }
    }

    /// `GetItem` of a tombstone: whether it exists, and whether it is complete.
    pub(crate) fn get_tombstone(&self, id: &str, holder: &str) -> Option<bool> {
        self.lock().tombstones.get(&(id.to_owned(), holder.to_owned())).copied()
    }

    /// `PutItem` of a bar.
    pub(crate) fn put_tombstone(&self, world: &World, id: &str, holder: &str, is_sealed: bool) {
        self.lock().tombstones.insert((id.to_owned(), holder.to_owned()), is_sealed);
        let part = format!("bar#{holder}");
        let keys = json!({ "id": { "S": id }, "part": { "S": part } });
        let mut image = keys.clone();
        image["sealed"] = json!({ "BOOL": is_sealed });
        world.streams.write(world, S::TABLE, &format!("{id} {part}"), keys, image);
    }

    /// `UpdateItem` that increments the version.
    pub(crate) fn bump(&self, world: &World, id: &str, is_later_release: bool) {
        let item = {
            let mut inner = self.lock();
            let absent =
                Item { version: 0, change: None, changed: 0, events: Vec::new(), state: None };
            let item = inner.items.entry(id.to_owned()).or_insert(absent);
            item.version += 1;
            item.clone()
        };
        show(world, id, &item, is_later_release);
    }

    /// `PutItem` on the condition that the version is the expected one; succeeds if the same change was stored before.
    pub(crate) fn save(
        &self,
        world: &World,
        id: &str,
        change: Change<S>,
        is_later_release: bool,
    ) -> Result<(), StoreError> {
        let item = {
            let mut inner = self.lock();
            let found = inner.items.get(id);
            if found.is_some_and(|it| it.change == Some(change.id)) {
                return Ok(());
            }
            if found.map_or(0, |it| it.version) != change.expected {
                return Err(StoreError::Conflict);
            }
            let before = found.and_then(|it| it.state.clone());
            let item = Item {
                version: change.expected + 1,
                change: Some(change.id),
                changed: change.expected + 1,
                events: change.events.clone(),
                state: Some(change.state.clone()),
            };
            inner.items.insert(id.to_owned(), item.clone());
            inner.outbox.extend(change.events);
            drop(inner);
            S::check(world, id, before.as_ref(), &change.state);
            item
        };
        show(world, id, &item, is_later_release);
        Ok(())
    }

    /// One page of a `Scan`.
    pub(crate) fn page(&self, after: Option<&str>) -> StatesPage<S> {
        let inner = self.lock();
        let mut listed = inner.items.iter().filter_map(|(id, it)| {
            let state = it.state.clone()?;
            let is_after = after.is_none_or(|after| id.as_str() > after);
            is_after.then(|| ListedState { id: id.clone(), version: it.version, state: Ok(state) })
        });
        let states: Vec<_> = listed.by_ref().take(STATES_PER_PAGE).collect();
        let next = states.last().map(|it| it.id.clone()).filter(|_| listed.next().is_some());
        StatesPage { states, next }
    }

    /// The events of an aggregate's last change.
    pub(crate) fn events_of(&self, id: &str) -> Vec<Envelope<RawEvent>> {
        self.lock().items.get(id).map_or_else(Vec::new, |it| it.events.clone())
    }

    /// One page of a `Scan` for events.
    pub(crate) fn events_page(&self, after: Option<&str>) -> republish::Page {
        let inner = self.lock();
        let mut listed =
            inner.items.iter().filter(|(id, _)| after.is_none_or(|after| id.as_str() > after));
        let items: Vec<_> = listed.by_ref().take(STATES_PER_PAGE).collect();
        let next = items.last().map(|(id, _)| (*id).clone()).filter(|_| listed.next().is_some());
        republish::Page { events: items.iter().flat_map(|it| it.1.events.clone()).collect(), next }
    }

    /// Every aggregate that has a state, with its version.
    pub(crate) fn all(&self) -> BTreeMap<String, (u64, S)> {
        let inner = self.lock();
        let items = inner.items.iter();
        items.filter_map(|(id, it)| Some((id.clone(), (it.version, it.state.clone()?)))).collect()
    }

    /// Every event that was ever stored.
    pub(crate) fn outbox(&self) -> Vec<Envelope<RawEvent>> {
        self.lock().outbox.clone()
    }

    /// The ids of all events that were stored for publication.
    pub(crate) fn event_ids(&self) -> BTreeSet<Uuid> {
        self.lock().outbox.iter().map(|it| it.id).collect()
    }
}

fn show<S: StateRow>(world: &World, id: &str, item: &Item<S>, is_later_release: bool) {
    let keys = json!({ "id": { "S": id }, "part": { "S": "state" } });
    let mut image = keys.clone();
    let mut put = |name: &str, value: Value| image[name] = value;
    put("version", json!({ "N": item.version.to_string() }));
    if let Some(state) = &item.state {
        put("state", json!({ "S": serde_json::to_string(state).expect("state is JSON") }));
    }
    if item.change.is_some() {
        let events = serde_json::to_string(&item.events).expect("events are JSON");
        put("events", json!({ "S": events }));
        put("changed", json!({ "N": item.changed.to_string() }));
    }
    if is_later_release {
        put("since_later", json!({ "S": "a later release" }));
    }
    world.streams.write(world, S::TABLE, id, keys, image);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use outbox::conformance::{self, Thing};
    use tokio::task::LocalSet;

    use super::{StateRow, StateTable};
    use crate::PLATFORM;
    use crate::event_log::EventLog;
    use crate::ports::states::States;
    use crate::transport::FaultyTransport;
    use crate::world::World;

    impl StateRow for Thing {
        const TABLE: &'static str = "nowhere/Things";

        fn table(world: &World) -> &StateTable<Self> {
            &world.things
        }

        fn check(_: &World, _: &str, _: Option<&Self>, _: &Self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_simulated_table_passes_the_conformance_suite() {
        let without_faults = async {
            let world = World::new(&PLATFORM, 1, EventLog::disabled());
            tokio::time::advance(world.plan.faults_end + Duration::from_secs(1)).await;
            let transport =
                Arc::new(FaultyTransport::new(Arc::clone(&world), "parking-command", 1));
            conformance::all(&States(&transport)).await;
        };
        LocalSet::new().run_until(without_faults).await;
    }
}
