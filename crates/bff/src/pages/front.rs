//! What surrounds every page: who asks, whether they may, and what becomes of a problem.

use api_gateway::https::Source;
use api_gateway::proxy::{ProxyAnswer, ProxyEvent};
use api_gateway::token::{Principal, bearer};
use api_gateway::verifier::{KeySource, Verifier, VerifyError};
use jiff::Timestamp;
use uuid::Uuid;

use super::https::Https;
use super::kept_form::KeptForm;
use super::kept_form::{KEEP, RESUME, RESUME_FORM, SigningIn};
use super::provider::Provider;
use super::session::{Proof, is_foreign};
use super::sign_in::{Door, Entrance};
use super::{Place, Site, Who, encoded, problem};
use crate::answer::Answer;
use crate::edge::Edge;
use crate::origins::Origins;
use crate::problem::{Problem, ProblemKind};
use crate::request::Request;

/// Nothing from elsewhere, nothing inline, in nobody's frame; and forms go home.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// What is in a file's name is in the file, for ever.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// The route of everything below a site that no other route takes.
const NO_ROUTE: &str = "/{proxy+}";

/// A site's pages with everything that decides who sees them.
#[derive(Debug)]
pub struct Front<K, P> {
    /// The site.
    pub site: &'static Site,
    /// What stands before the slug in a problem's `type`, for clients that take no pages.
    pub problems: &'static str,
    /// Knows the issuer's keys.
    pub verifier: Verifier<K>,
    /// Where people sign in, if not here.
    pub provider: P,
    /// Who may come in.
    pub door: Door,
}

/// What no two requests share: the time, an id, a secret.
#[derive(Clone, Copy, Debug)]
pub struct Fresh<I, N> {
    /// What time it is.
    pub now: Timestamp,
    /// Makes an id.
    pub id: I,
    /// Makes a secret.
    pub secret: N,
}

/// Somebody who may see the site's pages.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Who it is.
    pub subject: String,
    /// Where they are, and what their forms carry.
    pub place: Place,
    /// A form of this page that was sent after the session had expired: the page shows it as it was filled in.
    pub kept_form: Option<KeptForm>,
}

/// Who asks, and how they have shown it.
struct Caller {
    principal: Principal,
    /// The token, if it came by itself, in a cookie. Who sends it as a bearer token means what they send.
    session: Option<String>,
}

/// Why somebody is not let in.
enum Stranger {
    /// They have not said who they are, or in vain.
    Unknown,
    /// There are no keys to tell by.
    Untold,
}

impl Front<Source, Https> {
    /// The site's pages, with keys and provider reached over https.
    ///
    /// # Errors
    ///
    /// Fails when TLS cannot be set up.
    pub fn new(
        site: &'static Site,
        problems: &'static str,
        Entrance { keys, door }: Entrance,
    ) -> Result<Self, reqwest::Error> {
        let verifier = Verifier::new(keys, door.expectations.clone());
        Ok(Self { site, problems, verifier, provider: Https::new()?, door })
    }
}

impl<K: KeySource, P: Provider> Front<K, P> {
    /// Answers one event of the gateway, whatever it holds; `handle` answers those who may see the site's pages, and whose
    /// forms come from them.
    pub async fn serve<F>(
        &self,
        event: ProxyEvent,
        fresh: &Fresh<impl Fn() -> Uuid, impl Fn() -> String>,
        handle: impl FnOnce(Request, Visitor) -> F,
    ) -> ProxyAnswer
    where
        F: Future<Output = Result<Answer, Problem>>,
    {
        let edge = Edge { problems: self.problems, origins: Origins::Listed(Vec::new()) };
        let shown = Shown::of(self.site, &event);
        let show = |problem: &Problem, id: &str| shown.page(problem, id);
        let answer = |request| self.answer(request, fresh, handle);
        // Boxed, as is the page below: what it takes to make one is nested deep, and large.
        let answer = Box::pin(edge.serve_shown(event, (fresh.id)(), answer, show)).await;
        self.guarded(answer)
    }

    async fn answer<F>(
        &self,
        request: Request,
        fresh: &Fresh<impl Fn() -> Uuid, impl Fn() -> String>,
        handle: impl FnOnce(Request, Visitor) -> F,
    ) -> Result<Answer, Problem>
    where
        F: Future<Output = Result<Answer, Problem>>,
    {
        let (method, route) = request.route();
        let below = route.strip_prefix(self.site.base).unwrap_or_default();
        match (method, below) {
            ("GET", "/assets/{name}") => return self.file(&request),
            ("GET", "/sign-in") => return self.sign_in(&request, &fresh.secret),
            ("POST", "/sign-in") if request.any_query().contains_key(KEEP) => {
                return self.keep_form(&request, &fresh.secret);
            }
            ("POST", "/sign-in") => return self.signed_in_here(&request, fresh.now),
            ("GET", "/signed-in") => return self.signed_in_there(&request, fresh.now).await,
            // No page has this address, signed in or not, so there is nothing to sign in for.
            ("GET", NO_ROUTE) => return Err(Problem::not_found("there is no such route")),
            ("GET", "/sign-out") => return Ok(self.to_page_of_form(&request)),
            ("GET", form) if self.site.forms.contains(&form) => {
                return Ok(self.to_page_of_form(&request));
            }
            _ => {}
        }
        let Caller { principal, session } = match self.caller(&request, fresh.now).await {
            Ok(caller) => caller,
            Err(Stranger::Untold) => {
                let detail = "nobody can tell who you are just now";
                return Err(Problem::new(ProblemKind::ServiceUnavailable, detail));
            }
            Err(Stranger::Unknown) => return self.to_sign_in(&request),
        };
        if method == "POST" {
            check_form(&request, session.as_deref())?;
        }
        if (method, below) == ("POST", "/sign-out") {
            let forgotten = self.door.cookies.forget_session();
            return Ok(Answer::see_other("sign-in").with("Set-Cookie", forgotten));
        }
        if !principal.is(self.site.scope) {
            let detail = format!("this is for whoever has the scope {}", self.site.scope);
            return Err(Problem::new(ProblemKind::Forbidden, detail));
        }
        let place = Place {
            site: self.site,
            root: self.site.root_of(request.raw_path()),
            here: self.site.below(request.raw_path()).to_owned(),
            who: Who::Known(principal.subject.clone()),
            proof: session.map(|it| Proof(&it).of_form()).unwrap_or_default(),
        };
        let kept_form = self.kept_form(&request);
        Box::pin(handle(request, Visitor { subject: principal.subject, place, kept_form })).await
    }

    /// The form that this page is to show as it was filled in before the session expired.
    fn kept_form(&self, request: &Request) -> Option<KeptForm> {
        if request.route().0 != "GET" || request.any_query().get(RESUME)? != &RESUME_FORM {
            return None;
        }
        let cookie = SigningIn::of(request, self.door.cookies);
        let kept = cookie.form?;
        let here = self.site.below(request.raw_path());
        ((self.site.refillable)(&kept.to) == Some(here)).then_some(kept)
    }

    /// A browser asks for the address of a form: by a reload, or by the address bar. The form's page is what it wants.
    fn to_page_of_form(&self, request: &Request) -> Answer {
        let path = request.raw_path();
        Answer::see_other(format!("{}{}", self.site.root_of(path), self.site.wanted(path)))
    }

    /// Who asks. A bearer token goes before a cookie: it was sent on purpose.
    async fn caller(&self, request: &Request, now: Timestamp) -> Result<Caller, Stranger> {
        let cookie = request.cookie(&self.door.cookies.session());
        let (token, session) = match request.only_header("Authorization") {
            Some(header) => (bearer(header), None),
            None if request.header("Authorization").is_some() => (None, None),
            None => (cookie, cookie.map(str::to_owned)),
        };
        let token = token.ok_or(Stranger::Unknown)?;
        match self.verifier.verify(token, now).await {
            Ok(principal) => Ok(Caller { principal, session }),
            Err(VerifyError::Refused(refusal)) => {
                tracing::info!(reason = refusal.slug(), "token refused");
                Err(Stranger::Unknown)
            }
            Err(VerifyError::Keys(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "keys missing");
                Err(Stranger::Untold)
            }
        }
    }

    fn file(&self, request: &Request) -> Result<Answer, Problem> {
        request.query(&[])?;
        let name: String = request.path("name")?;
        let asset = self.site.asset(&name);
        let asset = asset.ok_or_else(|| Problem::not_found("there is no such file"))?;
        Ok(Answer::text(asset.media_type, &*asset.content).with("Cache-Control", FOR_EVER))
    }

    /// A person is shown where to sign in, a program is told that it has to.
    fn to_sign_in(&self, request: &Request) -> Result<Answer, Problem> {
        if !request.accepts("text/html") {
            let detail = "the token is missing, has run out or is not one of ours";
            return Err(Problem::new(ProblemKind::Unauthenticated, detail));
        }
        let to = self.site.below(request.raw_path());
        if request.route().0 == "POST" && (self.site.refillable)(to).is_some() {
            // The cookie that keeps the form must be set from beside the sign-in page, so the browser sends the form there.
            let keep =
                format!("{}sign-in?{KEEP}={}", self.site.root_of(request.raw_path()), encoded(to));
            return Ok(Answer::empty(307).with("Location", keep).with("Cache-Control", "no-store"));
        }
        let back = self.site.wanted(request.raw_path());
        let query =
            if back.is_empty() { String::new() } else { format!("?back={}", encoded(back)) };
        Ok(Answer::see_other(format!("{}sign-in{query}", self.site.root_of(request.raw_path()))))
    }

    /// Whatever it is, a browser shall do nothing with it that was not meant.
    fn guarded(&self, mut answer: ProxyAnswer) -> ProxyAnswer {
        for (name, value) in [
            ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
            ("Referrer-Policy", "same-origin"),
            ("X-Frame-Options", "DENY"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()"),
        ] {
            answer.headers.insert(name, value.to_owned());
        }
        if self.door.cookies.are_secure() {
            // Who has been here by https comes by nothing else for a year.
            answer.headers.insert("Strict-Transport-Security", "max-age=31536000".to_owned());
        }
        // The same address is a page for one and JSON for another, and another's for somebody else.
        answer.headers.insert("Vary", "Accept, Authorization, Cookie".to_owned());
        answer
    }
}

/// A browser sends cookies with whatever any page makes it send; only our own pages know the proof.
fn check_form(request: &Request, session: Option<&str>) -> Result<(), Problem> {
    let Some(session) = session else { return Ok(()) };
    from_here(request)?;
    let shown = request.form_field("proof")?;
    if Proof(session).is_of_form(&shown) { Ok(()) } else { Err(not_ours()) }
}

/// Whether a form comes from one of our pages, as far as the browser says.
pub(super) fn from_here(request: &Request) -> Result<(), Problem> {
    let site = request.header("Sec-Fetch-Site");
    let foreign = is_foreign(site, request.header("Origin"), request.header("Host"));
    if foreign { Err(not_ours()) } else { Ok(()) }
}

pub(super) fn not_ours() -> Problem {
    Problem::new(ProblemKind::Forbidden, "the form is not one of our pages', or too old")
}

/// What is known of a request before it is read, to make a page of its problem.
struct Shown {
    place: Place,
    html: bool,
    may_repeat: bool,
}

impl Shown {
    fn of(site: &'static Site, event: &ProxyEvent) -> Self {
        let request = Request::from(event.clone());
        let root = site.root_of(request.raw_path());
        let here = site.below(request.raw_path()).to_owned();
        Self {
            place: Place { site, root, here, who: Who::Unasked, proof: String::new() },
            html: request.accepts("text/html"),
            may_repeat: request.route().0 == "GET",
        }
    }

    fn page(&self, problem: &Problem, correlation_id: &str) -> Option<Answer> {
        let page = || problem::render(&self.place, problem, correlation_id, self.may_repeat);
        let answer = self.html.then(|| Answer::html(problem.kind().status(), page()))?;
        Some(match problem.retry_after() {
            Some(wait) => answer.with("Retry-After", wait.as_secs().to_string()),
            None => answer,
        })
    }
}
