//! `parking-query`: serves queries from the view only.

use std::time::Duration;

use contracts::id::SlotId;
use contracts::message::{Page, PageRequest, Request};
use contracts::parking::{Query, Slot, SlotStatus};
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

use crate::contract;
use crate::view::{BY_STATUS, SlotRow};

/// How long a query waits until the view has reached the requested version.
const WAIT_FOR_VERSION: Duration = Duration::from_secs(2);
/// How long a query waits for a missing row. A slot appears in the view a moment after it was created.
const WAIT_FOR_ROW: Duration = Duration::from_secs(1);
/// The limit of an overview's counts, because counting reads every counted row.
const MAX_COUNT: usize = 1_000;

/// The result of a query.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum QueryResponse {
    /// One slot.
    Slot(Slot),
    /// A page of slots.
    Page(Page<Slot>),
    /// The requested slots that the view has.
    Slots(Vec<Slot>),
    /// The state of the view.
    Projection(Box<Projection>),
    /// The number of slots by state.
    Overview(Box<Overview>),
}

/// Runs one query.
///
/// # Errors
///
/// `Rejected` if the slot does not exist or the cursor is invalid; `Transient` if the view has not reached the requested
/// version within 2 seconds, or can't be read.
pub async fn handle(
    view: &impl Reader<SlotRow>,
    states: &impl ProjectionStateStore,
    cursors: &Cursors,
    request: Request<Query>,
    now: Timestamp,
) -> Result<QueryResponse, ServiceError> {
    let Request { payload: query, cause, correlation_id, trace } = request;
    let run = run(view, states, cursors, query, now);
    handle_request("parking-query", &trace, correlation_id, cause, run).await
}

async fn run(
    view: &impl Reader<SlotRow>,
    states: &impl ProjectionStateStore,
    cursors: &Cursors,
    query: Query,
    now: Timestamp,
) -> Result<QueryResponse, ServiceError> {
    match query {
        Query::Slot { slot_id, min_version } => {
            let policy = WaitPolicy {
                min_version: min_version.unwrap_or(1),
                timeout: if min_version.is_some() { WAIT_FOR_VERSION } else { WAIT_FOR_ROW },
            };
            match wait::get(view, &slot_id.to_string(), policy).await? {
                Some(found) if found.version >= policy.min_version => {
                    Ok(QueryResponse::Slot(found.row.0))
                }
                // A caller that knows a version of the slot proves that the slot exists.
                found if found.is_some() || min_version.is_some() => Err(ServiceError::transient(
                    "the view has not reached this version yet",
                    "view is behind",
                )),
                _ => Err(ServiceError::rejected("not-found", "slot does not exist")),
            }
        }
        Query::Slots { status, page } => read_page(view, cursors, status, &page).await,
        Query::SlotsById { slot_ids } => read_by_id(view, &slot_ids).await,
        Query::Projection {} => {
            Ok(QueryResponse::Projection(Box::new(projection(states, now).await?)))
        }
        Query::Overview {} => {
            Ok(QueryResponse::Overview(Box::new(overview(view, states, now).await?)))
        }
    }
}

async fn read_by_id(
    view: &impl Reader<SlotRow>,
    slot_ids: &[SlotId],
) -> Result<QueryResponse, ServiceError> {
    if !(1..=100).contains(&slot_ids.len()) {
        return Err(ServiceError::rejected("validation", "slotIds must be 1 to 100 ids"));
    }
    let rows = slot_ids.iter().map(async |it| view.get(&it.to_string()).await);
    let rows = futures::future::try_join_all(rows).await?;
    Ok(QueryResponse::Slots(rows.into_iter().flatten().map(|it| it.row.0).collect()))
}

async fn read_page(
    view: &impl Reader<SlotRow>,
    cursors: &Cursors,
    status: Option<SlotStatus>,
    page: &PageRequest,
) -> Result<QueryResponse, ServiceError> {
    if !(1..=100).contains(&page.limit) {
        return Err(ServiceError::rejected("validation", "limit must be from 1 to 100"));
    }
    let (list, names) = match status {
        Some(status) => (status.name(), vec![status.name()]),
        None => ("all".to_owned(), SlotStatus::ALL.map(SlotStatus::name).to_vec()),
    };
    let after = page.cursor.as_deref().map(|cursor| cursors.open(&list, cursor)).transpose();
    let after = after.map_err(|error| ServiceError::rejected("validation", error.to_string()))?;
    let partitions: Vec<&str> = names.iter().map(String::as_str).collect();
    let listing = Listing {
        index: BY_STATUS,
        attribute: "status",
        partitions: &partitions,
        order: Order::Ascending,
        after: after.as_deref(),
        limit: page.limit as usize,
    };
    let page = page::read(view, listing).await?;
    Ok(QueryResponse::Page(Page {
        items: page.rows.into_iter().map(|it| it.row.0).collect(),
        next_cursor: page.next.map(|position| cursors.seal(&list, &position)),
    }))
}

async fn projection(
    states: &impl ProjectionStateStore,
    now: Timestamp,
) -> Result<Projection, ServiceError> {
    Ok(contract::projection(rebuild::progress(states, now).await?))
}

async fn overview(
    view: &impl Reader<SlotRow>,
    states: &impl ProjectionStateStore,
    now: Timestamp,
) -> Result<Overview, ServiceError> {
    let names = SlotStatus::ALL.map(SlotStatus::name);
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
