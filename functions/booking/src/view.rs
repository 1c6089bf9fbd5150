//! The read model: a row of the view `bookings`, folded from a booking's commits.

use contracts::booking::{Booking, BookingStatus};
use contracts::id::BookingId;
use cqrs::view::Row;
use event_sourcing::store::Commit;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::BookingEvent;

/// A row of the view `bookings`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BookingRow(pub Booking);

/// The secondary index of one customer's bookings.
pub const BY_CUSTOMER: &str = "by-customer";
/// The secondary index of the bookings in one state.
pub const BY_STATUS: &str = "by-status";

impl Row for BookingRow {
    fn index(&self) -> Vec<(&'static str, String)> {
        vec![
            ("customer", self.0.customer.0.clone()),
            ("status", self.0.status.name()),
            ("position", position(self.0.created_at, self.0.booking_id)),
        ]
    }
}

/// The sort key of the indexes: the time of creation, and the id to make it unique.
fn position(created_at: Timestamp, booking_id: BookingId) -> String {
    format!("{:020}#{booking_id}", created_at.as_microsecond())
}

/// The row after a commit; nothing if there is no row before it and the commit does not begin with `BookingCreated`.
#[must_use]
pub fn apply(
    row: Option<BookingRow>,
    booking_id: BookingId,
    commit: &Commit<BookingEvent>,
) -> Option<BookingRow> {
    commit.versioned().fold(row, |row, (version, recorded)| {
        if let BookingEvent::BookingCreated { customer, slot_id, payment } = &recorded.event {
            return Some(BookingRow(Booking {
                booking_id,
                slot_id: *slot_id,
                customer: customer.clone(),
                status: BookingStatus::Pending,
                reason: None,
                mode: payment.mode(),
                version,
                created_at: commit.occurred_at,
                updated_at: commit.occurred_at,
            }));
        }
        let mut booking = row?.0;
        booking.version = version;
        booking.updated_at = commit.occurred_at;
        match recorded.event {
            BookingEvent::BookingCreated { .. } | BookingEvent::BookingReserved { .. } => {}
            BookingEvent::BookingCompleted { .. } => booking.status = BookingStatus::Completed,
            BookingEvent::BookingFailed { reason, .. } => {
                booking.status = BookingStatus::Failed;
                booking.reason = Some(reason);
            }
            BookingEvent::BookingCancelled { .. } => booking.status = BookingStatus::Cancelled,
            BookingEvent::BookingCheckedOut { .. } => booking.status = BookingStatus::CheckedOut,
        }
        Some(BookingRow(booking))
    })
}

/// The version and the row of a whole stream; nothing if the stream does not begin with `BookingCreated`.
#[must_use]
pub fn fold(booking_id: BookingId, commits: &[Commit<BookingEvent>]) -> Option<(u64, BookingRow)> {
    let version = commits.last().map_or(0, Commit::last_version);
    let row = commits.iter().fold(None, |row, commit| apply(row, booking_id, commit))?;
    Some((version, row))
}
