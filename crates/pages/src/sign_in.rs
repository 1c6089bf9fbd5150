//! Signing in and out: under any name on a local cloud, otherwise at the OpenID provider.

use std::collections::BTreeMap;

use api_gateway::issuer::Issuer;
use api_gateway::verifier::{KeySource, VerifyError};
use axum::extract::{OriginalUri, Query, Request, State};
use axum::http::request::Parts;

use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bff::web::{NoParameters, StrictQuery, with_page};
use bff::{Problem, ProblemKind};
use maud::html;
use serde::Deserialize;
use serde_json::json;
use service_error::{ErrorKind, ServiceError};

use crate::access::{Pages, not_our_form};
use crate::cookies::{self, Cookies};
use crate::csrf;
use crate::form::{PageForm, fields};
use crate::kept_form::{KeptForm, RESUME};
use crate::layout::{Page, PageContext, encoded, hidden, notice};
use crate::open_id::{Attempt, Provider};
use crate::settings::SignInMethod;

/// How long a session lasts that needed nothing but a name.
const LOCAL_SESSION_SECONDS: i64 = 3_600;
/// How long a person may take to sign in at the provider.
const ATTEMPT_SECONDS: i64 = 900;
/// More tabs than a person signs in from at once. The cookies of more would make requests too long for the gateway.
const MAX_ATTEMPTS: usize = 5;
/// What a name may contain besides letters and digits.
const NAME_MARKS: &str = "._@-";
const MAX_NAME_LENGTH: usize = 64;
/// Where the provider redirects to, next to the sign-in page.
const CALLBACK: &str = "signed-in";
const TOO_OLD: &str = "This form was open for too long, or your browser does not keep cookies. Nothing was sent: sign in again.";

const UNKNOWN_ATTEMPT: &str =
    "This sign-in took too long, or your browser does not keep cookies. Please try again.";

/// A message above the form.
#[derive(Clone, Copy, Debug)]
enum Notice<'a> {
    /// Why signing in has failed.
    Error(&'a str),
    /// A form was sent without a session, and is kept.
    FormKept,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignInQuery {
    #[serde(default)]
    back: String,
    go: Option<String>,
}

/// `GET …/sign-in`: the page, or the redirect to the provider.
pub(crate) async fn show<K: KeySource + 'static, P: Provider + 'static>(
    State(pages): State<Pages<K, P>>,
    jar: CookieJar,
    StrictQuery(SignInQuery { back, go }): StrictQuery<SignInQuery>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let back = pages.site().return_to(&back);
    if let SignInMethod::OpenId(settings) = pages.sign_in_method()
        && go.is_some()
    {
        let state = pages.new_secret();
        let (verifier, nonce) = (pages.new_secret(), pages.new_secret());
        let attempt = Attempt { verifier, nonce, back: back.to_owned() };
        let url = settings.authorize_url(&attempt, &state, pages.site().scope, &callback(&parts)?);
        let url = url.ok_or_else(|| Problem::validation("the request names no usable host"))?;
        return Ok(
            (keep_attempt(&pages, jar, &state, &attempt), Redirect::to(&url)).into_response()
        );
    }
    let kept = KeptForm::read(&jar, pages.cookies());
    let is_kept = kept.is_some_and(|it| (pages.site().page_of_form)(&it.to) == Some(back));
    let notice = is_kept.then_some(Notice::FormKept);
    let sample = pages.site().local_sign_in.sample;
    let (jar, page) = page(&pages, jar, path(&parts), back, sample, notice);
    Ok((jar, Html(page)).into_response())
}

/// `POST …/sign-in`: a token for any name, signed with the local cloud's key.
pub(crate) async fn sign_in_locally<K: KeySource + 'static, P: Provider + 'static>(
    State(pages): State<Pages<K, P>>,
    jar: CookieJar,
    _: StrictQuery<NoParameters>,
    request: Request,
) -> Result<Response, Problem> {
    let SignInMethod::Local(issuer) = pages.sign_in_method() else {
        return Err(Problem::not_found("this stage has no local sign-in"));
    };
    let (parts, body) = request.into_parts();
    if csrf::is_cross_site(&parts.headers) {
        return Err(not_our_form());
    }
    let sent = fields(Request::from_parts(parts.clone(), body)).await?;
    let field = |name: &str| sent.get(name).map(String::as_str).unwrap_or_default();
    if sent.keys().any(|it| !matches!(it.as_str(), csrf::FIELD | "back" | "name")) {
        return Err(Problem::validation("the form has an unknown field"));
    }
    let (back, name) = (pages.site().return_to(field("back")), field("name").trim());
    let refused = |problem: Problem, jar, text| {
        let (jar, page) = page(&pages, jar, path(&parts), back, name, Some(Notice::Error(text)));
        (jar, with_page(problem, Html(page))).into_response()
    };
    let secret = cookies::value(&jar, &pages.cookies().csrf());
    if !secret.is_some_and(|secret| csrf::is_valid(&secret, "", field(csrf::FIELD))) {
        return Ok(refused(not_our_form(), jar, TOO_OLD));
    }
    if !is_name(name) {
        let problem = Problem::validation("the name is not valid");
        let text =
            "A name has 1 to 64 letters, digits, and . _ @ -, and begins with a letter or a digit.";
        return Ok(refused(problem, jar, text));
    }
    let token = issue(&pages, issuer, name)?;
    let root = pages.site().root_of(path(&parts));
    let jar = start_session(&pages, jar, &token, LOCAL_SESSION_SECONDS).ok_or_else(not_our_form)?;
    Ok(to_page(&pages, jar, &root, back, name))
}

/// `GET …/signed-in`: back from the provider, with a code or without.
pub(crate) async fn return_from_provider<K: KeySource + 'static, P: Provider + 'static>(
    State(pages): State<Pages<K, P>>,
    jar: CookieJar,
    // Providers add parameters of their own.
    Query(query): Query<BTreeMap<String, String>>,
    request: Request,
) -> Result<Response, Problem> {
    let SignInMethod::OpenId(settings) = pages.sign_in_method() else {
        return Err(Problem::not_found("no provider redirects here"));
    };
    let (parts, _) = request.into_parts();
    let text = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let state = text("state");
    let sample = pages.site().local_sign_in.sample;
    let refused = |jar, back: &str, text: &str| {
        let problem = Problem::new(ProblemKind::Unauthenticated, "not signed in");
        let back = pages.site().return_to(back);
        let (jar, page) = page(&pages, jar, path(&parts), back, sample, Some(Notice::Error(text)));
        (jar, with_page(problem, Html(page))).into_response()
    };
    let Some(attempt) = attempt(&jar, pages.cookies(), state) else {
        return Ok(refused(jar, "", UNKNOWN_ATTEMPT));
    };
    // A code is good for one exchange, so an attempt is good for one return.
    let jar = jar.add(pages.cookies().expire(pages.cookies().attempt(state)));
    let back = attempt.back.clone();
    if text("code").is_empty() {
        return Ok(refused(jar, &back, "The provider did not sign you in. You can try again."));
    }
    let exchanged =
        pages.exchange(settings, text("code"), &callback(&parts)?, &attempt.verifier).await;
    let tokens = match exchanged {
        Ok(tokens) => tokens,
        Err(failure) if failure.kind() == ErrorKind::Rejected => {
            let text = "That took too long, or was used before. Please try again.";
            return Ok(refused(jar, &back, text));
        }
        Err(failure) => return Err(failure.into()),
    };
    if tokens.id.is_empty() {
        tracing::error!("the provider returned no id token");
        return Ok(refused(
            jar,
            &back,
            "The provider did not confirm who you are. Its administrator must enable OpenID Connect for this site.",
        ));
    }
    let now = pages.now();
    let id = pages.verifier().verify_id_token(&tokens.id, settings.client_id(), now).await;
    let access = pages.verifier().verify(&tokens.access, now).await;
    let (id, principal) = match (id, access) {
        (Ok(id), Ok(principal)) => (id, principal),
        (Err(VerifyError::Keys(error)), _) | (_, Err(VerifyError::Keys(error))) => {
            return Err(ServiceError::transient("the issuer did not respond", error).into());
        }
        (Err(VerifyError::Refused(refusal)), _) | (_, Err(VerifyError::Refused(refusal))) => {
            tracing::info!(reason = refusal.slug(), "token of the provider refused");
            return Ok(refused(
                jar,
                &back,
                "Your account is valid, but does not open these pages.",
            ));
        }
    };
    if id.nonce.as_deref() != Some(&*attempt.nonce) || id.subject != principal.subject {
        return Ok(refused(
            jar,
            &back,
            "The provider's response belongs to another sign-in. Please try again.",
        ));
    }
    if !principal.is(pages.site().scope) {
        return Ok(refused(jar, &back, "Your account is valid, but does not open these pages."));
    }
    let seconds = principal.expires_at.duration_since(now).as_secs();
    match start_session(&pages, jar.clone(), &tokens.access, seconds) {
        Some(jar) => {
            let root = pages.site().root_of(path(&parts));
            let back = pages.site().return_to(&back);
            Ok(to_page(&pages, jar, &root, back, &principal.subject))
        }
        None => {
            tracing::error!(bytes = tokens.access.len(), "access token does not fit into a cookie");
            let text = "You are signed in at your provider, but its token is too long for a cookie (4,096 bytes). The \
                administrator of the provider must put less into access tokens.";
            Ok(refused(jar, back.as_str(), text))
        }
    }
}

/// A form without any field but its CSRF token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignOutForm {}

/// `POST …/sign-out`.
pub(crate) async fn sign_out<K: KeySource + 'static, P: Provider + 'static>(
    State(pages): State<Pages<K, P>>,
    jar: CookieJar,
    context: PageContext,
    _: StrictQuery<NoParameters>,
    _: PageForm<SignOutForm>,
) -> impl IntoResponse {
    let cookies = pages.cookies();
    let jar = [cookies.session(), cookies.kept_form(), cookies.csrf()]
        .into_iter()
        .fold(jar, |jar, name| jar.add(cookies.expire(name)));
    (jar, Redirect::to(&context.link("sign-in")))
}

/// `None` if the token does not fit into a cookie.
fn start_session<K: KeySource + 'static, P: Provider + 'static>(
    pages: &Pages<K, P>,
    jar: CookieJar,
    token: &str,
    seconds: i64,
) -> Option<CookieJar> {
    let (cookies, name) = (pages.cookies(), pages.cookies().session());
    Cookies::fits(&name, token).then(|| jar.add(cookies.set(name, token.to_owned(), Some(seconds))))
}

/// To the page that was wanted, which fills in the form that was kept for it. Another user's form is dropped.
fn to_page<K: KeySource + 'static, P: Provider + 'static>(
    pages: &Pages<K, P>,
    jar: CookieJar,
    root: &str,
    back: &str,
    subject: &str,
) -> Response {
    let cookies = pages.cookies();
    let kept = KeptForm::read(&jar, cookies);
    let is_own = kept.as_ref().is_some_and(|it| it.is_of(subject));
    let resumes = kept.as_ref().filter(|_| is_own);
    let resumes = resumes.is_some_and(|it| (pages.site().page_of_form)(&it.to) == Some(back));
    let jar =
        if kept.is_some() && !is_own { jar.add(cookies.expire(cookies.kept_form())) } else { jar };
    let query = if resumes { format!("?{RESUME}") } else { String::new() };
    (jar, Redirect::to(&format!("{root}{back}{query}"))).into_response()
}

fn keep_attempt<K: KeySource + 'static, P: Provider + 'static>(
    pages: &Pages<K, P>,
    jar: CookieJar,
    state: &str,
    attempt: &Attempt,
) -> CookieJar {
    let cookies = pages.cookies();
    let prefix = cookies.attempt("");
    let earlier: Vec<String> =
        jar.iter().map(|it| it.name().to_owned()).filter(|it| it.starts_with(&prefix)).collect();
    let dropped = (earlier.len() + 1).saturating_sub(MAX_ATTEMPTS);
    let jar = earlier.into_iter().take(dropped).fold(jar, |jar, it| jar.add(cookies.expire(it)));
    let json = serde_json::to_vec(attempt).expect("texts can be written as JSON");
    let value = URL_SAFE_NO_PAD.encode(json);
    jar.add(cookies.set(cookies.attempt(state), value, Some(ATTEMPT_SECONDS)))
}

/// The attempt that this state belongs to: only the browser that began it has its cookie.
fn attempt(jar: &CookieJar, cookies: Cookies, state: &str) -> Option<Attempt> {
    if state.is_empty() {
        return None;
    }
    let text = cookies::value(jar, &cookies.attempt(state))?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

fn issue<K: KeySource + 'static, P: Provider + 'static>(
    pages: &Pages<K, P>,
    issuer: &Issuer,
    name: &str,
) -> Result<String, ServiceError> {
    let (iss, aud) = pages.issuer_and_audience();
    let now = pages.now().as_second();
    let claims = json!({
        "iss": iss, "aud": aud, "sub": name, "scope": pages.site().scope,
        "iat": now, "nbf": now, "exp": now + LOCAL_SESSION_SECONDS,
    });
    issuer.sign(&claims).map_err(ServiceError::permanent)
}

/// The sign-in page, and the jar with the secret of its form. `back` is the page to return to.
fn page<K: KeySource + 'static, P: Provider + 'static>(
    pages: &Pages<K, P>,
    jar: CookieJar,
    path: &str,
    back: &str,
    name: &str,
    shown: Option<Notice<'_>>,
) -> (CookieJar, String) {
    let (secret, jar) = pages.csrf_secret(jar);
    let context = &PageContext::anonymous(pages.site(), path, csrf::token(&secret, ""));
    let texts = pages.site().local_sign_in;
    let main = html! {
        div .narrow {
            h1 { "Sign in" }
            @match shown {
                Some(Notice::Error(text)) => (notice("error", &html! { (text) })),
                Some(Notice::FormKept) => (notice("info", &html! {
                    "Your session has expired. Sign in to continue: what you entered is kept, and nothing was sent yet."
                })),
                None => {}
            }
            @match pages.sign_in_method() {
                SignInMethod::Local(_) => {
                    p { (texts.text) }
                    form .card method="post" action=(context.link("sign-in")) {
                        (context.csrf_field())
                        (hidden("back", back))
                        label for="name" { (texts.label) }
                        input #name name="name" value=(name) required maxlength="64"
                            pattern="[A-Za-z0-9][A-Za-z0-9._@\\-]*" autocomplete="username"
                            autocapitalize="none" spellcheck="false" aria-describedby="name-hint";
                        p #name-hint .hint { "Letters, digits, and . _ @ - are fine." }
                        button type="submit" { "Sign in" }
                    }
                }
                SignInMethod::OpenId(_) => {
                    p { "You sign in at your account’s provider, and then return here." }
                    p { a .button href=(context.link(&format!("sign-in?go=provider&back={}", encoded(back)))) { "Continue" } }
                }
                SignInMethod::None => {
                    p { "These pages are not connected to a sign-in provider. To connect one, its administrator sets the parameter "
                        code { "OpenId" } " of the stack " code { "edge" } "." }
                }
            }
        }
    };
    let page = Page { context, title: "Sign in", refresh_after: None, main }.render();
    (jar, page)
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_LENGTH).contains(&name.len())
        && name.starts_with(|it: char| it.is_ascii_alphanumeric())
        && name.chars().all(|it| it.is_ascii_alphanumeric() || NAME_MARKS.contains(it))
}

fn path(parts: &Parts) -> &str {
    let original = parts.extensions.get::<OriginalUri>();
    original.map_or_else(|| parts.uri.path(), |it| it.0.path())
}

/// The address that the provider redirects to. The provider compares it with the one that it knows, so it must be whole.
fn callback(parts: &Parts) -> Result<String, Problem> {
    let here = bff::web::public_url(parts);
    let here = here.ok_or_else(|| Problem::validation("the request names no host"))?;
    let (folder, _) = here.rsplit_once('/').unwrap_or((&here, ""));
    Ok(format!("{folder}/{CALLBACK}"))
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
}
