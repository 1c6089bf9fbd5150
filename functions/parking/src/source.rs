//! What the view is made from: every slot, as it stands.

use contracts::id::SlotId;
use cqrs::rebuild::{Source, SourceError, SourcePage, Told};
use cqrs::view::Versioned;
use outbox::state::{Loaded, StateStore, States, StoreError};

use crate::contract;
use crate::domain::Slot;
use crate::view::SlotRow;

/// All slots.
#[derive(Clone, Copy, Debug)]
pub struct Slots<'a, S>(pub &'a S);

impl<S: StateStore<Slot> + States<Slot> + Sync> Source<SlotRow> for Slots<'_, S> {
    async fn page(&self, after: Option<&str>) -> Result<SourcePage<SlotRow>, SourceError> {
        let page = self.0.states(after).await.map_err(unavailable)?;
        let told = page.states.into_iter().map(|it| {
            let told = match it.state {
                Ok(slot) => row(&it.id, it.version, &slot),
                Err(cause) => Told::Unreadable(cause),
            };
            (it.id, told)
        });
        Ok(SourcePage { told: told.collect(), next: page.next })
    }

    async fn load(&self, id: &str) -> Result<Told<SlotRow>, SourceError> {
        match self.0.load(id, None).await {
            Ok(Loaded { version, state: Some(slot), .. }) => Ok(row(id, version, &slot)),
            Ok(Loaded { state: None, .. }) => Ok(Told::Nothing),
            Err(StoreError::Corrupt(cause)) => Ok(Told::Unreadable(cause.to_string())),
            Err(error) => Err(unavailable(error)),
        }
    }
}

fn row(id: &str, version: u64, slot: &Slot) -> Told<SlotRow> {
    let slot_id: SlotId = match id.parse() {
        Ok(slot_id) => slot_id,
        Err(error) => return Told::Unreadable(format!("{id}: {error}")),
    };
    match contract::published(slot_id, version, slot) {
        Some(slot) => Told::Row(Versioned { version, row: SlotRow(slot) }),
        None => Told::Nothing,
    }
}

fn unavailable(error: StoreError) -> SourceError {
    SourceError(Box::new(error))
}
