//! Whether the backend runs; it calls no service to find out.

use axum::routing::get;
use axum::{Json, Router};

use super::App;
use crate::dto::HealthResponse;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/health", get(health))
}

/// `GET /health`, without authentication.
async fn health() -> Json<HealthResponse> {
    Json(HealthResponse { status: "ok", version: env!("CARGO_PKG_VERSION") })
}
