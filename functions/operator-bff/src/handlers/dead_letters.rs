//! Dead-letter messages: shown, redriven, discarded.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bff::compose::Composition;
use bff::web::{NoBody, NoParameters, PathParameter, StrictJson, StrictQuery, with_page};
use bff::{Problem, ProblemKind};
use futures::future::try_join_all;
use pages::PageForm;
use serde::Deserialize;
use service_error::ServiceError;
use tokio::time::timeout;

use super::{ApiContext, App, ConsoleContext, DoneQuery, EmptyForm, QUEUE_TIMEOUT, RequestContext};
use crate::dto::{DeadLettersDto, Discard, Discarded, Redriven};
use crate::queues::{DeadLetterDto, MonitoredQueue};
use crate::views;
use crate::views::FlashMessage;
use crate::views::dead_letters::EnteredReason;

pub(super) fn api_routes() -> Router<App> {
    Router::new()
        .route("/operator/dead-letters", get(list))
        .route("/operator/dead-letters/{queue}/redrive", post(redrive))
        .route("/operator/dead-letters/{queue}/discard", post(discard))
}

pub(super) fn page_routes() -> Router<App> {
    Router::new()
        .route("/operator/room/dead-letters", get(show))
        .route("/operator/room/dead-letters/{queue}/redrive", post(redrive_by_form))
        .route("/operator/room/dead-letters/{queue}/discard", post(discard_by_form))
}

/// `GET /operator/dead-letters`.
async fn list(
    ApiContext(context): ApiContext,
    _: StrictQuery<NoParameters>,
) -> Result<impl IntoResponse, Problem> {
    let composition = context.composition();
    let items = all(&context, &composition).await?;
    let report = composition.report().only_degraded();
    Ok((composition.timing(), Json(DeadLettersDto { items, report })))
}

/// `POST /operator/dead-letters/{queue}/redrive`.
async fn redrive(
    ApiContext(context): ApiContext,
    PathParameter(queue): PathParameter<String>,
    _: StrictQuery<NoParameters>,
    _: NoBody,
) -> Result<(StatusCode, Json<Redriven>), Problem> {
    let messages = move_back(&context, &queue).await?;
    Ok((StatusCode::ACCEPTED, Json(Redriven { queue, messages })))
}

/// `POST /operator/dead-letters/{queue}/discard`.
async fn discard(
    ApiContext(context): ApiContext,
    PathParameter(queue): PathParameter<String>,
    _: StrictQuery<NoParameters>,
    StrictJson(discard): StrictJson<Discard>,
) -> Result<Json<Discarded>, Problem> {
    delete(&context, &queue, &discard).await?;
    Ok(Json(Discarded { queue, message_id: discard.message_id }))
}

// ---- Pages ---------------------------------------------------------------------------------------------------------

/// `GET /operator/room/dead-letters`.
async fn show(
    context: ConsoleContext,
    StrictQuery(DoneQuery { done, .. }): StrictQuery<DoneQuery>,
) -> Result<Html<String>, Problem> {
    let flash = context.flash(done.as_deref())?;
    let kept = context
        .kept_form
        .as_ref()
        .map(|it| EnteredReason { message_id: it.field("message"), reason: it.field("reason") });
    page(&context, flash, kept).await.map(Html)
}

async fn page(
    context: &ConsoleContext,
    flash: Option<FlashMessage>,
    entered: Option<EnteredReason<'_>>,
) -> Result<String, Problem> {
    let composition = context.request.composition();
    let messages = all(&context.request, &composition).await?;
    let report = composition.report();
    let page = &context.page;
    Ok(views::dead_letters::render(page, &messages, &report, flash.as_ref(), entered))
}

/// `POST /operator/room/dead-letters/{queue}/redrive`.
async fn redrive_by_form(
    context: ConsoleContext,
    PathParameter(queue): PathParameter<String>,
    _: StrictQuery<NoParameters>,
    _: PageForm<EmptyForm>,
) -> Result<Response, Problem> {
    match move_back(&context.request, &queue).await {
        Ok(_) => Ok(context.done("dead-letters", "redriven")),
        Err(problem) => {
            context.not_done(problem, async |flash| page(&context, flash, None).await).await
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DiscardForm {
    message: String,
    reason: String,
}

/// `POST /operator/room/dead-letters/{queue}/discard`.
async fn discard_by_form(
    context: ConsoleContext,
    PathParameter(queue): PathParameter<String>,
    _: StrictQuery<NoParameters>,
    PageForm(DiscardForm { message, reason }): PageForm<DiscardForm>,
) -> Result<Response, Problem> {
    let discard = Discard { message_id: message, reason };
    let entered = EnteredReason { message_id: &discard.message_id, reason: &discard.reason };
    let page = async |flash| page(&context, flash, Some(entered)).await;
    if !discard.has_reason() {
        let problem = Problem::validation("the reason is not valid");
        let text = "Nothing was deleted: a reason has 1 to 500 characters in one line, and not only blanks.";
        return Ok(with_page(problem, Html(page(Some(FlashMessage::error(text))).await?)));
    }
    let is_monitored = find_queue(&context.request, &queue).is_ok();
    match delete(&context.request, &queue, &discard).await {
        Ok(()) => Ok(context.done("dead-letters", "discarded")),
        // It was redriven or discarded meanwhile. A queue that does not exist is an error page.
        Err(problem) if problem.kind() == ProblemKind::NotFound && is_monitored => {
            let text = "The message is no longer there, or another operator is looking at it. Nothing was deleted.";
            Ok(with_page(problem, Html(page(Some(FlashMessage::error(text))).await?)))
        }
        Err(problem) => context.not_done(problem, page).await,
    }
}

// ---- The queues ----------------------------------------------------------------------------------------------------

/// The dead-letter messages of every queue that can be read; the composition names the others.
pub(super) async fn all(
    context: &RequestContext,
    composition: &Composition,
) -> Result<Vec<DeadLetterDto>, ServiceError> {
    let reads = context.monitored().iter().map(async |queue| {
        let found = context.queues().dead_letters(queue);
        let found = composition.optional_within(queue.name.clone(), QUEUE_TIMEOUT, found).await?;
        Ok::<_, ServiceError>((queue, found))
    });
    let mut items = Vec::new();
    for (queue, found) in try_join_all(reads).await? {
        let found = found.into_value().into_iter().flatten();
        items.extend(found.map(|it| DeadLetterDto::new(queue, it)));
    }
    Ok(items)
}

/// Begins to move the dead-letter messages of a queue back to it. Returns about how many there are.
async fn move_back(context: &RequestContext, name: &str) -> Result<u64, Problem> {
    let queue = find_queue(context, name)?;
    Ok(within_timeout(context.queues().redrive(queue)).await?)
}

/// Deletes one dead-letter message. The log records who deleted it, when, why, and what it contained.
async fn delete(context: &RequestContext, name: &str, discard: &Discard) -> Result<(), Problem> {
    let queue = find_queue(context, name)?;
    if !discard.has_id() {
        return Err(Problem::validation("messageId is not the id of a message"));
    }
    if !discard.has_reason() {
        return Err(Problem::validation(format!(
            "reason must be 1 to {} characters, not all blank and none a control character",
            Discard::MAX_REASON_LENGTH
        )));
    }
    let (Discard { message_id, reason }, by) = (discard, &context.operator);
    // Logged before as well: if the process crashes in between, the log has at least the request.
    tracing::info!(queue = name, message_id, by, reason, "dead-letter message is to be discarded");
    let found = within_timeout(context.queues().discard(queue, message_id)).await?;
    let found = found.map(|it| DeadLetterDto::new(queue, it)).ok_or_else(|| {
        Problem::not_found(
            "there is no such dead-letter message, or another operator is looking at it",
        )
    })?;
    let (failure, body, redrives) = (&found.reason, &found.body, found.redrives);
    tracing::warn!(
        queue = name,
        message_id,
        by,
        reason,
        failure,
        redrives,
        body,
        "dead-letter message discarded"
    );
    Ok(())
}

pub(super) fn find_queue<'a>(
    context: &'a RequestContext,
    name: &str,
) -> Result<&'a MonitoredQueue, Problem> {
    let found = context.monitored().iter().find(|it| it.name == name);
    found.ok_or_else(|| Problem::not_found("there is no such queue"))
}

pub(super) async fn within_timeout<T>(
    call: impl Future<Output = Result<T, ServiceError>>,
) -> Result<T, ServiceError> {
    let response = timeout(QUEUE_TIMEOUT, call).await;
    response.map_err(|late| ServiceError::transient("the queue did not respond in time", late))?
}
