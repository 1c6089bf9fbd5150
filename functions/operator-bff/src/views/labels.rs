//! Labels for states, and their kinds.

use circuit_breaker::control::PublicState;
use circuit_breaker::shared_state::{EffectiveState, Override};
use contracts::billing::{BillStatus, PaymentStatus};
use contracts::booking::{BookingStatus, FailureReason, PaymentMode};
use contracts::parking::SlotStatus;
use contracts::projection::ProjectionStatus;
use jiff::SignedDuration;

use crate::workflow::{ExecutionStatus, StepStatus};

/// All states of a booking.
pub(super) const BOOKINGS: [BookingStatus; 5] = [
    BookingStatus::Pending,
    BookingStatus::Completed,
    BookingStatus::Failed,
    BookingStatus::Cancelled,
    BookingStatus::CheckedOut,
];
/// All states of a slot.
pub(super) const SLOTS: [SlotStatus; 4] =
    [SlotStatus::Available, SlotStatus::Blocked, SlotStatus::Reserved, SlotStatus::Closed];

/// A state: what the services call it, what people do, and which kind it is.
pub(super) type State = (&'static str, &'static str, &'static str);

pub(super) fn booking(status: BookingStatus) -> State {
    match status {
        BookingStatus::Pending => ("pending", "Pending", "busy"),
        BookingStatus::Completed => ("completed", "Completed", "good"),
        BookingStatus::Failed => ("failed", "Failed", "bad"),
        BookingStatus::Cancelled => ("cancelled", "Cancelled", "muted"),
        BookingStatus::CheckedOut => ("checked_out", "Checked out", "muted"),
    }
}

pub(super) fn slot(status: SlotStatus) -> State {
    match status {
        SlotStatus::Available => ("available", "Available", "good"),
        SlotStatus::Blocked => ("blocked", "Blocked", "busy"),
        SlotStatus::Reserved => ("reserved", "Reserved", "muted"),
        SlotStatus::Closed => ("closed", "Closed", "bad"),
    }
}

pub(super) fn badge((_, word, kind): State) -> maud::Markup {
    pages::format::badge((word, kind))
}

pub(super) fn bill(status: BillStatus) -> (&'static str, &'static str) {
    match status {
        BillStatus::Pending => ("Pending", "busy"),
        BillStatus::Paid => ("Paid", "good"),
        BillStatus::Refunded => ("Refunded", "muted"),
        BillStatus::Expired => ("Expired", "muted"),
    }
}

pub(super) fn payment(status: PaymentStatus) -> (&'static str, &'static str) {
    match status {
        PaymentStatus::Pending => ("Unknown", "busy"),
        PaymentStatus::Captured => ("Captured", "good"),
        PaymentStatus::Declined => ("Declined", "bad"),
        PaymentStatus::Refunded => ("Refunded", "muted"),
        PaymentStatus::Withdrawn => ("Voided", "muted"),
    }
}

pub(super) fn execution(status: ExecutionStatus) -> (&'static str, &'static str) {
    match status {
        ExecutionStatus::Running => ("Running", "busy"),
        ExecutionStatus::Succeeded => ("Succeeded", "good"),
        ExecutionStatus::Failed => ("Failed", "bad"),
        ExecutionStatus::TimedOut => ("Timed out", "bad"),
        ExecutionStatus::Aborted => ("Stopped", "bad"),
        ExecutionStatus::PendingRedrive => ("Pending redrive", "busy"),
    }
}

pub(super) fn step(status: StepStatus) -> (&'static str, &'static str) {
    match status {
        StepStatus::Running => ("Running", "busy"),
        StepStatus::Succeeded => ("Done", "good"),
        StepStatus::Failed => ("Failed", "bad"),
    }
}

pub(super) fn breaker(state: PublicState) -> (&'static str, &'static str) {
    match state {
        PublicState::Closed => ("Closed", "good"),
        PublicState::Open => ("Open", "bad"),
        PublicState::HalfOpen => ("Half open", "busy"),
    }
}

pub(super) fn effective_state(stand: EffectiveState) -> &'static str {
    match stand {
        EffectiveState::Closed => "closed",
        EffectiveState::Open => "open",
        EffectiveState::HalfOpen => "half open",
        EffectiveState::ForcedOpen => "forced open",
        EffectiveState::ForcedClosed => "forced closed",
        EffectiveState::Disabled => "disabled",
    }
}

/// The overrides, as the form sends them and as its buttons say.
pub(super) const OVERRIDES: [(Override, &str, &str); 3] = [
    (Override::Open, "open", "Force open"),
    (Override::Closed, "closed", "Force closed"),
    (Override::Disabled, "disabled", "Disable"),
];

/// What an override does.
pub(super) fn override_of(word: Override) -> &'static str {
    match word {
        Override::Open => "Forced open: every call is rejected",
        Override::Closed => "Forced closed: every call passes",
        Override::Disabled => "Disabled: every call passes and none is counted",
    }
}

pub(super) fn projection(status: ProjectionStatus) -> (&'static str, &'static str) {
    match status {
        ProjectionStatus::Live => ("Live", "good"),
        ProjectionStatus::Rebuilding => ("Rebuilding", "busy"),
        ProjectionStatus::Failed => ("Rebuild failed", "bad"),
    }
}

pub(super) fn mode(mode: PaymentMode) -> &'static str {
    match mode {
        PaymentMode::Instant => "Card, orchestrated",
        PaymentMode::Invoice => "Invoice, choreographed",
    }
}

pub(super) fn reason(reason: FailureReason) -> &'static str {
    match reason {
        FailureReason::SlotUnavailable => "slot unavailable",
        FailureReason::PaymentDeclined => "payment declined",
        FailureReason::PaymentUnavailable => "payment unavailable",
        FailureReason::PaymentOverdue => "payment overdue",
        FailureReason::Cancelled => "cancelled meanwhile",
        FailureReason::SagaTimeout => "saga took too long",
    }
}

/// How long something took that may be short.
pub(super) fn took(span: SignedDuration) -> String {
    let millis = span.as_millis().max(0);
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        _ => pages::format::duration(span.as_secs().unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_below_one_second_is_shown_in_milliseconds() {
        for (millis, text) in
            [(-3, "0 ms"), (0, "0 ms"), (999, "999 ms"), (1_250, "1.2 s"), (75_000, "1 min 15 s")]
        {
            assert_eq!(took(SignedDuration::from_millis(millis)), text);
        }
    }
}
