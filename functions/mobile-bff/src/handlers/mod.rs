//! The routes: one module per resource, each with its handlers.

mod bills;
mod bookings;
mod health;
mod slots;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use bff::invoke::{Deadline, Invoke, Invoker, invoke};
use bff::web::{CorrelationId, Cursor, Limit, Principal};
use bff::{Problem, ProblemKind};
use contracts::id::CustomerId;
use contracts::message::PageRequest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use service_error::ServiceError;
use uuid::Uuid;

use crate::config::Services;

/// Where the slugs of problems are explained.
pub const PROBLEMS: &str = "https://parkade.dev/problems/";
/// Whatever is requested, a client gets a response after five seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// What the handlers share.
#[derive(Clone, Debug)]
pub struct App {
    invoker: Invoker,
    functions: Arc<Services>,
}

impl App {
    /// The services, and the names of their functions.
    pub fn new(services: impl Invoke + Send + 'static, functions: Services) -> Self {
        Self { invoker: Invoker::new(services), functions: Arc::new(functions) }
    }
}

/// Every route of this backend, to be wrapped by an [`HttpAdapter`](bff::web::HttpAdapter). The routes are those of the
/// OpenAPI document, and a test compares the two.
pub fn router(app: App) -> Router {
    Router::new()
        .merge(health::routes())
        .merge(slots::routes())
        .merge(bookings::routes())
        .merge(bills::routes())
        .with_state(app)
}

/// One request of a customer: who it is, and what a handler needs to call services for them.
struct RequestContext {
    app: App,
    customer: CustomerId,
    correlation_id: Uuid,
    deadline: Deadline,
}

impl FromRequestParts<App> for RequestContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let principal = Principal::from_request_parts(parts, app).await?;
        if !principal.has_role("customer") {
            return Err(Problem::new(ProblemKind::Forbidden, "this is for customers"));
        }
        let CorrelationId { id, .. } = CorrelationId::from_request_parts(parts, app).await?;
        Ok(Self {
            app: app.clone(),
            customer: CustomerId(principal.subject),
            correlation_id: id,
            deadline: Deadline::after(REQUEST_TIMEOUT),
        })
    }
}

impl RequestContext {
    fn functions(&self) -> &Services {
        &self.app.functions
    }

    /// Invokes a function and waits for its response, until the request's own deadline or an earlier one.
    async fn invoke<R: DeserializeOwned>(
        &self,
        function: &str,
        payload: &(impl Serialize + Sync),
        deadline: Deadline,
    ) -> Result<R, ServiceError> {
        invoke(&self.app.invoker, function, payload, deadline).await
    }
}

/// Which part of a list a client requests, in the services' terms.
fn page_request(limit: Option<Limit>, cursor: Option<Cursor>) -> PageRequest {
    PageRequest { limit: limit.unwrap_or_default().into(), cursor: cursor.map(|it| it.0) }
}
