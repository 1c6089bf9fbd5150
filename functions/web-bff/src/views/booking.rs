//! One booking: how far it is, its slot, its bill, and what can be done about it.

use bff::compose::Part;
use contracts::billing::{Bill, BillPayment, BillStatus};
use contracts::booking::{BookingStatus, PaymentMode};
use contracts::money::Money;
use contracts::parking::SlotStatus;
use jiff::Timestamp;
use maud::{Markup, html};

use super::{
    Confirmation, Page, PageContext, bookings, confirmation, degraded_notice, hidden, labels,
    notice, slots,
};
use crate::dto::BookingDetails;
use crate::progress::{self, Charge, Step, StepState};

/// Seconds until a page reloads while the saga runs: short enough to follow the progress.
const REFRESH_AFTER: u32 = 1;
/// Seconds until a page reloads while nothing happens before the customer acts.
const REFRESH_AFTER_WHEN_WAITING: u32 = 5;

/// A form on this page that is shown as it was filled in, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormError<'a> {
    /// Which form.
    pub form: Form,
    /// Which of its fields is to be corrected.
    pub field: Field,
    /// Why it is shown again, for people.
    pub text: &'a str,
    /// The amount that was entered.
    pub amount: &'a str,
    /// The card that was chosen.
    pub token: &'a str,
}

/// A form on this page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Pays the bill, or a part of it.
    Pay,
    /// Cancels the booking.
    Cancel,
    /// Checks out of the slot.
    CheckOut,
}

/// The field of a form that is to be corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The amount.
    Amount,
    /// The card.
    Card,
    /// None of them.
    None,
}

/// Whether a bill can be paid now. A page never offers what billing would reject, or what could not lead to the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Payable {
    /// Up to this amount.
    UpTo(Money),
    /// All that is left is being charged by payments whose outcome is not known yet.
    InProgress,
    /// Another customer has the slot.
    SlotTaken,
    /// Another customer is booking the slot.
    SlotOnHold,
    /// The slot is out of use.
    SlotClosed,
    /// It was due before now.
    Overdue,
    /// It is not for this customer to pay now.
    No,
}

/// The page. `key` names the next payment.
#[must_use]
pub fn render(
    context: &PageContext,
    whole: &BookingDetails,
    key: &str,
    error: Option<FormError<'_>>,
    now: Timestamp,
) -> String {
    let booking = &whole.booking;
    let id = booking.booking_id.to_string();
    let name = whole.slot.value().map_or("Your slot", |it| it.name.as_str());
    let main = html! {
        p .crumb { a href=(context.link("bookings")) { "My bookings" } }
        div .head {
            h1 { (name) }
            (labels::badge(labels::booking(booking.status)))
        }
        (degraded_notice(&whole.report))
        @if let Some(reason) = booking.reason {
            (notice(if booking.status == BookingStatus::Failed { "error" } else { "info" }, &html! { (progress::outcome(whole, reason)) }))
        }
        div .columns {
            section aria-labelledby="steps" {
                h2 #steps { "Step by step" }
                (steps(&progress::steps(whole)))
            }
            div {
                (bill(context, whole, key, error, now))
                (actions(context, whole, error))
            }
        }
        section aria-labelledby="details" {
            h2 #details { "Details" }
            dl {
                dt { "Booking" } dd { code { (id) } }
                dt { "Slot" } dd { (name) }
                dt { "Paid by" } dd { (bookings::mode(booking.mode)) }
                dt { "Created" } dd { (labels::time(booking.created_at)) }
                dt { "Last change" } dd { (labels::time(booking.updated_at)) }
            }
        }
    };
    Page { context, title: name, refresh_after: refresh_after(whole, error), main }.render()
}

/// A page with an error in a field stays as it is until the form is sent again. One that says that a payment is being checked
/// is replaced by the booking's page, which shows the outcome.
fn refresh_after(whole: &BookingDetails, error: Option<FormError<'_>>) -> Option<u32> {
    let is_checked = matches!(whole.bill.value(), Some(Some(bill)) if !bill.in_progress.is_zero());
    let stays = error.is_some_and(|it| it.field != Field::None || !is_checked);
    let waits_for_customer = whole.booking.mode == PaymentMode::Invoice
        && matches!(whole.bill.value(), Some(Some(bill)) if bill.status == BillStatus::Pending);
    let soon = if waits_for_customer { REFRESH_AFTER_WHEN_WAITING } else { REFRESH_AFTER };
    (!stays && progress::is_live(whole)).then_some(soon)
}

fn steps(steps: &[Step]) -> Markup {
    html! {
        ol .steps {
            @for step in steps {
                @let (kind, word) = state(step.state);
                li .(kind) aria-current=[(step.state == StepState::Now).then_some("step")] {
                    span .dot aria-hidden="true" {}
                    div {
                        span .title { (step.title) }
                        " " span .state { (word) }
                        @if let Some(at) = step.at { div .hint { (labels::time(at)) } }
                    }
                }
            }
        }
    }
}

fn state(state: StepState) -> (&'static str, &'static str) {
    match state {
        StepState::Done => ("done", "done"),
        StepState::Now => ("now", "in progress"),
        StepState::Yours => ("yours", "waits for you"),
        StepState::Ahead => ("ahead", "not yet"),
        StepState::Failed => ("failed", "failed"),
        StepState::Skipped => ("ahead", "skipped"),
        StepState::Stopped => ("ahead", "stopped by the cancellation"),
        StepState::Ended => ("failed", "ended"),
        StepState::Unknown => ("unknown", "currently unavailable"),
    }
}

fn bill(
    context: &PageContext,
    whole: &BookingDetails,
    key: &str,
    error: Option<FormError<'_>>,
    now: Timestamp,
) -> Markup {
    let error = error.filter(|it| it.form == Form::Pay);
    let Some(known) = whole.bill.value() else { return error_notice(error) };
    html! {
        section .card aria-labelledby="bill" {
            @match known {
                None => {
                    h2 #bill { "Bill" }
                    p { (no_bill(whole)) }
                    (error_notice(error))
                }
                Some(bill) => {
                    div .row { h2 #bill { "Bill" } (labels::badge(labels::bill(bill.status))) }
                    (amounts(bill, now))
                    (payments(&bill.payments))
                    @match payable(whole, bill, now) {
                        Payable::UpTo(most) => (pay(context, whole, most, key, error)),
                        other => {
                            (error_notice(error))
                            (not_payable(context, other))
                        }
                    }
                }
            }
        }
    }
}

fn error_notice(error: Option<FormError<'_>>) -> Markup {
    html! { @if let Some(error) = error { (notice("error", &html! { (error.text) })) } }
}

fn no_bill(whole: &BookingDetails) -> &'static str {
    match whole.booking.status {
        BookingStatus::Pending => "Your bill is being created and will appear here shortly.",
        BookingStatus::Completed | BookingStatus::CheckedOut => "The bill is not available yet.",
        BookingStatus::Failed | BookingStatus::Cancelled => {
            if progress::charge(whole) == Charge::None {
                "There is none: nothing was charged."
            } else {
                "The bill is not available at the moment."
            }
        }
    }
}

fn amounts(bill: &Bill, now: Timestamp) -> Markup {
    let is_open = bill.status == BillStatus::Pending;
    html! {
        @if is_open {
            progress max=(bill.total.cents()) value=(bill.paid.cents()) aria-label="Paid so far" {}
        }
        dl .amounts {
            dt { "Total" } dd { (labels::money(bill.total)) }
            dt { "Paid" } dd { (labels::money(bill.paid)) }
            @if !bill.in_progress.is_zero() {
                dt { "Being checked" } dd { (labels::money(bill.in_progress)) }
            }
            @if is_open { dt { "Left" } dd { strong { (labels::money(bill.remaining())) } } }
            @if let Some(due_at) = bill.due_at {
                @if is_open { dt { "Due" } dd { (labels::until(due_at, now)) div .hint { (labels::minute(due_at)) } } }
            }
        }
    }
}

fn payments(payments: &[BillPayment]) -> Markup {
    html! {
        @if !payments.is_empty() {
            h3 { "Payments" }
            ul .payments {
                @for payment in payments {
                    li {
                        span { (labels::money(payment.amount)) }
                        (labels::badge(labels::payment(payment.status)))
                        @if let Some(reason) = &payment.reason { span .hint { (labels::refusal(reason)) } }
                        span .hint { (labels::time(payment.requested_at)) }
                    }
                }
            }
        }
    }
}

fn payable(whole: &BookingDetails, bill: &Bill, now: Timestamp) -> Payable {
    let is_open = whole.booking.mode == PaymentMode::Invoice
        && whole.booking.status == BookingStatus::Pending
        && bill.status == BillStatus::Pending;
    // A cached bill may be paid already.
    if !is_open || !matches!(whole.bill, Part::Fresh(_)) {
        return Payable::No;
    }
    if bill.due_at.is_some_and(|due_at| due_at <= now) {
        return Payable::Overdue;
    }
    // An invoice holds no slot before it is paid, so the holder of the slot is another customer.
    if let Part::Fresh(slot) = &whole.slot {
        match slot.status {
            SlotStatus::Available => {}
            SlotStatus::Blocked => return Payable::SlotOnHold,
            SlotStatus::Reserved => return Payable::SlotTaken,
            SlotStatus::Closed => return Payable::SlotClosed,
        }
    }
    match bill.remaining() {
        Money::ZERO => Payable::InProgress,
        most => Payable::UpTo(most),
    }
}

/// Why there is no form to pay.
fn not_payable(context: &PageContext, why: Payable) -> Markup {
    let lost = "What you have paid is refunded when the bill is due, or as soon as you cancel this booking.";
    let (text, has_lost_slot) = match why {
        Payable::UpTo(_) | Payable::No => return html! {},
        Payable::InProgress => (
            "The outcome of your payment is being checked. It appears here; you need not pay again.",
            false,
        ),
        Payable::SlotTaken => {
            ("Another customer got this slot first, so this bill can’t be paid any more.", true)
        }
        Payable::SlotClosed => ("This slot was closed, so this bill can’t be paid now.", true),
        Payable::SlotOnHold => (
            "Another customer is booking this slot. You can pay here if it becomes free again.",
            false,
        ),
        Payable::Overdue => ("This bill is overdue and can’t be paid any more.", false),
    };
    let text = html! {
        p { (text) }
        @if has_lost_slot {
            p { (lost) }
            p { a href=(context.link("")) { "Choose another slot" } }
        }
    };
    notice("info", &text)
}

fn pay(
    context: &PageContext,
    whole: &BookingDetails,
    most: Money,
    key: &str,
    error: Option<FormError<'_>>,
) -> Markup {
    let all = most.to_string();
    let amount = error.map_or(all.as_str(), |it| it.amount);
    let to = format!("bookings/{}/payments", whole.booking.booking_id);
    let wrong = |field| error.filter(|it| it.field == field).map(|_| "true");
    // The error is described by the field it belongs to; the id exists only while there is an error.
    let described_by = match wrong(Field::Amount) {
        Some(_) => "pay-error amount-hint",
        None => "amount-hint",
    };
    html! {
        form #pay method="post" action=(context.link(&to)) {
            h3 { "Pay" }
            (context.csrf_field())
            (hidden("key", key))
            (hidden("slot", &whole.booking.slot_id.to_string()))
            @if let Some(error) = error { (notice("error", &html! { span #pay-error { (error.text) } })) }
            label for="amount" { "Amount in US dollars" }
            input #amount name="amount" value=(amount) inputmode="decimal" required maxlength="10"
                pattern="[0-9]{1,7}(\\.[0-9]{1,2})?" aria-describedby=(described_by) aria-invalid=[wrong(Field::Amount)];
            p #amount-hint .hint { "All of it, or a part now and the rest later. " (labels::money(most)) " at most." }
            (slots::cards("card", error.map_or("tok_visa", |it| it.token), wrong(Field::Card).map(|_| "pay-error")))
            button type="submit" { "Pay" }
        }
    }
}

fn actions(context: &PageContext, whole: &BookingDetails, error: Option<FormError<'_>>) -> Markup {
    let (may_cancel, may_check_out) = match whole.booking.status {
        BookingStatus::Pending => (true, false),
        BookingStatus::Completed => (true, true),
        BookingStatus::Failed | BookingStatus::Cancelled | BookingStatus::CheckedOut => {
            (false, false)
        }
    };
    let error_of = |form| error_notice(error.filter(|it| it.form == form));
    let to = |what: &str| format!("bookings/{}/{what}", whole.booking.booking_id);
    html! {
        (error_of(Form::Cancel))
        (error_of(Form::CheckOut))
        @if may_check_out {
            (confirmation(context, &Confirmation {
                id: "check-out",
                to: &to("check-out"),
                label: "Check out",
                is_destructive: false,
                is_open: false,
                question: html! { p { "You leave the slot, and it becomes free for others." } },
                confirm: "Yes, check out",
            }))
        }
        @if may_cancel {
            (confirmation(context, &Confirmation {
                id: "cancel",
                to: &to("cancel"),
                label: "Cancel booking",
                is_destructive: true,
                is_open: false,
                question: html! { p { "You give the slot up. What you have paid is refunded." } },
                confirm: "Yes, cancel this booking",
            }))
        }
        @if matches!(whole.booking.status, BookingStatus::Failed | BookingStatus::Cancelled) {
            p .action { a .button href=(context.link("")) { "Choose another slot" } }
        }
    }
}
