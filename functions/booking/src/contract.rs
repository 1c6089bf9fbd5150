//! Maps booking's own events and views to the published contract.

use contracts::booking::{Event, PublishedPayment, SOURCE};
use contracts::id::BookingId;
use contracts::projection::{Projection, ProjectionStatus};
use cqrs::generation::Status;
use cqrs::rebuild::Progress;
use event_sourcing::store::Commit;
use outbox::bus::Entry;
use outbox::envelope::{Envelope, RawEvent};
use outbox::stream::Poison;

use crate::domain::BookingEvent;

/// The schema version of the published events.
const SCHEMA_VERSION: u32 = 1;

/// The entries that publish a commit on the bus.
///
/// # Errors
///
/// If an event can't be serialised as JSON.
pub fn published(
    booking_id: BookingId,
    commit: &Commit<BookingEvent>,
) -> Result<Vec<Entry>, Poison> {
    let poison = |error: serde_json::Error| Poison(error.to_string());
    let events = envelopes(booking_id, commit).map_err(poison)?;
    events.iter().map(|event| Entry::new(SOURCE, event).map_err(poison)).collect()
}

/// The published events of a commit.
///
/// # Errors
///
/// If an event can't be serialised as JSON.
pub fn envelopes(
    booking_id: BookingId,
    commit: &Commit<BookingEvent>,
) -> Result<Vec<Envelope<RawEvent>>, serde_json::Error> {
    let envelopes = commit.versioned().map(|(version, recorded)| {
        let envelope = Envelope {
            id: recorded.id,
            schema_version: SCHEMA_VERSION,
            occurred_at: commit.occurred_at,
            correlation_id: commit.correlation_id,
            causation_id: commit.causation_id,
            subject: booking_id.to_string(),
            sequence: version,
            trace: commit.trace.clone(),
            event: event(booking_id, &recorded.event),
        };
        envelope.to_raw()
    });
    envelopes.collect()
}

/// The published form of one event. It differs from the stored form in one way: it never contains the payment token.
#[must_use]
pub fn event(booking_id: BookingId, event: &BookingEvent) -> Event {
    match event.clone() {
        BookingEvent::BookingCreated { customer, slot_id, payment } => Event::BookingCreated {
            booking_id,
            slot_id,
            customer,
            payment: PublishedPayment { mode: payment.mode() },
        },
        BookingEvent::BookingReserved { slot_id } => Event::BookingReserved { booking_id, slot_id },
        BookingEvent::BookingCompleted { slot_id } => {
            Event::BookingCompleted { booking_id, slot_id }
        }
        BookingEvent::BookingFailed { slot_id, reason } => {
            Event::BookingFailed { booking_id, slot_id, reason }
        }
        BookingEvent::BookingCancelled { slot_id } => {
            Event::BookingCancelled { booking_id, slot_id }
        }
        BookingEvent::BookingCheckedOut { slot_id } => {
            Event::BookingCheckedOut { booking_id, slot_id }
        }
    }
}

/// The published form of a view's progress.
#[must_use]
pub fn projection(progress: Progress) -> Projection {
    let Progress { status, live, previous, rebuild, counts, switched_at, lag_seconds } = progress;
    let status = match status {
        Status::Live => ProjectionStatus::Live,
        Status::Rebuilding => ProjectionStatus::Rebuilding,
        Status::Failed => ProjectionStatus::Failed,
    };
    Projection {
        status,
        applied: counts.applied,
        lag_seconds,
        generation: live,
        previous,
        building: rebuild.as_ref().map(|it| it.generation),
        compared: counts.compared,
        backfilled: counts.backfilled,
        different: counts.different,
        failure: rebuild.and_then(|it| it.failure),
        switched_at,
    }
}

#[cfg(test)]
mod tests {
    use contracts::booking::Payment;
    use contracts::id::{CustomerId, SlotId};
    use event_sourcing::store::Recorded;
    use jiff::Timestamp;
    use trace_context::TraceFields;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_payment_token_is_never_published() {
        let created = BookingEvent::BookingCreated {
            customer: CustomerId("ann".to_owned()),
            slot_id: SlotId(Uuid::nil()),
            payment: Payment::Instant { token: "tok_secret".to_owned() },
        };
        let commit = Commit {
            version: 1,
            command_id: Uuid::nil(),
            occurred_at: Timestamp::UNIX_EPOCH,
            correlation_id: Uuid::nil(),
            causation_id: Uuid::nil(),
            trace: TraceFields::default(),
            events: vec![Recorded { id: Uuid::nil(), event: created }],
            snapshot: None,
        };
        let entries = published(BookingId(Uuid::nil()), &commit).unwrap();
        let [entry] = entries.as_slice() else { panic!("one event, one entry") };
        assert_eq!(entry.detail_type, "BookingCreated");
        assert!(entry.detail.contains(r#""payment":{"mode":"instant"}"#), "{}", entry.detail);
        assert!(!entry.detail.contains("tok_secret"));
    }
}
