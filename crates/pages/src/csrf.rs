//! CSRF protection: signed double-submit tokens, bound to the user, and the origin that the browser reports.
//!
//! The pattern is that of the [OWASP cheat sheet](https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html):
//! a cookie holds a random secret that no other site can read or set, and every form contains an HMAC of the user under that
//! secret. A token stays valid when the same user signs in again, in whichever tab.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// The field of every form that contains its token. The name is part of the published contract of the forms.
pub const FIELD: &str = "proof";
/// Bytes of the hash that names the user of a token: enough to tell two users apart.
const USER_BYTES: usize = 12;

/// The CSRF token of this user's forms, for this secret of the browser. The subject is empty for the sign-in form. Public for
/// tests, and for programs that send forms.
pub fn token(secret: &str, subject: &str) -> String {
    let mac = URL_SAFE_NO_PAD.encode(mac(secret, subject).finalize().into_bytes());
    format!("{}.{mac}", user(subject))
}

/// Whether a form of this user contained this token.
pub(crate) fn is_valid(secret: &str, subject: &str, token: &str) -> bool {
    token.split_once('.').is_some_and(|(_, shown)| {
        URL_SAFE_NO_PAD.decode(shown).is_ok_and(|it| mac(secret, subject).verify_slice(&it).is_ok())
    })
}

/// A name of the user that says nothing about them, as the first part of their tokens contains it.
pub(crate) fn user(subject: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(subject)[..USER_BYTES])
}

/// The user of the page that a form was sent from. Not verified: use it only to decide whom a form is shown to again.
pub(crate) fn claimed_user(token: &str) -> &str {
    token.split_once('.').map_or("", |(user, _)| user)
}

/// Whether the browser reports that a request comes from a page of another site. Old browsers report nothing.
pub(crate) fn is_cross_site(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|it| it.to_str().unwrap_or_default());
    let host = text(header::HOST.as_str());
    let site = text("sec-fetch-site");
    let is_cross_site = site.is_some_and(|it| !matches!(it, "same-origin" | "none"));
    // `null` is the origin of a page that hides its own.
    let is_cross_origin = text(header::ORIGIN.as_str()).is_some_and(|origin| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.is_none_or(|it| host.is_none_or(|host| !it.eq_ignore_ascii_case(host)))
    });
    is_cross_site || is_cross_origin
}

fn mac(secret: &str, subject: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(subject.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_token_is_valid_for_its_user_and_its_browser_alone() {
        let ours = token("secret", "ada");
        assert!(is_valid("secret", "ada", &ours));
        assert!(!is_valid("secret", "grace", &ours), "another user");
        assert!(!is_valid("other", "ada", &ours), "another browser");
        for forged in ["", ".", "!", &ours[1..], &format!("{}.", user("ada")), &format!("{ours}A")]
        {
            assert!(
                !is_valid("secret", "ada", forged) || claimed_user(forged) != user("ada"),
                "{forged}"
            );
        }
        assert_eq!(claimed_user(&ours), user("ada"));
        assert_eq!(claimed_user("x"), "");
    }

    #[test]
    fn a_request_from_another_site_is_recognised_as_far_as_the_browser_reports_it() {
        for (site, origin, is_foreign) in [
            (None, None, false),
            (Some("same-origin"), Some("https://a.example"), false),
            (Some("none"), None, false),
            (Some("same-site"), None, true),
            (Some("cross-site"), None, true),
            (None, Some("https://b.example"), true),
            (None, Some("https://a.example.evil"), true),
            (None, Some("null"), true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static("a.example"));
            if let Some(site) = site {
                headers.insert("sec-fetch-site", HeaderValue::from_static(site));
            }
            if let Some(origin) = origin {
                headers.insert("origin", HeaderValue::from_static(origin));
            }
            assert_eq!(is_cross_site(&headers), is_foreign, "{site:?} {origin:?}");
        }
    }
}
