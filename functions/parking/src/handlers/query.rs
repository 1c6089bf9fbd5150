//! `parking-query`: reads the view, and nothing else.

use std::time::Duration;

use contracts::id::SlotId;
use contracts::message::{Page, PageRequest, Request};
use contracts::parking::{Query, Slot, SlotStatus};
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
use crate::view::{ALL, BY_STATUS, SlotRow, status_name};

/// How long a reader waits for the version that they have asked for.
const WAIT_FOR_VERSION: Duration = Duration::from_secs(2);
/// How long a slot may be missing from the view after it was added, before it counts as unknown.
const WAIT_FOR_ROW: Duration = Duration::from_secs(1);
/// An overview need not know how many there are beyond this, and counting reads what it counts.
const COUNT_MAX: usize = 1_000;

/// What a query is answered with.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// One slot.
    Slot(Slot),
    /// Some of them.
    Page(Page<Slot>),
    /// Those that were asked for by their ids.
    Slots(Vec<Slot>),
    /// How the view fares.
    Projection(Box<Projection>),
    /// What it holds.
    Overview(Box<Overview>),
}

/// Answers one query.
///
/// # Errors
///
/// `Rejected` if there is no such slot or cursor, `Transient` if the view is behind what was asked for.
pub async fn handle(
    view: &impl Reader<SlotRow>,
    controls: &impl Controls,
    cursors: &Cursors,
    request: Request<Query>,
    now: Timestamp,
) -> Result<Answer, Failure> {
    function::follow(request.traceparent.as_deref());
    match request.ask {
        Query::Slot { slot_id, min_version } => {
            let patience = Patience {
                min_version: min_version.unwrap_or(1),
                at_most: if min_version.is_some() { WAIT_FOR_VERSION } else { WAIT_FOR_ROW },
            };
            match wait::get(view, &slot_id.to_string(), patience).await? {
                Some(found) if found.version >= patience.min_version => {
                    Ok(Answer::Slot(found.row.0))
                }
                // Whoever knows a version knows that there is such a slot.
                found if found.is_some() || min_version.is_some() => Err(Failure::transient(
                    "the view has not reached this version yet",
                    "view is behind",
                )),
                _ => Err(Failure::rejected("not-found", "slot does not exist")),
            }
        }
        Query::Slots { status, page } => read_page(view, cursors, status, &page).await,
        Query::SlotsById { slot_ids } => read_by_id(view, &slot_ids).await,
        Query::Projection {} => Ok(Answer::Projection(Box::new(projection(controls, now).await?))),
        Query::Overview {} => Ok(Answer::Overview(Box::new(overview(view, controls, now).await?))),
    }
}

async fn read_by_id(view: &impl Reader<SlotRow>, slot_ids: &[SlotId]) -> Result<Answer, Failure> {
    if !(1..=100).contains(&slot_ids.len()) {
        return Err(Failure::rejected("validation", "slotIds must be 1 to 100 ids"));
    }
    let rows = slot_ids.iter().map(async |it| view.get(&it.to_string()).await);
    let rows = futures::future::try_join_all(rows).await?;
    Ok(Answer::Slots(rows.into_iter().flatten().map(|it| it.row.0).collect()))
}

async fn read_page(
    view: &impl Reader<SlotRow>,
    cursors: &Cursors,
    status: Option<SlotStatus>,
    page: &PageRequest,
) -> Result<Answer, Failure> {
    if !(1..=100).contains(&page.limit) {
        return Err(Failure::rejected("validation", "limit must be from 1 to 100"));
    }
    let list = status.map_or("all", status_name);
    let after = page.cursor.as_deref().map(|cursor| cursors.open(list, cursor)).transpose();
    let after = after.map_err(|error| Failure::rejected("validation", error.to_string()))?;
    let partitions = match status {
        Some(status) => vec![status_name(status)],
        None => ALL.map(status_name).to_vec(),
    };
    let listing = Listing {
        index: BY_STATUS,
        attribute: "status",
        partitions: &partitions,
        order: Order::Ascending,
        after: after.as_deref(),
        limit: page.limit as usize,
    };
    let page = page::read(view, listing).await?;
    Ok(Answer::Page(Page {
        items: page.rows.into_iter().map(|it| it.row.0).collect(),
        next_cursor: page.next.map(|position| cursors.seal(list, &position)),
    }))
}

async fn projection(controls: &impl Controls, now: Timestamp) -> Result<Projection, Failure> {
    Ok(contract::projection(rebuild::progress(controls, now).await?))
}

async fn overview(
    view: &impl Reader<SlotRow>,
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
