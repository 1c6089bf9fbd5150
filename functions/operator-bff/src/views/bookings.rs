//! All bookings, newest first, or those in one state.

use contracts::booking::{Booking, BookingStatus};
use contracts::message::Page as PageOf;
use jiff::Timestamp;
use maud::{Markup, html};
use pages::format::{short, time};
use pages::{Page, PageContext, encoded};

use super::labels;

const REFRESH_AFTER: u32 = 2;

/// The page. `further` says that it is not the list's beginning.
#[must_use]
pub fn render(
    context: &PageContext,
    list: &PageOf<Booking>,
    status: Option<BookingStatus>,
    further: bool,
) -> String {
    let chosen = status.map(labels::booking);
    let main = html! {
        div .head {
            h1 { "Bookings" }
            (filter(context, "room/bookings", &labels::BOOKINGS.map(labels::booking), chosen))
        }
        @if list.items.is_empty() {
            div .empty {
                @if further { p { "There are no more." } } @else { p { "There are none." } }
            }
        } @else {
            (table(context, &list.items, time))
        }
        (pager(context, "room/bookings", chosen, further, list.next_cursor.as_deref()))
    };
    // Only the first page refreshes: older bookings rarely change.
    let refresh_after = (!further).then_some(REFRESH_AFTER);
    Page { context, title: "Bookings", refresh_after, main }.render()
}

/// Which states of a list are shown.
pub(super) fn filter(
    context: &PageContext,
    page: &str,
    states: &[labels::State],
    chosen: Option<labels::State>,
) -> Markup {
    html! {
        nav .filter aria-label="Which ones" {
            a href=(context.link(page)) aria-current=[chosen.is_none().then_some("page")] { "All" }
            @for (name, word, _) in states {
                a href=(context.link(&format!("{page}?status={name}")))
                    aria-current=[chosen.is_some_and(|it| it.0 == *name).then_some("page")] { (word) }
            }
        }
    }
}

/// The way to the rest of a list.
pub(super) fn pager(
    context: &PageContext,
    page: &str,
    chosen: Option<labels::State>,
    further: bool,
    next: Option<&str>,
) -> Markup {
    let status = chosen.map(|it| format!("status={}", it.0)).unwrap_or_default();
    let more = |cursor| format!("{page}?{status}&cursor={}", encoded(cursor)).replace("?&", "?");
    html! {
        @if further || next.is_some() {
            nav .pager aria-label="Pages" {
                @if further { a href=(context.link(&format!("{page}?{status}"))) { "To the beginning" } }
                @if let Some(cursor) = next { a rel="next" href=(context.link(&more(cursor))) { "More" } }
            }
        }
    }
}

/// Bookings, row by row; `made` writes when.
pub(super) fn table(
    context: &PageContext,
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
                        td { a href=(context.link(&format!("room/bookings/{id}"))) { "…" (short(&id)) } }
                        td {
                            (labels::badge(labels::booking(booking.status)))
                            @if let Some(reason) = booking.reason { span .hint { " " (labels::reason(reason)) } }
                        }
                        td .name { (booking.customer.0) }
                        td { (made(booking.created_at)) }
                    }
                }
            }
        }
    }
}
