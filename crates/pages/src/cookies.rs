//! The cookies of a site, and how they are set.

use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use cookie::time::Duration;

use crate::site::Site;

/// A browser keeps cookies of up to 4,096 bytes, with name and attributes; a longer one it drops without a word.
const MAX_COOKIE_BYTES: usize = 4_096;
/// More than the attributes of any cookie here.
const ATTRIBUTES_BYTES: usize = 128;

/// Makes the cookies of one site. On stages that are reached by https, they are sent over https and to this host alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cookies {
    base: &'static str,
    is_secure: bool,
}

impl Cookies {
    pub(crate) fn of(site: &Site, is_secure: bool) -> Self {
        Self { base: site.cookie, is_secure }
    }

    pub(crate) fn are_secure(self) -> bool {
        self.is_secure
    }

    /// The name of the cookie with the session's token.
    pub(crate) fn session(self) -> String {
        self.name("")
    }

    /// The name of the cookie with the secret behind the site's CSRF tokens.
    pub(crate) fn csrf(self) -> String {
        self.name("-csrf")
    }

    /// The name of the cookie with a form that was sent without a session.
    pub(crate) fn kept_form(self) -> String {
        self.name("-form")
    }

    /// The name of the cookie of one attempt to sign in at an OpenID provider.
    pub(crate) fn attempt(self, state: &str) -> String {
        self.name(&format!("-attempt-{state}"))
    }

    fn name(self, suffix: &str) -> String {
        let prefix = if self.is_secure { "__Host-" } else { "" };
        format!("{prefix}{}{suffix}", self.base)
    }

    /// A cookie until the browser is closed, or for so many seconds.
    ///
    /// `SameSite=Lax`, so that a person who follows a link from another site is still signed in. Requests that change
    /// something are forms, and those have CSRF tokens.
    pub(crate) fn set(self, name: String, value: String, seconds: Option<i64>) -> Cookie<'static> {
        let mut cookie = Cookie::build((name, value))
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.is_secure)
            .build();
        if let Some(seconds) = seconds {
            cookie.set_max_age(Duration::seconds(seconds));
        }
        cookie
    }

    /// Makes the browser drop a cookie.
    pub(crate) fn expire(self, name: String) -> Cookie<'static> {
        self.set(name, String::new(), Some(0))
    }

    /// Whether a browser keeps a cookie of this length.
    pub(crate) fn fits(name: &str, value: &str) -> bool {
        name.len() + value.len() + ATTRIBUTES_BYTES <= MAX_COOKIE_BYTES
    }
}

/// The value of a cookie that the browser has sent; `None` for an empty one.
pub(crate) fn value(jar: &CookieJar, name: &str) -> Option<String> {
    jar.get(name).map(|it| it.value().to_owned()).filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::tests::SITE;

    #[test]
    fn outside_a_local_cloud_a_cookie_is_for_https_and_this_host_alone() {
        let secure = Cookies::of(&SITE, true);
        let cookie = secure.set(secure.session(), "t".to_owned(), Some(60)).to_string();
        assert!(cookie.starts_with("__Host-shop-session=t; "), "{cookie}");
        for attribute in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=60"] {
            assert!(cookie.split("; ").any(|it| it == attribute), "{attribute}: {cookie}");
        }
        let local = Cookies::of(&SITE, false);
        let cookie = local.set(local.csrf(), "t".to_owned(), None).to_string();
        assert!(cookie.starts_with("shop-session-csrf=t; "), "{cookie}");
        assert!(!cookie.contains("Secure") && !cookie.contains("Max-Age"), "{cookie}");
        assert!(secure.expire(secure.session()).to_string().contains("Max-Age=0"));
    }

    #[test]
    fn a_cookie_that_a_browser_would_drop_does_not_fit() {
        assert!(Cookies::fits("session", &"t".repeat(3_900)));
        assert!(!Cookies::fits("session", &"t".repeat(4_000)));
        let longest = Cookies::of(&SITE, true);
        let cookie = longest.set(longest.session(), String::new(), Some(i64::from(u32::MAX)));
        let attributes = cookie.to_string().len() - longest.session().len();
        assert!(attributes <= ATTRIBUTES_BYTES, "{cookie}");
    }
}
