//! Slots: created, closed, reopened, and shown.

use std::time::Duration;

use axum::extract::OriginalUri;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bff::Problem;
use bff::web::{
    Cursor, Limit, NoBody, NoParameters, PathParameter, StrictJson, StrictQuery, WholeNumber,
    location, with_page,
};
use contracts::id::SlotId;
use contracts::message::Page;
use contracts::parking::{Command, Query, Slot, SlotStatus};
use pages::PageForm;
use serde::Deserialize;
use service_error::ServiceError;

use super::{
    ApiContext, App, ConsoleContext, EmptyForm, RequestContext, not_our_form, page_request,
};
use crate::dto::NewSlot;
use crate::views;
use crate::views::FlashMessage;

/// How long a response waits until the view shows what was done. It is done in any case.
const VIEW_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) fn api_routes() -> Router<App> {
    Router::new()
        .route("/operator/slots", get(list).post(create))
        .route("/operator/slots/{slotId}", get(read))
        .route("/operator/slots/{slotId}/close", post(close))
        .route("/operator/slots/{slotId}/reopen", post(reopen))
}

pub(super) fn page_routes() -> Router<App> {
    Router::new()
        .route("/operator/room/slots", get(show).post(create_by_form))
        .route("/operator/room/slots/{slotId}/close", post(close_by_form))
        .route("/operator/room/slots/{slotId}/reopen", post(reopen_by_form))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    status: Option<SlotStatus>,
    limit: Option<Limit>,
    cursor: Option<Cursor>,
}

/// `GET /operator/slots`.
async fn list(
    ApiContext(context): ApiContext,
    StrictQuery(ListQuery { status, limit, cursor }): StrictQuery<ListQuery>,
) -> Result<Json<Page<Slot>>, Problem> {
    let query = Query::Slots { status, page: page_request(limit, cursor) };
    Ok(Json(send_query(&context, query).await?))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReadQuery {
    min_version: Option<WholeNumber<1, { u64::MAX }>>,
}

/// `GET /operator/slots/{slotId}`.
async fn read(
    ApiContext(context): ApiContext,
    PathParameter(slot_id): PathParameter<SlotId>,
    StrictQuery(ReadQuery { min_version }): StrictQuery<ReadQuery>,
) -> Result<Json<Slot>, Problem> {
    let query = Query::Slot { slot_id, min_version: min_version.map(|it| it.0) };
    Ok(Json(send_query(&context, query).await?))
}

/// `POST /operator/slots`.
async fn create(
    ApiContext(context): ApiContext,
    OriginalUri(requested): OriginalUri,
    _: StrictQuery<NoParameters>,
    StrictJson(new): StrictJson<NewSlot>,
) -> Result<impl IntoResponse, Problem> {
    if !new.is_valid() {
        let detail = "name must be 1 to 100 characters, not all blank and none a control character";
        return Err(Problem::validation(detail));
    }
    let slot_id = SlotId(context.app.runtime.new_id());
    let slot = send_command(&context, Command::CreateSlot { slot_id, name: new.name }).await?;
    let location = location(&requested, &format!("/operator/slots/{slot_id}"));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(slot)))
}

/// `POST /operator/slots/{slotId}/close`.
async fn close(
    ApiContext(context): ApiContext,
    PathParameter(slot_id): PathParameter<SlotId>,
    _: StrictQuery<NoParameters>,
    _: NoBody,
) -> Result<Json<Slot>, Problem> {
    Ok(Json(send_command(&context, Command::CloseSlot { slot_id }).await?))
}

/// `POST /operator/slots/{slotId}/reopen`.
async fn reopen(
    ApiContext(context): ApiContext,
    PathParameter(slot_id): PathParameter<SlotId>,
    _: StrictQuery<NoParameters>,
    _: NoBody,
) -> Result<Json<Slot>, Problem> {
    Ok(Json(send_command(&context, Command::ReopenSlot { slot_id }).await?))
}

// ---- Pages ---------------------------------------------------------------------------------------------------------

/// Which slots the page shows.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShowQuery {
    status: Option<SlotStatus>,
    cursor: Option<Cursor>,
    done: Option<String>,
    #[serde(rename = "resume")]
    _resume: Option<String>,
}

/// `GET /operator/room/slots`.
async fn show(
    context: ConsoleContext,
    StrictQuery(query): StrictQuery<ShowQuery>,
) -> Result<Html<String>, Problem> {
    let flash = context.flash(query.done.as_deref())?;
    page(&context, query, flash, None).await.map(Html)
}

async fn page(
    context: &ConsoleContext,
    query: ShowQuery,
    flash: Option<FlashMessage>,
    entered: Option<&SlotForm>,
) -> Result<String, Problem> {
    let ShowQuery { status, cursor, .. } = query;
    let further = cursor.is_some();
    let slots = Query::Slots { status, page: page_request(None, cursor) };
    let list: Page<Slot> = send_query(&context.request, slots).await?;
    let kept = context.kept_form.as_ref();
    let kept_id = kept.and_then(|it| it.field("slot").parse().ok());
    let name = entered.map(|it| it.name.as_str()).or(kept.map(|it| it.field("name")));
    let slots = views::slots::Slots {
        list: &list,
        status,
        further,
        new_id: kept_id.unwrap_or(SlotId(context.new_id)),
        name: name.unwrap_or_default(),
        flash: flash.as_ref(),
    };
    Ok(views::slots::render(&context.page, &slots))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SlotForm {
    /// The id of the new slot, so that a form that is sent twice creates one slot.
    slot: String,
    name: String,
}

/// `POST /operator/room/slots`.
async fn create_by_form(
    context: ConsoleContext,
    _: StrictQuery<NoParameters>,
    PageForm(form): PageForm<SlotForm>,
) -> Result<Response, Problem> {
    let slot_id: SlotId = form.slot.parse().ok().ok_or_else(|| not_our_form("slot"))?;
    let name = form.name.trim().to_owned();
    let page = async |flash| page(&context, ShowQuery::default(), flash, Some(&form)).await;
    if !(NewSlot { name: name.clone() }).is_valid() {
        let problem = Problem::validation("the name is not valid");
        let text = "A name has 1 to 100 characters in one line, and not only blanks.";
        return Ok(with_page(problem, Html(page(Some(FlashMessage::error(text))).await?)));
    }
    match send_command(&context.request, Command::CreateSlot { slot_id, name }).await {
        Ok(_) => Ok(context.done("slots", "created")),
        Err(failure) => context.not_done(failure, page).await,
    }
}

/// `POST /operator/room/slots/{slotId}/close`.
async fn close_by_form(
    context: ConsoleContext,
    PathParameter(slot_id): PathParameter<SlotId>,
    _: StrictQuery<NoParameters>,
    _: PageForm<EmptyForm>,
) -> Result<Response, Problem> {
    change_by_form(context, "closed", Command::CloseSlot { slot_id }).await
}

/// `POST /operator/room/slots/{slotId}/reopen`.
async fn reopen_by_form(
    context: ConsoleContext,
    PathParameter(slot_id): PathParameter<SlotId>,
    _: StrictQuery<NoParameters>,
    _: PageForm<EmptyForm>,
) -> Result<Response, Problem> {
    change_by_form(context, "reopened", Command::ReopenSlot { slot_id }).await
}

async fn change_by_form(
    context: ConsoleContext,
    done: &str,
    command: Command,
) -> Result<Response, Problem> {
    match send_command(&context.request, command).await {
        Ok(_) => Ok(context.done("slots", done)),
        Err(failure) => {
            let page = async |flash| page(&context, ShowQuery::default(), flash, None).await;
            context.not_done(failure, page).await
        }
    }
}

// ---- The service ---------------------------------------------------------------------------------------------------

/// Sends a command, and waits for the view, so that an operator reads what they have written.
async fn send_command(context: &RequestContext, command: Command) -> Result<Slot, ServiceError> {
    let functions = context.functions();
    let slot: Slot = context.command(&functions.parking_command, command).await?;
    let query = Query::Slot { slot_id: slot.slot_id, min_version: Some(slot.version) };
    let deadline = context.deadline.within(VIEW_TIMEOUT);
    // If the view is late, the slot is changed all the same.
    drop(context.query_until::<_, Slot>(&functions.parking_query, query, deadline).await);
    Ok(slot)
}

/// Sends a query to parking.
pub(super) async fn send_query<R: serde::de::DeserializeOwned>(
    context: &RequestContext,
    query: Query,
) -> Result<R, ServiceError> {
    context.query(&context.functions().parking_query, query).await
}
