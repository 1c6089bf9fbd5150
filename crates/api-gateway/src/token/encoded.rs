//! The three parts of a token, and what the first two say. No other module decodes them.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::Refusal;
use crate::keys::Algorithm;

/// A token in its parts, of which none has been looked at.
pub(super) struct Encoded<'a> {
    /// Header and claims with the point between them: what has been signed.
    message: &'a str,
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
}

pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
}

/// The claims of a token. Read them only after the signature is verified.
#[derive(Deserialize)]
pub(super) struct Claims {
    #[serde(rename = "iss")]
    pub(super) issuer: Option<String>,
    #[serde(rename = "sub")]
    pub(super) subject: Option<String>,
    #[serde(rename = "aud", default, deserialize_with = "one_or_many")]
    pub(super) audience: Vec<String>,
    #[serde(rename = "exp", default, deserialize_with = "seconds")]
    pub(super) expires_at: Option<Timestamp>,
    #[serde(rename = "nbf", default, deserialize_with = "seconds")]
    pub(super) not_before: Option<Timestamp>,
    #[serde(default)]
    pub(super) scope: String,
    pub(super) nonce: Option<String>,
}

#[derive(Deserialize)]
struct RawHeader {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

impl<'a> Encoded<'a> {
    pub(super) fn split(token: &'a str) -> Result<Self, Refusal> {
        let (message, signature) = token.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(Refusal::Malformed)?;
        Ok(Self { message, header, claims, signature })
    }

    pub(super) fn message(&self) -> &[u8] {
        self.message.as_bytes()
    }

    pub(super) fn signature(&self) -> Result<Vec<u8>, Refusal> {
        decode(self.signature)
    }

    pub(super) fn header(&self) -> Result<Header, Refusal> {
        let raw: RawHeader = json(self.header)?;
        // An extension that must be understood, and is not.
        if raw.crit.is_some() {
            return Err(Refusal::AlgorithmRefused);
        }
        let algorithm = Algorithm::named(&raw.alg).ok_or(Refusal::AlgorithmRefused)?;
        Ok(Header { algorithm, key_id: raw.kid })
    }

    pub(super) fn claims(&self) -> Result<Claims, Refusal> {
        json(self.claims)
    }
}

#[expect(clippy::map_err_ignore, reason = "a refusal has no source: a forger should learn nothing")]
fn decode(part: &str) -> Result<Vec<u8>, Refusal> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed)
}

#[expect(clippy::map_err_ignore, reason = "a refusal has no source: a forger should learn nothing")]
fn json<T: DeserializeOwned>(part: &str) -> Result<T, Refusal> {
    serde_json::from_slice(&decode(part)?).map_err(|_| Refusal::Malformed)
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(it) => vec![it],
        OneOrMany::Many(them) => them,
    })
}

/// Seconds since 1970. The standard allows a fraction, which is cut off.
fn seconds<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?.to_string();
    let whole = number.split_once('.').map_or(number.as_str(), |(whole, _)| whole);
    let whole: i64 = whole.parse().map_err(serde::de::Error::custom)?;
    Timestamp::from_second(whole).map(Some).map_err(serde::de::Error::custom)
}
