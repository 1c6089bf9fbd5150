//! Problems as responses: documents of RFC 9457.

use std::fmt;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::domain::Refusal;
use crate::ledger::LedgerError;

/// Long enough for a lost race to be over, short enough to be waited for.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Why a request comes to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It is malformed, in this way.
    Validation(String),
    /// Nobody knows who asks.
    Unauthenticated,
    /// They may not ask this.
    Forbidden,
    /// There is nothing at this address.
    NotFound,
    /// The body is too long.
    PayloadTooLarge,
    /// A rule says no.
    Refused(Refusal),
    /// A person must look.
    Internal,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl Problem {
    pub(crate) fn validation(what: impl fmt::Display) -> Self {
        Self::Validation(what.to_string())
    }

    pub(crate) const UNAVAILABLE: Self = Self::Refused(Refusal::Unavailable);

    fn status(&self) -> u16 {
        match self {
            Self::Validation(_) => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::PayloadTooLarge => 413,
            Self::Refused(Refusal::Declined { .. }) => 402,
            Self::Refused(Refusal::Voided) => 409,
            Self::Refused(Refusal::KeyReused) => 422,
            Self::Refused(Refusal::Unavailable) => 503,
            Self::Internal => 500,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::Validation(_) => "validation",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::PayloadTooLarge => "payload-too-large",
            Self::Refused(refusal) => refusal.slug(),
            Self::Internal => "internal",
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::Validation(_) => "The request is not valid",
            Self::Unauthenticated => "A valid bearer token is needed",
            Self::Forbidden => "Not allowed",
            Self::NotFound => "Not found",
            Self::PayloadTooLarge => "The body is too large",
            Self::Refused(Refusal::Declined { .. }) => "The payment was declined",
            Self::Refused(Refusal::Voided) => "The charge was refunded before it arrived",
            Self::Refused(Refusal::KeyReused) => "The idempotency key belongs to another charge",
            Self::Refused(Refusal::Unavailable) => "Not available now",
            Self::Internal => "Something is broken",
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            r#type: format!("/problems/{}", self.slug()),
            title: self.title(),
            status: self.status(),
            detail: match &self {
                Self::Validation(detail) => Some(detail),
                Self::Unauthenticated
                | Self::Forbidden
                | Self::NotFound
                | Self::PayloadTooLarge
                | Self::Refused(_)
                | Self::Internal => None,
            },
            reason: match &self {
                Self::Refused(Refusal::Declined { reason }) => Some(reason),
                Self::Refused(Refusal::Voided | Refusal::KeyReused | Refusal::Unavailable)
                | Self::Validation(_)
                | Self::Unauthenticated
                | Self::Forbidden
                | Self::NotFound
                | Self::PayloadTooLarge
                | Self::Internal => None,
            },
        };
        let status =
            StatusCode::from_u16(self.status()).expect("each problem has a status of HTTP");
        let mut response = (status, Json(document)).into_response();
        let headers = response.headers_mut();
        let media_type = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, media_type);
        if self == Self::UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        if self == Self::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        let cause = &error as &dyn std::error::Error;
        match &error {
            LedgerError::Conflict | LedgerError::Unavailable(_) => {
                tracing::warn!(error = cause, "ledger out of reach");
                Self::UNAVAILABLE
            }
            LedgerError::Corrupt(_) => {
                tracing::error!(error = cause, "ledger unreadable");
                Self::Internal
            }
        }
    }
}
