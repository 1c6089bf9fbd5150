//! Bearer tokens: whom one speaks for, or why it is refused. Pure: no clock, no network.

mod encoded;

#[cfg(test)]
mod tests;

use jiff::Timestamp;

use crate::keys::KeySet;
use encoded::{Claims, Encoded};

/// API Gateway takes headers of 10 KB altogether; a token of more than 8 is no token.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// A subject names things in tables, where a key may have 1 to 2 KB; OpenID allows 255 characters.
const SUBJECT_BYTES_MAX: usize = 255;
/// The issuer's clock may be a little ahead of ours. Expiry knows no leeway: a token that has run out has run out.
const NOT_BEFORE_LEEWAY_SECONDS: i64 = 5;

/// What a token must say to be for us.
#[derive(Clone, Debug)]
pub struct Expectations {
    /// Who must have issued it.
    pub issuer: String,
    /// For whom it must be.
    pub audience: String,
    /// The roles there are. A token has those that its `scope` names, and at least one.
    pub roles: Vec<String>,
}

/// In whose name a request is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who it is, as the issuer names them.
    pub subject: String,
    /// What they may act as, in the order of the expectations.
    pub roles: Vec<String>,
    /// From then on the token is worth nothing.
    pub expires_at: Timestamp,
}

impl Principal {
    /// Whether they may act as that.
    #[must_use]
    pub fn is(&self, role: &str) -> bool {
        self.roles.iter().any(|it| it == role)
    }
}

/// Why a token is worth nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is longer than any token.
    #[error("token is too long")]
    TooLong,
    /// It is not three parts of base64 with the right JSON in two of them.
    #[error("token is malformed")]
    Malformed,
    /// Its header requests an algorithm that is not accepted, or an extension.
    #[error("token requests an algorithm that is not accepted")]
    AlgorithmRefused,
    /// No key of the issuer has the name that it gives.
    #[error("token names a key that the issuer does not have")]
    KeyUnknown,
    /// The key that it names has not signed it.
    #[error("token has a wrong signature")]
    SignatureWrong,
    /// Another issued it.
    #[error("token is of another issuer")]
    IssuerWrong,
    /// It is for another audience.
    #[error("token is for another audience")]
    AudienceWrong,
    /// Its time is over.
    #[error("token has expired")]
    Expired,
    /// Its time has not come.
    #[error("token is not valid yet")]
    NotYetValid,
    /// It does not say whom it speaks for, or not in a form that can be used.
    #[error("token has no usable subject")]
    SubjectMissing,
    /// It is good, but gives its bearer nothing to do here.
    #[error("token names no role that exists here")]
    RoleUnknown,
}

impl Refusal {
    /// The name for logs. Callers do not see it: a forger should not learn which check failed.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::TooLong => "token-too-long",
            Self::Malformed => "token-malformed",
            Self::AlgorithmRefused => "algorithm-refused",
            Self::KeyUnknown => "key-unknown",
            Self::SignatureWrong => "signature-wrong",
            Self::IssuerWrong => "issuer-wrong",
            Self::AudienceWrong => "audience-wrong",
            Self::Expired => "token-expired",
            Self::NotYetValid => "token-not-yet-valid",
            Self::SubjectMissing => "subject-missing",
            Self::RoleUnknown => "role-unknown",
        }
    }
}

/// Takes the token out of an `Authorization` header.
#[must_use]
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

/// What an id token of OpenID Connect says of a sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdToken {
    /// Who has signed in, as the issuer names them.
    pub subject: String,
    /// The value that the client gave this attempt to sign in.
    pub nonce: Option<String>,
}

/// Says whom a token speaks for.
///
/// # Errors
///
/// Says why the token is refused. Nothing that it claims is looked at before its signature has been found right.
pub fn verify(
    token: &str,
    keys: &KeySet,
    expectations: &Expectations,
    now: Timestamp,
) -> Result<Principal, Refusal> {
    let Expectations { issuer, audience, roles } = expectations;
    let (claims, subject, expires_at) = valid_claims(token, keys, issuer, audience, now)?;
    let roles: Vec<String> = roles
        .iter()
        .filter(|role| claims.scope.split(' ').any(|it| it == role.as_str()))
        .cloned()
        .collect();
    if roles.is_empty() {
        return Err(Refusal::RoleUnknown);
    }
    Ok(Principal { subject, roles, expires_at })
}

/// Verifies an id token of OpenID Connect. Its audience is the client that signs people in.
///
/// # Errors
///
/// Says why the token is refused.
pub fn verify_id_token(
    token: &str,
    keys: &KeySet,
    issuer: &str,
    client_id: &str,
    now: Timestamp,
) -> Result<IdToken, Refusal> {
    let (claims, subject, _) = valid_claims(token, keys, issuer, client_id, now)?;
    Ok(IdToken { subject, nonce: claims.nonce })
}

/// The claims of a token that this issuer has signed for this audience and this time, with its subject and its end.
fn valid_claims(
    token: &str,
    keys: &KeySet,
    issuer: &str,
    audience: &str,
    now: Timestamp,
) -> Result<(Claims, String, Timestamp), Refusal> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Refusal::TooLong);
    }
    let encoded = Encoded::split(token)?;
    let header = encoded.header()?;
    let key = keys.find(header.key_id.as_deref(), header.algorithm).ok_or(Refusal::KeyUnknown)?;
    if !key.has_signed(encoded.message(), &encoded.signature()?) {
        return Err(Refusal::SignatureWrong);
    }

    let mut claims = encoded.claims()?;
    if claims.issuer.as_deref() != Some(issuer) {
        return Err(Refusal::IssuerWrong);
    }
    if !claims.audience.iter().any(|it| it == audience) {
        return Err(Refusal::AudienceWrong);
    }
    // A token without an end is refused like one that has ended.
    let expires_at = claims.expires_at.ok_or(Refusal::Expired)?;
    if expires_at <= now {
        return Err(Refusal::Expired);
    }
    if claims.not_before.is_some_and(|it| {
        it.as_second().saturating_sub(now.as_second()) > NOT_BEFORE_LEEWAY_SECONDS
    }) {
        return Err(Refusal::NotYetValid);
    }
    let subject = claims.subject.take().filter(|it| is_usable(it));
    let subject = subject.ok_or(Refusal::SubjectMissing)?;
    Ok((claims, subject, expires_at))
}

fn is_usable(subject: &str) -> bool {
    (1..=SUBJECT_BYTES_MAX).contains(&subject.len()) && !subject.contains(char::is_control)
}
