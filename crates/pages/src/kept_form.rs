//! A form that was sent without a valid session: kept in a cookie until its user has signed in.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::extract::OptionalFromRequestParts;
use axum::http::request::Parts;
use axum_extra::extract::cookie::{Cookie, CookieJar};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::cookies::{self, Cookies};
use crate::csrf;

/// The parameter of a page that fills in the kept form.
pub(crate) const RESUME: &str = "resume=form";
/// How long a form is kept, in seconds.
const KEPT_SECONDS: i64 = 900;

/// A form that was sent without a valid session. It has changed nothing yet. An extractor in the handlers of pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptForm {
    /// The address that it was sent to, relative to the first page.
    pub to: String,
    /// What was entered, by the names of the fields; without the CSRF token.
    pub fields: BTreeMap<String, String>,
    /// The user who entered it, the only one to whom it is shown.
    user: String,
}

impl KeptForm {
    /// A form that was sent to this address. Its CSRF token says whose it is.
    pub(crate) fn new(to: &str, mut fields: BTreeMap<String, String>) -> Self {
        let token = fields.remove(csrf::FIELD).unwrap_or_default();
        Self { to: to.to_owned(), fields, user: csrf::claimed_user(&token).to_owned() }
    }

    /// What was entered in this field; empty if the form has no such field.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// Whether this user entered it.
    pub(crate) fn is_of(&self, subject: &str) -> bool {
        self.user == csrf::user(subject)
    }

    /// The form that the browser keeps.
    pub(crate) fn read(jar: &CookieJar, cookies: Cookies) -> Option<Self> {
        let text = cookies::value(jar, &cookies.kept_form())?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }

    /// The cookie that keeps the form; `None` for a form that no cookie can hold.
    pub(crate) fn to_cookie(&self, cookies: Cookies) -> Option<Cookie<'static>> {
        let json = serde_json::to_vec(self).expect("texts can be written as JSON");
        let (name, value) = (cookies.kept_form(), URL_SAFE_NO_PAD.encode(json));
        Cookies::fits(&name, &value).then(|| cookies.set(name, value, Some(KEPT_SECONDS)))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for KeptForm {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::tests::SITE;

    fn form(length: usize) -> KeptForm {
        let fields = [("amount", "4".repeat(length)), (csrf::FIELD, csrf::token("secret", "ada"))];
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        KeptForm::new("orders", fields)
    }

    #[test]
    fn a_form_is_read_from_its_cookie_as_it_was_written() {
        let cookies = Cookies::of(&SITE, false);
        let kept = form(10);
        let jar = CookieJar::new().add(kept.to_cookie(cookies).expect("a cookie"));
        assert_eq!(KeptForm::read(&jar, cookies), Some(kept.clone()));
        assert!(kept.is_of("ada") && !kept.is_of("grace") && !kept.is_of(""));
        assert_eq!(kept.field(csrf::FIELD), "", "the token of another session is of no use");
        for other in ["", "e30", "!", "bm8"] {
            let jar = CookieJar::new().add(Cookie::new(cookies.kept_form(), other));
            assert_eq!(KeptForm::read(&jar, cookies), None, "{other}");
        }
    }

    #[test]
    fn a_form_that_no_cookie_can_hold_is_not_kept() {
        assert!(form(4_000).to_cookie(Cookies::of(&SITE, false)).is_none());
    }
}
