//! Who is signed in: a token in a cookie, and what makes sure that a form comes from one of our pages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::Site;

/// How long somebody may take to sign in.
const SIGNING_IN_SECONDS: i64 = 900;

/// Which cookies there are, and how they are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookies {
    session: &'static str,
    signing_in: &'static str,
    is_secure: bool,
}

impl Cookies {
    /// The cookies of a site: over https for this host alone, or over http on a local cloud.
    #[must_use]
    pub fn of(site: &Site, is_secure: bool) -> Self {
        Self { session: site.session, signing_in: site.signing_in, is_secure }
    }

    /// Whether they are for https alone.
    #[must_use]
    pub fn are_secure(self) -> bool {
        self.is_secure
    }

    /// Name of the cookie with the token.
    #[must_use]
    pub fn session(self) -> String {
        self.named(self.session)
    }

    /// Name of the cookie of somebody who is about to sign in.
    #[must_use]
    pub fn signing_in(self) -> String {
        self.named(self.signing_in)
    }

    fn named(self, name: &str) -> String {
        if self.is_secure { format!("__Host-{name}") } else { name.to_owned() }
    }

    /// Keeps a token for as long as it is good.
    #[must_use]
    pub fn keep_session(self, token: &str, seconds: i64) -> String {
        self.set(&self.session(), token, seconds)
    }

    /// Keeps the secret of somebody who is about to sign in.
    #[must_use]
    pub fn keep_signing_in(self, secret: &str) -> String {
        self.set(&self.signing_in(), secret, SIGNING_IN_SECONDS)
    }

    /// Forgets the token.
    #[must_use]
    pub fn forget_session(self) -> String {
        self.set(&self.session(), "", 0)
    }

    /// `Lax`, for somebody who follows a link from elsewhere is still signed in; what changes something is a form, and a
    /// form has its own proof.
    fn set(self, name: &str, value: &str, seconds: i64) -> String {
        // The prefix `__Host-` wants the whole host. Without a path, the local cookie is for what lies beside the sign-in.
        let of_the_host = if self.is_secure { "; Path=/; Secure" } else { "" };
        format!("{name}={value}; Max-Age={seconds}; HttpOnly; SameSite=Lax{of_the_host}")
    }
}

/// What a cookie proves: only pages that were made for its bearer know what belongs in their forms.
///
/// The cookie's value is itself a secret that no other site can read or set, so it is the key; nothing is kept.
#[derive(Clone, Copy)]
pub struct Proof<'a>(pub &'a str);

impl std::fmt::Debug for Proof<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proof")
    }
}

impl Proof<'_> {
    /// What a form carries.
    #[must_use]
    pub fn of_form(self) -> String {
        URL_SAFE_NO_PAD.encode(self.mac("form").finalize().into_bytes())
    }

    /// Whether a form carried that.
    #[must_use]
    pub fn is_of_form(self, shown: &str) -> bool {
        URL_SAFE_NO_PAD.decode(shown).is_ok_and(|it| self.mac("form").verify_slice(&it).is_ok())
    }

    /// What the provider hands back, so that its answer is to a question of this browser.
    #[must_use]
    pub fn of_state(self, back: &str) -> String {
        let tag =
            URL_SAFE_NO_PAD.encode(self.mac(&format!("state {back}")).finalize().into_bytes());
        format!("{tag}.{}", URL_SAFE_NO_PAD.encode(back))
    }

    /// Where to go after the provider has handed this back; nothing if it is not what it was given.
    #[must_use]
    pub fn back_of_state(self, state: &str) -> Option<String> {
        let (tag, back) = state.split_once('.')?;
        let back = String::from_utf8(URL_SAFE_NO_PAD.decode(back).ok()?).ok()?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        self.mac(&format!("state {back}")).verify_slice(&tag).ok().map(|()| back)
    }

    /// The secret behind the question to the provider (PKCE), which proves that whoever asked fetches the answer.
    #[must_use]
    pub fn verifier(self) -> String {
        URL_SAFE_NO_PAD.encode(self.mac("verifier").finalize().into_bytes())
    }

    /// What is shown of that secret.
    #[must_use]
    pub fn challenge(self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier()))
    }

    fn mac(self, purpose: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(self.0.as_bytes()).expect("any key will do");
        mac.update(purpose.as_bytes());
        mac
    }
}

/// Whether a browser says that a request comes from a page of another site. Old ones say nothing.
#[must_use]
pub fn is_foreign(site: Option<&str>, origin: Option<&str>, host: Option<&str>) -> bool {
    let foreign_site = site.is_some_and(|it| !matches!(it, "same-origin" | "none"));
    // `null` is what a page sends that wants to be nobody.
    let foreign_origin = origin.is_some_and(|origin| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.is_none_or(|it| host.is_none_or(|host| !it.eq_ignore_ascii_case(host)))
    });
    foreign_site || foreign_origin
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::tests::SITE;

    #[test]
    fn outside_the_local_cloud_a_cookie_is_for_https_and_this_host_alone() {
        let secure = Cookies::of(&SITE, true);
        let expected = "__Host-shop-session=t; Max-Age=60; HttpOnly; SameSite=Lax; Path=/; Secure";
        assert_eq!(secure.keep_session("t", 60), expected);
        assert!(secure.forget_session().contains("=; Max-Age=0;"));
        let local = Cookies::of(&SITE, false).keep_session("t", 60);
        assert_eq!(local, "shop-session=t; Max-Age=60; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn a_form_of_another_session_proves_nothing() {
        let (mine, others) = (Proof("a"), Proof("b"));
        assert!(mine.is_of_form(&mine.of_form()));
        let state = mine.of_state("");
        let tag = state.split('.').next().unwrap().to_owned();
        for shown in [others.of_form(), String::new(), "!".to_owned(), mine.verifier(), tag] {
            assert!(!mine.is_of_form(&shown), "{shown}");
        }
    }

    #[test]
    fn a_state_is_only_good_for_the_browser_that_asked() {
        let state = Proof("a").of_state("orders");
        assert_eq!(Proof("a").back_of_state(&state).as_deref(), Some("orders"));
        assert_eq!(Proof("b").back_of_state(&state), None);
        let (tag, _) = state.split_once('.').unwrap();
        let elsewhere = URL_SAFE_NO_PAD.encode("//evil.example");
        for forged in [format!("{tag}.{elsewhere}"), tag.to_owned(), String::new()] {
            assert_eq!(Proof("a").back_of_state(&forged), None);
        }
    }

    #[test]
    fn the_challenge_is_the_hash_of_what_is_shown_later() {
        let proof = Proof("a");
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(proof.verifier()));
        assert_eq!(proof.challenge(), hash);
        assert_eq!(proof.verifier().len(), 43);
    }

    #[test]
    fn a_request_from_elsewhere_is_known_as_far_as_a_browser_tells() {
        let host = Some("a.example");
        for (site, origin, foreign) in [
            (None, None, false),
            (Some("same-origin"), Some("https://a.example"), false),
            (Some("none"), None, false),
            (Some("same-site"), None, true),
            (Some("cross-site"), None, true),
            (None, Some("https://b.example"), true),
            (None, Some("https://a.example.evil"), true),
            (None, Some("null"), true),
        ] {
            assert_eq!(is_foreign(site, origin, host), foreign, "{site:?} {origin:?}");
        }
    }
}
