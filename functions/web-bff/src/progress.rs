//! A booking's progress: which of its steps are done, in progress, failed or unknown, and where its money is.
//!
//! What is said of a step comes from a record of that step, never from something that is merely missing:
//!
//! | step               | done, by                                                   | not done, by                              |
//! | ------------------ | ---------------------------------------------------------- | ----------------------------------------- |
//! | Slot held for you  | the slot's holder; the reason why the saga failed, which   | billing's write model: no payment was     |
//! |                    | names a later step; a payment, which the saga begins later | requested, so the saga failed before      |
//! | Card charged       | the payments of the bill                                   | the reason; the payments of the bill      |
//! | Bill issued        | the bill; a reason that only a booking with a bill has     | billing's write model                     |
//! | Bill paid          | the payments of the bill; the reason                       | the reason; the payments of the bill      |
//! | Slot is yours      | the booking's events                                       | the booking's events                      |

use bff::compose::Part;
use contracts::billing::{Bill, BillStatus, PaymentStatus};
use contracts::booking::{BookingStatus, FailureReason, PaymentMode};
use contracts::money::Money;
use jiff::Timestamp;

use crate::dto::BookingDetails;

/// One step of a booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is about.
    pub title: &'static str,
    /// How far it is.
    pub state: StepState,
    /// Since when, where that is known.
    pub at: Option<Timestamp>,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    /// It is done.
    Done,
    /// In progress; the page changes by itself.
    Now,
    /// Waits for the customer.
    Yours,
    /// Not started yet.
    Ahead,
    /// It failed.
    Failed,
    /// It never began, because an earlier step failed.
    Skipped,
    /// The customer cancelled before it was done.
    Stopped,
    /// The booking ended here.
    Ended,
    /// The service that has the record is unavailable.
    Unknown,
}

/// Where the money of a booking is that has failed or was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// Nothing was ever charged, or nothing of it was kept.
    None,
    /// A payment's outcome is not known yet. If it was charged, it is refunded.
    InProgress,
    /// What was paid is being refunded.
    BeingRefunded,
    /// What was paid was refunded.
    Refunded,
    /// Billing is unavailable.
    Unknown,
}

/// Whether nothing more happens by itself.
fn is_final(whole: &BookingDetails) -> bool {
    match whole.booking.status {
        BookingStatus::Pending => false,
        BookingStatus::Completed | BookingStatus::CheckedOut => {
            whole.report.degraded().count() == 0
        }
        BookingStatus::Failed | BookingStatus::Cancelled => match charge(whole) {
            Charge::None | Charge::Refunded => true,
            Charge::InProgress | Charge::BeingRefunded | Charge::Unknown => false,
        },
    }
}

/// Whether the page is to be refreshed by itself.
#[must_use]
pub fn is_live(whole: &BookingDetails) -> bool {
    !is_final(whole)
}

/// The steps, in order.
#[must_use]
pub fn steps(whole: &BookingDetails) -> Vec<Step> {
    let booking = &whole.booking;
    let mut steps = vec![Step {
        title: "Booking received",
        state: StepState::Done,
        at: Some(booking.created_at),
    }];
    match booking.mode {
        PaymentMode::Instant => steps.extend(instant(whole)),
        PaymentMode::Invoice => steps.extend(invoice(whole)),
    }
    steps.extend(ending(whole));
    steps
}

/// Hold the slot, charge the card, hand the slot over.
fn instant(whole: &BookingDetails) -> Vec<Step> {
    let steps = [("Slot held for you", was_held(whole)), ("Card charged", was_charged(whole))];
    row(whole, steps, StepState::Now)
}

/// Issue a bill, wait for the customer, hand the slot over to the first who pays.
fn invoice(whole: &BookingDetails) -> Vec<Step> {
    let steps = [("Bill issued", was_issued(whole)), ("Bill paid", was_billed_and_paid(whole))];
    // While all that is unpaid is being checked, there is nothing that the customer could do.
    let is_checked = matches!(whole.bill.value(), Some(Some(bill)) if bill.remaining().is_zero());
    row(whole, steps, if is_checked { StepState::Now } else { StepState::Yours })
}

/// Whether the saga held the slot.
fn was_held(whole: &BookingDetails) -> Option<bool> {
    let booking = &whole.booking;
    let is_holder = whole.slot.value().and_then(|it| it.holder) == Some(booking.booking_id);
    if is_holder || failed_at_payment(booking.reason) {
        return Some(true);
    }
    match &whole.bill {
        // The saga requests the payment once it holds the slot.
        Part::Fresh(Some(bill)) | Part::Stale(Some(bill)) if !bill.payments.is_empty() => {
            Some(true)
        }
        // Parking rejected the hold, which comes before any payment.
        Part::Fresh(_) if booking.reason == Some(FailureReason::SlotUnavailable) => Some(false),
        Part::Fresh(_) if booking.status == BookingStatus::Pending => Some(false),
        // No payment proves nothing: a saga that has the slot may end before it requests the payment.
        Part::Fresh(_) | Part::Stale(_) | Part::Missing => None,
    }
}

fn was_charged(whole: &BookingDetails) -> Option<bool> {
    if failed_at_payment(whole.booking.reason) { Some(false) } else { was_paid(whole) }
}

/// The saga names these reasons at one step only: when it authorises the payment, which comes after the hold.
fn failed_at_payment(reason: Option<FailureReason>) -> bool {
    matches!(reason, Some(FailureReason::PaymentDeclined | FailureReason::PaymentUnavailable))
}

fn was_issued(whole: &BookingDetails) -> Option<bool> {
    // Only a bill falls due, and only a paid booking requests the slot.
    let had_bill = matches!(
        whole.booking.reason,
        Some(FailureReason::PaymentOverdue | FailureReason::SlotUnavailable)
    );
    if had_bill {
        return Some(true);
    }
    match &whole.bill {
        Part::Fresh(Some(_)) | Part::Stale(Some(_)) => Some(true),
        Part::Fresh(None) => Some(false),
        Part::Stale(None) | Part::Missing => None,
    }
}

fn was_billed_and_paid(whole: &BookingDetails) -> Option<bool> {
    match whole.booking.reason {
        Some(FailureReason::SlotUnavailable) => Some(true),
        Some(FailureReason::PaymentOverdue) => Some(false),
        Some(_) | None => was_paid(whole),
    }
}

/// Whether all of the bill was paid at some time, in parts or at once.
fn was_paid(whole: &BookingDetails) -> Option<bool> {
    match &whole.bill {
        Part::Fresh(Some(bill)) => Some(is_paid_in_full(bill)),
        // A cached response shows what was paid by then, but not what is unpaid now.
        Part::Stale(Some(bill)) => is_paid_in_full(bill).then_some(true),
        Part::Fresh(None) => Some(false),
        Part::Stale(None) | Part::Missing => None,
    }
}

fn is_paid_in_full(bill: &Bill) -> bool {
    let paid = |it: &PaymentStatus| matches!(it, PaymentStatus::Captured | PaymentStatus::Refunded);
    let ever = bill.payments.iter().filter(|it| paid(&it.status));
    let ever = ever.fold(Money::ZERO, |sum, it| sum.checked_add(it.amount).unwrap_or(Money::MAX));
    bill.status == BillStatus::Paid || ever >= bill.total
}

/// Three steps in a row, the last of which is the slot; `second` is how the second one is while it is in progress.
fn row(
    whole: &BookingDetails,
    [(first, first_done), (last, last_done)]: [(&'static str, Option<bool>); 2],
    second: StepState,
) -> Vec<Step> {
    let has_slot = had_slot(whole);
    let row = [
        (first, first_done, StepState::Now, None),
        (last, last_done, second, None),
        ("Slot is yours", has_slot, StepState::Now, at(whole, "BookingCompleted")),
    ];
    // Whether all steps before are known to be done; nothing if that is not known.
    let mut is_next = Some(true);
    let step = |(title, done, in_progress, at)| {
        // A booking that has its slot has gone through all steps, whatever else is known.
        let done = if has_slot == Some(true) { has_slot } else { done };
        let state = match done {
            Some(true) => StepState::Done,
            Some(false) => state_of_open_step(whole.booking.status, is_next, in_progress),
            None => StepState::Unknown,
        };
        is_next = match (is_next, done) {
            (Some(true), Some(true)) => Some(true),
            (Some(false), _) | (_, Some(false)) => Some(false),
            (None, _) | (_, None) => None,
        };
        Step { title, state, at }
    };
    row.into_iter().map(step).collect()
}

fn state_of_open_step(
    status: BookingStatus,
    is_next: Option<bool>,
    in_progress: StepState,
) -> StepState {
    match (status, is_next) {
        (BookingStatus::Pending | BookingStatus::Completed | BookingStatus::CheckedOut, _) => {
            if is_next == Some(true) {
                in_progress
            } else {
                StepState::Ahead
            }
        }
        (BookingStatus::Failed, Some(true)) => StepState::Failed,
        (BookingStatus::Cancelled, Some(true)) => StepState::Stopped,
        (BookingStatus::Failed | BookingStatus::Cancelled, Some(false)) => StepState::Skipped,
        // It may be the step that failed.
        (BookingStatus::Failed | BookingStatus::Cancelled, None) => StepState::Unknown,
    }
}

/// What comes after: the end, and the refund.
fn ending(whole: &BookingDetails) -> Vec<Step> {
    let booking = &whole.booking;
    let (title, kind, state) = match booking.status {
        BookingStatus::Pending => return Vec::new(),
        BookingStatus::Completed => {
            return vec![Step { title: "Checked out", state: StepState::Ahead, at: None }];
        }
        BookingStatus::CheckedOut => ("Checked out", "BookingCheckedOut", StepState::Done),
        BookingStatus::Cancelled => ("Cancelled", "BookingCancelled", StepState::Done),
        BookingStatus::Failed => ("Booking failed", "BookingFailed", StepState::Ended),
    };
    // It was the last to change it.
    let when = at(whole, kind).or(Some(booking.updated_at));
    let mut steps = vec![Step { title, state, at: when }];
    if matches!(booking.status, BookingStatus::Cancelled | BookingStatus::Failed) {
        let state = match charge(whole) {
            Charge::Unknown => Some(StepState::Unknown),
            Charge::None => None,
            Charge::InProgress | Charge::BeingRefunded => Some(StepState::Now),
            Charge::Refunded => Some(StepState::Done),
        };
        steps.extend(state.map(|state| Step { title: "Money returned", state, at: None }));
    }
    steps
}

/// Whether the booking ever had its slot: it is complete, or was before it ended. A cancelled one does not say by itself.
fn had_slot(whole: &BookingDetails) -> Option<bool> {
    match whole.booking.status {
        BookingStatus::Completed | BookingStatus::CheckedOut => Some(true),
        BookingStatus::Pending | BookingStatus::Failed => Some(false),
        BookingStatus::Cancelled => {
            whole.timeline.value()?;
            Some(at(whole, "BookingCompleted").is_some())
        }
    }
}

/// Where the money of a booking is that has failed or was cancelled.
#[must_use]
pub fn charge(whole: &BookingDetails) -> Charge {
    let bill = match &whole.bill {
        Part::Missing | Part::Stale(None) => return Charge::Unknown,
        Part::Fresh(None) => return Charge::None,
        Part::Fresh(Some(bill)) => bill,
        // These two are final, so a cached response is still correct.
        Part::Stale(Some(bill)) if is_closed(bill) => bill,
        Part::Stale(Some(_)) => return Charge::Unknown,
    };
    match bill.status {
        BillStatus::Refunded => Charge::Refunded,
        BillStatus::Expired => Charge::None,
        BillStatus::Pending | BillStatus::Paid if !bill.paid.is_zero() => Charge::BeingRefunded,
        BillStatus::Pending | BillStatus::Paid => {
            let is_pending = bill.payments.iter().any(|it| it.status == PaymentStatus::Pending);
            if is_pending { Charge::InProgress } else { Charge::None }
        }
    }
}

fn is_closed(bill: &Bill) -> bool {
    match bill.status {
        BillStatus::Refunded | BillStatus::Expired => true,
        BillStatus::Pending | BillStatus::Paid => false,
    }
}

fn at(whole: &BookingDetails, kind: &str) -> Option<Timestamp> {
    let timeline = whole.timeline.value()?;
    timeline.iter().find(|it| it.kind == kind).map(|it| it.occurred_at)
}

/// Why a booking failed, where its money is, and what to do now. It is the only text of a page that speaks of the money of
/// such a booking, so that no two can contradict each other.
#[must_use]
pub fn outcome(whole: &BookingDetails, reason: FailureReason) -> String {
    let (why, advice) = match reason {
        FailureReason::SlotUnavailable => {
            ("Another customer got this slot first, or it is closed.", "Choose another slot.")
        }
        FailureReason::PaymentDeclined => {
            ("Your card was declined.", "Try again with another card.")
        }
        FailureReason::PaymentUnavailable => {
            ("The payment provider could not be reached.", "Try again later.")
        }
        FailureReason::PaymentOverdue => ("The bill was not paid in time.", ""),
        FailureReason::Cancelled => ("You cancelled this booking while it was in progress.", ""),
        FailureReason::SagaTimeout => ("The booking took too long.", "Try again later."),
    };
    let money = match charge(whole) {
        Charge::None => "Nothing was charged.",
        Charge::BeingRefunded => "What you paid is being refunded.",
        Charge::Refunded => "What you paid was refunded.",
        Charge::InProgress | Charge::Unknown => {
            "If your card was charged, the amount is refunded automatically."
        }
    };
    [why, money, advice].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ")
}
