//! The three ways in which a command can fail, and how an error travels through Lambda.

use std::borrow::Cow;
use std::error::Error as StdError;

use serde::{Deserialize, Serialize};

/// What an error means for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A business rule rejects the command: nothing was done, and retrying is pointless.
    Rejected,
    /// The service cannot handle the command now: the outcome is unknown, and the caller should retry.
    Transient,
    /// Retrying the same input cannot succeed: the outcome is unknown, and an operator must intervene.
    Permanent,
}

impl ErrorKind {
    /// The Lambda `errorType` of this kind, as a state machine's `ErrorEquals` spells it.
    #[must_use]
    pub fn error_type(self) -> &'static str {
        match self {
            Self::Rejected => "Rejected",
            Self::Transient => "Transient",
            Self::Permanent => "Permanent",
        }
    }
}

/// Why a command failed, with everything that its caller may know.
///
/// The cause is for the log of the service that created the error. It does not travel to the caller.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct ServiceError {
    kind: ErrorKind,
    slug: Cow<'static, str>,
    detail: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The `errorMessage` of an error; its kind travels separately, as the `errorType`.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    slug: Cow<'a, str>,
    detail: Cow<'a, str>,
}

impl ServiceError {
    /// A business rule rejects the command. Callers may match on the slug; the detail is a text for people.
    #[must_use]
    pub fn rejected(
        slug: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { kind: ErrorKind::Rejected, slug: slug.into(), detail: detail.into(), source: None }
    }

    /// The service cannot handle the command now. The slug is `service-unavailable`; the cause stays in this process.
    #[must_use]
    pub fn transient(
        detail: impl Into<Cow<'static, str>>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self {
            kind: ErrorKind::Transient,
            slug: Cow::Borrowed("service-unavailable"),
            detail: detail.into(),
            source: Some(source.into()),
        }
    }

    /// Retrying cannot succeed, and an operator must intervene. The slug is `internal`; the cause stays in this process.
    #[must_use]
    pub fn permanent(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            kind: ErrorKind::Permanent,
            slug: Cow::Borrowed("internal"),
            detail: Cow::Borrowed("internal error that requires operator intervention"),
            source: Some(source.into()),
        }
    }

    /// Reads an error that arrived through Lambda, from its `errorType` and `errorMessage`.
    ///
    /// An error that no [`ServiceError`] produced (a time-out, a crash, a throttle) has an unknown outcome, so it is
    /// [`ErrorKind::Transient`].
    #[must_use]
    pub fn from_wire(error_type: &str, error_message: &str) -> Self {
        let kind = [ErrorKind::Rejected, ErrorKind::Permanent]
            .into_iter()
            .find(|kind| kind.error_type() == error_type)
            .unwrap_or(ErrorKind::Transient);
        match serde_json::from_str::<Wire<'_>>(error_message) {
            Ok(wire) => Self {
                kind,
                slug: Cow::Owned(wire.slug.into_owned()),
                detail: Cow::Owned(wire.detail.into_owned()),
                source: None,
            },
            // The message is not ours, so the type must not count as a rejection without effect.
            Err(_) => Self::transient(
                "the function did not respond",
                format!("{error_type}: {error_message}"),
            ),
        }
    }

    /// What the error means for the caller.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether no response arrived: the call was lost, it timed out, or the function crashed.
    ///
    /// A function that reports itself that it cannot handle the command now has responded.
    #[must_use]
    pub fn is_no_response(&self) -> bool {
        self.kind == ErrorKind::Transient && self.source.is_some()
    }

    /// The stable name of the error, which callers may match on.
    #[must_use]
    pub fn slug(&self) -> &str {
        &self.slug
    }

    /// The text for people. It carries no cause and no secret.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The `errorMessage` that [`ServiceError::from_wire`] reads, without the cause.
    #[must_use]
    pub fn wire_message(&self) -> String {
        let wire = Wire { slug: Cow::Borrowed(self.slug()), detail: Cow::Borrowed(self.detail()) };
        serde_json::to_string(&wire).expect("two texts are always JSON")
    }
}

#[cfg(feature = "lambda")]
impl From<ServiceError> for lambda_runtime::Diagnostic {
    fn from(error: ServiceError) -> Self {
        Self { error_type: error.kind.error_type().to_owned(), error_message: error.wire_message() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_no_service_reported_is_no_response() {
        let reported = ServiceError::transient("not now", "cause").wire_message();
        assert!(!ServiceError::from_wire("Transient", &reported).is_no_response());
        assert!(!ServiceError::from_wire("Rejected", &reported).is_no_response());
        assert!(ServiceError::from_wire("Runtime.ExitError", "killed").is_no_response());
        assert!(ServiceError::from_wire("Transient", "").is_no_response());
        assert!(ServiceError::transient("no response", "connection was lost").is_no_response());
        assert!(!ServiceError::permanent("odd").is_no_response());
    }

    #[test]
    fn a_foreign_error_is_never_a_rejection() {
        for (kind, message) in [
            ("Rejected", "slot taken"),
            ("Runtime.ExitError", "{}"),
            ("", ""),
            ("Unhandled", "{\"slug\":1}"),
        ] {
            assert_eq!(
                ServiceError::from_wire(kind, message).kind(),
                ErrorKind::Transient,
                "{kind}"
            );
        }
    }

    #[test]
    fn the_cause_does_not_travel() {
        let error = ServiceError::permanent("password is hunter2");
        assert!(!error.wire_message().contains("hunter2"));
        assert_eq!(
            ServiceError::from_wire("Permanent", &error.wire_message()).kind(),
            ErrorKind::Permanent
        );
    }
}
