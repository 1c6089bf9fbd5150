//! `booking-query`: reads the view, and nothing else.

use std::time::Duration;

use contracts::booking::{Booking, Query};
use contracts::message::{Page, PageRequest, Request};
use contracts::projection::{Overview, Projection};
use cqrs::cursor::Cursors;
use cqrs::generation::Controls;
use cqrs::page::{self, Listing};
use cqrs::rebuild;
use cqrs::view::{Order, Reader};
use cqrs::wait::{self, Patience};
use jiff::Timestamp;
use saga::Failure;
use serde::Serialize;

use crate::contract;
use crate::view::{ALL, BY_CUSTOMER, BY_STATUS, BookingRow, status_name};

/// How long a reader waits for the version that they have asked for.
const WAIT_FOR_VERSION: Duration = Duration::from_secs(2);
/// How long a booking may be missing from the view after it was accepted, before it counts as unknown.
const WAIT_FOR_ROW: Duration = Duration::from_secs(1);

/// An overview need not know how many there are beyond this, and counting reads what it counts.
const COUNT_MAX: usize = 1_000;

/// What a query is answered with.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// One booking.
    Booking(Box<Booking>),
    /// Some of them.
    Page(Page<Booking>),
    /// How the view fares.
    Projection(Box<Projection>),
    /// What it holds.
    Overview(Box<Overview>),
}

/// Answers one query.
///
/// # Errors
///
/// `Rejected` if there is no such booking or cursor, `Transient` if the view is behind what was asked for.
pub async fn handle(
    view: &impl Reader<BookingRow>,
    controls: &impl Controls,
    cursors: &Cursors,
    request: Request<Query>,
    now: Timestamp,
) -> Result<Answer, Failure> {
    function::follow(request.traceparent.as_deref());
    match request.ask {
        Query::Booking { booking_id, customer, min_version } => {
            let patience = Patience {
                min_version: min_version.unwrap_or(1),
                at_most: if min_version.is_some() { WAIT_FOR_VERSION } else { WAIT_FOR_ROW },
            };
            let found = wait::get(view, &booking_id.to_string(), patience).await?;
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
        Query::Projection {} => Ok(Answer::Projection(Box::new(projection(controls, now).await?))),
        Query::Overview {} => Ok(Answer::Overview(Box::new(overview(view, controls, now).await?))),
    }
}

struct Bookings<'a> {
    index: &'static str,
    attribute: &'static str,
    partitions: &'a [&'a str],
}

async fn read_page(
    view: &impl Reader<BookingRow>,
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
    let page = page::read(view, listing).await?;
    Ok(Answer::Page(Page {
        items: page.rows.into_iter().map(|it| it.row.0).collect(),
        next_cursor: page.next.map(|position| cursors.seal(list, &position)),
    }))
}

fn behind() -> Failure {
    Failure::transient("the view has not reached this version yet", "view is behind")
}

async fn projection(controls: &impl Controls, now: Timestamp) -> Result<Projection, Failure> {
    Ok(contract::projection(rebuild::progress(controls, now).await?))
}

async fn overview(
    view: &impl Reader<BookingRow>,
    controls: &impl Controls,
    now: Timestamp,
) -> Result<Overview, Failure> {
    let all = Listing {
        index: BY_STATUS,
        attribute: "status",
        partitions: &ALL.map(status_name),
        order: Order::Ascending,
        after: None,
        limit: COUNT_MAX,
    };
    let counts = page::counts(view, all).await?;
    let projection = projection(controls, now).await?;
    Ok(Overview { counts, counted_up_to: COUNT_MAX as u64, projection })
}
