//! The routes: one module per resource, each with its handlers.

mod bookings;
mod payments;
mod slot_lookup;
mod slots;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts, OptionalFromRequestParts as _};
use axum::http::request::Parts;
use bff::compose::Composition;
use bff::invoke::{Deadline, Invoke, Invoker, invoke};
use bff::web::CorrelationId;
use bff::{Problem, Runtime};
use contracts::id::CustomerId;
use contracts::message::Request;
use jiff::Timestamp;
use pages::{KeptForm, PageContext};
use serde::Serialize;
use serde::de::DeserializeOwned;
use service_error::ServiceError;
use uuid::Uuid;

use crate::config::Services;
use crate::response_cache::ResponseCache;

/// Where the slugs of problems are explained.
pub const PROBLEMS: &str = "https://parkade.dev/problems/";
/// What a form says that was sent after the session had expired, and is shown again as it was filled in.
const SIGNED_IN_AGAIN: &str = "Your session had expired, so nothing was sent. You are signed in again: check the form, and send it.";
/// For every request, a person sees a page after three seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// What the handlers share.
#[derive(Clone)]
pub struct App {
    invoker: Invoker,
    functions: Arc<Services>,
    cache: Arc<ResponseCache>,
    runtime: Runtime,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("functions", &self.functions).finish_non_exhaustive()
    }
}

impl App {
    /// The services, the names of their functions, and the clock.
    pub fn new(
        services: impl Invoke + Send + 'static,
        functions: Services,
        runtime: Runtime,
    ) -> Self {
        let (functions, cache) = (Arc::new(functions), Arc::default());
        Self { invoker: Invoker::new(services), functions, cache, runtime }
    }
}

/// Every page of this backend, to be served by [`Pages::routes`](pages::Pages::routes). The routes are those of the OpenAPI
/// document, and a test compares the two.
pub fn routes(app: App) -> Router {
    Router::new()
        .merge(slots::routes())
        .merge(bookings::routes())
        .merge(payments::routes())
        .with_state(app)
}

/// One request of a customer: who it is, and what a handler needs to call services for them.
#[derive(Clone)]
struct RequestContext {
    app: App,
    customer: CustomerId,
    page: PageContext,
    correlation_id: Uuid,
    deadline: Deadline,
    now: Timestamp,
    /// The idempotency key of the next form, or the beginning of those of all forms of one page.
    key: String,
    /// A form of this page that was sent after the session had expired.
    kept_form: Option<KeptForm>,
}

impl FromRequestParts<App> for RequestContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Ok(page) = PageContext::from_request_parts(parts, app).await;
        let Ok(kept_form) = KeptForm::from_request_parts(parts, app).await;
        let CorrelationId { id, .. } = CorrelationId::from_request_parts(parts, app).await?;
        Ok(Self {
            app: app.clone(),
            customer: CustomerId(page.subject().to_owned()),
            page,
            correlation_id: id,
            deadline: Deadline::after(REQUEST_TIMEOUT),
            now: app.runtime.now(),
            key: app.runtime.new_id().to_string(),
            kept_form,
        })
    }
}

impl RequestContext {
    fn functions(&self) -> &Services {
        &self.app.functions
    }

    fn cache(&self) -> &ResponseCache {
        &self.app.cache
    }

    /// The same context with a new deadline, for the calls after a service has used up the first one.
    fn with_new_deadline(&self) -> Self {
        Self { deadline: Deadline::after(REQUEST_TIMEOUT), kept_form: None, ..self.clone() }
    }

    /// Invokes a function and waits for its response until the deadline.
    async fn invoke<A, R>(
        &self,
        function: &str,
        payload: A,
        deadline: Deadline,
    ) -> Result<R, ServiceError>
    where
        A: Serialize + Sync,
        R: DeserializeOwned,
    {
        let cause = Some(self.correlation_id);
        let request = Request { cause, ..payload.into() };
        invoke(&self.app.invoker, function, &request, deadline).await
    }
}

/// A composition of parts that are shown as far as they are available.
fn composition(context: &RequestContext) -> Composition {
    Composition::partial(context.deadline)
}
