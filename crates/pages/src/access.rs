//! Access to a site's pages: the session, the CSRF token, and the scope.

use std::sync::Arc;

use api_gateway::https::Source;
use api_gateway::token::{Principal, bearer};
use api_gateway::verifier::{FetchError, KeySource, Verifier, VerifyError};
use axum::body::Body;
use axum::extract::{OriginalUri, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use bff::web::Accept;
use bff::{Problem, ProblemKind, Runtime};
use jiff::Timestamp;

use crate::cookies::{self, Cookies};
use crate::error_page::prefers_html;
use crate::form::{Fields, SentForm, fields};
use crate::kept_form::{KeptForm, RESUME};
use crate::layout::{CurrentUser, PageContext, encoded};
use crate::open_id::{HttpsProvider, Provider};
use crate::settings::{PagesSettings, SignInMethod};
use crate::site::Site;
use crate::{csrf, open_id};

/// The pages of a site with everything that decides who may see them. A clone shares everything with its original.
#[derive(Debug)]
pub struct Pages<K, P> {
    shared: Arc<Shared<K, P>>,
}

impl<K, P> Clone for Pages<K, P> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

#[derive(Debug)]
struct Shared<K, P> {
    site: &'static Site,
    sign_in: SignInMethod,
    issuer: String,
    audience: String,
    cookies: Cookies,
    verifier: Verifier<K>,
    provider: P,
    runtime: Runtime,
}

impl Pages<Source, HttpsProvider> {
    /// The pages of a site, with the issuer's keys and the OpenID provider reached over https.
    ///
    /// # Errors
    ///
    /// Fails when TLS cannot be set up.
    pub fn new(
        site: &'static Site,
        settings: PagesSettings,
        runtime: Runtime,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self::with_provider(site, settings, HttpsProvider::new()?, runtime))
    }
}

impl<K: KeySource + 'static, P: Provider + 'static> Pages<K, P> {
    /// The pages of a site with this provider; for tests.
    pub fn with_provider(
        site: &'static Site,
        settings: PagesSettings<K>,
        provider: P,
        runtime: Runtime,
    ) -> Self {
        let PagesSettings { keys, expectations, sign_in, is_https } = settings;
        let shared = Shared {
            site,
            sign_in,
            issuer: expectations.issuer.clone(),
            audience: expectations.audience.clone(),
            cookies: Cookies::of(site, is_https),
            verifier: Verifier::new(keys, expectations),
            provider,
            runtime,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Fetches the issuer's keys, so that the first request need not wait for them.
    ///
    /// # Errors
    ///
    /// Fails when the keys cannot be had; the first request tries again.
    pub async fn warm_up(&self) -> Result<(), FetchError> {
        self.shared.verifier.warm(self.now()).await
    }

    pub(crate) fn site(&self) -> &'static Site {
        self.shared.site
    }

    pub(crate) fn cookies(&self) -> Cookies {
        self.shared.cookies
    }

    pub(crate) fn sign_in_method(&self) -> &SignInMethod {
        &self.shared.sign_in
    }

    pub(crate) fn verifier(&self) -> &Verifier<K> {
        &self.shared.verifier
    }

    pub(crate) fn issuer_and_audience(&self) -> (&str, &str) {
        (&self.shared.issuer, &self.shared.audience)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.runtime.now()
    }

    pub(crate) fn new_secret(&self) -> String {
        self.shared.runtime.new_secret()
    }

    pub(crate) async fn exchange(
        &self,
        settings: &open_id::OpenIdSettings,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
    ) -> Result<open_id::Tokens, service_error::ServiceError> {
        self.shared.provider.exchange(settings, code, redirect_uri, verifier).await
    }

    /// The secret behind the CSRF tokens of this browser, and the jar that contains it: a new one for a new browser.
    pub(crate) fn csrf_secret(&self, jar: CookieJar) -> (String, CookieJar) {
        let cookies = self.cookies();
        match cookies::value(&jar, &cookies.csrf()) {
            Some(secret) => (secret, jar),
            None => {
                let secret = self.new_secret();
                // Until the browser is closed: a form may be open for long.
                let cookie = cookies.set(cookies.csrf(), secret.clone(), None);
                (secret, jar.add(cookie))
            }
        }
    }

    /// Who sends a request. A bearer token takes precedence over a cookie: it was sent on purpose.
    async fn authenticate(&self, headers: &HeaderMap, jar: &CookieJar) -> Result<Caller, Refused> {
        let mut all = headers.get_all(header::AUTHORIZATION).iter();
        let (token, is_session) = match (all.next(), all.next()) {
            (None, _) => (cookies::value(jar, &self.cookies().session()), true),
            (Some(only), None) => {
                let only = only.to_str().ok().and_then(bearer);
                (only.map(str::to_owned), false)
            }
            (Some(_), Some(_)) => (None, false),
        };
        let token = token.ok_or(Refused::NotSignedIn)?;
        match self.verifier().verify(&token, self.now()).await {
            Ok(principal) => Ok(Caller { principal, is_session }),
            Err(VerifyError::Refused(refusal)) => {
                tracing::info!(reason = refusal.slug(), "token refused");
                Err(Refused::NotSignedIn)
            }
            Err(VerifyError::Keys(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "keys missing");
                Err(Refused::KeysMissing)
            }
        }
    }

    /// Sends a person to the sign-in page, and tells a program that it needs a token. A form is kept meanwhile, if a page can
    /// fill it in again.
    async fn to_sign_in(&self, jar: CookieJar, request: Request) -> Result<Response, Problem> {
        let site = self.site();
        if !prefers_html(&Accept::from(request.headers())) {
            let detail = "the token is missing, expired, or not one of ours";
            return Err(Problem::new(ProblemKind::Unauthenticated, detail));
        }
        let path = requested_path(&request);
        let root = site.root_of(&path);
        let is_form = request.method() == Method::POST;
        let is_own = !csrf::is_cross_site(request.headers());
        let page_of_form = is_form.then(|| (site.page_of_form)(site.relative(&path))).flatten();
        let mut jar = jar;
        if page_of_form.is_some() && is_own {
            let kept = KeptForm::new(site.relative(&path), fields(request).await?);
            if let Some(cookie) = kept.to_cookie(self.cookies()) {
                jar = jar.add(cookie);
            }
        }
        // The form's own page fills it in. The address of a form may be that of another page.
        let back = match page_of_form.unwrap_or_else(|| site.nearest_page(&path)) {
            "" => String::new(),
            page => format!("?back={}", encoded(page)),
        };
        Ok((jar, Redirect::to(&format!("{root}sign-in{back}"))).into_response())
    }
}

/// Who sends a request, and how they have proved it.
struct Caller {
    principal: Principal,
    /// Whether the token is that of a session: a browser sends it with every request, whichever page makes it do so.
    is_session: bool,
}

enum Refused {
    NotSignedIn,
    KeysMissing,
}

/// Admits the requests of those who may see the site's pages, and forms that its own pages have sent.
pub(crate) async fn admit<K: KeySource + 'static, P: Provider + 'static>(
    State(pages): State<Pages<K, P>>,
    jar: CookieJar,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let site = pages.site();
    let Caller { principal, is_session } = match pages.authenticate(request.headers(), &jar).await {
        Ok(caller) => caller,
        Err(Refused::NotSignedIn) => return pages.to_sign_in(jar, request).await,
        Err(Refused::KeysMissing) => {
            let detail = "tokens cannot be verified at the moment";
            return Err(Problem::new(ProblemKind::ServiceUnavailable, detail));
        }
    };
    let path = requested_path(&request);
    let here = site.relative(&path).to_owned();
    let subject = principal.subject.clone();
    let (secret, mut jar) = if is_session { pages.csrf_secret(jar) } else { (String::new(), jar) };
    let csrf = if is_session { csrf::token(&secret, &subject) } else { String::new() };
    let kept = KeptForm::read(&jar, pages.cookies());
    if request.method() == Method::POST {
        let (parts, body) = request.into_parts();
        let mut sent = fields(Request::from_parts(parts.clone(), body)).await?;
        request = Request::from_parts(parts, Body::empty());
        if is_session {
            if let Some(kept) = check_form(&here, &secret, &subject, request.headers(), &sent)? {
                let root = site.root_of(&path);
                let Some(page) = (site.page_of_form)(&here) else {
                    // Nothing was entered, so there is nothing to fill in: the form is on the page.
                    let page = format!("{root}{}", site.nearest_page(&path));
                    return Ok((jar, Redirect::to(&page)).into_response());
                };
                let cookie = kept.to_cookie(pages.cookies()).ok_or_else(not_our_form)?;
                let page = format!("{root}{page}?{RESUME}");
                return Ok((jar.add(cookie), Redirect::to(&page)).into_response());
            }
            sent.remove(csrf::FIELD);
        }
        // The form is sent now, and has no other use.
        if kept.as_ref().is_some_and(|it| it.to == here) {
            jar = jar.add(pages.cookies().expire(pages.cookies().kept_form()));
        }
        request.extensions_mut().insert(SentForm(Arc::new(sent)));
    } else if request.uri().query().is_some_and(|it| it.split('&').any(|it| it == RESUME))
        && let Some(kept) = kept
        && kept.is_of(&subject)
        && (site.page_of_form)(&kept.to) == Some(&*here)
    {
        request.extensions_mut().insert(kept);
    }
    if !principal.is(site.scope) && here != "sign-out" {
        let detail = format!("this requires the scope {}", site.scope);
        return Err(Problem::new(ProblemKind::Forbidden, detail));
    }
    let root = site.root_of(&path);
    let user = CurrentUser::SignedIn(subject);
    request.extensions_mut().insert(PageContext { site, root, here, user, csrf });
    Ok((jar, next.run(request).await).into_response())
}

/// Checks that a form was sent by one of the site's own pages, for this user.
///
/// Returns the form if it was this user's, but its token is another browser session's: it is not carried out, and its page is
/// shown again.
fn check_form(
    here: &str,
    secret: &str,
    subject: &str,
    headers: &HeaderMap,
    sent: &Fields,
) -> Result<Option<KeptForm>, Problem> {
    if csrf::is_cross_site(headers) {
        return Err(not_our_form());
    }
    let token = sent.get(csrf::FIELD).map(String::as_str).unwrap_or_default();
    if csrf::is_valid(secret, subject, token) {
        return Ok(None);
    }
    let kept = KeptForm::new(here, sent.clone());
    if kept.is_of(subject) { Ok(Some(kept)) } else { Err(not_our_form()) }
}

pub(crate) fn not_our_form() -> Problem {
    let detail = "the form was sent by another site, by another user, or by a page that is too old";
    Problem::new(ProblemKind::Forbidden, detail)
}

/// The path that the client requested; the router may have changed that of the request.
fn requested_path(request: &Request) -> String {
    let original = request.extensions().get::<OriginalUri>().map(|it| it.0.path());
    original.unwrap_or_else(|| request.uri().path()).to_owned()
}
