//! Backend for a customer's browser: pages that are rendered on the server and work without a script.
//!
//! A page is a composition of the services' responses, and is shown even if some of them are missing. The gateway admits all
//! callers here, so that a person who has not signed in can be sent to the sign-in page. The token comes in a cookie or as a
//! bearer token; the crate `pages` verifies it with the same code and the same settings as the gateway's authorizer.

pub mod config;
pub mod dto;
pub mod progress;
pub mod response_cache;
pub mod views;

mod handlers;

pub use handlers::{App, PROBLEMS, routes};

use bff::web::HttpAdapter;
use bff::{Origins, Runtime};
use pages::open_id::Provider;
use pages::{Pages, problem_page};

use api_gateway::verifier::KeySource;
use axum::Router;

/// The adapter of the backend. Only the site's own pages call it, so no other origin may read its responses.
#[must_use]
pub fn adapter(runtime: &Runtime) -> HttpAdapter {
    let runtime = runtime.clone();
    HttpAdapter::new(PROBLEMS, Origins::Listed(Vec::new()), move || runtime.new_id())
}

/// The whole backend: its pages, and everything around them.
pub fn service<K: KeySource + 'static, P: Provider + 'static>(
    pages: &Pages<K, P>,
    app: App,
    adapter: HttpAdapter,
) -> Router {
    let adapter = adapter.with_problem_page(problem_page(&views::SITE));
    pages.with_headers(adapter.wrap(pages.routes(routes(app))))
}
