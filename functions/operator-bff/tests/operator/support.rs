//! Requests of an operator, and the backend that they meet.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use api_gateway::issuer::Issuer;
use api_gateway::token::Expectations;
use api_gateway::verifier::Inline;
use async_trait::async_trait;
use bff::invoke::Invoke;
use bff::{Origins, Runtime};
use circuit_breaker::control::Control;
use circuit_breaker::memory::MemoryStore;
use circuit_breaker::settings::Settings;
use function::breaker::BreakerTelemetry;
pub(crate) use gateway_events::{Received, Sent};
use jiff::Timestamp;
use operator_bff::config::{Config, Services};
use operator_bff::queues::{DeadLetter, MonitoredQueue, QueueDepth, Queues};
use operator_bff::views::SITE;
use operator_bff::workflow::Workflow;
use operator_bff::{App, adapter, service};
use pages::open_id::{MemoryProvider, OpenIdSettings};
use pages::{Pages, PagesSettings, SignInMethod, csrf_token};
use serde_json::{Value, json};
use service_error::ServiceError;

pub(crate) const SLOT: &str = "0191f7a4-0000-7000-8000-000000000001";
pub(crate) const BOOKING: &str = "0191f7a4-0000-8000-8000-000000000002";
pub(crate) const CORRELATION: &str = "0191f7a4-0000-7000-8000-000000000003";
pub(crate) const AT: &str = "2025-03-12T19:46:25Z";
pub(crate) const MACHINE: &str =
    "arn:aws:states:us-east-1:000000000000:stateMachine:parkade-local-booking-saga";

pub(crate) const QUEUES: [&str; 4] =
    ["booking", "booking-publish", "parking-publish", "billing-publish"];

fn monitored(name: &str) -> MonitoredQueue {
    let url = format!("http://localhost/queue/us-east-1/000000000000/parkade-local-{name}");
    MonitoredQueue { name: name.to_owned(), dead_letters_url: format!("{url}-dead-letters"), url }
}

/// Requests of olga, and how they meet the backend.
pub(crate) trait OperatorRequest: Sized {
    /// The route's template, and the values of its parameters.
    fn new(method: &str, resource: &str, parameters: &[(&str, &str)]) -> Self;

    /// As a page sends it, with the CSRF token that belongs to olga's session.
    fn form(self, session: &str, fields: &[(&str, &str)]) -> Self;

    /// From a browser with this session.
    fn signed_in(self, session: &str) -> Self;

    /// From a browser, without the gateway's authorizer.
    fn browser(self) -> Self;

    /// Meets a backend in front of these services, with empty queues.
    async fn to(
        self,
        services: &(impl Invoke + Clone + Send + 'static),
        workflow: &(impl Workflow + Clone + 'static),
    ) -> Received;

    /// Meets a backend in front of these services and queues.
    async fn reaching(
        self,
        services: &(impl Invoke + Clone + Send + 'static),
        workflow: &(impl Workflow + Clone + 'static),
        queues: &(impl Queues + Clone + 'static),
    ) -> Received;

    /// Meets the same backend, where people sign in like this.
    async fn entering(
        self,
        services: &(impl Invoke + Clone + Send + 'static),
        workflow: &(impl Workflow + Clone + 'static),
        queues: &(impl Queues + Clone + 'static),
        sign_in: SignIn,
    ) -> Received;
}

impl OperatorRequest for Sent {
    fn new(method: &str, resource: &str, parameters: &[(&str, &str)]) -> Self {
        let recorded = include_str!("../../events/operator-bff.json");
        let mut event: Value = serde_json::from_str(recorded).expect("JSON");
        event["queryStringParameters"] = Value::Null;
        event["multiValueQueryStringParameters"] = Value::Null;
        let sent = Self::of_event(&event.to_string(), method, resource, parameters);
        // As a browser requests the first page.
        if resource == "/operator" { sent.path("/operator/") } else { sent }
    }

    fn form(self, session: &str, fields: &[(&str, &str)]) -> Self {
        let csrf = csrf_token(SECRET, subject_of(session));
        let all: Vec<_> =
            [("proof", csrf.as_str())].into_iter().chain(fields.iter().copied()).collect();
        self.fields(&all).signed_in(session)
    }

    fn signed_in(self, session: &str) -> Self {
        self.browser().cookie("parkade-operator", session).cookie("parkade-operator-csrf", SECRET)
    }

    fn browser(self) -> Self {
        self.without("Authorization")
            .caller(Value::Null)
            .header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
    }

    async fn to(
        self,
        services: &(impl Invoke + Clone + Send + 'static),
        workflow: &(impl Workflow + Clone + 'static),
    ) -> Received {
        self.reaching(services, workflow, &Shelf::default()).await
    }

    async fn reaching(
        self,
        services: &(impl Invoke + Clone + Send + 'static),
        workflow: &(impl Workflow + Clone + 'static),
        queues: &(impl Queues + Clone + 'static),
    ) -> Received {
        self.entering(services, workflow, queues, SignIn::None).await
    }

    async fn entering(
        self,
        services: &(impl Invoke + Clone + Send + 'static),
        workflow: &(impl Workflow + Clone + 'static),
        queues: &(impl Queues + Clone + 'static),
        sign_in: SignIn,
    ) -> Received {
        let breakers = Control::new(MemoryStore::default(), BreakerTelemetry);
        let secrets = AtomicU64::new(0);
        let next_secret = move || new_secret(secrets.fetch_add(1, Ordering::Relaxed) + 1);
        let runtime = Runtime::new(now, function::new_id, next_secret);
        let (services, workflow, queues) = (services.clone(), workflow.clone(), queues.clone());
        let pages = pages(&runtime, sign_in);
        let adapter = adapter(Origins::Any, &runtime).without_catching_panics();
        let app = App::new(services, workflow, queues, breakers, config(), runtime);
        self.send_to(service(&pages, app, adapter)).await
    }
}

/// The secret behind the CSRF tokens of the browser.
pub(crate) const SECRET: &str = "a-secret-of-the-browser-with-43-characters-";

/// The secrets that the backend makes, in their order.
pub(crate) fn new_secret(number: u64) -> String {
    format!("secret-{number:0>36}")
}

/// Every test's user has one of these names.
fn subject_of(session: &str) -> &'static str {
    let claims = session.split('.').nth(1).expect("a token has claims");
    let claims = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, claims);
    let claims = String::from_utf8(claims.expect("base64")).expect("JSON");
    let is_named = |name: &&&str| claims.contains(&format!("\"sub\":\"{name}\""));
    ["olga", "ada"].iter().find(is_named).expect("a known user")
}

/// A minute after the events of the tests.
pub(crate) fn now() -> Timestamp {
    "2025-03-12T19:47:25Z".parse().expect("a time")
}

static KEY: LazyLock<Vec<u8>> = LazyLock::new(|| Issuer::generate().expect("a key"));
static ISSUER: LazyLock<Issuer> = LazyLock::new(issuer);

fn issuer() -> Issuer {
    Issuer::from_pkcs8(&KEY).expect("a key")
}

/// A token that the pages know.
pub(crate) fn token(subject: &str, scope: &str) -> String {
    token_for(subject, scope, 600)
}

/// A token that is valid for so many seconds.
pub(crate) fn token_for(subject: &str, scope: &str, seconds: i64) -> String {
    let claims = json!({
        "iss": "https://issuer.example", "aud": "parkade", "sub": subject, "scope": scope,
        "exp": now().as_second() + seconds,
    });
    signed(&claims)
}

/// A token with these claims.
pub(crate) fn signed(claims: &Value) -> String {
    ISSUER.sign(claims).expect("signed")
}

/// How people sign in.
pub(crate) enum SignIn {
    Local,
    Provider(MemoryProvider),
    None,
}

/// The pages on a local cloud.
fn pages(runtime: &Runtime, sign_in: SignIn) -> Pages<Inline, MemoryProvider> {
    let expectations = Expectations {
        issuer: "https://issuer.example".to_owned(),
        audience: "parkade".to_owned(),
        roles: vec!["customer".to_owned(), "operator".to_owned()],
    };
    let (sign_in, provider) = match sign_in {
        SignIn::Local => (SignInMethod::Local(issuer()), MemoryProvider::default()),
        SignIn::Provider(provider) => (SignInMethod::OpenId(open_id()), provider),
        SignIn::None => (SignInMethod::None, MemoryProvider::default()),
    };
    let settings =
        PagesSettings { keys: Inline(ISSUER.jwks()), expectations, sign_in, is_https: false };
    Pages::with_provider(&SITE, settings, provider, runtime.clone())
}

fn open_id() -> OpenIdSettings {
    let setting = "https://id.example/authorize https://id.example/token operator";
    OpenIdSettings::parse(setting).expect("a provider")
}

/// Queues with dead-letter messages, of which some cannot be reached. Clones share the calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) letters: Vec<(&'static str, DeadLetter)>,
    pub(crate) unreachable: Vec<&'static str>,
    pub(crate) calls: Arc<Mutex<Vec<String>>>,
}

impl Shelf {
    fn call(&self, what: &str, queue: &MonitoredQueue) -> Result<(), ServiceError> {
        self.calls.lock().expect("no panic").push(format!("{what} {}", queue.name));
        if self.unreachable.contains(&queue.name.as_str()) {
            return Err(ServiceError::transient("not now", "connection refused"));
        }
        Ok(())
    }

    fn of(&self, queue: &MonitoredQueue) -> Vec<DeadLetter> {
        let letters = self.letters.iter().filter(|(name, _)| *name == queue.name);
        letters.map(|(_, letter)| letter.clone()).collect()
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().expect("no panic").clone()
    }
}

#[async_trait]
impl Queues for Shelf {
    async fn dead_letters(&self, queue: &MonitoredQueue) -> Result<Vec<DeadLetter>, ServiceError> {
        self.call("look at", queue)?;
        Ok(self.of(queue))
    }

    async fn redrive(&self, queue: &MonitoredQueue) -> Result<u64, ServiceError> {
        self.call("redrive", queue)?;
        Ok(self.of(queue).len() as u64)
    }

    async fn discard(
        &self,
        queue: &MonitoredQueue,
        id: &str,
    ) -> Result<Option<DeadLetter>, ServiceError> {
        self.call(&format!("discard {id} of"), queue)?;
        Ok(self.of(queue).into_iter().find(|it| it.message_id == id))
    }

    async fn depth(&self, queue: &MonitoredQueue) -> Result<QueueDepth, ServiceError> {
        self.call("count", queue)?;
        Ok(QueueDepth { messages: 3, dead_letters: self.of(queue).len() as u64 })
    }

    async fn send(&self, queue: &MonitoredQueue, message: String) -> Result<(), ServiceError> {
        self.call(&format!("send {message} to"), queue)
    }
}

pub(crate) fn config() -> Config {
    Config {
        services: Services {
            booking_command: "booking-command".to_owned(),
            booking_query: "booking-query".to_owned(),
            booking_rebuild: "booking-rebuild".to_owned(),
            parking_command: "parking-command".to_owned(),
            parking_query: "parking-query".to_owned(),
            parking_rebuild: "parking-rebuild".to_owned(),
            billing_query: "billing-query".to_owned(),
            billing_breaker: "billing-breaker".to_owned(),
        },
        origins: Origins::Any,
        breakers_table: "breakers".to_owned(),
        breaker: Settings::default(),
        booking_saga: MACHINE.parse().expect("an ARN"),
        booking_saga_compensation: MACHINE.parse().expect("an ARN"),
        queues: QUEUES.map(monitored).to_vec(),
    }
}

pub(crate) fn json_of(received: &Received) -> Value {
    received.json()
}

/// Status and slug of a problem document, whose form is checked.
pub(crate) fn problem(received: &Received) -> (u16, String) {
    assert_eq!(received.headers["X-Correlation-Id"], CORRELATION);
    received.problem()
}
