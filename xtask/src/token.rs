//! Bearer tokens, as an OpenID provider would issue them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::json;

use crate::failure::Result;
use crate::keys::Keys;

/// An hour, as providers commonly give.
pub(crate) const TTL_SECONDS: i64 = 3600;

/// The API refuses a longer subject (`api_gateway::token`).
const SUBJECT_BYTES_MAX: usize = 255;

/// The role that a token grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scope {
    /// Books slots, and sees their own bookings.
    Customer,
    /// Runs the platform.
    Operator,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Operator => "operator",
        }
    }
}

/// The issuer and the audience of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issuer {
    /// `iss`
    pub(crate) name: String,
    /// `aud`
    pub(crate) audience: String,
}

/// Reads the subject of a token, under the rules of the API.
pub(crate) fn parse_subject(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Err("it is empty, and the API refuses tokens with an empty subject".to_owned())
    } else if text.len() > SUBJECT_BYTES_MAX {
        let length = text.len();
        Err(format!(
            "it has {length} bytes, and the API refuses subjects of more than {SUBJECT_BYTES_MAX}"
        ))
    } else if text.contains(char::is_control) {
        Err("it contains a control character, and the API refuses such subjects".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// Issues a token that expires `ttl_seconds` after `now`; a negative number gives an expired one.
pub(crate) fn issue(
    keys: &Keys,
    issuer: &Issuer,
    scope: Scope,
    subject: &str,
    ttl_seconds: i64,
    now: Timestamp,
) -> Result<String> {
    let expires = now.as_second().saturating_add(ttl_seconds);
    // An expired token was issued before it expired.
    let issued = now.as_second().min(expires.saturating_sub(1));
    let header = json!({"alg": "ES256", "typ": "JWT", "kid": keys.id});
    let claims = json!({
        "iss": issuer.name, "aud": issuer.audience, "sub": subject, "scope": scope.name(),
        "iat": issued, "nbf": issued, "exp": expires,
    });
    let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(keys.sign(message.as_bytes())?);
    Ok(format!("{message}.{signature}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jiff::Timestamp;
    use serde_json::Value;

    use super::{Issuer, Scope, issue, parse_subject};
    use crate::keys::Keys;
    use crate::layout::Layout;

    fn claims(ttl_seconds: i64) -> Value {
        let folder =
            std::env::temp_dir().join(format!("parkade-{}-token{ttl_seconds}", std::process::id()));
        let keys = Keys::ensure(&Layout::find().with_state(folder.clone())).expect("made");
        let issuer = Issuer { name: "i".into(), audience: "a".into() };
        let now = Timestamp::from_second(1_000_000).expect("in range");
        let token =
            issue(&keys, &issuer, Scope::Customer, "ann", ttl_seconds, now).expect("issued");
        fs::remove_dir_all(folder).expect("removed");
        let part = token.split('.').nth(1).expect("three parts");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
    }

    #[test]
    fn a_subject_that_the_api_would_refuse_is_refused_with_the_reason() {
        for accepted in ["ann", "Zoë", &"a".repeat(255)] {
            assert_eq!(parse_subject(accepted).as_deref(), Ok(accepted));
        }
        for (refused, reason) in
            [("", "empty"), (&*"a".repeat(256), "256 bytes"), ("ann\n", "control character")]
        {
            let said = parse_subject(refused).expect_err(reason);
            assert!(said.contains(reason), "{said}");
        }
    }

    #[test]
    fn a_token_says_who_may_do_what_and_until_when() {
        let claims = claims(60);
        assert_eq!(claims["sub"], "ann");
        assert_eq!(claims["scope"], "customer");
        assert_eq!((&claims["iat"], &claims["exp"]), (&1_000_000.into(), &1_000_060.into()));
    }

    #[test]
    fn a_negative_time_gives_a_token_that_has_run_out() {
        let claims = claims(-5);
        assert_eq!(claims["exp"], 999_995);
        assert_eq!(claims["nbf"], 999_994, "valid once, and before it ran out");
    }
}
