//! What surrounds every route, by tower-http: correlation id, problem documents, CORS, tracing, limits.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, OriginalUri, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use tower::Layer as _;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, Any as AnyOrigin, CorsLayer};
use tower_http::normalize_path::NormalizePathLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::TraceLayer;
use trace_context::handle;
use uuid::Uuid;

use super::body::MAX_BODY_BYTES;
use super::correlation::{CorrelationId, HEADER as CORRELATION_ID};
use super::origins::Origins;
use super::problem::{Rendered, document, log, with_status};
use crate::problem::{Problem, ProblemKind};
use crate::trace;

/// Chrome caches a preflight for at most two hours.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(7_200);

/// Makes a page of a problem and its correlation id for the request that led to it, or leaves it to be a document. The adapter
/// sets the status of the page.
pub type ProblemPage = dyn Fn(&Problem, &str, &Request<()>) -> Option<Response> + Send + Sync;

/// The adapter between HTTP and the handlers of a backend.
///
/// Every response has a correlation id and says that its media type is not to be guessed; nothing is cached unless a
/// handler says so; every problem is logged once and is a problem document, a route that does not exist included.
#[derive(Clone)]
pub struct HttpAdapter {
    problems: &'static str,
    origins: Origins,
    new_id: Arc<dyn Fn() -> Uuid + Send + Sync>,
    problem_page: Option<Arc<ProblemPage>>,
    catches_panics: bool,
}

impl fmt::Debug for HttpAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpAdapter")
            .field("problems", &self.problems)
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}

impl HttpAdapter {
    /// An adapter whose problems have a `type` that begins with `problems`, whose responses the pages of these origins may
    /// read, and which names requests by `new_id` that come without a correlation id.
    pub fn new(
        problems: &'static str,
        origins: Origins,
        new_id: impl Fn() -> Uuid + Send + Sync + 'static,
    ) -> Self {
        let new_id = Arc::new(new_id);
        Self { problems, origins, new_id, problem_page: None, catches_panics: true }
    }

    /// Lets the pages of other origins read the responses than those of [`HttpAdapter::new`].
    #[must_use]
    pub fn with_origins(self, origins: Origins) -> Self {
        Self { origins, ..self }
    }

    /// Makes pages of problems, for clients of which some are people.
    #[must_use]
    pub fn with_problem_page(
        self,
        page: impl Fn(&Problem, &str, &Request<()>) -> Option<Response> + Send + Sync + 'static,
    ) -> Self {
        Self { problem_page: Some(Arc::new(page)), ..self }
    }

    /// Lets a panic of a handler go on, for tests that look for panics. Otherwise it is a 503 and a line in the log.
    #[must_use]
    pub fn without_catching_panics(self) -> Self {
        Self { catches_panics: false, ..self }
    }

    /// The routes with everything around them. A path is the same with and without a slash at its end, as it is for API
    /// Gateway; what was requested stays to be seen in [`OriginalUri`].
    pub fn wrap(&self, routes: Router) -> Router {
        let not_found = async || Problem::not_found("there is no such route");
        let mut routes = routes
            .fallback(not_found)
            // The contract knows no 405: another method is another route.
            .method_not_allowed_fallback(not_found)
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
        if self.catches_panics {
            routes = routes.layer(CatchPanicLayer::custom(panicked));
        }
        let routes = routes
            .layer(from_fn_with_state(self.clone(), render_problems))
            // Around the problems, because the pages of problems must not be stored either.
            .layer(SetResponseHeaderLayer::if_not_present(
                header::CACHE_CONTROL,
                HeaderValue::from_static("no-store"),
            ))
            .layer(TraceLayer::new_for_http().make_span_with(span).on_failure(()))
            .layer(SetSensitiveRequestHeadersLayer::new([
                header::AUTHORIZATION,
                header::COOKIE,
                HeaderName::from_static("idempotency-key"),
            ]))
            .layer(self.cors())
            .layer(from_fn(trim_cors))
            .layer(SetResponseHeaderLayer::overriding(
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            ))
            .layer(from_fn_with_state(self.clone(), correlate));
        // Outside of the routes, for what matches is decided by the path. The router around it keeps the requested one.
        let normalized = NormalizePathLayer::trim_trailing_slash().layer(routes);
        Router::new().fallback_service(normalized)
    }

    fn cors(&self) -> CorsLayer {
        let cors = CorsLayer::new()
            .allow_methods([Method::GET, Method::POST])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                HeaderName::from_static("idempotency-key"),
                header::IF_NONE_MATCH,
                HeaderName::from_static("x-correlation-id"),
                HeaderName::from_static("traceparent"),
                HeaderName::from_static("tracestate"),
            ])
            .expose_headers([
                header::ETAG,
                header::LOCATION,
                header::RETRY_AFTER,
                HeaderName::from_static("x-correlation-id"),
            ])
            .max_age(PREFLIGHT_MAX_AGE);
        match &self.origins {
            Origins::Any => cors.allow_origin(AnyOrigin).vary([]),
            Origins::Listed(origins) => {
                let origins = origins.iter().map(|it| it.to_ascii_lowercase());
                let origins = origins.filter_map(|it| HeaderValue::from_str(&it).ok());
                cors.allow_origin(AllowOrigin::list(origins)).vary([header::ORIGIN])
            }
        }
    }
}

/// Gives the request its correlation id, and the response the same. Everything within belongs to the request's trace.
async fn correlate(
    State(adapter): State<HttpAdapter>,
    mut request: Request,
    next: Next,
) -> Response {
    let given = request.headers().get(CORRELATION_ID).and_then(|it| it.to_str().ok());
    let correlation = CorrelationId::accept_or_generate(given, || (adapter.new_id)());
    let value = HeaderValue::from_str(&correlation.text).expect("a UUID is ASCII");
    let origin = trace::origin(request.headers(), correlation.id, &correlation.text);
    request.extensions_mut().insert(correlation);
    let mut response = handle("http request", origin, next.run(request)).await;
    response.headers_mut().insert(HeaderName::from_static("x-correlation-id"), value);
    response
}

/// What the CORS layer leaves to do: a preflight has no content, and a client that is no page needs none of the headers.
async fn trim_cors(request: Request, next: Next) -> Response {
    let is_preflight = request.method() == Method::OPTIONS;
    let is_of_a_page = request.headers().contains_key(header::ORIGIN);
    let mut response = next.run(request).await;
    if is_preflight && response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    if !is_of_a_page {
        for name in [header::ACCESS_CONTROL_ALLOW_ORIGIN, header::ACCESS_CONTROL_EXPOSE_HEADERS] {
            response.headers_mut().remove(name);
        }
    }
    response
}

/// Completes a handler's problem, and logs it.
async fn render_problems(
    State(adapter): State<HttpAdapter>,
    request: Request,
    next: Next,
) -> Response {
    let correlation = request.extensions().get::<CorrelationId>().cloned();
    let correlation_id = correlation.map(|it| it.text).unwrap_or_default();
    let route = route(&request);
    let head = adapter.problem_page.as_ref().map(|_| head(&request));
    let response = next.run(request).await;
    if let Some(Rendered(problem)) = response.extensions().get() {
        log(&route, problem);
        return response;
    }
    let Some(problem) = response.extensions().get::<Arc<Problem>>() else { return response };
    log(&route, problem);
    let page = adapter.problem_page.as_ref().zip(head);
    let page = page.and_then(|(page, head)| page(problem, &correlation_id, &head));
    page.map(|it| with_status(problem, it))
        .unwrap_or_else(|| document(problem, adapter.problems, Some(&correlation_id)))
}

/// The method and the path's template.
fn route(request: &Request) -> String {
    let path = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str);
    format!("{} {path}", request.method())
}

fn head(request: &Request) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    let original = request.extensions().get::<OriginalUri>().map(|it| it.0.clone());
    *head.uri_mut() = original.unwrap_or_else(|| request.uri().clone());
    *head.headers_mut() = request.headers().clone();
    *head.extensions_mut() = request.extensions().clone();
    head
}

fn span(request: &Request) -> tracing::Span {
    tracing::info_span!("request", route = route(request))
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let reason = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("-");
    tracing::error!(reason, "a handler panicked");
    Problem::new(ProblemKind::ServiceUnavailable, "the service did not respond; try again")
        .into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::HeaderMap;
    use axum::routing::{get, post};
    use serde_json::{Value, json};
    use service_error::ServiceError;
    use tower::ServiceExt as _;

    use super::super::{NoBody, Principal};
    use super::*;

    const NEW: Uuid = Uuid::from_u128(7);
    const GIVEN: &str = "0191f7a4-0000-7000-8000-00000000000a";

    fn adapter() -> HttpAdapter {
        let origins = Origins::from_list("https://a.example");
        HttpAdapter::new("https://problems.example/", origins, || NEW)
    }

    fn routes() -> Router {
        Router::new()
            .route("/good", get(async || "good"))
            .route("/closed", get(async |_: Principal| "closed"))
            .route(
                "/slow",
                get(async || Problem::from(ServiceError::transient("not now", "secret"))),
            )
            .route("/broken", get(async || -> &'static str { unreachable!("on purpose") }))
            .route("/order", post(async |_: NoBody| "done"))
            .route("/uri", get(async |OriginalUri(uri): OriginalUri| uri.to_string()))
    }

    async fn sent(adapter: &HttpAdapter, request: Request) -> (u16, HeaderMap, String) {
        let response = adapter.wrap(routes()).oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        let body = String::from_utf8(body.to_vec()).expect("UTF-8");
        (parts.status.as_u16(), parts.headers, body)
    }

    async fn got(path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, String) {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        sent(&adapter(), request.body(Body::empty()).expect("a request")).await
    }

    #[tokio::test]
    async fn a_problem_is_a_problem_document() {
        let (status, headers, body) = got("/slow", &[("x-correlation-id", GIVEN)]).await;
        assert_eq!(status, 503);
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(headers["retry-after"], "1");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["x-correlation-id"], GIVEN);
        assert_eq!(
            serde_json::from_str::<Value>(&body).unwrap(),
            json!({
                "type": "https://problems.example/service-unavailable",
                "title": "Not available now",
                "status": 503,
                "detail": "not now",
                "correlationId": GIVEN,
            })
        );
    }

    #[tokio::test]
    async fn every_response_has_a_correlation_id_and_is_not_guessed_at() {
        for path in ["/good", "/slow", "/broken", "/nothing"] {
            for given in [&[][..], &[("x-correlation-id", "<script>")]] {
                let (_, headers, _) = got(path, given).await;
                assert_eq!(headers["x-correlation-id"], NEW.to_string(), "{path}");
                assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
                assert_eq!(headers["cache-control"], "no-store", "{path}");
            }
        }
    }

    #[tokio::test]
    async fn a_route_that_does_not_exist_is_404_and_so_is_another_method() {
        let deleted = Request::delete("/good").body(Body::empty()).expect("a request");
        let (status, headers, _) = sent(&adapter(), deleted).await;
        assert_eq!(
            (status, &headers["content-type"]),
            (404, &HeaderValue::from_static("application/problem+json"))
        );
        for path in ["/", "/nothing", "/good/x", "/%00"] {
            assert_eq!(got(path, &[]).await.0, 404, "{path}");
        }
    }

    #[tokio::test]
    async fn a_slash_at_the_end_changes_nothing_and_can_be_seen() {
        assert_eq!(got("/good/", &[]).await.0, 200);
        assert_eq!(got("/uri/?a=1", &[]).await.2, "/uri/?a=1");
    }

    #[tokio::test]
    async fn a_panic_is_a_503_unless_a_test_looks_for_it() {
        let (status, headers, body) = got("/broken", &[]).await;
        assert_eq!(status, 503);
        assert_eq!(headers["retry-after"], "1");
        assert!(!body.contains("on purpose"));
        let request = Request::get("/broken").body(Body::empty()).expect("a request");
        let uncaught = adapter().without_catching_panics();
        let work = tokio::spawn(async move { sent(&uncaught, request).await });
        assert!(work.await.unwrap_err().is_panic());
    }

    #[tokio::test]
    async fn without_an_authorizer_no_caller_is_authenticated() {
        assert_eq!(got("/closed", &[]).await.0, 401);
        let request = Request::get("/closed").extension(Principal::new("ada", &[]));
        let request = request.body(Body::empty()).expect("a request");
        assert_eq!(sent(&adapter(), request).await.0, 200);
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_too_large() {
        let request = Request::post("/order").body(Body::from(" ".repeat(MAX_BODY_BYTES + 1)));
        assert_eq!(sent(&adapter(), request.expect("a request")).await.0, 413);
    }

    #[tokio::test]
    async fn only_pages_of_listed_origins_may_read() {
        let (_, headers, _) = got("/good", &[("origin", "https://a.example")]).await;
        assert_eq!(headers["access-control-allow-origin"], "https://a.example");
        assert_eq!(headers["vary"], "origin");
        let (_, headers, _) = got("/slow", &[("origin", "https://a.example")]).await;
        assert_eq!(
            headers["access-control-allow-origin"], "https://a.example",
            "of a problem, too"
        );
        let (_, headers, _) = got("/good", &[("origin", "https://b.example")]).await;
        assert!(!headers.contains_key("access-control-allow-origin"));
        let (_, headers, _) = got("/good", &[]).await;
        assert!(!headers.contains_key("access-control-expose-headers"));
        assert_eq!(headers["vary"], "origin");
        let any = HttpAdapter::new("", Origins::Any, || NEW);
        let request = Request::get("/good").header("origin", "https://b.example");
        let (_, headers, _) = sent(&any, request.body(Body::empty()).expect("a request")).await;
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert!(!headers.contains_key("vary"));
    }

    #[tokio::test]
    async fn a_preflight_reaches_no_handler() {
        for path in ["/good", "/broken", "/closed"] {
            let request = Request::options(path).header("origin", "https://a.example");
            let request = request.body(Body::empty()).expect("a request");
            let (status, headers, body) = sent(&adapter(), request).await;
            assert_eq!((status, &*body), (204, ""), "{path}");
            assert_eq!(headers["access-control-allow-origin"], "https://a.example");
            assert_eq!(headers["access-control-allow-methods"], "GET,POST");
            assert_eq!(headers["access-control-max-age"], "7200");
            assert_eq!(headers["x-correlation-id"], NEW.to_string());
        }
    }

    #[tokio::test]
    async fn a_problem_is_a_page_for_a_client_that_takes_pages() {
        let paged = adapter().with_problem_page(|problem, id, request| {
            let is_html = super::super::Accept::from(request.headers()).names("text/html");
            let text = format!("{} {} {id}", problem.kind().status(), request.uri());
            is_html.then(|| text.into_response())
        });
        let request = Request::get("/slow/").header("accept", "text/html");
        let (_, _, body) = sent(&paged, request.body(Body::empty()).expect("a request")).await;
        assert_eq!(body, format!("503 /slow/ {NEW}"));
        let request = Request::get("/slow").body(Body::empty()).expect("a request");
        assert_eq!(sent(&paged, request).await.1["content-type"], "application/problem+json");
    }
}
