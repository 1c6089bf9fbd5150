//! Problems as responses: documents of RFC 9457.

use std::error::Error;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::idempotency::IdempotencyKey;
use crate::problem::{Problem, ProblemKind};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
}

/// The document, without what only the adapter knows; the adapter finds the problem as an extension and completes it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = document(&self, "", None);
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// A problem whose response is made already.
#[derive(Clone)]
pub(crate) struct Rendered(pub(crate) Arc<Problem>);

/// A page that shows a problem itself, such as a form with the reason why it was rejected. The response has the status of the
/// problem, and the adapter logs it as it logs every problem.
pub fn with_page(problem: Problem, page: impl IntoResponse) -> Response {
    let mut response = with_status(&problem, page.into_response());
    response.extensions_mut().insert(Rendered(Arc::new(problem)));
    response
}

/// The response with the status of the problem.
pub(crate) fn with_status(problem: &Problem, mut response: Response) -> Response {
    *response.status_mut() = status(problem.kind());
    retry_after(problem, &mut response);
    response
}

/// The problem as a document; `prefix` comes before the slug in its `type`.
pub(crate) fn document(problem: &Problem, prefix: &str, correlation_id: Option<&str>) -> Response {
    let kind = problem.kind();
    let document = Document {
        r#type: format!("{prefix}{}", kind.slug()),
        title: kind.title(),
        status: kind.status(),
        detail: problem.detail(),
        correlation_id,
    };
    let body = serde_json::to_string(&document).expect("texts and a number are always JSON");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status(kind);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    retry_after(problem, &mut response);
    response
}

/// Says when to try again, where that may help.
pub(crate) fn retry_after(problem: &Problem, response: &mut Response) {
    if let Some(wait) = problem.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().into());
    }
}

fn status(kind: ProblemKind) -> StatusCode {
    StatusCode::from_u16(kind.status()).expect("each kind has a status of HTTP")
}

/// A client's mistake is news, a service's failure is an error. The detail may repeat what the client sent, a payment
/// token among it, so it is not logged; the failure's own words and its causes are.
pub(crate) fn log(route: &str, problem: &Problem) {
    let reason = problem.kind().slug();
    if problem.kind().status() < 500 {
        tracing::info!(route, reason, "refused");
        return;
    }
    let failure = problem.cause();
    let kind = failure.map_or("-", |it| it.kind().error_type());
    let cause = failure.and_then(Error::source).map(ToString::to_string).unwrap_or_default();
    let detail = problem.detail();
    tracing::error!(route, reason, kind, detail, cause, "failed");
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _: &S,
    ) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(crate::idempotency::HEADER).into_iter();
        // Of two keys it is unknown which one counts.
        let key = values.next().filter(|_| values.next().is_none());
        let key = key.and_then(|it| it.to_str().ok()?.parse().ok());
        key.ok_or_else(|| {
            Problem::validation(
                "the header Idempotency-Key must be 1 to 255 visible ASCII characters",
            )
        })
    }
}
