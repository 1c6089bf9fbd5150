//! `booking-query`: serves queries from the view only.

use std::time::Duration;

use contracts::booking::{Booking, BookingStatus, Query};
use contracts::message::{Page, PageRequest, Request};
use contracts::projection::{Overview, Projection};
use cqrs::cursor::Cursors;
use cqrs::generation::ProjectionStateStore;
use cqrs::page::{self, Listing};
use cqrs::rebuild;
use cqrs::view::{Order, Reader};
use cqrs::wait::{self, WaitPolicy};
use function::handle_request;
use jiff::Timestamp;
use serde::Serialize;
use service_error::ServiceError;
use trace_context::correlate;

use crate::contract;
use crate::view::{BY_CUSTOMER, BY_STATUS, BookingRow};

/// How long a query waits until the view has reached the requested version.
const WAIT_FOR_VERSION: Duration = Duration::from_secs(2);
/// How long a query waits for a missing row. A booking appears in the view a moment after its command was accepted.
const WAIT_FOR_ROW: Duration = Duration::from_secs(1);

/// The limit of an overview's counts, because counting reads every counted row.
const MAX_COUNT: usize = 1_000;

/// The result of a query.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum QueryResponse {
    /// One booking.
    Booking(Box<Booking>),
    /// A page of bookings.
    Page(Page<Booking>),
    /// The state of the view.
    Projection(Box<Projection>),
    /// The number of bookings by state.
    Overview(Box<Overview>),
}

/// Runs one query.
///
/// # Errors
///
/// `Rejected` if the booking does not exist or the cursor is invalid; `Transient` if the view has not reached the
/// requested version within 2 seconds, or can't be read.
pub async fn handle(
    view: &impl Reader<BookingRow>,
    states: &impl ProjectionStateStore,
    cursors: &Cursors,
    request: Request<Query>,
    now: Timestamp,
) -> Result<QueryResponse, ServiceError> {
    let Request { payload: query, cause, correlation_id, trace } = request;
    let run = run(view, states, cursors, query, now);
    handle_request("booking-query", &trace, correlation_id, cause, run).await
}

async fn run(
    view: &impl Reader<BookingRow>,
    states: &impl ProjectionStateStore,
    cursors: &Cursors,
    query: Query,
    now: Timestamp,
) -> Result<QueryResponse, ServiceError> {
    match query {
        Query::Booking { booking_id, customer, min_version } => {
            correlate(booking_id);
            let policy = WaitPolicy {
                min_version: min_version.unwrap_or(1),
                timeout: if min_version.is_some() { WAIT_FOR_VERSION } else { WAIT_FOR_ROW },
            };
            let found = wait::get(view, &booking_id.to_string(), policy).await?;
            let Some(found) = found else {
                return Err(match min_version {
                    Some(_) => behind(),
                    None => ServiceError::rejected("not-found", "booking does not exist"),
                });
            };
            let booking = found.row.0;
            if customer.is_some_and(|customer| customer != booking.customer) {
                return Err(ServiceError::rejected("not-found", "booking does not exist"));
            }
            if found.version < policy.min_version {
                return Err(behind());
            }
            Ok(QueryResponse::Booking(Box::new(booking)))
        }
        Query::CustomerBookings { customer, page } => {
            let partitions = [customer.0.as_str()];
            let list = format!("customer {customer}");
            let listing =
                Bookings { index: BY_CUSTOMER, attribute: "customer", partitions: &partitions };
            read_page(view, cursors, &list, listing, &page).await
        }
        Query::Bookings { status, page } => {
            let (list, names) = match status {
                Some(status) => (format!("status {}", status.name()), vec![status.name()]),
                // All partitions are merged, so that no single partition of the index holds every booking.
                None => ("all".to_owned(), BookingStatus::ALL.map(BookingStatus::name).to_vec()),
            };
            let partitions: Vec<&str> = names.iter().map(String::as_str).collect();
            let listing =
                Bookings { index: BY_STATUS, attribute: "status", partitions: &partitions };
            read_page(view, cursors, &list, listing, &page).await
        }
        Query::Projection {} => {
            Ok(QueryResponse::Projection(Box::new(projection(states, now).await?)))
        }
        Query::Overview {} => {
            Ok(QueryResponse::Overview(Box::new(overview(view, states, now).await?)))
        }
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
) -> Result<QueryResponse, ServiceError> {
    if !(1..=100).contains(&page.limit) {
        return Err(ServiceError::rejected("validation", "limit must be from 1 to 100"));
    }
    let after = page.cursor.as_deref().map(|cursor| cursors.open(list, cursor)).transpose();
    let after = after.map_err(|error| ServiceError::rejected("validation", error.to_string()))?;
    let listing = Listing {
        index: bookings.index,
        attribute: bookings.attribute,
        partitions: bookings.partitions,
        order: Order::Descending,
        after: after.as_deref(),
        limit: page.limit as usize,
    };
    let page = page::read(view, listing).await?;
    Ok(QueryResponse::Page(Page {
        items: page.rows.into_iter().map(|it| it.row.0).collect(),
        next_cursor: page.next.map(|position| cursors.seal(list, &position)),
    }))
}

fn behind() -> ServiceError {
    ServiceError::transient("the view has not reached this version yet", "view is behind")
}

async fn projection(
    states: &impl ProjectionStateStore,
    now: Timestamp,
) -> Result<Projection, ServiceError> {
    Ok(contract::projection(rebuild::progress(states, now).await?))
}

async fn overview(
    view: &impl Reader<BookingRow>,
    states: &impl ProjectionStateStore,
    now: Timestamp,
) -> Result<Overview, ServiceError> {
    let names = BookingStatus::ALL.map(BookingStatus::name);
    let all = Listing {
        index: BY_STATUS,
        attribute: "status",
        partitions: &names.each_ref().map(String::as_str),
        order: Order::Ascending,
        after: None,
        limit: MAX_COUNT,
    };
    let counts = page::counts(view, all).await?;
    let projection = projection(states, now).await?;
    Ok(Overview { counts, counted_up_to: MAX_COUNT as u64, projection })
}
