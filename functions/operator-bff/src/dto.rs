//! Request and response types of the operator API.

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

use crate::queues::{DeadLetterDto, MonitoredQueue, QueueDepth};

const MAX_NAME_LENGTH: usize = 100;

/// A request for a new slot.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSlot {
    /// 1 to 100 characters, stored as they are sent.
    pub name: String,
}

impl NewSlot {
    /// Whether the name is valid: not blank, and without control characters.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        (1..=MAX_NAME_LENGTH).contains(&self.name.chars().count())
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

/// Which events to publish again: those of one aggregate, or of a time range.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RepublishRequest {
    /// A booking, a slot or a bill's reference.
    pub aggregate: Option<String>,
    /// The beginning of the range.
    pub from: Option<Timestamp>,
    /// The end of the range, which is not part of it.
    pub until: Option<Timestamp>,
}

/// Events are published again.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Republished {
    /// The service whose events they are.
    pub service: &'static str,
}

/// Dead-letter messages are moved back to their queue.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Redriven {
    /// The queue.
    pub queue: String,
    /// About how many messages there are.
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
    pub const MAX_REASON_LENGTH: usize = 500;
    /// SQS names messages by UUIDs; this leaves room for other clouds.
    const MAX_ID_LENGTH: usize = 100;

    /// Whether there is a message id.
    #[must_use]
    pub fn has_id(&self) -> bool {
        (1..=Self::MAX_ID_LENGTH).contains(&self.message_id.len())
    }

    /// Whether the reason is one: not blank, not too long, and without control characters, which could forge a line of the
    /// log.
    #[must_use]
    pub fn has_reason(&self) -> bool {
        (1..=Self::MAX_REASON_LENGTH).contains(&self.reason.chars().count())
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
pub struct DeadLettersDto {
    /// The messages, queue by queue.
    pub items: Vec<DeadLetterDto>,
    /// Queues that could not be read, and why.
    #[serde(flatten)]
    pub report: Report,
}

/// The owner of a circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerOwner {
    /// Billing: its calls of the payment provider.
    Billing,
    /// The backends: their calls of the services.
    Edge,
}

/// A circuit breaker.
#[derive(Debug, Serialize)]
pub struct BreakerDto {
    /// Its owner.
    pub owner: BreakerOwner,
    /// Its state.
    #[serde(flatten)]
    pub status: Status,
}

/// A circuit breaker, in short.
#[derive(Debug, Serialize)]
pub struct BreakerSummary {
    name: String,
    state: PublicState,
}

impl From<BreakerDto> for BreakerSummary {
    fn from(BreakerDto { status, .. }: BreakerDto) -> Self {
        Self { name: status.name, state: status.state }
    }
}

/// All circuit breakers.
#[derive(Debug, Serialize)]
pub struct BreakersDto {
    /// The breakers.
    pub items: Vec<BreakerDto>,
    /// Breakers that could not be read, and why.
    #[serde(flatten)]
    pub report: Report,
}

/// A request to override a circuit breaker.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideRequest {
    /// The operator's override.
    #[serde(rename = "override")]
    pub word: Override,
}

/// A queue, and about how many messages it has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueDto {
    pub(crate) name: String,
    pub(crate) messages: u64,
    pub(crate) dead_letters: u64,
}

impl QueueDto {
    /// A queue of this depth.
    #[must_use]
    pub fn new(queue: &MonitoredQueue, depth: QueueDepth) -> Self {
        let QueueDepth { messages, dead_letters } = depth;
        Self { name: queue.name.clone(), messages, dead_letters }
    }
}

/// A projection and its name.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionDto {
    /// `bookings` or `slots`.
    pub name: &'static str,
    /// Its state.
    #[serde(flatten)]
    pub projection: Projection,
}

/// The state of the platform in short.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OverviewDto {
    bookings: BTreeMap<String, u64>,
    slots: BTreeMap<String, u64>,
    counted_up_to: u64,
    projections: [ProjectionDto; 2],
    queues: Vec<QueueDto>,
    breakers: Vec<BreakerSummary>,
    #[serde(flatten)]
    report: Report,
}

impl OverviewDto {
    /// From the responses of both services, of the queues and of the breakers.
    #[must_use]
    pub fn new(
        bookings: Overview,
        slots: Overview,
        queues: Part<Vec<QueueDto>>,
        breakers: Vec<BreakerDto>,
        report: Report,
    ) -> Self {
        Self {
            report: report.only_degraded(),
            breakers: breakers.into_iter().map(BreakerSummary::from).collect(),
            queues: queues.into_value().unwrap_or_default(),
            bookings: bookings.counts,
            slots: slots.counts,
            counted_up_to: bookings.counted_up_to.min(slots.counted_up_to),
            projections: [
                ProjectionDto { name: "bookings", projection: bookings.projection },
                ProjectionDto { name: "slots", projection: slots.projection },
            ],
        }
    }
}

/// A booking.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BookingDto {
    booking_id: BookingId,
    slot_id: SlotId,
    customer: CustomerId,
    status: BookingStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<FailureReason>,
    payment: PaymentDto,
    version: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// A booking at an earlier version.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BookingAtVersionDto {
    booking_id: BookingId,
    slot_id: SlotId,
    status: BookingStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<FailureReason>,
    payment: PaymentDto,
    version: u64,
}

#[derive(Debug, Serialize)]
struct PaymentDto {
    mode: PaymentMode,
}

/// The events of a booking, or its state at one of them.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum HistoryDto {
    /// All events.
    History(History),
    /// The state at a version.
    AtVersion(BookingAtVersionDto),
}

impl From<Booking> for BookingDto {
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
        let payment = PaymentDto { mode };
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

impl From<BookingAtVersion> for BookingAtVersionDto {
    fn from(booking: BookingAtVersion) -> Self {
        let BookingAtVersion { booking_id, status, version, slot_id, mode, reason } = booking;
        Self { booking_id, slot_id, status, reason, payment: PaymentDto { mode }, version }
    }
}
