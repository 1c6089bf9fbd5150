//! A form that was sent after the session had expired: kept in a cookie until its sender has signed in.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::session::Cookies;
use crate::request::Request;

/// The parameter of the sign-in page that says where a form was sent which is to be kept.
pub(super) const KEEP: &str = "keep";
/// The parameter of a page that is to show the kept form.
pub(super) const RESUME: &str = "resume";
/// Its only value.
pub(super) const RESUME_FORM: &str = "form";
/// Stands between the secret and the form in the cookie; neither of the two can contain it.
const SEPARATOR: char = '~';
/// A browser keeps cookies of up to 4,096 bytes with their names and attributes.
const MAX_LENGTH: usize = 3_000;

/// A form that was sent after the session had expired. It has changed nothing yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptForm {
    /// Where it was sent, as seen from the site's first page.
    pub to: String,
    /// What was entered, by the names of the fields; the CSRF token is not among them.
    pub fields: BTreeMap<String, String>,
}

impl KeptForm {
    /// What was entered in this field; empty if it was not there.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    fn encode(&self) -> Option<String> {
        let json = serde_json::to_vec(self).expect("texts can be written as JSON");
        Some(URL_SAFE_NO_PAD.encode(json)).filter(|it| it.len() <= MAX_LENGTH)
    }

    fn decode(text: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }
}

/// What the cookie of a browser that is about to sign in holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SigningIn {
    /// The secret of this sign-in; empty without a cookie.
    pub(super) secret: String,
    /// The form that is kept meanwhile.
    pub(super) form: Option<KeptForm>,
}

impl SigningIn {
    /// What the browser sends.
    pub(super) fn of(request: &Request, cookies: Cookies) -> Self {
        let value = request.cookie(&cookies.signing_in()).unwrap_or_default();
        let (secret, form) = value.split_once(SEPARATOR).unwrap_or((value, ""));
        Self { secret: secret.to_owned(), form: KeptForm::decode(form) }
    }

    /// The secret, if there is one.
    pub(super) fn secret(&self) -> Option<&str> {
        Some(self.secret.as_str()).filter(|it| !it.is_empty())
    }

    /// The value of the cookie. A form that is too long for a cookie is not kept.
    pub(super) fn to_value(&self) -> String {
        match self.form.as_ref().and_then(KeptForm::encode) {
            Some(form) => format!("{}{SEPARATOR}{form}", self.secret),
            None => self.secret.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(length: usize) -> KeptForm {
        let fields = BTreeMap::from([("amount".to_owned(), "4".repeat(length))]);
        KeptForm { to: "orders".to_owned(), fields }
    }

    #[test]
    fn a_form_is_read_from_its_cookie_as_it_was_written() {
        let kept = form(10);
        assert_eq!(KeptForm::decode(&kept.encode().unwrap()), Some(kept));
        for other in ["", "e30", "!", "bm8"] {
            assert_eq!(KeptForm::decode(other), None, "{other}");
        }
    }

    #[test]
    fn a_form_that_no_cookie_can_hold_is_not_kept() {
        let signing_in = SigningIn { secret: "s".to_owned(), form: Some(form(MAX_LENGTH)) };
        assert_eq!(signing_in.to_value(), "s");
    }
}
