//! Slots to choose from.

use axum::middleware::from_fn;
use axum::routing::get;
use axum::{Json, Router};
use bff::Problem;
use bff::web::{Cursor, Limit, StrictQuery, conditional};
use contracts::message::{Page, Request};
use contracts::parking::{Query, Slot, SlotStatus};
use serde::Deserialize;

use super::{App, RequestContext, page_request};
use crate::dto::{SlotResponse, page};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/mobile/slots", get(list).layer(from_fn(conditional)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    status: Option<SlotStatus>,
    limit: Option<Limit>,
    cursor: Option<Cursor>,
}

/// `GET /mobile/slots`.
async fn list(
    context: RequestContext,
    StrictQuery(ListQuery { status, limit, cursor }): StrictQuery<ListQuery>,
) -> Result<Json<Page<SlotResponse>>, Problem> {
    let query = Request::from(Query::Slots { status, page: page_request(limit, cursor) });
    let function = &context.functions().parking_query;
    let found: Page<Slot> = context.invoke(function, &query, context.deadline).await?;
    Ok(Json(page(found)))
}
