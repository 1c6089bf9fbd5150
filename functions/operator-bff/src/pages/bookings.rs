//! All bookings, newest first, or those in one state.

use bff::pages::words::{short, time};
use bff::pages::{Page, Place, encoded};
use contracts::booking::{Booking, BookingStatus};
use contracts::message::Page as PageOf;
use jiff::Timestamp;
use maud::{Markup, html};

use super::words;

const AGAIN_AFTER: u32 = 2;

/// The page. `further` says that it is not the list's beginning.
#[must_use]
pub fn render(
    place: &Place,
    list: &PageOf<Booking>,
    status: Option<BookingStatus>,
    further: bool,
) -> String {
    let chosen = status.map(words::booking);
    let main = html! {
        div .head {
            h1 { "Bookings" }
            (filter(place, "room/bookings", &words::BOOKINGS.map(words::booking), chosen))
        }
        @if list.items.is_empty() {
            div .empty {
                @if further { p { "There are no more." } } @else { p { "There are none." } }
            }
        } @else {
            (table(place, &list.items, time))
        }
        (pager(place, "room/bookings", chosen, further, list.next_cursor.as_deref()))
    };
    // Whoever leafs through older ones reads; only the newest change.
    let again_after = (!further).then_some(AGAIN_AFTER);
    Page { place, title: "Bookings", again_after, main }.render()
}

/// Which states of a list are shown.
pub(super) fn filter(
    place: &Place,
    page: &str,
    states: &[words::State],
    chosen: Option<words::State>,
) -> Markup {
    html! {
        nav .filter aria-label="Which ones" {
            a href=(place.link(page)) aria-current=[chosen.is_none().then_some("page")] { "All" }
            @for (name, word, _) in states {
                a href=(place.link(&format!("{page}?status={name}")))
                    aria-current=[chosen.is_some_and(|it| it.0 == *name).then_some("page")] { (word) }
            }
        }
    }
}

/// The way to the rest of a list.
pub(super) fn pager(
    place: &Place,
    page: &str,
    chosen: Option<words::State>,
    further: bool,
    next: Option<&str>,
) -> Markup {
    let status = chosen.map(|it| format!("status={}", it.0)).unwrap_or_default();
    let more = |cursor| format!("{page}?{status}&cursor={}", encoded(cursor)).replace("?&", "?");
    html! {
        @if further || next.is_some() {
            nav .pager aria-label="Pages" {
                @if further { a href=(place.link(&format!("{page}?{status}"))) { "To the beginning" } }
                @if let Some(cursor) = next { a rel="next" href=(place.link(&more(cursor))) { "More" } }
            }
        }
    }
}

/// Bookings, row by row; `made` writes when.
pub(super) fn table(
    place: &Place,
    bookings: &[Booking],
    made: impl Fn(Timestamp) -> Markup,
) -> Markup {
    html! {
        table .list {
            thead { tr {
                th scope="col" { "Booking" } th scope="col" { "State" } th scope="col" { "Customer" } th scope="col" { "Created" }
            } }
            tbody {
                @for booking in bookings {
                    @let id = booking.booking_id.to_string();
                    tr {
                        td { a href=(place.link(&format!("room/bookings/{id}"))) { "…" (short(&id)) } }
                        td {
                            (words::badge(words::booking(booking.status)))
                            @if let Some(reason) = booking.reason { span .hint { " " (words::reason(reason)) } }
                        }
                        td .name { (booking.customer.0) }
                        td { (made(booking.created_at)) }
                    }
                }
            }
        }
    }
}
