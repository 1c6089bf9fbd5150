//! `billing-react`: handles events of booking, reminders, and the schedule of reconciliation.
//!
//! | trigger                             | effect                                   | duplicate, late or early delivery |
//! | ----------------------------------- | ---------------------------------------- | --------------------------------- |
//! | `BookingCreated` (invoice)          | issues a bill                            | no effect: the bill exists        |
//! | `BookingFailed`, `BookingCancelled` | closes the bill and refunds its payments | no effect: the bill stays closed  |
//! | `{"sweep":"due"}`, every minute     | sends a reminder of each due bill        | an additional reminder            |
//! | `{"due":"<reference>"}`             | reconciles the bill: closes it if it is  | no effect: nothing is due         |
//! |                                     | overdue, completes charges and refunds   |                                   |
//!
//! A message counts as handled when the intent is stored on the bill. If the provider does not respond, reconciliation
//! finds the bill again within two minutes, as often as necessary. So an outage of the provider produces no dead letters.

use std::error::Error as StdError;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use contracts::id::BillReference;
use function::handle_request;
use jiff::{SignedDuration, Timestamp};
use outbox::bus::SendError;
use outbox::consume::{ConsumeError, Delivery, Handled, consume};
use outbox::dead_letters::DeadLetters;
use outbox::state::StateStore;
use serde::{Deserialize, Serialize};
use service_error::ServiceError;
use trace_context::{TraceFields, correlate};
use uuid::Uuid;

use crate::contract::{BillChange, bill_change};
use crate::domain::Bill;
use crate::payment_service::{
    Deadline, PaymentError, PaymentService, VersionedBill, unix_seconds_rounded_up,
};
use crate::ports::{DueBills, Provider, ProviderError, Reminders};

/// Bills that become due within this time get a delayed reminder now. It equals the interval of the schedule, so no bill is
/// reconciled later than its time.
const LOOK_AHEAD: SignedDuration = SignedDuration::from_secs(60);

/// The input of `billing-react`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Trigger {
    /// The scheduled rule.
    Schedule {
        /// The task to execute.
        #[serde(rename = "sweep")]
        task: ScheduledTask,
    },
    /// Messages of the queue.
    Messages(SqsEvent),
}

/// A task of the scheduled rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum ScheduledTask {
    /// Send a reminder of each bill that is due for reconciliation.
    #[serde(rename = "due")]
    Reconcile,
}

/// The body of a message of the queue.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Message {
    Reminder(Reminder),
    Delivery(Delivery),
}

/// A message to billing itself: reconcile this bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// The bill.
    pub due: BillReference,
}

/// Handles one invocation. `due_after` is the time from issuing an invoice until it is due.
///
/// # Errors
///
/// Only for the schedule: `Transient` if the index can't be read, or a reminder may not have been sent. Messages that fail
/// are listed in the response instead.
pub async fn handle(
    service: &PaymentService<
        impl StateStore<Bill>,
        impl Provider,
        impl Fn() -> Timestamp,
        impl Fn() -> Uuid,
    >,
    due_bills: &impl DueBills,
    reminders: &impl Reminders,
    dead_letters: &impl DeadLetters,
    due_after: SignedDuration,
    trigger: Trigger,
) -> Result<SqsBatchResponse, ServiceError> {
    match trigger {
        Trigger::Schedule { task: ScheduledTask::Reconcile } => {
            let scheduled = schedule_reconciliation(due_bills, reminders, (service.now)());
            handle_request("billing-react", &TraceFields::default(), None, None, scheduled).await?;
            Ok(SqsBatchResponse::default())
        }
        Trigger::Messages(batch) => {
            // One deadline for the whole batch, so that a provider that does not respond can't use up the function's time
            // before the last message is handled.
            let deadline = Deadline::of_invocation();
            let react = async |message: Message| match message {
                Message::Reminder(Reminder { due }) => {
                    correlate(due.booking_id);
                    let reconciled = service.reconcile(due, deadline).await;
                    let result = remind_if_soon(reminders, reconciled, (service.now)()).await;
                    Ok(handled_or_deferred(due, result)?)
                }
                Message::Delivery(delivery) => {
                    let cause = Some(delivery.detail.id);
                    let change = bill_change(&delivery).map_err(ReactError::Unreadable)?;
                    let (reference, result) = match change {
                        None => {
                            function::metrics::ignored("billing-react");
                            return Ok(Handled::Ignored);
                        }
                        Some(BillChange::Issue { reference, customer }) => {
                            let issued = service.issue(reference, customer, due_after, cause).await;
                            (reference, remind_if_soon(reminders, issued, (service.now)()).await)
                        }
                        Some(BillChange::Close { reference }) => {
                            let closed = service.close(reference, cause, deadline).await;
                            (reference, closed.map(drop).map_err(ReactError::Payment))
                        }
                    };
                    Ok(handled_or_deferred(reference, result)?)
                }
            };
            Ok(consume(batch, dead_letters, react).await)
        }
    }
}

/// Sends a reminder of each bill that becomes due before the next run. The queue spreads the bills over invocations, so each
/// bill is reconciled independently.
async fn schedule_reconciliation(
    due_bills: &impl DueBills,
    reminders: &impl Reminders,
    now: Timestamp,
) -> Result<(), ServiceError> {
    let until = unix_seconds_rounded_up(now).saturating_add(LOOK_AHEAD.as_secs());
    let found = due_bills.due_before(until).await.map_err(|error| {
        tracing::error!(error = &error as &dyn StdError, "index of due bills can't be read");
        ServiceError::transient("the index of due bills can't be read", error)
    })?;
    let mut failure = None;
    for bill in &found {
        let delay = bill.at_seconds.saturating_sub(now.as_second());
        let delay = Duration::from_secs(u64::try_from(delay).unwrap_or(0));
        if let Err(error) = reminders.remind(bill.reference, delay).await {
            tracing::error!(reference = %bill.reference, error = &error as &dyn StdError, "reminder not sent");
            failure = Some(error);
        }
    }
    tracing::info!(bills = found.len(), "reconciliation scheduled");
    match failure {
        None => Ok(()),
        Some(error) => Err(ServiceError::transient("some reminders were not sent", error)),
    }
}

/// Sends a reminder of a bill that becomes due before the next run of the schedule is certain to see it.
async fn remind_if_soon(
    reminders: &impl Reminders,
    stored: Result<VersionedBill, PaymentError>,
    now: Timestamp,
) -> Result<(), ReactError> {
    let bill = stored?.bill;
    let Some(at) = bill.reconcile_at() else { return Ok(()) };
    let delay = unix_seconds_rounded_up(at).saturating_sub(now.as_second());
    if delay > LOOK_AHEAD.as_secs() {
        return Ok(());
    }
    // At least one second: if the clocks of two instances differ, the reminder would otherwise be resent immediately.
    let delay = Duration::from_secs(u64::try_from(delay.max(1)).unwrap_or(1));
    Ok(reminders.remind(bill.reference, delay).await?)
}

/// A message whose only failure is a provider without a response is handled: reconciliation completes the operation.
fn handled_or_deferred(
    reference: BillReference,
    result: Result<(), ReactError>,
) -> Result<Handled, ReactError> {
    match result {
        Ok(()) => Ok(Handled::Done),
        Err(ReactError::Payment(PaymentError::Provider(
            error @ (ProviderError::NoResponse(_) | ProviderError::CircuitOpen(_)),
        ))) => {
            tracing::warn!(%reference, error = &error as &dyn StdError, "deferred to reconciliation");
            Ok(Handled::Done)
        }
        Err(error) => Err(error),
    }
}

impl From<ReactError> for ConsumeError {
    fn from(error: ReactError) -> Self {
        match error {
            ReactError::Unreadable(error) => Self::Poison(Box::new(error)),
            ReactError::Payment(error) => ServiceError::from(error).into(),
            ReactError::Reminder(error) => Self::Transient(Box::new(error)),
        }
    }
}

/// Why a message was not handled.
#[derive(Debug, thiserror::Error)]
enum ReactError {
    /// The event has a handled type, but its data can't be read.
    #[error("event is unreadable")]
    Unreadable(#[source] serde_json::Error),
    /// The bill was not changed, or its change is incomplete.
    #[error(transparent)]
    Payment(#[from] PaymentError),
    /// The bill was changed, but its reminder may not have been sent.
    #[error("reminder was not sent")]
    Reminder(#[from] SendError),
}
