//! A store that fails before, during and after a command.

use std::sync::Mutex;

use crate::domain::BookingEvent;

use super::*;

/// Loses the responses of some calls, before or after their effect.
struct Faulty {
    store: Store,
    faults: Mutex<Vec<Fault>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    BeforeEffect,
    AfterEffect,
}

impl Faulty {
    fn next(&self) -> Fault {
        self.faults.lock().unwrap().pop().unwrap_or(Fault::None)
    }
}

fn lost() -> StoreError {
    StoreError::Unavailable("the response was lost".into())
}

impl EventStore<BookingEvent> for Faulty {
    async fn load(
        &self,
        stream: &str,
        after: u64,
    ) -> Result<Vec<Commit<BookingEvent>>, StoreError> {
        match self.next() {
            Fault::None => self.store.load(stream, after).await,
            Fault::BeforeEffect | Fault::AfterEffect => Err(lost()),
        }
    }

    async fn load_back(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Commit<BookingEvent>>, StoreError> {
        match self.next() {
            Fault::None => self.store.load_back(stream, from, limit).await,
            Fault::BeforeEffect | Fault::AfterEffect => Err(lost()),
        }
    }

    async fn append(&self, stream: &str, commit: Commit<BookingEvent>) -> Result<(), StoreError> {
        match self.next() {
            Fault::None => self.store.append(stream, commit).await,
            Fault::BeforeEffect => Err(lost()),
            Fault::AfterEffect => {
                self.store.append(stream, commit).await?;
                Err(lost())
            }
        }
    }
}

proptest! {
    #[test]
    fn a_command_that_is_retried_until_it_succeeds_has_one_effect(
        faults in prop::collection::vec(
            prop_oneof![Just(Fault::None), Just(Fault::BeforeEffect), Just(Fault::AfterEffect)],
            0..12,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = Faulty { store: Store::default(), faults: Mutex::new(faults) };
            for request in [create(card()), complete(), cancel()] {
                loop {
                    match send(&store, request.clone()).await {
                        Ok(_) => break,
                        // Never a rejection, because the command may have had its effect.
                        Err(failure) => prop_assert_eq!(failure.kind(), ErrorKind::Transient),
                    }
                }
            }
            let names = event_names(&store.store).await;
            prop_assert_eq!(
                names,
                ["BookingCreated", "BookingReserved", "BookingCompleted", "BookingCancelled"]
            );
            Ok(())
        })?;
    }
}
