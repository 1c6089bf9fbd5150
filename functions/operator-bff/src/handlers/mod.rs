//! The routes: one module per resource, each with its JSON handlers and its pages.

mod bookings;
mod circuit_breakers;
mod dead_letters;
mod overview;
mod projections;
mod services;
mod slots;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts, OptionalFromRequestParts as _};
use axum::http::request::Parts;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use bff::compose::Composition;
use bff::invoke::{Deadline, Invoke, Invoker, invoke};
use bff::web::{CorrelationId, Cursor, Limit, Principal, with_page};
use bff::{Problem, ProblemKind, Runtime};
use contracts::message::{PageRequest, Request};
use jiff::Timestamp;
use pages::{KeptForm, PageContext};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use service_error::ServiceError;
use uuid::Uuid;

pub use circuit_breakers::BREAKERS;

use crate::breakers::BreakerAdmin;
use crate::config::{Config, Services};
use crate::queues::{MonitoredQueue, Queues};
use crate::views::FlashMessage;
use crate::workflow::Workflow;

/// Where the slugs of problems are explained.
pub const PROBLEMS: &str = "https://parkade.dev/problems/";
/// An operator gets a response after five seconds at most.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// One slow queue or breaker must not hide all others from an operator.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(4);

/// What the handlers share.
#[derive(Clone)]
pub struct App {
    invoker: Invoker,
    workflow: Arc<dyn Workflow>,
    queues: Arc<dyn Queues>,
    breakers: Arc<dyn BreakerAdmin>,
    config: Arc<Config>,
    runtime: Runtime,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("config", &self.config).finish_non_exhaustive()
    }
}

impl App {
    /// The services, the state machines, the queues, the circuit breakers around the services, what all of these are called,
    /// and the clock.
    pub fn new(
        services: impl Invoke + Send + 'static,
        workflow: impl Workflow + 'static,
        queues: impl Queues + 'static,
        breakers: impl BreakerAdmin + 'static,
        config: Config,
        runtime: Runtime,
    ) -> Self {
        Self {
            invoker: Invoker::new(services),
            workflow: Arc::new(workflow),
            queues: Arc::new(queues),
            breakers: Arc::new(breakers),
            config: Arc::new(config),
            runtime,
        }
    }
}

/// The JSON routes. The gateway's authorizer says who calls them, and no cookie opens them. The routes are those of the OpenAPI
/// document, and a test compares the two.
pub fn api_routes(app: App) -> Router {
    Router::new()
        .merge(overview::api_routes())
        .merge(bookings::api_routes())
        .merge(slots::api_routes())
        .merge(dead_letters::api_routes())
        .merge(services::api_routes())
        .merge(circuit_breakers::api_routes())
        .merge(projections::api_routes())
        .with_state(app)
}

/// The pages, to be served by [`Pages::routes`](pages::Pages::routes).
pub fn page_routes(app: App) -> Router {
    Router::new()
        .merge(overview::page_routes())
        .merge(bookings::page_routes())
        .merge(slots::page_routes())
        .merge(dead_letters::page_routes())
        .merge(circuit_breakers::page_routes())
        .merge(projections::page_routes())
        .with_state(app)
}

/// One request of an operator: who it is, and what a handler needs to call services for them.
struct RequestContext {
    app: App,
    operator: String,
    correlation_id: Uuid,
    deadline: Deadline,
}

impl RequestContext {
    async fn of(parts: &mut Parts, app: &App, operator: String) -> Result<Self, Problem> {
        let CorrelationId { id, .. } = CorrelationId::from_request_parts(parts, app).await?;
        let deadline = Deadline::after(REQUEST_TIMEOUT);
        Ok(Self { app: app.clone(), operator, correlation_id: id, deadline })
    }

    fn functions(&self) -> &Services {
        &self.app.config.services
    }

    fn queues(&self) -> &dyn Queues {
        &*self.app.queues
    }

    fn monitored(&self) -> &[MonitoredQueue] {
        &self.app.config.queues
    }

    fn composition(&self) -> Composition {
        Composition::partial(self.deadline)
    }

    /// Invokes a function with a query of its contract.
    async fn query<A, R>(&self, function: &str, query: A) -> Result<R, ServiceError>
    where
        A: Serialize + Sync,
        R: DeserializeOwned,
    {
        self.query_until(function, query, self.deadline).await
    }

    /// Invokes a function like [`Self::query`], with another deadline than the request's.
    async fn query_until<A, R>(
        &self,
        function: &str,
        query: A,
        deadline: Deadline,
    ) -> Result<R, ServiceError>
    where
        A: Serialize + Sync,
        R: DeserializeOwned,
    {
        invoke(&self.app.invoker, function, &Request::from(query), deadline).await
    }

    /// Invokes a function with a command of its contract. The request is the cause of the events.
    async fn command<A, R>(&self, function: &str, command: A) -> Result<R, ServiceError>
    where
        A: Serialize + Sync,
        R: DeserializeOwned,
    {
        let command = Request { cause: Some(self.correlation_id), ..command.into() };
        invoke(&self.app.invoker, function, &command, self.deadline).await
    }
}

/// A request of a JSON route: its caller is whom the authorizer names.
struct ApiContext(RequestContext);

impl FromRequestParts<App> for ApiContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let principal = Principal::from_request_parts(parts, app).await?;
        if !principal.has_role("operator") {
            return Err(Problem::new(ProblemKind::Forbidden, "this is for operators"));
        }
        RequestContext::of(parts, app, principal.subject).await.map(Self)
    }
}

/// A request of a page: its caller has signed in.
struct ConsoleContext {
    request: RequestContext,
    page: PageContext,
    now: Timestamp,
    /// The id of what a form of the page creates.
    new_id: Uuid,
    /// A form of this page that was sent after the session had expired.
    kept_form: Option<KeptForm>,
}

impl FromRequestParts<App> for ConsoleContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Ok(page) = PageContext::from_request_parts(parts, app).await;
        let Ok(kept_form) = KeptForm::from_request_parts(parts, app).await;
        let request = RequestContext::of(parts, app, page.subject().to_owned()).await?;
        let (now, new_id) = (app.runtime.now(), app.runtime.new_id());
        Ok(Self { request, page, now, new_id, kept_form })
    }
}

impl ConsoleContext {
    /// Redirects to the page that shows what a form has done.
    fn done(&self, page: &str, done: &str) -> Response {
        Redirect::to(&self.page.link(&format!("room/{page}?done={done}"))).into_response()
    }

    /// The page of a form, with the reason why it was not carried out. What does not exist is an error page.
    async fn not_done(
        &self,
        problem: impl Into<Problem>,
        page: impl AsyncFnOnce(Option<FlashMessage>) -> Result<String, Problem>,
    ) -> Result<Response, Problem> {
        let problem = problem.into();
        if problem.kind() == ProblemKind::NotFound {
            return Err(problem);
        }
        let page = page(Some(FlashMessage::of(&problem))).await?;
        Ok(with_page(problem, Html(page)))
    }

    /// What the page says first: what a form has done, or that a form was kept.
    fn flash(&self, done: Option<&str>) -> Result<Option<FlashMessage>, Problem> {
        if self.kept_form.is_some() {
            return Ok(Some(FlashMessage::kept_form()));
        }
        done.map(FlashMessage::done).transpose()
    }
}

/// The query of a page that shows what a form has done.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DoneQuery {
    done: Option<String>,
    #[serde(rename = "resume")]
    _resume: Option<String>,
}

/// A form without any field.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmptyForm {}

/// Which part of a list a client requests, in the services' terms.
fn page_request(limit: Option<Limit>, cursor: Option<Cursor>) -> PageRequest {
    PageRequest { limit: limit.unwrap_or_default().into(), cursor: cursor.map(|it| it.0) }
}

fn not_our_form(field: &'static str) -> Problem {
    Problem::validation(format!("form: {field} is not what our pages send"))
}
