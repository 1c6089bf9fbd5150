//! Everything that the environment tells this backend, read once at cold start.

use api_gateway::https::Source;
use api_gateway::issuer::Issuer;
use api_gateway::token::Expectations;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use circuit_breaker::settings::Settings;
use function::env::{ConfigError, parsed, required};

use crate::session::Cookies;

/// The stage of a local cloud, and the only one that signs anybody in by itself.
const LOCAL: &str = "local";
/// A template cannot leave a variable out, and an empty one is a mistake.
const NONE: &str = "none";

/// Settings of the backend.
#[derive(Debug)]
pub struct Config {
    /// Where the services are.
    pub services: Services,
    /// Where the issuer's keys are.
    pub keys: Source,
    /// What of a session is the same for all.
    pub door: Door,
    /// Table of the circuit breakers around the services.
    pub breakers_table: String,
    /// How the breakers behave.
    pub breaker: Settings,
}

/// Who may come in, and how they get their token.
#[derive(Debug)]
pub struct Door {
    /// Who issues tokens, and for whom.
    pub expectations: Expectations,
    /// How cookies are set.
    pub cookies: Cookies,
    /// How somebody signs in.
    pub sign_in: SignIn,
}

/// How somebody signs in.
#[derive(Debug)]
pub enum SignIn {
    /// Here, under any name: the local cloud's key signs.
    Local(Issuer),
    /// At an OpenID provider.
    OpenId(OpenId),
    /// Not by these pages; whoever has a bearer token may use them.
    Nowhere,
}

/// An OpenID provider, and what it calls us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenId {
    /// Where people are sent.
    pub authorize_url: String,
    /// Where what they bring back is exchanged for a token.
    pub token_url: String,
    /// Our name there. There is no secret: PKCE proves more.
    pub client_id: String,
}

/// The functions that are asked.
#[derive(Clone, Debug)]
pub struct Services {
    /// Books, cancels, checks out, and knows what has happened.
    pub booking_command: String,
    /// Shows bookings.
    pub booking_query: String,
    /// Shows slots.
    pub parking_query: String,
    /// Takes payments.
    pub billing_command: String,
    /// Shows bills.
    pub billing_query: String,
}

impl Services {
    /// Each function, under the name of its circuit breaker.
    #[must_use]
    pub fn guarded(&self) -> [(&'static str, &str); 5] {
        [
            ("booking-command", &self.booking_command),
            ("booking-query", &self.booking_query),
            ("parking-query", &self.parking_query),
            ("billing-command", &self.billing_command),
            ("billing-query", &self.billing_query),
        ]
    }
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing or unusable.
    pub fn from_env() -> Result<Self, ConfigError> {
        let stage = required("STAGE")?;
        let expectations = Expectations {
            issuer: required("JWT_ISSUER")?,
            audience: required("JWT_AUDIENCE")?,
            roles: vec!["customer".to_owned(), "operator".to_owned()],
        };
        let signer = parsed("LOCAL_SIGNING_KEY", |it| signer(it, &stage))?;
        let open_id = parsed("OPEN_ID", open_id)?;
        let sign_in = match (signer, open_id) {
            (Some(issuer), _) => SignIn::Local(issuer),
            (None, Some(open_id)) => SignIn::OpenId(open_id),
            (None, None) => SignIn::Nowhere,
        };
        let cookies = if stage == LOCAL { Cookies::Local } else { Cookies::Secure };
        Ok(Self {
            services: Services {
                booking_command: required("BOOKING_COMMAND_FUNCTION")?,
                booking_query: required("BOOKING_QUERY_FUNCTION")?,
                parking_query: required("PARKING_QUERY_FUNCTION")?,
                billing_command: required("BILLING_COMMAND_FUNCTION")?,
                billing_query: required("BILLING_QUERY_FUNCTION")?,
            },
            keys: parsed("JWKS", Source::from_setting)?,
            door: Door { expectations, cookies, sign_in },
            breakers_table: required("EDGE_BREAKERS_TABLE")?,
            breaker: parsed("SERVICE_BREAKER", |text| serde_json::from_str(text))?,
        })
    }
}

/// `<key id>:<PKCS #8 in base64>`, on the local stage; a platform that others can reach never gets here with one.
fn signer(setting: &str, stage: &str) -> Result<Option<Issuer>, &'static str> {
    if setting == NONE {
        return Ok(None);
    }
    if stage != LOCAL {
        return Err("only the local stage signs anybody in by itself");
    }
    let (id, key) = setting.split_once(':').ok_or("not <key id>:<key>")?;
    let key = STANDARD.decode(key).ok().ok_or("the key is not base64")?;
    let issuer = Issuer::from_pkcs8(&key).ok().ok_or("the key is not an ES256 key")?;
    Ok(Some(issuer.named(id)))
}

/// `<authorize URL> <token URL> <client id>`
fn open_id(setting: &str) -> Result<Option<OpenId>, &'static str> {
    if setting == NONE {
        return Ok(None);
    }
    let parts: Vec<&str> = setting.split(' ').collect();
    let [authorize_url, token_url, client_id] = parts.as_slice() else {
        return Err("not <authorize URL> <token URL> <client id>");
    };
    if !(authorize_url.starts_with("https://") && token_url.starts_with("https://")) {
        return Err("an OpenID provider is reached by https");
    }
    Ok(Some(OpenId {
        authorize_url: (*authorize_url).to_owned(),
        token_url: (*token_url).to_owned(),
        client_id: (*client_id).to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_local_stage_signs_anybody_in() {
        let key = STANDARD.encode(Issuer::generate().unwrap());
        let setting = format!("k1:{key}");
        assert!(signer(&setting, "local").unwrap().is_some());
        assert!(signer(&setting, "prod").is_err());
        assert!(signer("none", "prod").unwrap().is_none());
        for bad in ["", "k1", "k1:", "k1:AAAA", &key] {
            assert!(signer(bad, "local").is_err(), "{bad}");
        }
    }

    #[test]
    fn a_provider_is_three_words_and_reached_by_https() {
        let good = open_id("https://id.example/authorize https://id.example/token web").unwrap();
        assert_eq!(good.unwrap().client_id, "web");
        assert!(open_id("none").unwrap().is_none());
        for bad in ["", "https://a https://b", "http://a https://b c", "https://a http://b c"] {
            assert!(open_id(bad).is_err(), "{bad}");
        }
    }
}
