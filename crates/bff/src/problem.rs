//! Problem documents of RFC 9457: the error responses that a client gets.

use std::borrow::Cow;
use std::time::Duration;

use service_error::{ErrorKind, ServiceError};

/// Long enough for a lost race or a restart to be over, short enough for a person to wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The kinds of problems, each with its slug and status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The request is malformed.
    Validation,
    /// The caller is not authenticated.
    Unauthenticated,
    /// The provider refused the payment.
    PaymentDeclined,
    /// The caller may not do this.
    Forbidden,
    /// The thing does not exist, or the caller may not know that it does.
    NotFound,
    /// Not possible in the current state.
    Conflict,
    /// The body is too long.
    PayloadTooLarge,
    /// The key has been used with another body.
    IdempotencyKeyReused,
    /// A service is unavailable; the client may retry.
    ServiceUnavailable,
}

impl ProblemKind {
    /// The last part of the problem's `type`; callers may rely on it.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::Validation => "validation",
            Self::Unauthenticated => "unauthenticated",
            Self::PaymentDeclined => "payment-declined",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::PayloadTooLarge => "payload-too-large",
            Self::IdempotencyKeyReused => "idempotency-key-reused",
            Self::ServiceUnavailable => "service-unavailable",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Validation => 400,
            Self::Unauthenticated => 401,
            Self::PaymentDeclined => 402,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::PayloadTooLarge => 413,
            Self::IdempotencyKeyReused => 422,
            Self::ServiceUnavailable => 503,
        }
    }

    /// The title, the same for every problem of this kind.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Validation => "The request is not valid",
            Self::Unauthenticated => "A valid bearer token is needed",
            Self::PaymentDeclined => "The payment was declined",
            Self::Forbidden => "Not allowed",
            Self::NotFound => "Not found",
            Self::Conflict => "Not possible in this state",
            Self::PayloadTooLarge => "The body is too large",
            Self::IdempotencyKeyReused => "The idempotency key belongs to another request",
            Self::ServiceUnavailable => "Not available now",
        }
    }
}

/// Why a request failed or was rejected.
#[derive(Debug)]
pub struct Problem {
    kind: ProblemKind,
    detail: Cow<'static, str>,
    cause: Option<ServiceError>,
}

impl Problem {
    /// A problem of this kind; the detail is for people and goes to the client.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), cause: None }
    }

    /// The request is malformed.
    #[must_use]
    pub fn validation(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemKind::Validation, detail)
    }

    /// There is no such thing.
    #[must_use]
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemKind::NotFound, detail)
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The explanation for a person.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The failure of a service that caused it; for logs.
    #[must_use]
    pub fn cause(&self) -> Option<&ServiceError> {
        self.cause.as_ref()
    }

    /// The delay before a retry, if a retry may help.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        (self.kind == ProblemKind::ServiceUnavailable).then_some(RETRY_AFTER)
    }
}

/// Converts a failure of a service to a response for the client, which never contains the cause and is never a 500.
impl From<ServiceError> for Problem {
    fn from(failure: ServiceError) -> Self {
        let kind = match failure.kind() {
            ErrorKind::Rejected => of_rejection(failure.slug()),
            // A permanent failure is in the log, for an operator; for the client the service is unavailable.
            ErrorKind::Transient | ErrorKind::Permanent => ProblemKind::ServiceUnavailable,
        };
        Self { kind, detail: Cow::Owned(failure.detail().to_owned()), cause: Some(failure) }
    }
}

/// A rejection with an unknown slug is still a rejection: a conflict.
fn of_rejection(slug: &str) -> ProblemKind {
    [
        ProblemKind::Validation,
        ProblemKind::Forbidden,
        ProblemKind::NotFound,
        ProblemKind::PaymentDeclined,
        ProblemKind::IdempotencyKeyReused,
    ]
    .into_iter()
    .find(|kind| kind.slug() == slug)
    .unwrap_or(ProblemKind::Conflict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_keeps_its_slug_and_an_unknown_one_is_a_conflict() {
        for (slug, status) in [
            ("validation", 400),
            ("payment-declined", 402),
            ("not-found", 404),
            ("conflict", 409),
            ("slot-unavailable", 409),
            ("never-heard-of", 409),
            ("idempotency-key-reused", 422),
        ] {
            let problem = Problem::from(ServiceError::rejected(slug, "no"));
            assert_eq!(problem.kind().status(), status, "{slug}");
            assert_eq!(problem.retry_after(), None);
        }
    }

    #[test]
    fn a_failure_that_is_not_a_rejection_may_be_retried_and_shows_no_cause() {
        for failure in
            [ServiceError::transient("not now", "hunter2"), ServiceError::permanent("hunter2")]
        {
            let problem = Problem::from(failure);
            assert_eq!(problem.kind().status(), 503);
            assert_eq!(problem.retry_after(), Some(Duration::from_secs(1)));
            assert!(!problem.detail().contains("hunter2"));
        }
    }
}
