//! What operators send and see.

use std::collections::BTreeMap;

use bff::compose::{Part, Report};
use circuit_breaker::control::{PublicState, Status};
use circuit_breaker::shared_state::Override;
use contracts::booking::{
    Booking, BookingAtVersion, BookingStatus, FailureReason, History, PaymentMode,
};
use contracts::id::{BookingId, CustomerId, SlotId};
use contracts::projection::{Overview, Projection};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::queues::{Depth, LetterShown, Watched};

const NAME_LENGTH_MAX: usize = 100;

/// A wish for a slot.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSlot {
    /// 1 to 100 characters that can be seen; it is kept as it comes.
    pub name: String,
}

impl NewSlot {
    /// Whether the name is one: not blank, and without control characters, which do nothing but harm on a screen.
    #[must_use]
    pub fn is_good(&self) -> bool {
        (1..=NAME_LENGTH_MAX).contains(&self.name.chars().count())
            && !self.name.trim().is_empty()
            && !self.name.chars().any(char::is_control)
    }
}

/// Which generation of a view is to be live again.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RollBack {
    /// The `previous` of the projection.
    pub generation: u64,
}

/// Which events are to be published once more: those of one aggregate, or of a time.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WishToRepublish {
    /// A booking, a slot or a bill's reference.
    pub aggregate: Option<String>,
    /// From then on.
    pub from: Option<Timestamp>,
    /// Before then.
    pub until: Option<Timestamp>,
}

/// Events are on their way once more.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Republished {
    /// Whose.
    pub service: &'static str,
}

/// Dead letters are on their way back.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Redriven {
    /// Where to.
    pub queue: String,
    /// About how many.
    pub messages: u64,
}

/// Which dead-letter message is to be discarded, and why.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Discard {
    /// The message.
    pub message_id: String,
    /// Why it can never be processed: 1 to 500 characters, for the log.
    pub reason: String,
}

impl Discard {
    /// How many characters a reason may have.
    pub const REASON_LENGTH_MAX: usize = 500;
    /// SQS names messages by UUIDs; this leaves room for other clouds.
    const ID_LENGTH_MAX: usize = 100;

    /// Whether there is a message id.
    #[must_use]
    pub fn has_id(&self) -> bool {
        (1..=Self::ID_LENGTH_MAX).contains(&self.message_id.len())
    }

    /// Whether the reason is one: not blank, not too long, and without control characters, which could forge a line of the
    /// log.
    #[must_use]
    pub fn has_reason(&self) -> bool {
        (1..=Self::REASON_LENGTH_MAX).contains(&self.reason.chars().count())
            && !self.reason.trim().is_empty()
            && !self.reason.chars().any(char::is_control)
    }
}

/// A dead-letter message is deleted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Discarded {
    /// Its queue.
    pub queue: String,
    /// The message.
    pub message_id: String,
}

/// The dead letters of all queues.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLettersShown {
    /// The letters, queue by queue.
    pub items: Vec<LetterShown>,
    /// Queues that could not be looked at, and why.
    #[serde(flatten)]
    pub troubles: Report,
}

/// Whose a circuit breaker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerOwner {
    /// Billing's, around the payment provider.
    Billing,
    /// The backends', around the services.
    Edge,
}

/// A circuit breaker.
#[derive(Debug, Serialize)]
pub struct BreakerShown {
    /// Whose it is.
    pub owner: BreakerOwner,
    /// How it stands.
    #[serde(flatten)]
    pub status: Status,
}

/// A circuit breaker at one glance.
#[derive(Debug, Serialize)]
pub struct BreakerInBrief {
    name: String,
    state: PublicState,
}

impl From<BreakerShown> for BreakerInBrief {
    fn from(BreakerShown { status, .. }: BreakerShown) -> Self {
        Self { name: status.name, state: status.state }
    }
}

/// All circuit breakers.
#[derive(Debug, Serialize)]
pub struct BreakersShown {
    /// The breakers.
    pub items: Vec<BreakerShown>,
    /// Those that could not be looked at, and why.
    #[serde(flatten)]
    pub troubles: Report,
}

/// What a circuit breaker is to do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WishForBreaker {
    /// The operator's word.
    #[serde(rename = "override")]
    pub word: Override,
}

/// A queue, and about how much is in it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueShown {
    pub(crate) name: String,
    pub(crate) messages: u64,
    pub(crate) dead_letters: u64,
}

impl QueueShown {
    /// A queue of such a depth.
    #[must_use]
    pub fn new(queue: &Watched, depth: Depth) -> Self {
        let Depth { messages, dead_letters } = depth;
        Self { name: queue.name.clone(), messages, dead_letters }
    }
}

/// A projection, under its name.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionShown {
    /// `bookings` or `slots`.
    pub name: &'static str,
    /// How it fares.
    #[serde(flatten)]
    pub projection: Projection,
}

/// The platform at one glance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OverviewShown {
    bookings: BTreeMap<String, u64>,
    slots: BTreeMap<String, u64>,
    counted_up_to: u64,
    projections: [ProjectionShown; 2],
    queues: Vec<QueueShown>,
    breakers: Vec<BreakerInBrief>,
    #[serde(flatten)]
    troubles: Report,
}

impl OverviewShown {
    /// What both services and the queues tell.
    #[must_use]
    pub fn new(
        bookings: Overview,
        slots: Overview,
        queues: Part<Vec<QueueShown>>,
        breakers: Vec<BreakerShown>,
        report: Report,
    ) -> Self {
        Self {
            troubles: report.troubles(),
            breakers: breakers.into_iter().map(BreakerInBrief::from).collect(),
            queues: queues.into_value().unwrap_or_default(),
            bookings: bookings.counts,
            slots: slots.counts,
            counted_up_to: bookings.counted_up_to.min(slots.counted_up_to),
            projections: [
                ProjectionShown { name: "bookings", projection: bookings.projection },
                ProjectionShown { name: "slots", projection: slots.projection },
            ],
        }
    }
}

/// A booking.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BookingShown {
    booking_id: BookingId,
    slot_id: SlotId,
    customer: CustomerId,
    status: BookingStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<FailureReason>,
    payment: PaymentShown,
    version: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// How a booking stood.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StandingShown {
    booking_id: BookingId,
    slot_id: SlotId,
    status: BookingStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<FailureReason>,
    payment: PaymentShown,
    version: u64,
}

#[derive(Debug, Serialize)]
struct PaymentShown {
    mode: PaymentMode,
}

/// What has happened, or how it stood: one question of the service's, two answers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum HistoryShown {
    /// All of it.
    History(History),
    /// How it stood.
    Standing(StandingShown),
}

impl From<Booking> for BookingShown {
    fn from(booking: Booking) -> Self {
        let Booking {
            booking_id,
            slot_id,
            customer,
            status,
            reason,
            mode,
            version,
            created_at,
            updated_at,
        } = booking;
        let payment = PaymentShown { mode };
        Self {
            booking_id,
            slot_id,
            customer,
            status,
            reason,
            payment,
            version,
            created_at,
            updated_at,
        }
    }
}

impl From<BookingAtVersion> for StandingShown {
    fn from(standing: BookingAtVersion) -> Self {
        let BookingAtVersion { booking_id, status, version, slot_id, mode, reason } = standing;
        Self { booking_id, slot_id, status, reason, payment: PaymentShown { mode }, version }
    }
}
