//! One booking: how far it is, its slot, its bill, and what can be done about it.

use bff::compose::Part;
use contracts::billing::{Bill, BillPayment, BillStatus};
use contracts::booking::{BookingStatus, PaymentMode};
use contracts::money::Money;
use jiff::Timestamp;
use maud::{Markup, html};

use super::{Page, Place, bookings, hidden, notice, slots, troubles, words};
use crate::shape::Whole;
use crate::story::{self, Step, StepState};

/// How soon a page looks again that something is happening on: soon enough to watch it.
const AGAIN_AFTER: u32 = 1;
/// Likewise while nothing happens before the customer does something.
const AGAIN_AFTER_A_WHILE: u32 = 5;

/// What has come of a form on this page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble<'a> {
    /// Which form.
    pub form: Form,
    /// Which of its fields is to be looked at again.
    pub blame: Blame,
    /// Why not, for people.
    pub text: &'a str,
    /// What the form held: the amount and the card.
    pub amount: &'a str,
    /// The card that was chosen.
    pub token: &'a str,
}

/// A form on this page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Pays the bill, or a part of it.
    Pay,
    /// Gives the booking up.
    Cancel,
    /// Leaves the slot.
    CheckOut,
}

/// What is wrong about a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The amount.
    Amount,
    /// The card.
    Card,
    /// Nothing that was written in it.
    Nothing,
}

/// The page. `key` names the next payment.
#[must_use]
pub fn render(
    place: &Place,
    whole: &Whole,
    key: &str,
    trouble: Option<Trouble<'_>>,
    now: Timestamp,
) -> String {
    let booking = &whole.booking;
    let id = booking.booking_id.to_string();
    let name = whole.slot.value().map_or("Your slot", |it| it.name.as_str());
    let main = html! {
        p .crumb { a href=(place.link("bookings")) { "My bookings" } }
        div .head {
            h1 { (name) }
            (words::badge(words::booking(booking.status)))
        }
        (troubles(&whole.report))
        @if let Some(reason) = booking.reason {
            (notice(if booking.status == BookingStatus::Failed { "error" } else { "info" }, &html! { (story::reason(reason)) }))
        }
        div .columns {
            section aria-labelledby="steps" {
                h2 #steps { "Step by step" }
                (steps(&story::steps(whole)))
            }
            div {
                (bill(place, whole, key, trouble, now))
                (actions(place, whole, trouble))
            }
        }
        section aria-labelledby="details" {
            h2 #details { "Details" }
            dl {
                dt { "Booking" } dd { code { (id) } }
                dt { "Slot" } dd { (name) }
                dt { "Paid by" } dd { (bookings::mode(booking.mode)) }
                dt { "Made" } dd { (words::time(booking.created_at)) }
                dt { "Last change" } dd { (words::time(booking.updated_at)) }
            }
        }
    };
    Page { place, title: name, again_after: again_after(whole, trouble), main }.render()
}

/// A page with somebody's mistake on it stays as it is until they have mended it.
fn again_after(whole: &Whole, trouble: Option<Trouble<'_>>) -> Option<u32> {
    let waits_for_customer = whole.booking.mode == PaymentMode::Invoice
        && matches!(whole.bill.value(), Some(Some(bill)) if bill.status == BillStatus::Pending);
    let soon = if waits_for_customer { AGAIN_AFTER_A_WHILE } else { AGAIN_AFTER };
    (trouble.is_none() && story::is_live(whole)).then_some(soon)
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
                        @if let Some(at) = step.at { div .hint { (words::time(at)) } }
                    }
                }
            }
        }
    }
}

fn state(state: StepState) -> (&'static str, &'static str) {
    match state {
        StepState::Done => ("done", "done"),
        StepState::Now => ("now", "under way"),
        StepState::Yours => ("yours", "waits for you"),
        StepState::Ahead => ("ahead", "not yet"),
        StepState::Failed => ("failed", "did not work"),
        StepState::Skipped => ("ahead", "did not come to it"),
        StepState::Ended => ("failed", "it ended here"),
        StepState::Unknown => ("unknown", "can’t be told just now"),
    }
}

fn bill(
    place: &Place,
    whole: &Whole,
    key: &str,
    trouble: Option<Trouble<'_>>,
    now: Timestamp,
) -> Markup {
    let Some(known) = whole.bill.value() else { return html! {} };
    html! {
        section .card aria-labelledby="bill" {
            @match known {
                None => {
                    h2 #bill { "Bill" }
                    p { (no_bill(whole)) }
                }
                Some(bill) => {
                    div .row { h2 #bill { "Bill" } (words::badge(words::bill(bill.status))) }
                    (amounts(bill, now))
                    (payments(&bill.payments))
                    @if may_pay(whole, bill) { (pay(place, whole, bill, key, trouble)) }
                }
            }
        }
    }
}

fn no_bill(whole: &Whole) -> &'static str {
    match whole.booking.status {
        BookingStatus::Pending => "It is being written, and comes by itself.",
        BookingStatus::Completed | BookingStatus::CheckedOut => "There is none to be seen yet.",
        BookingStatus::Failed | BookingStatus::Cancelled => "There is none: nothing was charged.",
    }
}

fn amounts(bill: &Bill, now: Timestamp) -> Markup {
    let left = bill.total.checked_sub(bill.paid).unwrap_or(Money::ZERO);
    let is_open = bill.status == BillStatus::Pending;
    html! {
        @if is_open {
            progress max=(bill.total.cents()) value=(bill.paid.cents()) aria-label="Paid so far" {}
        }
        dl .amounts {
            dt { "Total" } dd { (words::money(bill.total)) }
            dt { "Paid" } dd { (words::money(bill.paid)) }
            @if is_open { dt { "Left" } dd { strong { (words::money(left)) } } }
            @if let Some(due_at) = bill.due_at {
                @if is_open { dt { "Due" } dd { (words::until(due_at, now)) div .hint { (words::minute(due_at)) } } }
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
                        span { (words::money(payment.amount)) }
                        (words::badge(words::payment(payment.status)))
                        @if let Some(reason) = &payment.reason { span .hint { (words::refusal(reason)) } }
                        span .hint { (words::time(payment.requested_at)) }
                    }
                }
            }
        }
    }
}

/// What is old may be paid already; billing knows better anyway, but a form would say otherwise.
fn may_pay(whole: &Whole, bill: &Bill) -> bool {
    whole.booking.mode == PaymentMode::Invoice
        && whole.booking.status == BookingStatus::Pending
        && bill.status == BillStatus::Pending
        && matches!(whole.bill, Part::Fresh(_))
}

fn pay(
    place: &Place,
    whole: &Whole,
    bill: &Bill,
    key: &str,
    trouble: Option<Trouble<'_>>,
) -> Markup {
    let trouble = trouble.filter(|it| it.form == Form::Pay);
    let left = bill.total.checked_sub(bill.paid).unwrap_or(Money::ZERO).to_string();
    let amount = trouble.map_or(left.as_str(), |it| it.amount);
    let to = format!("bookings/{}/payments", whole.booking.booking_id);
    let wrong = |field| trouble.filter(|it| it.blame == field).map(|_| "true");
    html! {
        form #pay method="post" action=(place.link(&to)) {
            h3 { "Pay" }
            (hidden("proof", &place.proof))
            (hidden("key", key))
            (hidden("slot", &whole.booking.slot_id.to_string()))
            @if let Some(trouble) = trouble { (notice("error", &html! { span #pay-trouble { (trouble.text) } })) }
            label for="amount" { "Amount in US dollars" }
            input #amount name="amount" value=(amount) inputmode="decimal" required maxlength="10"
                pattern="[0-9]{1,7}(\\.[0-9]{1,2})?" aria-describedby="amount-hint" aria-invalid=[wrong(Blame::Amount)]
                aria-errormessage=[wrong(Blame::Amount).map(|_| "pay-trouble")];
            p #amount-hint .hint { "All of it, or a part now and the rest later. " (words::money(bill.total.checked_sub(bill.paid).unwrap_or(Money::ZERO))) " at most." }
            (slots::cards("card", trouble.map_or("tok_visa", |it| it.token), wrong(Blame::Card)))
            button type="submit" { "Pay" }
        }
    }
}

fn actions(place: &Place, whole: &Whole, trouble: Option<Trouble<'_>>) -> Markup {
    let (may_cancel, may_check_out) = match whole.booking.status {
        BookingStatus::Pending => (true, false),
        BookingStatus::Completed => (true, true),
        BookingStatus::Failed | BookingStatus::Cancelled | BookingStatus::CheckedOut => {
            (false, false)
        }
    };
    let told = |form| trouble.filter(|it| it.form == form).map(|it| it.text);
    let to = |what: &str| place.link(&format!("bookings/{}/{what}", whole.booking.booking_id));
    html! {
        @for text in [told(Form::Cancel), told(Form::CheckOut)].into_iter().flatten() {
            (notice("error", &html! { (text) }))
        }
        @if may_check_out {
            form .action method="post" action=(to("check-out")) {
                (hidden("proof", &place.proof))
                button type="submit" { "Check out" }
                p .hint { "You leave the slot; it becomes free for others." }
            }
        }
        @if may_cancel {
            form .action method="post" action=(to("cancel")) {
                (hidden("proof", &place.proof))
                button .danger type="submit" { "Cancel booking" }
                p .hint { "What you have paid, you get back." }
            }
        }
        @if matches!(whole.booking.status, BookingStatus::Failed | BookingStatus::Cancelled) {
            p .action { a .button href=(place.link("")) { "Choose another slot" } }
        }
    }
}
