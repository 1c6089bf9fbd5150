//! A customer's bookings, newest first.

use std::collections::BTreeMap;

use bff::compose::{Part, Report};
use contracts::booking::{Booking, PaymentMode};
use contracts::id::SlotId;
use contracts::message::Page as PageOf;
use maud::{Markup, html};

use super::{Page, PageContext, degraded_notice, encoded, labels};

/// Names of slots, as far as they are known.
pub type SlotNames = BTreeMap<SlotId, String>;

/// The page. `further` says that it is not the list's beginning.
#[must_use]
pub fn render(
    context: &PageContext,
    list: &PageOf<Booking>,
    names: &Part<SlotNames>,
    report: &Report,
    further: bool,
) -> String {
    let no_names = SlotNames::new();
    let names = names.value().unwrap_or(&no_names);
    let main = html! {
        h1 { "My bookings" }
        (degraded_notice(report))
        @if list.items.is_empty() {
            div .empty {
                @if further {
                    p { strong { "There are no more bookings." } }
                } @else {
                    p { strong { "You have no bookings yet." } }
                    p { a .button href=(context.link("")) { "Choose a slot" } }
                }
            }
        } @else {
            (table(context, &list.items, names))
        }
        @if further || list.next_cursor.is_some() {
            nav .pager aria-label="Pages" {
                @if further { a href=(context.link("bookings")) { "Newest" } }
                @if let Some(cursor) = &list.next_cursor {
                    a rel="next" href=(context.link(&format!("bookings?cursor={}", encoded(cursor)))) { "Older" }
                }
            }
        }
    };
    Page { context, title: "My bookings", refresh_after: None, main }.render()
}

/// Bookings, row by row.
pub(super) fn table(context: &PageContext, bookings: &[Booking], names: &SlotNames) -> Markup {
    html! {
        table .list {
            thead { tr {
                th scope="col" { "Slot" } th scope="col" { "State" } th scope="col" { "Paid by" } th scope="col" { "Created" }
            } }
            tbody {
                @for booking in bookings {
                    @let id = booking.booking_id.to_string();
                    tr {
                        td { a href=(context.link(&format!("bookings/{id}"))) {
                            @match names.get(&booking.slot_id) {
                                Some(name) => (name),
                                None => { "Booking …" (labels::short(&id)) }
                            }
                        } }
                        td { (labels::badge(labels::booking(booking.status))) }
                        td { (mode(booking.mode)) }
                        td { (labels::time(booking.created_at)) }
                    }
                }
            }
        }
    }
}

pub(super) fn mode(mode: PaymentMode) -> &'static str {
    match mode {
        PaymentMode::Instant => "Card",
        PaymentMode::Invoice => "Invoice",
    }
}
