//! The first page: slots to choose from, and a form to book each free one.

use bff::compose::{Part, Report};
use contracts::booking::Booking;
use contracts::id::SlotId;
use contracts::message::Page as PageOf;
use contracts::parking::{Slot, SlotStatus};
use maud::{Markup, html};

use super::{Page, Place, bookings, encoded, hidden, notice, troubles, words};

/// The cards of the sandbox: what is charged, and what it does.
pub const CARDS: [(&str, &str); 7] = [
    ("tok_visa", "Visa ···· 4242, works"),
    ("tok_declined", "Card that is declined"),
    ("tok_insufficient_funds", "Card without enough money"),
    ("tok_slow", "Card that takes 3 seconds"),
    ("tok_timeout", "Card that takes the money and does not answer"),
    ("tok_flaky", "Card that works at the third try"),
    ("tok_down", "Card whose bank is down"),
];

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
    /// Names the wishes of this page; with the slot, one form's.
    pub key: &'a str,
    /// Why a slot was not booked, and how it was to be paid.
    pub trouble: Option<Trouble<'a>>,
}

/// A form that has come to nothing, filled in as it was.
#[derive(Clone, Copy, Debug)]
pub struct Trouble<'a> {
    /// The slot.
    pub slot_id: SlotId,
    /// Names the next try.
    pub key: &'a str,
    /// Why not, for people.
    pub text: &'a str,
    /// Whether it was to be paid by invoice.
    pub by_invoice: bool,
    /// The card that was chosen.
    pub token: &'a str,
}

/// The page.
#[must_use]
pub fn render(place: &Place, shown: &Slots<'_>) -> String {
    let title = if shown.all { "All slots" } else { "Free slots" };
    let main = html! {
        div .head {
            h1 { (title) }
            nav .filter aria-label="Which slots" {
                a href=(place.link("")) aria-current=[(!shown.all).then_some("page")] { "Free" }
                a href=(place.link("?show=all")) aria-current=[shown.all.then_some("page")] { "All" }
            }
        }
        (troubles(shown.report))
        @match shown.slots.value() {
            Some(list) if list.items.is_empty() => (nothing(place, shown)),
            Some(list) => {
                ul .slots {
                    @for slot in &list.items { (entry(place, shown, slot)) }
                }
                (pager(place, shown, list.next_cursor.as_deref()))
            }
            None => p { a .button href="" { "Try again" } },
        }
        (strip(place, shown.latest))
    };
    Page { place, title, again_after: None, main }.render()
}

fn nothing(place: &Place, shown: &Slots<'_>) -> Markup {
    html! {
        div .empty {
            @if shown.further {
                p { strong { "That was all." } }
                p { a href=(place.link("")) { "Back to the beginning" } }
            } @else if shown.all {
                p { strong { "There are no slots yet." } }
                p { "An operator adds them in the control room." }
            } @else {
                p { strong { "No slot is free just now." } }
                p { "Somebody may leave any moment. " a href=(place.link("?show=all")) { "Look at all slots" } "." }
            }
        }
    }
}

fn entry(place: &Place, shown: &Slots<'_>, slot: &Slot) -> Markup {
    let trouble = shown.trouble.filter(|it| it.slot_id == slot.slot_id);
    // What was refused is shown where it was asked for, also if the slot has been taken meanwhile.
    let may_book = slot.status == SlotStatus::Available || trouble.is_some();
    html! {
        li .card.slot {
            div .row {
                h2 { (slot.name) }
                (words::badge(words::slot(slot.status)))
            }
            @if may_book {
                details open[trouble.is_some()] {
                    summary { "Book" span .sr { " " (slot.name) } }
                    (form(place, shown, slot, trouble))
                }
            }
        }
    }
}

fn form(place: &Place, shown: &Slots<'_>, slot: &Slot, trouble: Option<Trouble<'_>>) -> Markup {
    let id = slot.slot_id;
    let by_invoice = trouble.is_some_and(|it| it.by_invoice);
    let chosen = trouble.map_or("tok_visa", |it| it.token);
    let key = trouble.map_or_else(|| format!("{}.{id}", shown.key), |it| it.key.to_owned());
    html! {
        form method="post" action=(place.link("bookings")) {
            (hidden("proof", &place.proof))
            (hidden("key", &key))
            (hidden("slot", &id.to_string()))
            @if let Some(trouble) = trouble { (notice("error", &html! { (trouble.text) })) }
            fieldset {
                legend { "How do you pay?" }
                label .choice {
                    input type="radio" name="pay" value="card" checked[!by_invoice];
                    span { strong { "Now, by card" } " The slot is yours within seconds." }
                }
                div .indent { (cards(&format!("card-{id}"), chosen, None)) }
                label .choice {
                    input type="radio" name="pay" value="invoice" checked[by_invoice];
                    span { strong { "Later, by invoice" } " The slot is held for nobody: the first who pays gets it." }
                }
            }
            button type="submit" { "Book " (slot.name) }
        }
    }
}

/// A card to choose; `invalid` if it was refused.
pub(super) fn cards(id: &str, chosen: &str, invalid: Option<&str>) -> Markup {
    html! {
        label for=(id) { "Card" }
        select #(id) name="token" aria-invalid=[invalid] {
            @for (token, text) in CARDS {
                option value=(token) selected[token == chosen] { (text) }
            }
        }
    }
}

fn pager(place: &Place, shown: &Slots<'_>, next: Option<&str>) -> Markup {
    let show = if shown.all { "show=all&" } else { "" };
    html! {
        @if shown.further || next.is_some() {
            nav .pager aria-label="Pages" {
                @if shown.further {
                    a href=(place.link(if shown.all { "?show=all" } else { "" })) { "First page" }
                }
                @if let Some(cursor) = next {
                    a rel="next" href=(place.link(&format!("?{show}cursor={}", encoded(cursor)))) { "More slots" }
                }
            }
        }
    }
}

fn strip(place: &Place, latest: &Part<PageOf<Booking>>) -> Markup {
    html! {
        @if let Some(list) = latest.value() {
            @if !list.items.is_empty() {
                section aria-labelledby="latest" {
                    h2 #latest { "Your latest bookings" }
                    (bookings::table(place, &list.items))
                    p { a href=(place.link("bookings")) { "All my bookings" } }
                }
            }
        }
    }
}
