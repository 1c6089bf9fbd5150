//! The first page: slots to choose from, and a form to book each free one.

use bff::compose::{Part, Report};
use contracts::booking::Booking;
use contracts::id::SlotId;
use contracts::message::Page as PageOf;
use contracts::parking::{Slot, SlotStatus};
use maud::{Markup, html};

use super::bookings::{self, SlotNames};
use super::{Page, PageContext, degraded_notice, encoded, hidden, labels, notice};

/// The cards of the sandbox: what is charged, and what it does.
pub const CARDS: [(&str, &str); 7] = [
    ("tok_visa", "Visa ···· 4242, works"),
    ("tok_declined", "Card that is declined"),
    ("tok_insufficient_funds", "Card without enough money"),
    ("tok_slow", "Card that takes 3 seconds"),
    ("tok_timeout", "Card that is charged without a response"),
    ("tok_flaky", "Card that works at the third try"),
    ("tok_down", "Card whose bank is down"),
];

/// Where an operator adds slots, as seen from the first page.
const ADD_SLOTS: &str = "../operator/room/slots";

/// What the page shows.
#[derive(Debug)]
pub struct Slots<'a> {
    /// The slots of this page of the list.
    pub slots: &'a Part<PageOf<Slot>>,
    /// The caller's latest bookings.
    pub latest: &'a Part<PageOf<Booking>>,
    /// How both have come.
    pub report: &'a Report,
    /// Whether slots are shown that can't be booked.
    pub all: bool,
    /// Whether this is not the list's beginning.
    pub further: bool,
    /// Whether the platform has any slots at all, as far as that is known.
    pub any_slots: bool,
    /// Names of the slots of the latest bookings.
    pub names: &'a SlotNames,
    /// Begins the idempotency keys of this page's forms; each ends with its slot.
    pub key: &'a str,
    /// A form that is shown as it was filled in.
    pub error: Option<FormError<'a>>,
}

/// A form that is shown as it was filled in, and why.
#[derive(Clone, Copy, Debug)]
pub struct FormError<'a> {
    /// The slot.
    pub slot_id: SlotId,
    /// The idempotency key of the next attempt.
    pub key: &'a str,
    /// Why it is shown again, for people.
    pub text: &'a str,
    /// Whether it was to be paid by invoice.
    pub by_invoice: bool,
    /// The card that was chosen.
    pub token: &'a str,
}

/// The page.
#[must_use]
pub fn render(context: &PageContext, shown: &Slots<'_>) -> String {
    let title = if shown.all { "All slots" } else { "Free slots" };
    let main = html! {
        div .head {
            h1 { (title) }
            nav .filter aria-label="Which slots" {
                a href=(context.link("")) aria-current=[(!shown.all).then_some("page")] { "Free" }
                a href=(context.link("?show=all")) aria-current=[shown.all.then_some("page")] { "All" }
            }
        }
        (degraded_notice(shown.report))
        (form_without_slot(context, shown))
        @match shown.slots.value() {
            Some(list) if list.items.is_empty() => (nothing(context, shown)),
            Some(list) => {
                ul .slots {
                    @for slot in &list.items { (entry(context, shown, slot)) }
                }
                (pager(context, shown, list.next_cursor.as_deref()))
            }
            None => p { a .button href="" { "Try again" } },
        }
        (strip(context, shown.latest, shown.names))
    };
    Page { context, title, refresh_after: None, main }.render()
}

/// A form that is shown again although its slot cannot be: its outcome and its idempotency key are not lost.
fn form_without_slot(context: &PageContext, shown: &Slots<'_>) -> Markup {
    let Some(error) = shown.error else { return html! {} };
    let is_listed = |list: &PageOf<Slot>| list.items.iter().any(|it| it.slot_id == error.slot_id);
    if shown.slots.value().is_some_and(is_listed) {
        return html! {};
    }
    html! {
        section .card aria-labelledby="again" {
            h2 #again { "Your booking" }
            (form(context, shown, error.slot_id, "this slot", Some(error)))
        }
    }
}

fn nothing(context: &PageContext, shown: &Slots<'_>) -> Markup {
    html! {
        div .empty {
            @if shown.further {
                p { strong { "There are no more slots." } }
                p { a href=(context.link("")) { "Back to the first page" } }
            } @else if !shown.any_slots {
                p { strong { "There are no slots yet." } }
                p { "An operator adds slots in the " a href=(context.link(ADD_SLOTS)) { "operator console" } "." }
            } @else {
                p { strong { "No slot is free right now." } }
                p { "A slot becomes free when a customer checks out or cancels. " a href=(context.link("?show=all")) { "Show all slots" } "." }
            }
        }
    }
}

fn entry(context: &PageContext, shown: &Slots<'_>, slot: &Slot) -> Markup {
    let error = shown.error.filter(|it| it.slot_id == slot.slot_id);
    // A form with an error is shown with its slot, also if another customer has taken the slot since.
    let may_book = slot.status == SlotStatus::Available || error.is_some();
    html! {
        li .card.slot {
            div .row {
                h2 { (slot.name) }
                (labels::badge(labels::slot(slot.status)))
            }
            @if may_book {
                details open[error.is_some()] {
                    summary { "Book" span .sr { " " (slot.name) } }
                    (form(context, shown, slot.slot_id, &slot.name, error))
                }
            }
        }
    }
}

fn form(
    context: &PageContext,
    shown: &Slots<'_>,
    id: SlotId,
    name: &str,
    error: Option<FormError<'_>>,
) -> Markup {
    let by_invoice = error.is_some_and(|it| it.by_invoice);
    let chosen = error.map_or("tok_visa", |it| it.token);
    let key = error.map_or_else(|| format!("{}.{id}", shown.key), |it| it.key.to_owned());
    html! {
        form method="post" action=(context.link("bookings")) {
            (context.csrf_field())
            (hidden("key", &key))
            (hidden("slot", &id.to_string()))
            @if let Some(error) = error { (notice("error", &html! { (error.text) })) }
            fieldset {
                legend { "How do you pay?" }
                label .choice {
                    input type="radio" name="pay" value="card" checked[!by_invoice];
                    span { strong { "Now, by card" } " The slot is yours within seconds." }
                }
                div .indent { (cards(&format!("card-{id}"), chosen, None)) }
                label .choice {
                    input type="radio" name="pay" value="invoice" checked[by_invoice];
                    span { strong { "Later, by invoice" } " The slot is not held for you: the first customer to pay gets it." }
                }
            }
            button type="submit" { "Book " (name) }
        }
    }
}

/// A card to choose; `error` is the id of the text that says why the card can't be used.
pub(super) fn cards(id: &str, chosen: &str, error: Option<&str>) -> Markup {
    html! {
        label for=(id) { "Card" }
        select #(id) name="token" aria-invalid=[error.map(|_| "true")] aria-describedby=[error] {
            @for (token, text) in CARDS {
                option value=(token) selected[token == chosen] { (text) }
            }
        }
    }
}

fn pager(context: &PageContext, shown: &Slots<'_>, next: Option<&str>) -> Markup {
    let show = if shown.all { "show=all&" } else { "" };
    html! {
        @if shown.further || next.is_some() {
            nav .pager aria-label="Pages" {
                @if shown.further {
                    a href=(context.link(if shown.all { "?show=all" } else { "" })) { "First page" }
                }
                @if let Some(cursor) = next {
                    a rel="next" href=(context.link(&format!("?{show}cursor={}", encoded(cursor)))) { "More slots" }
                }
            }
        }
    }
}

fn strip(context: &PageContext, latest: &Part<PageOf<Booking>>, names: &SlotNames) -> Markup {
    html! {
        @if let Some(list) = latest.value() {
            @if !list.items.is_empty() {
                section aria-labelledby="latest" {
                    h2 #latest { "Your latest bookings" }
                    (bookings::table(context, &list.items, names))
                    p { a href=(context.link("bookings")) { "All my bookings" } }
                }
            }
        }
    }
}
