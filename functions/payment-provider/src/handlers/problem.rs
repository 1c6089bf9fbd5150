//! Problems as responses: documents of RFC 9457.

use std::fmt;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::domain::Rejection;
use crate::ledger::LedgerError;

/// Long enough that concurrent requests have ended, and short enough that a client waits for it.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It is malformed, for this reason.
    Validation(String),
    /// It has no valid credentials.
    Unauthenticated,
    /// The caller does not have the required role.
    Forbidden,
    /// There is no such route.
    NotFound,
    /// The body is too long.
    PayloadTooLarge,
    /// A rule of the domain rejected it.
    Rejected(Rejection),
    /// The stored data is unreadable, which requires operator intervention.
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

    pub(crate) const UNAVAILABLE: Self = Self::Rejected(Rejection::Unavailable);

    fn status(&self) -> u16 {
        match self {
            Self::Validation(_) => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::PayloadTooLarge => 413,
            Self::Rejected(Rejection::Declined { .. }) => 402,
            Self::Rejected(Rejection::Voided) => 409,
            Self::Rejected(Rejection::KeyReused) => 422,
            Self::Rejected(Rejection::Unavailable) => 503,
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
            Self::Rejected(rejection) => rejection.slug(),
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
            Self::Rejected(Rejection::Declined { .. }) => "The payment was declined",
            Self::Rejected(Rejection::Voided) => "The charge was refunded before it arrived",
            Self::Rejected(Rejection::KeyReused) => "The idempotency key belongs to another charge",
            Self::Rejected(Rejection::Unavailable) => "Not available now",
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
                | Self::Rejected(_)
                | Self::Internal => None,
            },
            reason: match &self {
                Self::Rejected(Rejection::Declined { reason }) => Some(reason),
                Self::Rejected(
                    Rejection::Voided | Rejection::KeyReused | Rejection::Unavailable,
                )
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
                tracing::warn!(error = cause, "ledger is unreachable");
                Self::UNAVAILABLE
            }
            LedgerError::Corrupt(_) => {
                tracing::error!(error = cause, "ledger is unreadable");
                Self::Internal
            }
        }
    }
}
