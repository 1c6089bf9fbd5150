//! Bodies: JSON of the right shape and nothing more, or none.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use super::query::shortened;
use crate::problem::{Problem, ProblemKind};

/// Bytes of a body. More than any request needs, and few enough for the smallest function.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// A body in JSON. Fields that `T` does not know are rejected if it denies them: it should.
#[derive(Clone, Copy, Debug)]
pub struct StrictJson<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for StrictJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = has_media_type(request.headers(), "application/json");
        let body = bytes(request, state).await?;
        if body.is_empty() {
            return Err(Problem::validation("the request has no body"));
        }
        if is_json == Some(false) {
            return Err(Problem::validation("the body must be application/json"));
        }
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            Problem::validation(format!("body: {}", shortened(&error.to_string())))
        })
    }
}

/// No body, or an empty object: content that no handler would read is rejected.
#[derive(Clone, Copy, Debug)]
pub struct NoBody;

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = bytes(request, state).await?;
        let is_nothing = body.trim_ascii().is_empty()
            || serde_json::from_slice::<serde_json::Map<_, _>>(&body).is_ok_and(|it| it.is_empty());
        if is_nothing { Ok(Self) } else { Err(Problem::validation("this request takes no body")) }
    }
}

/// The bytes of a body, as many as the adapter's limit lets through.
pub(crate) async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection: BytesRejection| {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::new(ProblemKind::PayloadTooLarge, "a body may have 64 KiB")
            }
            _ => Problem::validation("the body cannot be read"),
        }
    })
}

/// Whether the body claims to be of this media type; `None` if it does not say.
pub(crate) fn has_media_type(headers: &HeaderMap, expected: &str) -> Option<bool> {
    let media_type = headers.get(header::CONTENT_TYPE)?;
    let essence = media_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    Some(essence.trim().eq_ignore_ascii_case(expected))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::DefaultBodyLimit;
    use axum::routing::post;
    use axum::{RequestExt as _, Router};
    use proptest::prelude::*;
    use serde::Deserialize;
    use tower::ServiceExt as _;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named {
        #[serde(rename = "name")]
        _name: String,
    }

    fn request(media_type: Option<&str>, body: impl Into<Body>) -> Request {
        let mut request = Request::post("/");
        if let Some(media_type) = media_type {
            request = request.header("content-type", media_type);
        }
        request.body(body.into()).expect("a request")
    }

    /// The status of the problem that a body is, if it is one.
    async fn status_of(media_type: Option<&str>, body: impl Into<Body>) -> Option<u16> {
        let read = request(media_type, body).extract::<StrictJson<Named>, _>().await;
        read.err().map(|it| it.kind().status())
    }

    #[tokio::test]
    async fn a_body_is_json_of_the_right_shape_and_nothing_more() {
        assert_eq!(status_of(None, r#"{"name":"a"}"#).await, None);
        for body in [
            "",
            "{",
            "[]",
            "null",
            r#"{"name":1}"#,
            r#"{"name":"a","x":1}"#,
            r#"{"name":"a"} x"#,
            r#"{"name":"a","name":"b"}"#,
        ] {
            assert_eq!(status_of(None, body).await, Some(400), "{body}");
        }
        assert_eq!(status_of(None, "[".repeat(50_000)).await, Some(400));
        assert_eq!(status_of(None, vec![0xff]).await, Some(400));
    }

    #[tokio::test]
    async fn a_body_of_another_media_type_is_rejected() {
        for (media_type, status) in [
            ("application/json", None),
            ("Application/JSON; charset=utf-8", None),
            ("text/plain", Some(400)),
            ("application/x-www-form-urlencoded", Some(400)),
        ] {
            assert_eq!(
                status_of(Some(media_type), r#"{"name":"a"}"#).await,
                status,
                "{media_type}"
            );
        }
    }

    #[tokio::test]
    async fn a_body_beyond_64_kib_is_too_large() {
        let routes: Router = Router::new()
            .route("/", post(async |_: StrictJson<Named>| ()))
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
        for (length, status) in [(MAX_BODY_BYTES - 11, 200), (MAX_BODY_BYTES - 10, 413)] {
            let body = format!("{{\"name\":\"{}\"}}", "x".repeat(length));
            let response = routes.clone().oneshot(request(None, body)).await.expect("infallible");
            assert_eq!(response.status(), status, "{length}");
        }
    }

    #[tokio::test]
    async fn a_request_that_takes_no_body_takes_nothing_in_it() {
        for body in ["", "{}", " \n"] {
            assert!(request(None, body).extract::<NoBody, _>().await.is_ok(), "{body}");
        }
        for body in [r#"{"a":1}"#, "[]", "x"] {
            assert!(request(None, body).extract::<NoBody, _>().await.is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in ".{0,60}") {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let status = runtime.block_on(status_of(None, body));
            prop_assert!(matches!(status, None | Some(400)));
        }
    }
}
