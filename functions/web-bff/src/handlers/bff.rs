//! `web-bff`: one request of a browser.

use api_gateway::proxy::{ProxyAnswer, ProxyEvent};
use api_gateway::token::{Principal, bearer};
use api_gateway::verifier::{KeySource, Verifier, VerifyError};
use bff::invoke::{Deadline, Invoke};
use bff::{Answer, Edge, Origins, Problem, ProblemKind, Request};
use contracts::id::CustomerId;
use jiff::Timestamp;
use uuid::Uuid;

use super::{Errand, LIMIT, bookings, forms, slots};
use crate::config::{Door, Services};
use crate::pages::assets::Asset;
use crate::pages::{Place, Who, encoded, problem, root_of};
use crate::provider::Provider;
use crate::recollection::Recollection;
use crate::session::{Cookies, Proof, is_foreign};

/// Where the slugs of problems are explained.
const PROBLEMS: &str = "https://parkade.dev/problems/";
/// Nothing from elsewhere, nothing inline, in nobody's frame; and forms go home.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// What is in a file's name is in the file, for ever.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// The backend with everything that it reaches.
#[derive(Debug)]
pub struct Front<S, K, P> {
    /// The services.
    pub services: S,
    /// What they are called.
    pub at: Services,
    /// Knows the issuer's keys.
    pub verifier: Verifier<K>,
    /// Where people sign in, if not here.
    pub provider: P,
    /// Who may come in.
    pub door: Door,
    /// Answers that were seen.
    pub remembered: Recollection,
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

/// Who asks, and how they have shown it.
pub(super) struct Visitor {
    pub(super) principal: Principal,
    /// The token, if it came by itself, in a cookie. Who sends it as a bearer token means what they send.
    pub(super) session: Option<String>,
}

/// Why somebody is not let in.
enum Stranger {
    /// They have not said who they are, or in vain.
    Unknown,
    /// There are no keys to tell by.
    Untold,
}

impl<S: Invoke, K: KeySource, P: Provider> Front<S, K, P> {
    /// Answers one event of the gateway, whatever it holds.
    pub async fn handle(
        &self,
        event: ProxyEvent,
        fresh: Fresh<impl Fn() -> Uuid, impl Fn() -> String>,
    ) -> ProxyAnswer {
        let edge = Edge { problems: PROBLEMS, origins: Origins::Listed(Vec::new()) };
        let shown = Shown::of(&event);
        let show = |problem: &Problem, id: &str| shown.page(problem, id);
        let answer = edge
            .serve_shown(event, (fresh.id)(), |request| self.answer(request, &fresh), show)
            .await;
        guarded(answer, self.door.cookies)
    }

    async fn answer(
        &self,
        request: Request,
        fresh: &Fresh<impl Fn() -> Uuid, impl Fn() -> String>,
    ) -> Result<Answer, Problem> {
        match request.route() {
            ("GET", "/web/assets/{name}") => return asset(&request),
            ("GET", "/web/sign-in") => return self.sign_in(&request, &fresh.secret),
            ("POST", "/web/sign-in") => return self.signed_in_here(&request, fresh.now),
            ("GET", "/web/signed-in") => return self.signed_in_there(&request, fresh.now).await,
            _ => {}
        }
        let visitor = match self.visitor(&request, fresh.now).await {
            Ok(visitor) => visitor,
            Err(Stranger::Untold) => {
                let detail = "nobody can tell who you are just now";
                return Err(Problem::new(ProblemKind::ServiceUnavailable, detail));
            }
            Err(Stranger::Unknown) => return to_sign_in(&request),
        };
        if request.route().0 == "POST" {
            self.check_form(&request, &visitor)?;
        }
        if request.route() == ("POST", "/web/sign-out") {
            let forgotten = self.door.cookies.forget_session();
            return Ok(Answer::see_other("sign-in").with("Set-Cookie", forgotten));
        }
        if !visitor.principal.is("customer") {
            return Err(Problem::new(ProblemKind::Forbidden, "this is for customers"));
        }
        let proof = visitor.session.as_deref().map(|it| Proof(it).of_form());
        let errand = Errand {
            services: &self.services,
            at: &self.at,
            remembered: &self.remembered,
            request: &request,
            customer: CustomerId(visitor.principal.subject.clone()),
            place: Place {
                root: root_of(request.raw_path()),
                who: Who::Customer(visitor.principal.subject),
                proof: proof.unwrap_or_default(),
            },
            deadline: Deadline::after(LIMIT),
            now: fresh.now,
            key: (fresh.id)().to_string(),
        };
        match request.route() {
            ("GET", "/web") => slots::show(&errand).await,
            ("GET", "/web/bookings") => bookings::list(&errand).await,
            ("POST", "/web/bookings") => forms::book(&errand).await,
            ("GET", "/web/bookings/{bookingId}") => bookings::show(&errand).await,
            ("POST", "/web/bookings/{bookingId}/payments") => forms::pay(&errand).await,
            ("POST", "/web/bookings/{bookingId}/cancel") => forms::cancel(&errand).await,
            ("POST", "/web/bookings/{bookingId}/check-out") => forms::check_out(&errand).await,
            _ => Err(Problem::not_found("there is no such route")),
        }
    }

    /// Who asks. A bearer token goes before a cookie: it was sent on purpose.
    async fn visitor(&self, request: &Request, now: Timestamp) -> Result<Visitor, Stranger> {
        let cookie = request.cookie(self.door.cookies.session());
        let (token, session) = match request.only_header("Authorization") {
            Some(header) => (bearer(header), None),
            None if request.header("Authorization").is_some() => (None, None),
            None => (cookie, cookie.map(str::to_owned)),
        };
        let token = token.ok_or(Stranger::Unknown)?;
        match self.verifier.verify(token, now).await {
            Ok(principal) => Ok(Visitor { principal, session }),
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

    /// A browser sends cookies with whatever any page makes it send; only our own pages know the proof.
    fn check_form(&self, request: &Request, visitor: &Visitor) -> Result<(), Problem> {
        let Some(session) = &visitor.session else { return Ok(()) };
        from_here(request)?;
        let shown = request.form_field("proof")?;
        if Proof(session).is_of_form(&shown) { Ok(()) } else { Err(not_ours()) }
    }
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

fn asset(request: &Request) -> Result<Answer, Problem> {
    request.query(&[])?;
    let name: String = request.path("name")?;
    let asset = Asset::find(&name).ok_or_else(|| Problem::not_found("there is no such file"))?;
    Ok(Answer::text(asset.media_type, asset.content).with("Cache-Control", FOR_EVER))
}

/// A person is shown where to sign in, a program is told that it has to.
fn to_sign_in(request: &Request) -> Result<Answer, Problem> {
    if !request.accepts("text/html") {
        let detail = "the token is missing, has run out or is not one of ours";
        return Err(Problem::new(ProblemKind::Unauthenticated, detail));
    }
    let back = match request.route() {
        ("GET", "/web/bookings") => "bookings".to_owned(),
        (_, route) if route.starts_with("/web/bookings/") => {
            let id = request.path::<contracts::id::BookingId>("bookingId");
            id.map(|it| format!("bookings/{it}")).unwrap_or_default()
        }
        _ => String::new(),
    };
    let query = if back.is_empty() { back } else { format!("?back={}", encoded(&back)) };
    Ok(Answer::see_other(format!("{}sign-in{query}", root_of(request.raw_path()))))
}

/// What is known of a request before it is read, to make a page of its problem.
struct Shown {
    html: bool,
    root: String,
    may_repeat: bool,
}

impl Shown {
    fn of(event: &ProxyEvent) -> Self {
        let request = Request::from(event.clone());
        Self {
            html: request.accepts("text/html"),
            root: root_of(request.raw_path()),
            may_repeat: request.route().0 == "GET",
        }
    }

    fn page(&self, problem: &Problem, correlation_id: &str) -> Option<Answer> {
        let place = Place { root: self.root.clone(), who: Who::Unasked, proof: String::new() };
        let page = || problem::render(&place, problem, correlation_id, self.may_repeat);
        let answer = self.html.then(|| Answer::html(problem.kind().status(), page()))?;
        Some(match problem.retry_after() {
            Some(wait) => answer.with("Retry-After", wait.as_secs().to_string()),
            None => answer,
        })
    }
}

/// Whatever it is, a browser shall do nothing with it that was not meant.
fn guarded(mut answer: ProxyAnswer, cookies: Cookies) -> ProxyAnswer {
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
    if cookies == Cookies::Secure {
        // Who has been here by https comes by nothing else for a year.
        answer.headers.insert("Strict-Transport-Security", "max-age=31536000".to_owned());
    }
    // The same address is a page for one and JSON for another, and another's for somebody else.
    answer.headers.insert("Vary", "Accept, Authorization, Cookie".to_owned());
    answer
}
