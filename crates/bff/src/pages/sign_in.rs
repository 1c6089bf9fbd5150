//! Signing in: under any name on a local cloud, else at the OpenID provider.

use std::collections::BTreeMap;

use api_gateway::https::Source;
use api_gateway::issuer::Issuer;
use api_gateway::token::Expectations;
use api_gateway::verifier::KeySource;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use maud::html;
use serde::Deserialize;
use serde_json::json;
use service_error::{ErrorKind, ServiceError};

use super::front::{Front, from_here, not_ours};
use super::kept_form::{KEEP, KeptForm, RESUME, RESUME_FORM, SigningIn};
use super::provider::Provider;
use super::session::{Cookies, Proof};
use super::{Page, Place, Who, encoded, hidden, notice, troubled};
use crate::answer::Answer;
use crate::problem::{Problem, ProblemKind};
use crate::request::Request;

/// How long somebody stays signed in who needed nothing but a name.
const TTL_SECONDS: i64 = 3_600;
/// What a name may have besides letters and digits.
const MARKS: &str = "._@-";
const NAME_LENGTH_MAX: usize = 64;
/// Where the provider sends people back to, beside this page.
const CALLBACK: &str = "signed-in";
/// The stage of a local cloud, and the only one that signs anybody in by itself.
const LOCAL: &str = "local";
/// A template cannot leave a variable out, and an empty one is a mistake.
const NONE: &str = "none";

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

/// What a function is told of who may come in.
#[derive(Debug)]
pub struct Entrance {
    /// Where the issuer's keys are.
    pub keys: Source,
    /// Who may come in, and how.
    pub door: Door,
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

impl SignIn {
    /// Reads a key that signs anybody in, `<key id>:<PKCS #8 in base64>`; `none` is none.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it. On another stage than `local` any key is: a platform that others can reach must not
    /// start with one.
    pub fn local(setting: &str, stage: &str) -> Result<Option<Self>, &'static str> {
        Ok(signer(setting, stage)?.map(Self::Local))
    }

    /// Reads a provider, `<authorize URL> <token URL> <client id>`; `none` is none.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it.
    pub fn open_id(setting: &str) -> Result<Option<Self>, &'static str> {
        Ok(open_id(setting)?.map(Self::OpenId))
    }
}

impl Door {
    /// The door of a site on this stage.
    #[must_use]
    pub fn new(
        site: &super::Site,
        stage: &str,
        expectations: Expectations,
        sign_in: SignIn,
    ) -> Self {
        Self { expectations, cookies: Cookies::of(site, stage != LOCAL), sign_in }
    }
}

/// What the page says above the form.
#[derive(Clone, Copy, Debug)]
enum Notice<'a> {
    /// Why signing in has failed.
    Error(&'a str),
    /// A form was sent after the session had expired, and is kept.
    SessionExpired,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(default)]
    proof: String,
    #[serde(default)]
    back: String,
    #[serde(default)]
    name: String,
}

impl<K: KeySource, P: Provider> Front<K, P> {
    /// `POST …/sign-in?keep=…`: keeps a form whose sender has to sign in first, and shows where to do so.
    pub(super) fn keep_form(
        &self,
        request: &Request,
        new_secret: impl Fn() -> String,
    ) -> Result<Answer, Problem> {
        let query = request.query(&[KEEP])?;
        let to = query.text(KEEP).unwrap_or_default();
        // Another site could otherwise fill in a form of ours.
        from_here(request)?;
        let mut fields: BTreeMap<String, String> = request.form()?;
        fields.remove("proof");
        let page = (self.site.refillable)(to);
        let cookies = self.door.cookies;
        let mut signing_in = SigningIn::of(request, cookies);
        if signing_in.secret().is_none() {
            signing_in.secret = new_secret();
        }
        signing_in.form = page.map(|_| KeptForm { to: to.to_owned(), fields });
        let back = match page.unwrap_or_default() {
            "" => String::new(),
            page => format!("?back={}", encoded(page)),
        };
        let answer = Answer::see_other(format!("sign-in{back}"));
        Ok(answer.with("Set-Cookie", cookies.keep_signing_in(&signing_in.to_value())))
    }

    /// The form that was kept for this page.
    pub(super) fn kept_for(&self, signing_in: &SigningIn, page: &str) -> Option<KeptForm> {
        signing_in.form.clone().filter(|it| (self.site.refillable)(&it.to) == Some(page))
    }

    /// `GET …/sign-in`: the page, or the way to the provider.
    pub(super) fn sign_in(
        &self,
        request: &Request,
        new_secret: impl Fn() -> String,
    ) -> Result<Answer, Problem> {
        let query = request.query(&["back", "go"])?;
        let back = self.site.safe_back(query.text("back").unwrap_or_default());
        let go = query.text("go").is_some();
        let mut signing_in = SigningIn::of(request, self.door.cookies);
        if signing_in.secret().is_none() {
            signing_in.secret = new_secret();
        }
        signing_in.form = self.kept_for(&signing_in, back);
        let proof = Proof(&signing_in.secret);
        let answer = match &self.door.sign_in {
            SignIn::OpenId(open_id) if go => {
                let callback = callback(request)?;
                Answer::see_other(authorize_url(open_id, self.site.scope, proof, back, &callback))
            }
            SignIn::Local(_) | SignIn::OpenId(_) | SignIn::Nowhere => {
                let place = self.place(request, proof);
                let notice = signing_in.form.is_some().then_some(Notice::SessionExpired);
                Answer::html(200, self.page(&place, back, self.site.anybody.sample, notice))
            }
        };
        let cookie = self.door.cookies.keep_signing_in(&signing_in.to_value());
        Ok(answer.with("Set-Cookie", cookie))
    }

    /// `POST …/sign-in`: a token for any name, signed with the local cloud's key.
    pub(super) fn signed_in_here(
        &self,
        request: &Request,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        let SignIn::Local(issuer) = &self.door.sign_in else {
            return Err(Problem::not_found("nobody signs in here"));
        };
        request.query(&[])?;
        from_here(request)?;
        let Form { proof, back, name } = request.form()?;
        let signing_in = SigningIn::of(request, self.door.cookies);
        let secret = signing_in.secret().ok_or_else(not_ours)?;
        if !Proof(secret).is_of_form(&proof) {
            return Err(not_ours());
        }
        let (back, name) = (self.site.safe_back(&back), name.trim());
        if !is_name(name) {
            let problem = Problem::validation("the name is not one");
            let text = "A name has 1 to 64 letters, digits, and . _ @ -, and begins with a letter or a digit.";
            let place = self.place(request, Proof(secret));
            let page = self.page(&place, back, name, Some(Notice::Error(text)));
            return Ok(troubled(&problem, page));
        }
        let token = self.issue(issuer, name, now)?;
        Ok(self.signed_in(request, &token, TTL_SECONDS, back))
    }

    /// `GET …/signed-in`: back from the provider, with a code or without.
    pub(super) async fn signed_in_there(
        &self,
        request: &Request,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        let SignIn::OpenId(open_id) = &self.door.sign_in else {
            return Err(Problem::not_found("nobody comes back here"));
        };
        // Providers add what they like.
        let query = request.any_query();
        let text = |name: &str| query.get(name).copied().unwrap_or_default();
        let signing_in = SigningIn::of(request, self.door.cookies);
        let proof = Proof(signing_in.secret().ok_or_else(not_ours)?);
        let back = proof.back_of_state(text("state")).ok_or_else(not_ours)?;
        let sample = self.site.anybody.sample;
        let refused = |text: &str| {
            let problem = Problem::new(ProblemKind::Unauthenticated, "not signed in");
            let page = self.page(
                &self.place(request, proof),
                self.site.safe_back(&back),
                sample,
                Some(Notice::Error(text)),
            );
            troubled(&problem, page)
        };
        if text("code").is_empty() {
            return Ok(refused("The provider did not sign you in. You can try again."));
        }
        let callback = callback(request)?;
        let exchanged =
            self.provider.exchange(open_id, text("code"), &callback, &proof.verifier()).await;
        let token = match exchanged {
            Ok(token) => token,
            Err(failure) if failure.kind() == ErrorKind::Rejected => {
                return Ok(refused("That took too long, or was used before. Please try again."));
            }
            Err(failure) => return Err(failure.into()),
        };
        match self.verifier.verify(&token, now).await {
            Ok(principal) if principal.is(self.site.scope) => {
                let seconds = principal.expires_at.duration_since(now).as_secs();
                Ok(self.signed_in(request, &token, seconds, self.site.safe_back(&back)))
            }
            Ok(_) | Err(_) => Ok(refused("Your account is good, but does not open these pages.")),
        }
    }

    fn signed_in(&self, request: &Request, token: &str, seconds: i64, back: &str) -> Answer {
        let kept = self.door.cookies.keep_session(token, seconds);
        let form = self.kept_for(&SigningIn::of(request, self.door.cookies), back);
        let resume = form.map(|_| format!("?{RESUME}={RESUME_FORM}")).unwrap_or_default();
        Answer::see_other(format!("{}{back}{resume}", self.site.root_of(request.raw_path())))
            .with("Set-Cookie", kept)
    }

    fn issue(&self, issuer: &Issuer, name: &str, now: Timestamp) -> Result<String, ServiceError> {
        let expected = &self.door.expectations;
        let now = now.as_second();
        let claims = json!({
            "iss": expected.issuer, "aud": expected.audience, "sub": name, "scope": self.site.scope,
            "iat": now, "nbf": now, "exp": now + TTL_SECONDS,
        });
        issuer.sign(&claims).map_err(ServiceError::permanent)
    }

    /// The page. `back` is where to go afterwards.
    fn page(&self, place: &Place, back: &str, name: &str, shown: Option<Notice<'_>>) -> String {
        let words = self.site.anybody;
        let main = html! {
            div .narrow {
                h1 { "Sign in" }
                @match shown {
                    Some(Notice::Error(text)) => (notice("error", &html! { (text) })),
                    Some(Notice::SessionExpired) => (notice("info", &html! {
                        "Your session has expired. Sign in to continue: what you entered is kept, and nothing was sent yet."
                    })),
                    None => {}
                }
                @match &self.door.sign_in {
                    SignIn::Local(_) => {
                        p { (words.text) }
                        form .card method="post" action=(place.link("sign-in")) {
                            (hidden("proof", &place.proof))
                            (hidden("back", back))
                            label for="name" { (words.label) }
                            input #name name="name" value=(name) required maxlength="64"
                                pattern="[A-Za-z0-9][A-Za-z0-9._@\\-]*" autocomplete="username"
                                autocapitalize="none" spellcheck="false" aria-describedby="name-hint";
                            p #name-hint .hint { "Letters, digits, and . _ @ - are fine." }
                            button type="submit" { "Sign in" }
                        }
                    }
                    SignIn::OpenId(_) => {
                        p { "You sign in where your account is, and come back here." }
                        p { a .button href=(place.link(&format!("sign-in?go=provider&back={}", encoded(back)))) { "Continue" } }
                    }
                    SignIn::Nowhere => {
                        p { "Nobody has told these pages where people sign in. Whoever runs this platform sets "
                            code { "OpenId" } " of the edge’s stack." }
                    }
                }
            }
        };
        Page { place, title: "Sign in", again_after: None, main }.render()
    }

    fn place(&self, request: &Request, proof: Proof<'_>) -> Place {
        let root = self.site.root_of(request.raw_path());
        let here = self.site.below(request.raw_path()).to_owned();
        Place { site: self.site, root, here, who: Who::Nobody, proof: proof.of_form() }
    }
}

fn is_name(name: &str) -> bool {
    (1..=NAME_LENGTH_MAX).contains(&name.len())
        && name.starts_with(|it: char| it.is_ascii_alphanumeric())
        && name.chars().all(|it| it.is_ascii_alphanumeric() || MARKS.contains(it))
}

/// The provider wants a whole address, and compares it with the one that it was told of.
fn callback(request: &Request) -> Result<String, Problem> {
    let here = request.address().ok_or_else(|| Problem::validation("the request names no host"))?;
    let (folder, _) = here.rsplit_once('/').unwrap_or((&here, ""));
    Ok(format!("{folder}/{CALLBACK}"))
}

fn authorize_url(
    open_id: &OpenId,
    scope: &str,
    proof: Proof<'_>,
    back: &str,
    callback: &str,
) -> String {
    let joint = if open_id.authorize_url.contains('?') { '&' } else { '?' };
    format!(
        "{}{joint}response_type=code&client_id={}&redirect_uri={}&scope={}&state={}&code_challenge={}&code_challenge_method=S256",
        open_id.authorize_url,
        encoded(&open_id.client_id),
        encoded(callback),
        encoded(&format!("openid {scope}")),
        encoded(&proof.of_state(back)),
        encoded(&proof.challenge()),
    )
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
    fn a_name_is_plain() {
        for good in ["ada", "a", "ada@example.com", "A.b_c-9"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".a", "a b", "a/b", "é", "<script>", &"a".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

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
