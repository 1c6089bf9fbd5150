//! `parking-command`: executes one command for a BFF or the saga, and serves strongly consistent queries.

use std::time::Duration;

use contracts::id::SlotId;
use contracts::message::Request;
use contracts::parking::{Command, CommandPayload, ConsistentQuery, Slot as PublishedSlot};
use function::handle_request;
use jiff::Timestamp;
use outbox::envelope::{Envelope, RawEvent};
use outbox::state::{Change, StateStore, StoreError};
use service_error::ServiceError;
use trace_context::{TraceFields, correlate};
use uuid::Uuid;

use crate::contract;
use crate::domain::{Rejection, Slot, SlotCommand, SlotEvent, decide, evolve};

/// How many times a command is decided against other writers before its caller must retry.
const MAX_ATTEMPTS: u32 = 10;
/// The base of the random pause after a lost race, in milliseconds. It is multiplied by the number of attempts, so that
/// two writers do not collide again.
const PAUSE_MS: u32 = 4;

/// The metadata of a command, published with its event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) now: Timestamp,
    pub(super) correlation_id: Uuid,
    /// The id of the request or event that caused the command; absent if the caller sent none.
    pub(super) cause: Option<Uuid>,
}

impl Origin {
    /// The causation id for logs; without a cause it is the correlation id.
    fn causation_id(&self) -> Uuid {
        self.cause.unwrap_or(self.correlation_id)
    }
}

/// Executes one command, or reads a slot. Returns the slot; nothing if a compensation concerns a slot that does not exist.
///
/// # Errors
///
/// `Rejected` if a rule rejects the command; nothing was stored then. After any other error the outcome is unknown.
pub async fn handle(
    store: &impl StateStore<Slot>,
    request: Request<CommandPayload>,
    now: Timestamp,
    new_id: impl Fn() -> Uuid,
) -> Result<Option<PublishedSlot>, ServiceError> {
    let Request { payload, cause, correlation_id, trace } = request;
    let run = run(store, payload, cause, now, new_id);
    handle_request("parking-command", &trace, correlation_id, cause, run).await
}

async fn run(
    store: &impl StateStore<Slot>,
    payload: CommandPayload,
    cause: Option<Uuid>,
    now: Timestamp,
    new_id: impl Fn() -> Uuid,
) -> Result<Option<PublishedSlot>, ServiceError> {
    let command = match payload {
        CommandPayload::Command(command) => command,
        CommandPayload::Query(ConsistentQuery::ReadSlot { slot_id }) => {
            return read(store, slot_id).await;
        }
    };
    let (slot_id, booking_id, command) = match command {
        Command::CreateSlot { slot_id, name } => (slot_id, None, SlotCommand::Create { name }),
        Command::CloseSlot { slot_id } => (slot_id, None, SlotCommand::Close),
        Command::ReopenSlot { slot_id } => (slot_id, None, SlotCommand::Reopen),
        Command::BlockSlot { slot_id, booking_id } => {
            (slot_id, Some(booking_id), SlotCommand::Block { booking_id })
        }
        Command::ReserveSlot { slot_id, booking_id } => {
            (slot_id, Some(booking_id), SlotCommand::Reserve { booking_id })
        }
        Command::UnblockSlot { slot_id, booking_id } => {
            (slot_id, Some(booking_id), SlotCommand::Unblock { booking_id })
        }
    };
    let correlation_id = booking_id.map(|it| it.0).or(cause).unwrap_or(slot_id.0);
    correlate(correlation_id);
    let origin = Origin { now, correlation_id, cause };
    execute_command(store, slot_id, &command, origin, new_id).await
}

async fn read(
    store: &impl StateStore<Slot>,
    slot_id: SlotId,
) -> Result<Option<PublishedSlot>, ServiceError> {
    let loaded = store.load(&slot_id.to_string(), None).await.map_err(failure)?;
    let slot = loaded.state.and_then(|slot| contract::published(slot_id, loaded.version, &slot));
    slot.map(Some).ok_or_else(|| Rejection::NotFound.into())
}

/// Executes one command of the domain, from a request or from an event.
///
/// Crash points: after the tombstone and before the release, the booking holds a slot that it can't take again, and a retry
/// releases it. After a save whose response was lost, a retry finds the change in the state.
pub(super) async fn execute_command(
    store: &impl StateStore<Slot>,
    slot_id: SlotId,
    command: &SlotCommand,
    origin: Origin,
    new_id: impl Fn() -> Uuid,
) -> Result<Option<PublishedSlot>, ServiceError> {
    let key = slot_id.to_string();
    if let SlotCommand::Unblock { booking_id } = command {
        // Before anything else: later commands of the booking find the tombstone, and the effect of earlier ones is loaded below.
        store.set_tombstone(&key, &booking_id.to_string()).await.map_err(failure)?;
    }
    let new_holder = command.new_holder().map(|it| it.to_string());
    let mut attempt = 1;
    loop {
        let loaded = store.load(&key, new_holder.as_deref()).await.map_err(failure)?;
        let slot = loaded.state.unwrap_or_default();
        let decided = decide(&slot, loaded.has_tombstone, command).map_err(|rejection| {
            let (command, causation_id) = (command.name(), origin.causation_id());
            tracing::info!(%causation_id, command, reason = %rejection, "rejected");
            ServiceError::from(rejection)
        })?;
        let Some(event) = decided else {
            let (command, causation_id) = (command.name(), origin.causation_id());
            tracing::info!(%causation_id, command, "nothing to do");
            return Ok(contract::published(slot_id, loaded.version, &slot));
        };
        if let SlotEvent::Unavailable { booking_id } = &event
            && !loaded.has_tombstone
        {
            // A refusal is final. Without a tombstone, a repetition after the slot has become available would reserve it for a
            // booking that is being refunded, instead of one that is not.
            store.set_tombstone(&key, &booking_id.to_string()).await.map_err(failure)?;
            continue;
        }
        let version = loaded.version + 1;
        let slot = evolve(slot, &event);
        // Another decision is another change, even if it looks the same.
        let id = new_id();
        let envelope = envelope(slot_id, version, &event, origin, new_id())?;
        let (event, event_id, causation_id) =
            (envelope.event.kind.clone(), envelope.id, envelope.causation_id);
        let change =
            Change { expected: loaded.version, id, events: vec![envelope], state: slot.clone() };
        match store.save(&key, change).await {
            Ok(()) => {
                tracing::info!(%causation_id, event, %event_id, "event stored");
                return Ok(contract::published(slot_id, version, &slot));
            }
            Err(StoreError::Conflict) if attempt < MAX_ATTEMPTS => {
                tokio::time::sleep(pause(attempt, new_id())).await;
                attempt += 1;
            }
            Err(error) => return Err(failure(error)),
        }
    }
}

fn envelope(
    slot_id: SlotId,
    version: u64,
    event: &SlotEvent,
    origin: Origin,
    id: Uuid,
) -> Result<Envelope<RawEvent>, ServiceError> {
    let event = RawEvent::new(&contract::event(slot_id, event)).map_err(ServiceError::permanent)?;
    Ok(Envelope {
        id,
        schema_version: contract::SCHEMA_VERSION,
        occurred_at: origin.now,
        correlation_id: origin.correlation_id,
        causation_id: origin.cause.unwrap_or(id),
        subject: slot_id.to_string(),
        sequence: version,
        trace: TraceFields::current(),
        event,
    })
}

/// A random pause. The randomness comes from an id, so that the simulation controls it.
fn pause(attempt: u32, chance: Uuid) -> Duration {
    let [.., high, low] = chance.into_bytes();
    let most = PAUSE_MS * 1_000 * attempt;
    Duration::from_micros((u64::from(u16::from_be_bytes([high, low])) * u64::from(most)) >> 16)
}

/// What an error of the store means for the caller.
fn failure(error: StoreError) -> ServiceError {
    match error {
        StoreError::Conflict => ServiceError::transient("the slot is being changed", error),
        StoreError::Unavailable(_) => ServiceError::transient("slots can't be reached", error),
        StoreError::Corrupt(_) => ServiceError::permanent(error),
    }
}
