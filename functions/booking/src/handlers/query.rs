//! `booking-query`: reads the view, and nothing else.

use std::time::Duration;

use contracts::booking::{Booking, BookingStatus, Query};
use contracts::message::{Page, PageRequest, Request};
use cqrs::cursor::Cursors;
use cqrs::page::{self, Listing};
use cqrs::view::{Order, View, ViewError};
use cqrs::wait::{self, Patience};
use saga::Failure;
use serde::Serialize;

use crate::view::{BY_CUSTOMER, BY_STATUS, BookingRow, status_name};

/// How long a reader waits for the version that they have asked for.
const WAIT_FOR_VERSION: Duration = Duration::from_secs(2);
/// How long a booking may be missing from the view after it was accepted, before it counts as unknown.
const WAIT_FOR_ROW: Duration = Duration::from_secs(1);

/// What a query is answered with.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// One booking.
    Booking(Box<Booking>),
    /// Some of them.
    Page(Page<Booking>),
}

/// Answers one query.
///
/// # Errors
///
/// `Rejected` if there is no such booking or cursor, `Transient` if the view is behind what was asked for.
pub async fn handle(
    view: &impl View<BookingRow>,
    cursors: &Cursors,
    request: Request<Query>,
) -> Result<Answer, Failure> {
    match request.ask {
        Query::Booking { booking_id, customer, min_version } => {
            let patience = Patience {
                min_version: min_version.unwrap_or(1),
                at_most: if min_version.is_some() { WAIT_FOR_VERSION } else { WAIT_FOR_ROW },
            };
            let found =
                wait::get(view, &booking_id.to_string(), patience).await.map_err(failure)?;
            let Some(found) = found else {
                return Err(match min_version {
                    Some(_) => behind(),
                    None => Failure::rejected("not-found", "booking does not exist"),
                });
            };
            let booking = found.row.0;
            if customer.is_some_and(|customer| customer != booking.customer) {
                return Err(Failure::rejected("not-found", "booking does not exist"));
            }
            if found.version < patience.min_version {
                return Err(behind());
            }
            Ok(Answer::Booking(Box::new(booking)))
        }
        Query::CustomerBookings { customer, page } => {
            let partitions = [customer.0.as_str()];
            let list = format!("customer {customer}");
            let listing =
                Bookings { index: BY_CUSTOMER, attribute: "customer", partitions: &partitions };
            read_page(view, cursors, &list, listing, &page).await
        }
        Query::Bookings { status, page } => {
            let (list, partitions) = match status {
                Some(status) => {
                    (format!("status {}", status_name(status)), vec![status_name(status)])
                }
                // Read together, so that no partition of the index holds every booking.
                None => ("all".to_owned(), ALL.map(status_name).to_vec()),
            };
            let listing =
                Bookings { index: BY_STATUS, attribute: "status", partitions: &partitions };
            read_page(view, cursors, &list, listing, &page).await
        }
    }
}

const ALL: [BookingStatus; 5] = [
    BookingStatus::Pending,
    BookingStatus::Completed,
    BookingStatus::Failed,
    BookingStatus::Cancelled,
    BookingStatus::CheckedOut,
];

struct Bookings<'a> {
    index: &'static str,
    attribute: &'static str,
    partitions: &'a [&'a str],
}

async fn read_page(
    view: &impl View<BookingRow>,
    cursors: &Cursors,
    list: &str,
    bookings: Bookings<'_>,
    page: &PageRequest,
) -> Result<Answer, Failure> {
    if !(1..=100).contains(&page.limit) {
        return Err(Failure::rejected("validation", "limit must be from 1 to 100"));
    }
    let after = page.cursor.as_deref().map(|cursor| cursors.open(list, cursor)).transpose();
    let after = after.map_err(|error| Failure::rejected("validation", error.to_string()))?;
    let listing = Listing {
        index: bookings.index,
        attribute: bookings.attribute,
        partitions: bookings.partitions,
        order: Order::Descending,
        after: after.as_deref(),
        limit: page.limit as usize,
    };
    let page = page::read(view, listing).await.map_err(failure)?;
    Ok(Answer::Page(Page {
        items: page.rows.into_iter().map(|it| it.row.0).collect(),
        next_cursor: page.next.map(|position| cursors.seal(list, &position)),
    }))
}

fn behind() -> Failure {
    Failure::transient("the view has not reached this version yet", "view is behind")
}

fn failure(error: ViewError) -> Failure {
    match error {
        ViewError::Unavailable(_) => Failure::transient("bookings can't be read", error),
        ViewError::Corrupt(_) => Failure::broken(error),
    }
}
