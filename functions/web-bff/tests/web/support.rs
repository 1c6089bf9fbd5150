//! Requests of a browser, and the backend that they meet.

use std::cell::Cell;
use std::collections::BTreeMap;

use api_gateway::issuer::Issuer;
use api_gateway::token::Expectations;
use api_gateway::verifier::Inline;
use axum::Router;
use bff::Runtime;
use bff::invoke::Invoke;
use bff::memory::Reply;
pub(crate) use gateway_events::{Received, Sent};
use jiff::Timestamp;
use pages::open_id::{MemoryProvider, OpenIdSettings};
use pages::{Pages, PagesSettings, csrf_token};
use serde_json::{Value, json};
use service_error::ServiceError;
use uuid::Uuid;
use web_bff::config::Services;
use web_bff::views::SITE;
use web_bff::{App, adapter, service};

pub(crate) const SLOT: &str = "0191f7a4-0000-7000-8000-000000000001";
pub(crate) const BOOKING: &str = "0191f7a4-0000-8000-8000-000000000002";
pub(crate) const CORRELATION: &str = "0191f7a4-0000-7000-8000-000000000003";
pub(crate) const FRESH: &str = "0191f7a4-0000-7000-8000-000000000009";
pub(crate) const AT: &str = "2025-03-12T19:46:25Z";
pub(crate) const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";
/// The secret behind the CSRF tokens of the browser.
pub(crate) const SECRET: &str = "a-secret-of-the-browser-with-43-characters-";

/// A minute after the events of the tests.
pub(crate) fn now() -> Timestamp {
    "2025-03-12T19:47:25Z".parse().expect("a time")
}

thread_local! {
    static CLOCK: Cell<Option<Timestamp>> = const { Cell::new(None) };
    static SECRETS: Cell<u64> = const { Cell::new(0) };
}

/// A secret that no other call gets, of 43 characters.
fn new_secret() -> String {
    SECRETS.set(SECRETS.get() + 1);
    format!("secret-{:0>36}", SECRETS.get())
}

/// The secrets that the backend makes next, in their order.
pub(crate) fn next_secrets<const N: usize>() -> [String; N] {
    let before = SECRETS.get();
    let secrets = std::array::from_fn(|_| new_secret());
    SECRETS.set(before);
    secrets
}

/// Makes the secrets begin again, so that the next one is the first.
pub(crate) fn restart_secrets() {
    SECRETS.set(0);
}

/// One platform: its issuer, and a backend in front of some services.
pub(crate) struct World<S> {
    pub(crate) issuer: Issuer,
    ada: String,
    pub(crate) services: S,
    web: Router,
    is_https: bool,
}

/// How people sign in.
pub(crate) enum Method {
    Local,
    Provider(MemoryProvider),
    None,
}

impl<S: Invoke + Clone + Send + 'static> World<S> {
    pub(crate) fn new(services: S) -> Self {
        Self::with(services, Method::Local)
    }

    pub(crate) fn with(services: S, method: Method) -> Self {
        let key = Issuer::generate().expect("a key");
        let issuer = || Issuer::from_pkcs8(&key).expect("a key");
        let (sign_in, provider) = match method {
            Method::Local => (pages::SignInMethod::Local(issuer()), MemoryProvider::default()),
            Method::Provider(provider) => (pages::SignInMethod::OpenId(open_id()), provider),
            Method::None => (pages::SignInMethod::None, MemoryProvider::default()),
        };
        Self::behind(services, sign_in, provider, issuer())
    }

    /// A platform whose provider gives tokens of this issuer.
    pub(crate) fn behind(
        services: S,
        sign_in: pages::SignInMethod,
        provider: MemoryProvider,
        issuer: Issuer,
    ) -> Self {
        let is_https = !matches!(sign_in, pages::SignInMethod::Local(_));
        let expectations = Expectations {
            issuer: "https://issuer.example".to_owned(),
            audience: "parkade".to_owned(),
            roles: vec!["customer".to_owned(), "operator".to_owned()],
        };
        let keys = Inline(issuer.jwks());
        let settings = PagesSettings { keys, expectations, sign_in, is_https };
        let now = || CLOCK.get().unwrap_or_else(now);
        let new_id = || Uuid::try_parse(FRESH).expect("an id");
        let runtime = Runtime::new(now, new_id, new_secret);
        let pages = Pages::with_provider(&SITE, settings, provider, runtime.clone());
        let functions = Services {
            booking_command: "booking-command".to_owned(),
            booking_query: "booking-query".to_owned(),
            parking_query: "parking-query".to_owned(),
            billing_command: "billing-command".to_owned(),
            billing_query: "billing-query".to_owned(),
        };
        let adapter = adapter(&runtime).without_catching_panics();
        let web = service(&pages, App::new(services.clone(), functions, runtime), adapter);
        let ada = token(&issuer, "ada", "customer", 600);
        Self { issuer, ada, services, web, is_https }
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, sent: Sent) -> Received {
        sent.send_to(self.web.clone()).await
    }

    /// Sends it at this time.
    pub(crate) async fn send_at(&self, sent: Sent, now: Timestamp) -> Received {
        CLOCK.set(Some(now));
        let received = self.send(sent).await;
        CLOCK.set(None);
        received
    }

    /// Sends it as ada, who is signed in.
    pub(crate) async fn by_ada(&self, sent: Sent) -> Received {
        self.send(self.signed_in(sent)).await
    }

    /// With the cookies of ada's browser.
    pub(crate) fn signed_in(&self, sent: Sent) -> Sent {
        sent.cookie(&self.session(), &self.ada()).cookie(&self.csrf(), SECRET)
    }

    /// Sends a form as one of the pages would.
    pub(crate) async fn form(&self, sent: Sent, fields: &[(&str, &str)]) -> Received {
        let csrf = csrf_token(SECRET, "ada");
        let mut all = vec![("proof", csrf.as_str())];
        all.extend(fields);
        self.by_ada(sent.fields(&all)).await
    }

    /// The name of the session's cookie.
    pub(crate) fn session(&self) -> String {
        self.cookie("")
    }

    /// The name of the cookie with the secret behind the CSRF tokens.
    pub(crate) fn csrf(&self) -> String {
        self.cookie("-csrf")
    }

    pub(crate) fn cookie(&self, suffix: &str) -> String {
        let prefix = if self.is_https { "__Host-" } else { "" };
        format!("{prefix}parkade-session{suffix}")
    }

    /// Her one token: no two signatures are the same.
    pub(crate) fn ada(&self) -> String {
        self.ada.clone()
    }
}

pub(crate) fn open_id() -> OpenIdSettings {
    let setting = "https://id.example/authorize https://id.example/token web";
    OpenIdSettings::parse(setting).expect("a provider")
}

pub(crate) fn token(issuer: &Issuer, subject: &str, scope: &str, seconds: i64) -> String {
    let claims = json!({
        "iss": "https://issuer.example", "aud": "parkade", "sub": subject, "scope": scope,
        "exp": now().as_second() + seconds,
    });
    issuer.sign(&claims).expect("signed")
}

/// The routes of the backend.
pub(crate) trait Routes: Sized {
    /// A route's template, and the values of its parameters.
    fn new(method: &str, resource: &str, parameters: &[(&str, &str)]) -> Self;

    /// A page.
    fn get(resource: &str) -> Self {
        Self::new("GET", resource, &[])
    }

    /// The booking's page, or a form on it.
    fn booking(method: &str, below: &str) -> Self {
        let resource = format!("/web/bookings/{{bookingId}}{below}");
        Self::new(method, &resource, &[("bookingId", BOOKING)])
    }
}

impl Routes for Sent {
    fn new(method: &str, resource: &str, parameters: &[(&str, &str)]) -> Self {
        let recorded = include_str!("../../events/web-bff.json");
        let sent = Self::of_event(recorded, method, resource, parameters).header("Accept", HTML);
        // As a browser requests the first page.
        if resource == "/web" { sent.path("/web/") } else { sent }
    }
}

/// The hidden fields of the form that goes there.
pub(crate) fn hidden_fields(page: &str, action: &str) -> BTreeMap<String, String> {
    let from = page.split(&format!("action=\"{action}\"")).nth(1).expect("there is such a form");
    let form = from.split("</form>").next().expect("a form ends");
    let inputs = form.split("<input type=\"hidden\" name=\"").skip(1);
    inputs
        .map(|it| {
            let mut quoted = it.split('"');
            let name = quoted.next().expect("a name").to_owned();
            (name, quoted.nth(1).expect("a value").to_owned())
        })
        .collect()
}

// ---- Services ------------------------------------------------------------------------------------------------------

pub(crate) fn booking() -> Value {
    json!({
        "bookingId": BOOKING, "slotId": SLOT, "customer": "ada", "status": "pending", "mode": "invoice",
        "version": 1, "createdAt": AT, "updatedAt": AT,
    })
}

pub(crate) fn bill() -> Value {
    json!({
        "reference": format!("{SLOT}:{BOOKING}"), "customer": "ada", "total": "100.00", "paid": "40.00",
        "status": "pending", "dueAt": "2025-03-12T20:01:25Z", "version": 3,
        "payments": [
            {"paymentId": FRESH, "amount": "40.00", "status": "captured", "requestedAt": AT},
            {"paymentId": SLOT, "amount": "60.00", "status": "declined", "reason": "insufficient funds", "requestedAt": AT},
        ],
    })
}

pub(crate) fn slot() -> Value {
    json!({"slotId": SLOT, "name": "Level 2, 14", "status": "available", "version": 1})
}

pub(crate) fn event(version: u64, kind: &str) -> Value {
    json!({
        "id": FRESH, "version": version, "type": kind, "occurredAt": AT, "correlationId": CORRELATION,
        "causationId": CORRELATION, "data": {},
    })
}

pub(crate) fn history() -> Value {
    json!({"events": [event(1, "BookingCreated")]})
}

/// Services at their best.
pub(crate) fn well(function: &str, request: &Value) -> Reply {
    let operation = request["command"].as_str().or(request["query"].as_str());
    Reply::Response(match (function, operation) {
        ("parking-query", Some("slots")) => json!({"items": [slot()], "nextCursor": "c2"}),
        ("parking-query", Some("slot")) => slot(),
        ("parking-query", Some("slotsById")) => json!([slot()]),
        ("booking-query", Some("customerBookings")) => {
            json!({"items": [booking()], "nextCursor": "b2"})
        }
        ("booking-query", Some("booking")) => booking(),
        ("booking-command", Some("readHistory")) => history(),
        ("booking-command", _) => {
            json!({"bookingId": request["bookingId"], "status": "pending", "version": 2})
        }
        ("billing-query" | "billing-command", _) => bill(),
        other => unreachable!("no page calls {other:?}"),
    })
}

pub(crate) fn down() -> Reply {
    Reply::Failure(ServiceError::transient("not now", "connection refused"))
}

pub(crate) fn not_found() -> Reply {
    Reply::Failure(ServiceError::rejected("not-found", "it does not exist"))
}

pub(crate) fn rejected(slug: &'static str, detail: &'static str) -> Reply {
    Reply::Failure(ServiceError::rejected(slug, detail))
}
