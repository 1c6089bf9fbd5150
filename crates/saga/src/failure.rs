//! The three ways in which a command may come to nothing.

use std::borrow::Cow;
use std::error::Error as StdError;

use serde::{Deserialize, Serialize};

/// What a failure means for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// A rule says no: nothing was done, and asking again is pointless.
    Rejected,
    /// The world says not now: what was done is unknown, ask again.
    Transient,
    /// A person must look: what was done is unknown.
    Broken,
}

impl FailureKind {
    /// The `errorType` of the failure, as a state machine's `ErrorEquals` spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rejected => "Rejected",
            Self::Transient => "Transient",
            Self::Broken => "Broken",
        }
    }
}

/// Why a command has not been done, as far as its caller may know.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct Failure {
    kind: FailureKind,
    slug: Cow<'static, str>,
    detail: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// A failure as it travels: the kind goes beside it.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    slug: Cow<'a, str>,
    detail: Cow<'a, str>,
}

impl Failure {
    /// A rule says no. The slug is what callers may rely on, the detail is for people.
    #[must_use]
    pub fn rejected(
        slug: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { kind: FailureKind::Rejected, slug: slug.into(), detail: detail.into(), source: None }
    }

    /// The world says not now; the cause is logged and stays here.
    #[must_use]
    pub fn transient(
        detail: impl Into<Cow<'static, str>>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self {
            kind: FailureKind::Transient,
            slug: Cow::Borrowed("service-unavailable"),
            detail: detail.into(),
            source: Some(source.into()),
        }
    }

    /// A person must look; the cause is logged and stays here.
    #[must_use]
    pub fn broken(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            kind: FailureKind::Broken,
            slug: Cow::Borrowed("internal"),
            detail: Cow::Borrowed("something is broken that needs a person"),
            source: Some(source.into()),
        }
    }

    /// Reads what is left of a failure once it has come through Lambda.
    ///
    /// Whatever was not said by a `Failure` (a time-out, a crash, a throttle) has an unknown outcome, so it is transient.
    #[must_use]
    pub fn from_wire(error_type: &str, error_message: &str) -> Self {
        let kind = [FailureKind::Rejected, FailureKind::Broken]
            .into_iter()
            .find(|kind| kind.name() == error_type)
            .unwrap_or(FailureKind::Transient);
        match serde_json::from_str::<Wire<'_>>(error_message) {
            Ok(wire) => Self {
                kind,
                slug: Cow::Owned(wire.slug.into_owned()),
                detail: Cow::Owned(wire.detail.into_owned()),
                source: None,
            },
            // Not our words: never take them for a refusal without effect.
            Err(_) => Self::transient(
                "the function did not answer",
                format!("{error_type}: {error_message}"),
            ),
        }
    }

    /// What it means for the caller.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Whether nobody has answered: the call was lost, its time ran out, the function died of it.
    ///
    /// A function that says itself that it can't do its work just now has answered.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        self.kind == FailureKind::Transient && self.source.is_some()
    }

    /// The name that callers may rely on.
    #[must_use]
    pub fn slug(&self) -> &str {
        &self.slug
    }

    /// What to tell a person.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The text that [`Failure::from_wire`] reads, without the cause.
    #[must_use]
    pub fn wire_message(&self) -> String {
        let wire = Wire { slug: Cow::Borrowed(self.slug()), detail: Cow::Borrowed(self.detail()) };
        serde_json::to_string(&wire).expect("two texts are always JSON")
    }
}

#[cfg(feature = "lambda")]
impl From<Failure> for lambda_runtime::Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.kind.name().to_owned(), error_message: failure.wire_message() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_what_nobody_has_said() {
        let said = Failure::transient("not now", "cause").wire_message();
        assert!(!Failure::from_wire("Transient", &said).is_silence());
        assert!(!Failure::from_wire("Rejected", &said).is_silence());
        assert!(Failure::from_wire("Runtime.ExitError", "killed").is_silence());
        assert!(Failure::from_wire("Transient", "").is_silence());
        assert!(Failure::transient("no answer", "connection was lost").is_silence());
        assert!(!Failure::broken("odd").is_silence());
    }

    #[test]
    fn a_foreign_error_is_never_a_refusal() {
        for (kind, message) in [
            ("Rejected", "slot taken"),
            ("Runtime.ExitError", "{}"),
            ("", ""),
            ("Unhandled", "{\"slug\":1}"),
        ] {
            assert_eq!(Failure::from_wire(kind, message).kind(), FailureKind::Transient, "{kind}");
        }
    }

    #[test]
    fn the_cause_does_not_travel() {
        let failure = Failure::broken("password is hunter2");
        assert!(!failure.wire_message().contains("hunter2"));
        assert_eq!(
            Failure::from_wire("Broken", &failure.wire_message()).kind(),
            FailureKind::Broken
        );
    }
}
