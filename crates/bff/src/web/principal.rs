//! The caller, as the authorizer of the gateway describes it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use jiff::Timestamp;
use lambda_http::request::RequestContext;
use serde_json::Value;

use crate::problem::{Problem, ProblemKind};

/// The authenticated caller of a request.
///
/// It is read from the authorizer's context: `sub`, `role` (names separated by blanks) and `exp` (seconds since 1970).
/// Outside Lambda, a layer that authenticates callers adds it as an extension instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The subject of the caller's token.
    pub subject: String,
    roles: Vec<String>,
}

impl Principal {
    /// A caller with these roles, for layers that authenticate callers.
    #[must_use]
    pub fn new(subject: impl Into<String>, roles: &[&str]) -> Self {
        let roles = roles.iter().map(|it| (*it).to_owned()).collect();
        Self { subject: subject.into(), roles }
    }

    /// Whether the caller has this role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|it| it == role)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if let Some(principal) = parts.extensions.get::<Self>() {
            return Ok(principal.clone());
        }
        let unauthenticated = |detail| Problem::new(ProblemKind::Unauthenticated, detail);
        let missing = || unauthenticated("the caller is not authenticated");
        let Some(RequestContext::ApiGatewayV1(context)) = parts.extensions.get() else {
            return Err(missing());
        };
        let fields = &context.authorizer.fields;
        let text = |name| fields.get(name).and_then(Value::as_str);
        let subject = text("sub").filter(|it| !it.is_empty()).ok_or_else(missing)?;
        if is_expired(fields.get("exp"), context.request_time_epoch) {
            return Err(unauthenticated("the token has run out"));
        }
        let roles = text("role").unwrap_or_default().split(' ').map(str::to_owned).collect();
        Ok(Self { subject: subject.to_owned(), roles })
    }
}

/// Whether a token had run out when the gateway received the request.
///
/// The gateway caches the authorizer's response, for longer than a token may last. The gateway's own clock decides, so that
/// a function needs none. A context without an expiry comes from the cache, of an authorizer that did not return it yet.
fn is_expired(expiry: Option<&Value>, received_ms: i64) -> bool {
    let Some(expiry) = expiry else { return false };
    // The gateway makes a text of every value.
    let seconds = expiry.as_i64().or_else(|| expiry.as_str()?.parse().ok());
    let received = Timestamp::from_millisecond(received_ms).ok().filter(|_| received_ms > 0);
    match (seconds, received) {
        (Some(seconds), Some(received)) => received.as_second() >= seconds,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use serde_json::json;

    use super::*;

    async fn principal(authorizer: Value) -> Result<Principal, ProblemKind> {
        let context = json!({
            "httpMethod": "GET", "authorizer": authorizer, "requestTimeEpoch": 1_000_500_i64,
        });
        let context: RequestContext = serde_json::from_value(context).expect("a context");
        let request = Request::builder().extension(context).body(()).expect("a request");
        let (mut parts, ()) = request.into_parts();
        let read = Principal::from_request_parts(&mut parts, &()).await;
        read.map_err(|problem| problem.kind())
    }

    #[tokio::test]
    async fn the_caller_is_whom_the_authorizer_names() {
        let caller = principal(json!({"sub": "alice", "role": "customer operator"})).await.unwrap();
        assert_eq!(caller.subject, "alice");
        assert!(caller.has_role("operator") && !caller.has_role("oper"));
        for authorizer in [json!(null), json!({}), json!({"sub": ""}), json!({"sub": 7})] {
            let refused = principal(authorizer.clone()).await;
            assert_eq!(refused, Err(ProblemKind::Unauthenticated), "{authorizer}");
        }
        let request = Request::builder().body(()).expect("a request");
        let (mut parts, ()) = request.into_parts();
        assert!(Principal::from_request_parts(&mut parts, &()).await.is_err());
    }

    #[tokio::test]
    async fn a_token_opens_nothing_from_the_second_it_expires() {
        for (expiry, is_good) in [
            (json!("1001"), true),
            (json!(1001), true),
            (json!("1000"), false),
            (json!(1000), false),
            (json!("999"), false),
            (json!(""), false),
            (json!(null), false),
            (json!("never"), false),
        ] {
            let read = principal(json!({"sub": "alice", "exp": expiry})).await;
            assert_eq!(read.is_ok(), is_good, "{expiry}");
        }
        assert!(is_expired(Some(&json!("1001")), 0), "a gateway that does not say when");
    }
}
