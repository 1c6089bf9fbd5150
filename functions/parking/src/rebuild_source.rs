//! The source of a rebuild: every slot's row, from its current state.

use contracts::id::SlotId;
use cqrs::rebuild::{RebuildSource, SourceError, SourcePage, SourceRow};
use cqrs::view::Versioned;
use outbox::state::{Loaded, StateStore, States, StoreError};

use crate::contract;
use crate::domain::Slot;
use crate::view::SlotRow;

/// The rows of all slots of a state store.
#[derive(Clone, Copy, Debug)]
pub struct SlotRows<'a, S>(pub &'a S);

impl<S: StateStore<Slot> + States<Slot> + Sync> RebuildSource<SlotRow> for SlotRows<'_, S> {
    async fn page(&self, after: Option<&str>) -> Result<SourcePage<SlotRow>, SourceError> {
        let page = self.0.states(after).await.map_err(unavailable)?;
        let rows = page.states.into_iter().map(|it| {
            let row = match it.state {
                Ok(slot) => row(&it.id, it.version, &slot),
                Err(cause) => SourceRow::Unreadable(cause),
            };
            (it.id, row)
        });
        Ok(SourcePage { rows: rows.collect(), next: page.next })
    }

    async fn load(&self, id: &str) -> Result<SourceRow<SlotRow>, SourceError> {
        match self.0.load(id, None).await {
            Ok(Loaded { version, state: Some(slot), .. }) => Ok(row(id, version, &slot)),
            Ok(Loaded { state: None, .. }) => Ok(SourceRow::Absent),
            Err(StoreError::Corrupt(cause)) => Ok(SourceRow::Unreadable(cause.to_string())),
            Err(error) => Err(unavailable(error)),
        }
    }
}

fn row(id: &str, version: u64, slot: &Slot) -> SourceRow<SlotRow> {
    let slot_id: SlotId = match id.parse() {
        Ok(slot_id) => slot_id,
        Err(error) => return SourceRow::Unreadable(format!("{id}: {error}")),
    };
    match contract::published(slot_id, version, slot) {
        Some(slot) => SourceRow::Row(Versioned { version, row: SlotRow(slot) }),
        None => SourceRow::Absent,
    }
}

fn unavailable(error: StoreError) -> SourceError {
    SourceError(Box::new(error))
}
