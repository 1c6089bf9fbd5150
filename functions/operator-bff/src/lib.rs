//! Backend for operators: all slots and bookings, their events and sagas, dead letters, circuit breakers and projections; as
//! JSON for programs, and as pages for people.
//!
//! `workflow` turns the history of an execution into steps, `queues` describes dead letters, `views` renders the pages, and
//! `handlers` has one module per resource.

pub mod adapters;
pub mod breakers;
pub mod config;
pub mod dto;
pub mod queues;
pub mod views;
pub mod workflow;

mod handlers;

pub use handlers::{App, BREAKERS, PROBLEMS, api_routes, page_routes};

use api_gateway::verifier::KeySource;
use axum::Router;
use axum::extract::Request;
use bff::web::HttpAdapter;
use bff::{Origins, Runtime};
use pages::open_id::Provider;
use pages::{Pages, problem_page};
use tower::ServiceExt as _;

/// The adapter of the JSON routes, which pages of these origins may call.
#[must_use]
pub fn adapter(origins: Origins, runtime: &Runtime) -> HttpAdapter {
    let runtime = runtime.clone();
    HttpAdapter::new(PROBLEMS, origins, move || runtime.new_id())
}

/// The whole backend: the JSON routes behind their adapter, and the pages behind one of their own, which only the pages
/// themselves may call.
pub fn service<K: KeySource + 'static, P: Provider + 'static>(
    pages: &Pages<K, P>,
    app: App,
    adapter: HttpAdapter,
) -> Router {
    let page_adapter = adapter
        .clone()
        .with_origins(Origins::Listed(Vec::new()))
        .with_problem_page(problem_page(&views::SITE));
    let api = adapter.wrap(api_routes(app.clone()));
    let console = pages.with_headers(page_adapter.wrap(pages.routes(page_routes(app))));
    Router::new().fallback(async move |request: Request| {
        let routes = if is_of_api(request.uri().path()) { &api } else { &console };
        routes.clone().oneshot(request).await
    })
}

/// Whether a path is one of the JSON routes. Every other one is a page, or an error page.
fn is_of_api(path: &str) -> bool {
    const RESOURCES: [&str; 7] = [
        "overview",
        "bookings",
        "slots",
        "dead-letters",
        "services",
        "circuit-breakers",
        "projections",
    ];
    path.strip_prefix("/operator/")
        .and_then(|below| below.split('/').next())
        .is_some_and(|resource| RESOURCES.contains(&resource))
}
