//! Parameters of a path, and paths relative to the one that was requested.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::Uri;
use axum::http::request::Parts;
use lambda_http::request::RequestContext;

use crate::problem::Problem;

/// The one parameter of a route, read by its type's `FromStr`.
#[derive(Clone, Copy, Debug)]
pub struct PathParameter<T>(pub T);

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for PathParameter<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let not_found = |name: &str| Problem::not_found(format!("there is no such {name}"));
        let all = RawPathParams::from_request_parts(parts, state).await;
        let all = all.map_err(|_not_utf8| not_found("thing"))?;
        let (name, value) = all.iter().next().ok_or_else(|| not_found("thing"))?;
        value.parse().map(Self).map_err(|_malformed| not_found(name))
    }
}

/// A reference to `target`, an absolute path of the routes, relative to the requested path: it resolves whatever precedes
/// the routes, and with or without a slash at the end of the requested path.
#[must_use]
pub fn location(requested: &Uri, target: &str) -> String {
    // Each segment but the last is a folder to leave.
    let depth = requested.path().matches('/').count().saturating_sub(1);
    format!("{}{}", "../".repeat(depth), target.trim_start_matches('/'))
}

/// The address under which the client found this route, over https; `None` if the gateway does not report it.
#[must_use]
pub fn public_url(parts: &Parts) -> Option<String> {
    let Some(RequestContext::ApiGatewayV1(context)) = parts.extensions.get() else { return None };
    Some(format!("https://{}{}", context.domain_name.as_ref()?, context.path.as_ref()?))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_path_may_be_encoded_or_not_and_a_text_that_is_no_id_is_not_found() {
        let routes: Router = Router::new()
            .route("/even/{id}", get(async |PathParameter(it): PathParameter<u8>| it.to_string()))
            .route("/text/{it}", get(async |PathParameter(it): PathParameter<String>| it));
        for (path, status) in [
            ("/even/7", StatusCode::OK),
            ("/even/%37", StatusCode::OK),
            ("/even/x", StatusCode::NOT_FOUND),
            ("/even/%00", StatusCode::NOT_FOUND),
            ("/text/a:b", StatusCode::OK),
            ("/text/a%3Ab", StatusCode::OK),
            ("/text/%ff", StatusCode::NOT_FOUND),
        ] {
            let request = Request::get(path).body(Body::empty()).expect("a request");
            let response = routes.clone().oneshot(request).await.expect("infallible");
            assert_eq!(response.status(), status, "{path}");
        }
    }

    #[test]
    fn a_location_resolves_against_the_requested_path() {
        for (requested, expected) in [
            ("/shop/orders", "../shop/orders/7"),
            ("/shop/orders/", "../../shop/orders/7"),
            ("/orders", "shop/orders/7"),
        ] {
            assert_eq!(location(&requested.parse().unwrap(), "/shop/orders/7"), expected);
        }
    }
}
