//! A booking step by step: what is done, what is under way, what went wrong, and what nobody can say just now.

use contracts::billing::{Bill, BillStatus, PaymentStatus};
use contracts::booking::{BookingStatus, FailureReason, PaymentMode};
use contracts::money::Money;
use jiff::Timestamp;

use crate::shape::Whole;

/// One step of a booking's way.
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
    /// Behind us.
    Done,
    /// Under way; the page changes by itself.
    Now,
    /// Waits for the customer.
    Yours,
    /// Before us.
    Ahead,
    /// It came to nothing.
    Failed,
    /// It never came to it.
    Skipped,
    /// The whole booking came to nothing.
    Ended,
    /// A service does not say.
    Unknown,
}

/// Whether nothing more happens by itself.
fn is_settled(whole: &Whole) -> bool {
    let money_moves = match whole.bill.value() {
        None => true,
        Some(None) => false,
        Some(Some(bill)) => is_going_back(whole, bill),
    };
    match whole.booking.status {
        BookingStatus::Pending => false,
        BookingStatus::Completed | BookingStatus::CheckedOut => {
            whole.report.degraded().count() == 0
        }
        BookingStatus::Failed | BookingStatus::Cancelled => !money_moves,
    }
}

/// Whether the page is to look again soon, and not when somebody feels like it.
#[must_use]
pub fn is_live(whole: &Whole) -> bool {
    !is_settled(whole)
}

/// The steps, in order.
#[must_use]
pub fn steps(whole: &Whole) -> Vec<Step> {
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
fn instant(whole: &Whole) -> Vec<Step> {
    let bill = whole.bill.value();
    // A bill is made once the slot is held, and not before.
    let held = bill.map(Option::is_some);
    let charged = bill.map(|it| it.as_ref().is_some_and(was_paid));
    way(whole, [("Slot held for you", held), ("Card charged", charged)], StepState::Now)
}

/// Write a bill, wait for the customer, hand the slot over to the first who pays.
fn invoice(whole: &Whole) -> Vec<Step> {
    let bill = whole.bill.value();
    let issued = bill.map(Option::is_some);
    let paid = bill.map(|it| it.as_ref().is_some_and(was_paid));
    way(whole, [("Bill issued", issued), ("Bill paid", paid)], StepState::Yours)
}

/// Three steps in a row, the last of which is the slot; `second` is how the second one is while it is under way.
fn way(
    whole: &Whole,
    [(first, first_done), (last, last_done)]: [(&'static str, Option<bool>); 2],
    second: StepState,
) -> Vec<Step> {
    let has_slot = had_slot(whole);
    let row = [
        (first, first_done, StepState::Now, None),
        (last, last_done, second, None),
        ("Slot is yours", has_slot, StepState::Now, at(whole, "BookingCompleted")),
    ];
    let mut is_next = true;
    let step = |(title, done, under_way, at)| {
        // Who has the slot has come all the way, whatever else is known.
        let done = if has_slot == Some(true) { has_slot } else { done };
        let state = match done {
            Some(true) => StepState::Done,
            Some(false) => state_of_undone(whole.booking.status, is_next, under_way),
            None => StepState::Unknown,
        };
        is_next &= done == Some(true);
        Step { title, state, at }
    };
    row.into_iter().map(step).collect()
}

fn state_of_undone(status: BookingStatus, is_next: bool, under_way: StepState) -> StepState {
    match status {
        BookingStatus::Pending | BookingStatus::Completed | BookingStatus::CheckedOut => {
            if is_next { under_way } else { StepState::Ahead }
        }
        BookingStatus::Failed if is_next => StepState::Failed,
        BookingStatus::Failed | BookingStatus::Cancelled => StepState::Skipped,
    }
}

/// What comes after: the end, and the way of the money.
fn ending(whole: &Whole) -> Vec<Step> {
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
        let state = match whole.bill.value() {
            None => Some(StepState::Unknown),
            Some(None) => None,
            Some(Some(bill)) => match bill.status {
                BillStatus::Refunded => Some(StepState::Done),
                BillStatus::Expired => None,
                BillStatus::Pending | BillStatus::Paid => {
                    is_going_back(whole, bill).then_some(StepState::Now)
                }
            },
        };
        steps.extend(state.map(|state| Step { title: "Money returned", state, at: None }));
    }
    steps
}

/// Whether the booking ever had its slot: it is complete, or was before it ended. A cancelled one does not say by itself.
fn had_slot(whole: &Whole) -> Option<bool> {
    match whole.booking.status {
        BookingStatus::Completed | BookingStatus::CheckedOut => Some(true),
        BookingStatus::Pending | BookingStatus::Failed => Some(false),
        BookingStatus::Cancelled => {
            whole.timeline.value()?;
            Some(at(whole, "BookingCompleted").is_some())
        }
    }
}

/// Whether all of it has been paid at some time, in parts or at once.
fn was_paid(bill: &Bill) -> bool {
    let ever = bill
        .payments
        .iter()
        .filter(|it| matches!(it.status, PaymentStatus::Captured | PaymentStatus::Refunded));
    let ever = ever.fold(Money::ZERO, |sum, it| sum.checked_add(it.amount).unwrap_or(Money::MAX));
    bill.status == BillStatus::Paid || ever >= bill.total
}

/// Whether a bill of a booking that is over still holds money, or may.
fn is_going_back(whole: &Whole, bill: &Bill) -> bool {
    let is_closed = match bill.status {
        BillStatus::Refunded | BillStatus::Expired => true,
        BillStatus::Pending | BillStatus::Paid => false,
    };
    let is_owed = matches!(whole.booking.status, BookingStatus::Failed | BookingStatus::Cancelled);
    let holds_any =
        !bill.paid.is_zero() || bill.payments.iter().any(|it| it.status == PaymentStatus::Pending);
    is_owed && !is_closed && holds_any
}

fn at(whole: &Whole, kind: &str) -> Option<Timestamp> {
    let timeline = whole.timeline.value()?;
    timeline.iter().find(|it| it.kind == kind).map(|it| it.occurred_at)
}

/// Why a booking did not come about, and what to do now.
#[must_use]
pub fn reason(reason: FailureReason) -> &'static str {
    match reason {
        FailureReason::SlotUnavailable => {
            "Somebody else got this slot first, or it is closed. Nothing is charged; choose another slot."
        }
        FailureReason::PaymentDeclined => {
            "Your card was declined. Nothing is charged; try again with another card."
        }
        FailureReason::PaymentUnavailable => {
            "The payment provider could not be reached. If your card was charged, you get it back. Try again later."
        }
        FailureReason::PaymentOverdue => {
            "The bill was not paid in time. What you had paid, you get back."
        }
        FailureReason::Cancelled => "You cancelled it while it was being arranged.",
        FailureReason::SagaTimeout => {
            "It took too long to arrange. If your card was charged, you get it back. Try again later."
        }
    }
}
