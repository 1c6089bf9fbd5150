//! A booking step by step: what is done, what is under way, what went wrong, and what nobody can say just now.

use contracts::billing::{Bill, BillStatus, PaymentStatus};
use contracts::booking::{BookingStatus, FailureReason, PaymentMode};
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
    /// A service does not say.
    Unknown,
}

/// Whether nothing more happens by itself.
#[must_use]
pub fn is_settled(whole: &Whole) -> bool {
    let money_moves = match whole.bill.value() {
        None => true,
        Some(None) => false,
        Some(Some(bill)) => is_going_back(whole, bill),
    };
    match whole.booking.status {
        BookingStatus::Pending => false,
        BookingStatus::Completed | BookingStatus::CheckedOut => whole.report.degraded().count() == 0,
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
fn instant(whole: &Whole) -> [Step; 3] {
    use StepState::{Ahead, Done, Failed, Now, Unknown};
    let bill = whole.bill.value();
    let has_slot = had_slot(whole);
    // A bill is made once the slot is held, and not before.
    let charged = match bill {
        Some(Some(bill)) => Some(was_paid(bill)),
        Some(None) => Some(false),
        None => None,
    };
    let held = match bill {
        Some(it) => Some(it.is_some()),
        None => None,
    };
    let over = is_over(whole);
    let hold = match (has_slot, held) {
        (true, _) | (_, Some(true)) => Done,
        (false, Some(false)) if over => Failed,
        (false, Some(false)) => Now,
        (false, None) => Unknown,
    };
    let charge = match (has_slot, charged) {
        (true, _) | (_, Some(true)) => Done,
        (false, Some(false)) if over => if hold == Failed { Ahead } else { Failed },
        (false, Some(false)) => if hold == Done { Now } else { Ahead },
        (false, None) => Unknown,
    };
    let hand_over = match (has_slot, over) {
        (true, _) => Done,
        (false, true) if charge == Done => Failed,
        (false, true) => Ahead,
        (false, false) => if charge == Done { Now } else { Ahead },
    };
    [
        Step { title: "Slot held for you", state: hold, at: None },
        Step { title: "Card charged", state: charge, at: None },
        Step { title: "Slot is yours", state: hand_over, at: at(whole, "BookingCompleted") },
    ]
}

/// Write a bill, wait for the customer, hand the slot over to the first who pays.
fn invoice(whole: &Whole) -> [Step; 3] {
    use StepState::{Ahead, Done, Failed, Now, Unknown, Yours};
    let (has_slot, over) = (had_slot(whole), is_over(whole));
    let bill = whole.bill.value();
    let issue = match bill {
        Some(Some(_)) => Done,
        _ if has_slot => Done,
        Some(None) if over => Failed,
        Some(None) => Now,
        None => Unknown,
    };
    let pay = match bill {
        Some(Some(bill)) if was_paid(bill) => Done,
        _ if has_slot => Done,
        Some(Some(_)) if over => Failed,
        Some(Some(_)) => Yours,
        Some(None) => Ahead,
        None => Unknown,
    };
    let hand_over = match (has_slot, over) {
        (true, _) => Done,
        (false, true) if pay == Done => Failed,
        (false, true) => Ahead,
        (false, false) => if pay == Done { Now } else { Ahead },
    };
    [
        Step { title: "Bill issued", state: issue, at: None },
        Step { title: "Bill paid", state: pay, at: None },
        Step { title: "Slot is yours", state: hand_over, at: at(whole, "BookingCompleted") },
    ]
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
        BookingStatus::Failed => ("Booking failed", "BookingFailed", StepState::Failed),
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

/// Whether the booking ever had its slot: it is complete, or was before it ended.
fn had_slot(whole: &Whole) -> bool {
    match whole.booking.status {
        BookingStatus::Completed | BookingStatus::CheckedOut => true,
        BookingStatus::Cancelled => at(whole, "BookingCompleted").is_some(),
        BookingStatus::Pending | BookingStatus::Failed => false,
    }
}

fn is_over(whole: &Whole) -> bool {
    match whole.booking.status {
        BookingStatus::Failed | BookingStatus::Cancelled | BookingStatus::CheckedOut => true,
        BookingStatus::Pending | BookingStatus::Completed => false,
    }
}

fn was_paid(bill: &Bill) -> bool {
    match bill.status {
        BillStatus::Paid => true,
        // What goes back may have been a part only.
        BillStatus::Refunded => bill.payments.iter().any(|it| {
            it.amount == bill.total && it.status == PaymentStatus::Refunded
        }),
        BillStatus::Pending | BillStatus::Expired => false,
    }
}

/// Whether a bill of a booking that is over still holds money, or may.
fn is_going_back(whole: &Whole, bill: &Bill) -> bool {
    let is_closed = match bill.status {
        BillStatus::Refunded | BillStatus::Expired => true,
        BillStatus::Pending | BillStatus::Paid => false,
    };
    let is_owed = matches!(whole.booking.status, BookingStatus::Failed | BookingStatus::Cancelled);
    let holds_any = !bill.paid.is_zero()
        || bill.payments.iter().any(|it| it.status == PaymentStatus::Pending);
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
