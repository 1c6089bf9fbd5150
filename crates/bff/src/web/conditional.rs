//! Conditional requests: a client that has a representation already does not get it again.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// The layer of a route whose good responses are all [conditional](unless_known), by `axum::middleware::from_fn`.
pub async fn conditional(request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    unless_known(&headers, next.run(request).await).await
}

/// Names the body of a 200 by an `ETag`, and leaves it out for a client that has it: 304.
///
/// The tag is a weak one: the gateway may compress the body, and a strong tag would be about its bytes. The client may
/// cache the response, and revalidates it each time.
pub async fn unless_known(request_headers: &HeaderMap, response: Response) -> Response {
    if response.status() != StatusCode::OK {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // It is in memory already, as a whole.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(&body)[..16]);
    let tag = HeaderValue::from_str(&format!("W/\"{hash}\"")).expect("base64 is ASCII");
    parts.headers.insert(header::ETAG, tag);
    let kept_by_the_client = HeaderValue::from_static("private, no-cache");
    parts.headers.insert(header::CACHE_CONTROL, kept_by_the_client);
    // The header may come in several lines.
    let lists = request_headers.get_all(header::IF_NONE_MATCH).into_iter();
    if lists.filter_map(|it| it.to_str().ok()).any(|list| names(list, &hash)) {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(body))
}

/// Whether a list of tags has this one, weakly compared, or stands for all.
fn names(list: &str, hash: &str) -> bool {
    list.split(',').map(str::trim).any(|tag| {
        let opaque = tag.strip_prefix("W/").unwrap_or(tag);
        let opaque = opaque.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        tag == "*" || opaque == Some(hash)
    })
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    async fn response(if_none_match: &[&str]) -> (StatusCode, String, HeaderMap) {
        let mut headers = HeaderMap::new();
        for value in if_none_match {
            headers.append(header::IF_NONE_MATCH, HeaderValue::from_str(value).expect("a value"));
        }
        let response = unless_known(&headers, axum::Json(7).into_response()).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 100).await.expect("a body");
        (parts.status, String::from_utf8(body.to_vec()).expect("UTF-8"), parts.headers)
    }

    #[tokio::test]
    async fn a_client_that_has_it_gets_304_and_no_body() {
        let (status, body, headers) = response(&[]).await;
        assert_eq!((status, &*body), (StatusCode::OK, "7"));
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["cache-control"], "private, no-cache");
        let tag = headers["etag"].to_str().unwrap();
        let (strong, listed) = (tag.replace("W/", ""), format!("\"x\", {tag}"));
        for known in [&[tag][..], &[&strong], &[&listed], &["*"], &["\"x\"", tag], &[tag, "\"x\""]]
        {
            let (status, body, again) = response(known).await;
            assert_eq!((status, &*body), (StatusCode::NOT_MODIFIED, ""), "{known:?}");
            assert_eq!(again["etag"], tag);
            assert!(!again.contains_key("content-type"));
        }
        for unknown in ["", "\"x\"", "W/", tag.trim_matches('"')] {
            assert_eq!(response(&[unknown]).await.0, StatusCode::OK, "{unknown}");
        }
    }

    #[tokio::test]
    async fn only_a_good_response_has_a_tag() {
        let failed = (StatusCode::CONFLICT, "no").into_response();
        let response = unless_known(&HeaderMap::new(), failed).await;
        assert_eq!(response.status(), StatusCode::CONFLICT);
        assert!(!response.headers().contains_key("etag"));
    }
}
