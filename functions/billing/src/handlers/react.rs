//! `billing-react`: queue → command, and what the clock sets off.
//!
//! | comes                                | leads to                                  | comes twice, late or early           |
//! | ------------------------------------ | ----------------------------------------- | ------------------------------------ |
//! | `BookingCreated` (invoice)           | a bill is issued                          | there is one, or the bill is closed  |
//! | `BookingFailed`, `BookingCancelled`  | the bill is closed, money goes back       | it is closed; a later bill stays so  |
//! | `{"sweep":"due"}`, once a minute     | a reminder of each bill that needs one    | a reminder too many                  |
//! | `{"due":"<reference>"}`              | an overdue bill is closed, and what was   | nothing is overdue or half done      |
//! |                                      | left half done is finished                |                                      |
//!
//! A message is done once the bill says what is to be done. Should the provider not answer, the sweep brings the bill
//! back within two minutes, for as long as it takes: a provider that is down fills no dead letters.

use std::error::Error as StdError;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use contracts::id::BillReference;
use jiff::{SignedDuration, Timestamp};
use outbox::bus::SendError;
use outbox::consume::{ConsumeError, Delivery, Handled, consume};
use outbox::dead_letters::DeadLetters;
use outbox::state::StateStore;
use serde::{Deserialize, Serialize};
use service_error::ServiceError;
use uuid::Uuid;

use crate::contract::{Wish, wish};
use crate::desk::{Deadline, Desk, DeskError, Stored, seconds_up};
use crate::domain::Bill;
use crate::ports::{DueBills, Provider, ProviderError, Reminders};

/// A sweep looks ahead to the next one, so that a bill falls due on the second.
const LOOK_AHEAD: SignedDuration = SignedDuration::from_secs(60);

/// What `billing-react` may be invoked with.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Trigger {
    /// The scheduled rule.
    Sweep {
        /// What to sweep.
        sweep: Sweep,
    },
    /// Messages of the queue.
    Messages(SqsEvent),
}

/// What can be swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sweep {
    /// The bills that want attention.
    Due,
}

/// What is in the queue.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Message {
    Reminder(Reminder),
    Delivery(Delivery),
}

/// Billing reminds itself of a bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// The bill.
    pub due: BillReference,
}

/// Handles whatever has come.
///
/// # Errors
///
/// Only if a sweep could not remind of every bill; messages that fail are named in the answer.
pub async fn handle(
    desk: &Desk<impl StateStore<Bill>, impl Provider, impl Fn() -> Timestamp, impl Fn() -> Uuid>,
    due_bills: &impl DueBills,
    reminders: &impl Reminders,
    dead_letters: &impl DeadLetters,
    due_after: SignedDuration,
    trigger: Trigger,
) -> Result<SqsBatchResponse, ServiceError> {
    match trigger {
        Trigger::Sweep { sweep: Sweep::Due } => {
            sweep(due_bills, reminders, (desk.now)()).await?;
            Ok(SqsBatchResponse::default())
        }
        Trigger::Messages(batch) => {
            // One for all of the batch: a provider that hangs must not cost the last message its turn.
            let deadline = Deadline::of_invocation();
            let react = async |message: Message| match message {
                Message::Reminder(Reminder { due }) => {
                    let attended = desk.attend(due, deadline).await;
                    let done = remind_if_soon(reminders, attended, (desk.now)()).await;
                    Ok(done_or_left_to_the_sweep(due, done)?)
                }
                Message::Delivery(delivery) => {
                    let cause = Some(delivery.detail.id);
                    let (reference, done) = match wish(&delivery).map_err(ReactError::Unreadable)? {
                        None => {
                            function::metrics::ignored("billing-react", (desk.now)());
                            return Ok(Handled::Ignored);
                        }
                        Some(Wish::Issue { reference, customer }) => {
                            let issued = desk.issue(reference, customer, due_after, cause).await;
                            (reference, remind_if_soon(reminders, issued, (desk.now)()).await)
                        }
                        Some(Wish::Close { reference }) => {
                            let closed = desk.close(reference, cause, deadline).await;
                            (reference, closed.map(drop).map_err(ReactError::Desk))
                        }
                    };
                    Ok(done_or_left_to_the_sweep(reference, done)?)
                }
            };
            Ok(consume(batch, dead_letters, react).await)
        }
    }
}

/// Finds what wants attention until the next sweep, and spreads it over the queue: there each bill is handled on its own.
async fn sweep(
    due_bills: &impl DueBills,
    reminders: &impl Reminders,
    now: Timestamp,
) -> Result<(), ServiceError> {
    let until = seconds_up(now).saturating_add(LOOK_AHEAD.as_secs());
    let found = due_bills.due_before(until).await.map_err(|error| {
        tracing::error!(error = &error as &dyn StdError, "bills not found");
        ServiceError::transient("the index of bills can't be read", error)
    })?;
    let mut missed = None;
    for bill in &found {
        let wait = bill.at_seconds.saturating_sub(now.as_second());
        let wait = Duration::from_secs(u64::try_from(wait).unwrap_or(0));
        if let Err(error) = reminders.remind(bill.reference, wait).await {
            tracing::error!(reference = %bill.reference, error = &error as &dyn StdError, "no reminder");
            missed = Some(error);
        }
    }
    tracing::info!(bills = found.len(), "swept");
    match missed {
        None => Ok(()),
        Some(error) => Err(ServiceError::transient("not every bill has its reminder", error)),
    }
}

/// A bill that falls due before the next sweep has surely come gets its reminder at once.
async fn remind_if_soon(
    reminders: &impl Reminders,
    stored: Result<Stored, DeskError>,
    now: Timestamp,
) -> Result<(), ReactError> {
    let bill = stored?.bill;
    let Some(at) = bill.attention_at() else { return Ok(()) };
    let wait = seconds_up(at).saturating_sub(now.as_second());
    if wait > LOOK_AHEAD.as_secs() {
        return Ok(());
    }
    // At least a second, or two clocks that differ would play ball with it.
    let wait = Duration::from_secs(u64::try_from(wait.max(1)).unwrap_or(1));
    Ok(reminders.remind(bill.reference, wait).await?)
}

fn done_or_left_to_the_sweep(
    reference: BillReference,
    done: Result<(), ReactError>,
) -> Result<Handled, ReactError> {
    match done {
        Ok(()) => Ok(Handled::Done),
        Err(ReactError::Desk(DeskError::Provider(
            error @ (ProviderError::NoAnswer(_) | ProviderError::LeftAlone(_)),
        ))) => {
            tracing::warn!(%reference, error = &error as &dyn StdError, "left to the sweep");
            Ok(Handled::Done)
        }
        Err(error) => Err(error),
    }
}

impl From<ReactError> for ConsumeError {
    fn from(error: ReactError) -> Self {
        match error {
            ReactError::Unreadable(error) => Self::Poison(Box::new(error)),
            ReactError::Desk(error) => ServiceError::from(error).into(),
            ReactError::Reminder(error) => Self::Transient(Box::new(error)),
        }
    }
}

/// Why a message is not done.
#[derive(Debug, thiserror::Error)]
enum ReactError {
    /// It is of a known kind and says something else.
    #[error("event is unreadable")]
    Unreadable(#[source] serde_json::Error),
    /// The bill is not as it should be.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// The bill is, but nobody may be reminded of it.
    #[error("no reminder was set")]
    Reminder(#[from] SendError),
}
