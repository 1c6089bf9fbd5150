//! `booking-command`: executes one command for a BFF or the saga, and serves strongly consistent queries.

use contracts::booking::{
    Accepted, BookingAtVersion, BookingStatus, Command, CommandPayload, ConsistentQuery, History,
    HistoryEvent, PaymentMode,
};
use contracts::id::BookingId;
use contracts::message::Request;
use event_sourcing::execute::{ExecuteError, Metadata, execute};
use event_sourcing::state::{StateAtVersion, at_time, at_version};
use event_sourcing::store::{EventStore, StoreError};
use function::handle_request;
use jiff::Timestamp;
use serde::Serialize;
use service_error::ServiceError;
use trace_context::correlate;
use uuid::Uuid;

use crate::contract;
use crate::domain::{Booking, BookingCommand, BookingEvent, Rejection};

/// The result of a command or a consistent query.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum CommandResponse {
    /// The booking after the command.
    Accepted(Accepted),
    /// All events of the booking.
    History(History),
    /// The booking at an earlier version or time.
    BookingAtVersion(BookingAtVersion),
}

/// Executes one command, or reads the event stream.
///
/// # Errors
///
/// `Rejected` if a rule rejects the command; nothing was stored then. After any other error the outcome is unknown.
pub async fn handle(
    store: &impl EventStore<BookingEvent>,
    request: Request<CommandPayload>,
    now: Timestamp,
    new_id: impl Fn() -> Uuid,
) -> Result<CommandResponse, ServiceError> {
    let Request { payload, cause, correlation_id, trace } = request;
    let run = run(store, payload, cause, now, new_id);
    handle_request("booking-command", &trace, correlation_id, cause, run).await
}

async fn run(
    store: &impl EventStore<BookingEvent>,
    payload: CommandPayload,
    cause: Option<Uuid>,
    now: Timestamp,
    new_id: impl Fn() -> Uuid,
) -> Result<CommandResponse, ServiceError> {
    let command = match payload {
        CommandPayload::Command(command) => command,
        CommandPayload::Query(ConsistentQuery::ReadHistory { booking_id, version, at }) => {
            correlate(booking_id);
            return read_history(store, booking_id, version, at).await;
        }
    };
    let (booking_id, command) = match command {
        Command::CreateBooking { booking_id, customer, slot_id, payment } => {
            (booking_id, BookingCommand::Create { customer, slot_id, payment })
        }
        Command::CancelBooking { booking_id, customer } => {
            (booking_id, BookingCommand::Cancel { customer })
        }
        Command::CheckOutBooking { booking_id, customer } => {
            (booking_id, BookingCommand::CheckOut { customer })
        }
        Command::CompleteBooking { booking_id } => {
            (booking_id, BookingCommand::Complete { mode: PaymentMode::Instant })
        }
        Command::FailBooking { booking_id, reason } => {
            (booking_id, BookingCommand::Fail { reason })
        }
    };
    correlate(booking_id);
    let metadata = Metadata {
        command_id: command_id(booking_id, &command, &new_id),
        now,
        correlation_id: booking_id.0,
        causation_id: cause.unwrap_or(booking_id.0),
    };
    execute_command(store, booking_id, &command, &metadata, new_id)
        .await
        .map(CommandResponse::Accepted)
}

/// Executes one command of the domain, from a request or from an event.
pub(super) async fn execute_command(
    store: &impl EventStore<BookingEvent>,
    booking_id: BookingId,
    command: &BookingCommand,
    metadata: &Metadata,
    new_id: impl Fn() -> Uuid,
) -> Result<Accepted, ServiceError> {
    let stream = booking_id.to_string();
    let executed = execute::<Booking>(store, &stream, command, metadata, new_id).await;
    let StateAtVersion { state, version } = executed.map_err(|error| match error {
        ExecuteError::Rejected(rejection) => {
            let (command, causation_id) = (command.name(), metadata.causation_id);
            tracing::info!(%booking_id, %causation_id, command, reason = %rejection, "rejected");
            rejection.into()
        }
        ExecuteError::Store(error) => failure(error),
    })?;
    let status = state.known().map_or(BookingStatus::Pending, |(_, status)| status);
    let (command, causation_id, outcome) = (command.name(), metadata.causation_id, status.name());
    tracing::info!(%booking_id, %causation_id, command, outcome, version, "done");
    Ok(Accepted { booking_id, status, version })
}

/// A repeated creation must return its original result, so its id is derived from its content. The other commands are
/// idempotent by their rules.
fn command_id(booking_id: BookingId, command: &BookingCommand, new_id: impl Fn() -> Uuid) -> Uuid {
    match command {
        BookingCommand::Create { customer, slot_id, payment } => {
            let content = format!("{customer:?} {slot_id:?} {payment:?}");
            Uuid::new_v5(&booking_id.0, content.as_bytes())
        }
        BookingCommand::Complete { .. }
        | BookingCommand::Fail { .. }
        | BookingCommand::Cancel { .. }
        | BookingCommand::CheckOut { .. } => new_id(),
    }
}

async fn read_history(
    store: &impl EventStore<BookingEvent>,
    booking_id: BookingId,
    version: Option<u64>,
    at: Option<Timestamp>,
) -> Result<CommandResponse, ServiceError> {
    let stream = booking_id.to_string();
    let reached = match (version, at) {
        (None, None) => return history(store, booking_id).await.map(CommandResponse::History),
        (Some(version), None) => at_version::<Booking>(store, &stream, version).await,
        (None, Some(time)) => at_time::<Booking>(store, &stream, time).await.map(Some),
        (Some(_), Some(_)) => {
            return Err(ServiceError::rejected("validation", "version and at exclude each other"));
        }
    };
    let reached = reached.map_err(failure)?;
    reached
        .and_then(|reached| booking_at_version(booking_id, &reached))
        .map(CommandResponse::BookingAtVersion)
        .ok_or_else(|| ServiceError::rejected("not-found", "the booking had no such version"))
}

async fn history(
    store: &impl EventStore<BookingEvent>,
    booking_id: BookingId,
) -> Result<History, ServiceError> {
    let commits = store.load(&booking_id.to_string(), 0).await.map_err(failure)?;
    if commits.is_empty() {
        return Err(Rejection::NotFound.into());
    }
    let mut events = Vec::new();
    for commit in &commits {
        for (version, recorded) in commit.versioned() {
            // In the published form, which contains no payment token.
            let mut event = serde_json::to_value(contract::event(booking_id, &recorded.event))
                .map_err(ServiceError::permanent)?;
            events.push(HistoryEvent {
                id: recorded.id,
                version,
                kind: event["type"].as_str().unwrap_or_default().to_owned(),
                occurred_at: commit.occurred_at,
                correlation_id: commit.correlation_id,
                causation_id: commit.causation_id,
                data: event["data"].take(),
            });
        }
    }
    Ok(History { events })
}

/// The booking as it was; nothing before it was created.
fn booking_at_version(
    booking_id: BookingId,
    reached: &StateAtVersion<Booking>,
) -> Option<BookingAtVersion> {
    let (details, status) = reached.state.known()?;
    Some(BookingAtVersion {
        booking_id,
        status,
        version: reached.version,
        slot_id: details.slot_id,
        mode: details.payment.mode(),
        reason: reached.state.reason(),
    })
}

/// What an error of the store means for the caller.
pub(super) fn failure(error: StoreError) -> ServiceError {
    match error {
        StoreError::Conflict => ServiceError::transient("the booking is being changed", error),
        StoreError::TransactionConflict(_)
        | StoreError::Throttled(_)
        | StoreError::Unavailable(_) => ServiceError::transient("bookings can't be reached", error),
        StoreError::Corrupt(_) => ServiceError::permanent(error),
    }
}
