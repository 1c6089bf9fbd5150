//! A customer's bookings, newest first.

use contracts::booking::{Booking, PaymentMode};
use contracts::message::Page as PageOf;
use maud::{Markup, html};

use super::{Page, Place, encoded, words};

/// The page. `further` says that it is not the list's beginning.
#[must_use]
pub fn render(place: &Place, list: &PageOf<Booking>, further: bool) -> String {
    let main = html! {
        h1 { "My bookings" }
        @if list.items.is_empty() {
            div .empty {
                @if further {
                    p { strong { "That was all." } }
                } @else {
                    p { strong { "You have no bookings yet." } }
                    p { a .button href=(place.link("")) { "Choose a slot" } }
                }
            }
        } @else {
            (table(place, &list.items))
        }
        @if further || list.next_cursor.is_some() {
            nav .pager aria-label="Pages" {
                @if further { a href=(place.link("bookings")) { "Newest" } }
                @if let Some(cursor) = &list.next_cursor {
                    a rel="next" href=(place.link(&format!("bookings?cursor={}", encoded(cursor)))) { "Older" }
                }
            }
        }
    };
    Page { place, title: "My bookings", again_after: None, main }.render()
}

/// Bookings, row by row.
pub(super) fn table(place: &Place, bookings: &[Booking]) -> Markup {
    html! {
        table .list {
            thead { tr {
                th scope="col" { "Booking" } th scope="col" { "State" } th scope="col" { "Paid by" } th scope="col" { "Made" }
            } }
            tbody {
                @for booking in bookings {
                    @let id = booking.booking_id.to_string();
                    tr {
                        td { a href=(place.link(&format!("bookings/{id}"))) { "Booking …" (words::short(&id)) } }
                        td { (words::badge(words::booking(booking.status))) }
                        td { (mode(booking.mode)) }
                        td { (words::time(booking.created_at)) }
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
