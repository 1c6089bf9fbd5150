//! Slots: added, closed, reopened, and shown.

use std::time::Duration;

use bff::invoke::{Invoke, ask};
use bff::{Answer, Problem};
use contracts::id::SlotId;
use contracts::message::{Page, Request};
use contracts::parking::{Command, Query, Slot};
use service_error::ServiceError;

use super::{Errand, page_request};
use crate::shape::NewSlot;

/// How long an answer is held back until the view shows what was done. It is done anyway.
const VIEW_LIMIT: Duration = Duration::from_secs(1);

/// `POST /operator/slots`.
pub(super) async fn create(
    errand: &Errand<'_, impl Invoke>,
    slot_id: SlotId,
) -> Result<Answer, Problem> {
    errand.request.query(&[])?;
    let wish: NewSlot = errand.request.body()?;
    if !wish.is_good() {
        let detail = "name must be 1 to 100 characters, not all blank and none a control character";
        return Err(Problem::validation(detail));
    }
    let slot = command(errand, Command::CreateSlot { slot_id, name: wish.name }).await?;
    // Relative to the request, and so right behind whatever stands before the path. It goes up first to spell all of it.
    Ok(Answer::json(201, &slot).with("Location", format!("../operator/slots/{slot_id}")))
}

/// `POST /operator/slots/{slotId}/close`.
pub(super) async fn close(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let slot_id = meant(errand)?;
    Ok(Answer::json(200, &command(errand, Command::CloseSlot { slot_id }).await?))
}

/// `POST /operator/slots/{slotId}/reopen`.
pub(super) async fn reopen(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let slot_id = meant(errand)?;
    Ok(Answer::json(200, &command(errand, Command::ReopenSlot { slot_id }).await?))
}

fn meant(errand: &Errand<'_, impl Invoke>) -> Result<SlotId, Problem> {
    let slot_id = errand.request.path("slotId")?;
    errand.request.query(&[])?;
    errand.request.no_body()?;
    Ok(slot_id)
}

/// Carries out a command, and waits for the view, so that an operator reads what they have written.
pub(super) async fn command(
    errand: &Errand<'_, impl Invoke>,
    command: Command,
) -> Result<Slot, ServiceError> {
    let request = Request { cause: Some(errand.request.correlation_id()), ..command.into() };
    let slot: Slot =
        ask(errand.services, &errand.at.parking_command, &request, errand.deadline).await?;
    let seen = Query::Slot { slot_id: slot.slot_id, min_version: Some(slot.version) };
    let until = errand.deadline.within(VIEW_LIMIT);
    // A view that is late makes the answer no less true.
    drop(query::<Slot>(errand, seen, until).await);
    Ok(slot)
}

/// `GET /operator/slots`.
pub(super) async fn list(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let asked = errand.request.query(&["status", "limit", "cursor"])?;
    let slots = Query::Slots { status: asked.one_of("status")?, page: page_request(asked.page()?) };
    let page: Page<Slot> = query(errand, slots, errand.deadline).await?;
    Ok(Answer::json(200, &page))
}

/// `GET /operator/slots/{slotId}`.
pub(super) async fn read(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let slot_id = errand.request.path("slotId")?;
    let asked = errand.request.query(&["minVersion"])?;
    let min_version = asked.number("minVersion", 1..=u64::MAX)?;
    let slot: Slot = query(errand, Query::Slot { slot_id, min_version }, errand.deadline).await?;
    Ok(Answer::json(200, &slot))
}

pub(super) async fn query<R: serde::de::DeserializeOwned>(
    errand: &Errand<'_, impl Invoke>,
    query: Query,
    deadline: bff::invoke::Deadline,
) -> Result<R, ServiceError> {
    ask(errand.services, &errand.at.parking_query, &Request::from(query), deadline).await
}
