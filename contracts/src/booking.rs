//! Booking: one slot for one customer, from the request to the check-out.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::{BookingId, CustomerId, SlotId};
use crate::message::PageRequest;
use crate::name::name_of;

/// The `source` of booking's events on the bus.
pub const SOURCE: &str = "parkade.booking";

/// A command of `booking-command`. It returns an [`Accepted`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Command {
    /// Books. The id follows from the customer and their idempotency key, so that a repeat books nothing.
    CreateBooking {
        /// The new booking's id.
        booking_id: BookingId,
        /// Who books.
        customer: CustomerId,
        /// What.
        slot_id: SlotId,
        /// How it is paid.
        payment: Payment,
    },
    /// Cancels a booking.
    CancelBooking {
        /// The booking.
        booking_id: BookingId,
        /// The customer who sends the command; another customer's booking is not found.
        customer: CustomerId,
    },
    /// Ends a booking, when the customer leaves the slot.
    CheckOutBooking {
        /// The booking.
        booking_id: BookingId,
        /// The customer who sends the command; another customer's booking is not found.
        customer: CustomerId,
    },
    /// The last step of the saga: slot and money are there. Undone by `FailBooking`.
    CompleteBooking {
        /// The booking.
        booking_id: BookingId,
    },
    /// Says that the booking did not come about. A booking that is over stays as it is.
    FailBooking {
        /// The booking.
        booking_id: BookingId,
        /// Why.
        reason: FailureReason,
    },
}

/// A strongly consistent read of a booking's event stream, which `booking-command` serves next to its commands.
///
/// A query of the view may be stale; use this one before rejecting a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ConsistentQuery {
    /// Reads all events, as a [`History`]; with `version` or `at`, the state at that point, as a [`BookingAtVersion`].
    ReadHistory {
        /// The booking.
        booking_id: BookingId,
        /// The version at which to read the state.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
        /// The time at which to read the state.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
    },
}

/// The payload of `booking-command`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CommandPayload {
    /// A command.
    Command(Command),
    /// A strongly consistent query.
    Query(ConsistentQuery),
}

/// The queries that `booking-query` serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "query", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Query {
    /// One booking, as a [`Booking`].
    Booking {
        /// The booking.
        booking_id: BookingId,
        /// The customer who sends the query; another customer's booking is not found. Absent for an operator.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        customer: Option<CustomerId>,
        /// The least version that will do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min_version: Option<u64>,
    },
    /// A customer's bookings, newest first, as a `Page<Booking>`.
    CustomerBookings {
        /// Whose.
        customer: CustomerId,
        /// Which page.
        #[serde(flatten)]
        page: PageRequest,
    },
    /// All bookings, newest first, as a `Page<Booking>`.
    Bookings {
        /// Only those in this state.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<BookingStatus>,
        /// Which page.
        #[serde(flatten)]
        page: PageRequest,
    },
    /// The status of the view, as a [`Projection`](crate::projection::Projection).
    Projection {},
    /// What the view holds, as an [`Overview`](crate::projection::Overview).
    Overview {},
}

/// How a customer pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum Payment {
    /// At once, by a token of the provider's.
    Instant {
        /// The token. It is never published.
        token: String,
    },
    /// Later, by a bill.
    Invoice {},
}

impl Payment {
    /// The mode alone.
    #[must_use]
    pub fn mode(&self) -> PaymentMode {
        match self {
            Self::Instant { .. } => PaymentMode::Instant,
            Self::Invoice {} => PaymentMode::Invoice,
        }
    }
}

/// How a booking is paid, without what pays it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PaymentMode {
    /// While booking, orchestrated by the state machine.
    Instant,
    /// By a bill, choreographed over events.
    Invoice,
}

/// What a command has led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// The booking.
    pub booking_id: BookingId,
    /// Its state.
    pub status: BookingStatus,
    /// Its version; a query may wait for it.
    pub version: u64,
}

/// What is known of a booking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Booking {
    /// Its id.
    pub booking_id: BookingId,
    /// What was booked.
    pub slot_id: SlotId,
    /// By whom.
    pub customer: CustomerId,
    /// Its state.
    pub status: BookingStatus,
    /// Why it failed or was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<FailureReason>,
    /// How it is paid.
    pub mode: PaymentMode,
    /// The number of its events.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What has happened to a booking, as it was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// Every event, in order.
    pub events: Vec<HistoryEvent>,
}

/// One thing that has happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEvent {
    /// Its id.
    pub id: Uuid,
    /// Its place in the stream, from 1.
    pub version: u64,
    /// Its name.
    #[serde(rename = "type")]
    pub kind: String,
    /// When.
    pub occurred_at: Timestamp,
    /// What it belongs to.
    pub correlation_id: Uuid,
    /// What set it off.
    pub causation_id: Uuid,
    /// What is known of it, without payment tokens.
    pub data: serde_json::Value,
}

/// How a booking stood at some point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BookingAtVersion {
    /// The booking.
    pub booking_id: BookingId,
    /// Its state then.
    pub status: BookingStatus,
    /// Its version then.
    pub version: u64,
    /// What was booked.
    pub slot_id: SlotId,
    /// How it is paid.
    pub mode: PaymentMode,
    /// Why it had failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<FailureReason>,
}

/// The states of a booking.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum BookingStatus {
    /// Under way.
    Pending,
    /// Slot and money are there.
    Completed,
    /// Did not come about.
    Failed,
    /// Cancelled by the customer.
    Cancelled,
    /// The customer has left.
    CheckedOut,
}

impl BookingStatus {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Completed, Self::Failed, Self::Cancelled, Self::CheckedOut];

    /// The name of the state, as it is serialised: `checked_out`.
    #[must_use]
    pub fn name(self) -> String {
        name_of(self)
    }
}

/// Why a booking did not come about.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    /// The slot is taken or closed.
    SlotUnavailable,
    /// The provider refused the payment.
    PaymentDeclined,
    /// The provider was unreachable or did not respond.
    PaymentUnavailable,
    /// The bill fell due before it was paid.
    PaymentOverdue,
    /// The customer gave it up meanwhile.
    Cancelled,
    /// The saga took too long.
    SagaTimeout,
}

/// What booking publishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    /// A customer wants a slot.
    BookingCreated {
        /// The booking.
        booking_id: BookingId,
        /// What is wanted.
        slot_id: SlotId,
        /// By whom.
        customer: CustomerId,
        /// How it is paid.
        payment: PublishedPayment,
    },
    /// The slot is the booking's.
    BookingReserved {
        /// The booking.
        booking_id: BookingId,
        /// Its slot.
        slot_id: SlotId,
    },
    /// Slot and money are there.
    BookingCompleted {
        /// The booking.
        booking_id: BookingId,
        /// Its slot.
        slot_id: SlotId,
    },
    /// The booking did not come about.
    BookingFailed {
        /// The booking.
        booking_id: BookingId,
        /// What was wanted.
        slot_id: SlotId,
        /// Why.
        reason: FailureReason,
    },
    /// The customer gave it up.
    BookingCancelled {
        /// The booking.
        booking_id: BookingId,
        /// What was booked.
        slot_id: SlotId,
    },
    /// The customer has left.
    BookingCheckedOut {
        /// The booking.
        booking_id: BookingId,
        /// The slot that is free again.
        slot_id: SlotId,
    },
}

/// How a booking is paid, as others may know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PublishedPayment {
    /// The mode.
    pub mode: PaymentMode,
}
