//! Who may see the pages of a site, and how they sign in: read from the environment at start-up.

use api_gateway::https::Source;
use api_gateway::issuer::Issuer;
use api_gateway::token::Expectations;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use function::env::{ConfigError, parsed, required};

use crate::open_id::OpenIdSettings;

/// The stage of a local cloud: the only one without https, and the only one on which users sign in under any name.
const LOCAL: &str = "local";
/// A template can neither leave out a variable nor set an empty one.
const NONE: &str = "none";

/// Who may see the pages of a site, and how they sign in.
#[derive(Debug)]
pub struct PagesSettings<K = Source> {
    /// Where the issuer's keys are.
    pub keys: K,
    /// Who issues tokens, and for which audience.
    pub expectations: Expectations,
    /// How people sign in.
    pub sign_in: SignInMethod,
    /// Whether the pages are reached over https alone.
    pub is_https: bool,
}

/// How people sign in.
#[derive(Debug)]
pub enum SignInMethod {
    /// On the page itself, under any name: the local cloud's key signs the token.
    Local(Issuer),
    /// At an OpenID provider.
    OpenId(OpenIdSettings),
    /// Not on these pages. Callers with a bearer token may use them.
    None,
}

impl PagesSettings {
    /// Reads `STAGE`, `JWT_ISSUER`, `JWT_AUDIENCE`, `JWKS`, `LOCAL_SIGNING_KEY` (`<key id>:<PKCS #8 in base64>` or `none`) and
    /// `OPEN_ID` (`<authorize URL> <token URL> <client id>` or `none`).
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing or unusable. On another stage than `local` a signing key is unusable: a
    /// platform that others can reach must not start with one.
    pub fn from_env() -> Result<Self, ConfigError> {
        let stage = required("STAGE")?;
        let expectations = Expectations {
            issuer: required("JWT_ISSUER")?,
            audience: required("JWT_AUDIENCE")?,
            roles: vec!["customer".to_owned(), "operator".to_owned()],
        };
        let local = parsed("LOCAL_SIGNING_KEY", |it| signing_key(it, &stage))?;
        let open_id = parsed("OPEN_ID", open_id)?;
        let sign_in = local.map(SignInMethod::Local);
        let sign_in = sign_in.or(open_id.map(SignInMethod::OpenId)).unwrap_or(SignInMethod::None);
        let keys = parsed("JWKS", Source::from_setting)?;
        Ok(Self { keys, expectations, sign_in, is_https: stage != LOCAL })
    }
}

fn signing_key(setting: &str, stage: &str) -> Result<Option<Issuer>, &'static str> {
    if setting == NONE {
        return Ok(None);
    }
    if stage != LOCAL {
        return Err("only the stage `local` may sign tokens itself");
    }
    let (id, key) = setting.split_once(':').ok_or("not <key id>:<key>")?;
    let key = STANDARD.decode(key).ok().ok_or("the key is not base64")?;
    let issuer = Issuer::from_pkcs8(&key).ok().ok_or("the key is not an ES256 key")?;
    Ok(Some(issuer.named(id)))
}

fn open_id(setting: &str) -> Result<Option<OpenIdSettings>, String> {
    if setting == NONE {
        return Ok(None);
    }
    OpenIdSettings::parse(setting).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_local_stage_signs_tokens_itself() {
        let key = STANDARD.encode(Issuer::generate().unwrap());
        let setting = format!("k1:{key}");
        assert!(signing_key(&setting, "local").unwrap().is_some());
        assert!(signing_key(&setting, "prod").is_err());
        assert!(signing_key("none", "prod").unwrap().is_none());
        for bad in ["", "k1", "k1:", "k1:AAAA", &key] {
            assert!(signing_key(bad, "local").is_err(), "{bad}");
        }
    }
}
