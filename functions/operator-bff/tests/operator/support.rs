//! Events of the gateway, and the configuration they meet.

use std::sync::{LazyLock, Mutex};

use api_gateway::issuer::Issuer;
use api_gateway::proxy::{ProxyAnswer, ProxyEvent};
use api_gateway::token::Expectations;
use api_gateway::verifier::{Inline, Verifier};
use bff::Origins;
use bff::invoke::Invoke;
use bff::pages::provider::OneToken;
use bff::pages::session::Proof;
use bff::pages::sign_in::{Door, OpenId, SignIn};
use bff::pages::{Fresh, Front, encoded};
use circuit_breaker::call::Host;
use circuit_breaker::control::Control;
use circuit_breaker::memory::MemoryStore;
use circuit_breaker::settings::Settings;
use circuit_breaker::store::Store;
use function::breaker::BreakerTelemetry;
use jiff::Timestamp;
use operator_bff::config::{Config, Services};
use operator_bff::handlers::bff::{Backend, PROBLEMS};
use operator_bff::pages::SITE;
use operator_bff::queues::{Depth, FoundLetter, Queues, Watched};
use operator_bff::workflow::Workflow;
use serde_json::{Value, json};
use service_error::ServiceError;

use crate::recorder::Response;

pub(crate) const SLOT: &str = "0191f7a4-0000-7000-8000-000000000001";
pub(crate) const BOOKING: &str = "0191f7a4-0000-8000-8000-000000000002";
pub(crate) const CORRELATION: &str = "0191f7a4-0000-7000-8000-000000000003";
pub(crate) const AT: &str = "2025-03-12T19:46:25Z";
pub(crate) const MACHINE: &str =
    "arn:aws:states:us-east-1:000000000000:stateMachine:parkade-local-booking-saga";

pub(crate) const QUEUES: [&str; 4] =
    ["booking", "booking-publish", "parking-publish", "billing-publish"];

fn watched(name: &str) -> Watched {
    let url = format!("http://localhost/queue/us-east-1/000000000000/parkade-local-{name}");
    Watched { name: name.to_owned(), dead_letters_url: format!("{url}-dead-letters"), url }
}

/// A request of olga's, as API Gateway hands it over.
#[derive(Clone)]
pub(crate) struct Sent(Value);

impl Sent {
    /// The route's template, with what stands for its parameters.
    pub(crate) fn new(method: &str, resource: &str, parameters: &[(&str, &str)]) -> Self {
        let recorded = include_str!("../../events/operator-bff.json");
        let mut event: Value = serde_json::from_str(recorded).expect("JSON");
        let path = parameters.iter().fold(resource.to_owned(), |path, (name, value)| {
            path.replace(&format!("{{{name}}}"), value)
        });
        // As a browser asks for the first page.
        let path = if path == "/operator" { "/operator/".to_owned() } else { path };
        event["httpMethod"] = json!(method);
        event["resource"] = json!(resource);
        event["path"] = json!(path);
        event["requestContext"]["path"] = json!(format!("/v1{path}"));
        event["queryStringParameters"] = Value::Null;
        event["multiValueQueryStringParameters"] = Value::Null;
        for (name, value) in parameters {
            event["pathParameters"][name] = json!(value);
        }
        Self(event)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.0["headers"][name] = json!(value);
        self.0["multiValueHeaders"][name] = json!([value]);
        self
    }

    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.0["queryStringParameters"][name] = json!(value);
        self.0["multiValueQueryStringParameters"][name] = json!([value]);
        self
    }

    pub(crate) fn body(mut self, body: &Value) -> Self {
        self.0["body"] = json!(body.to_string());
        self.header("Content-Type", "application/json")
    }

    /// As a page sends it, with the proof that belongs to the session.
    pub(crate) fn form(mut self, session: &str, fields: &[(&str, &str)]) -> Self {
        let proof = Proof(session).of_form();
        let all = [("proof", proof.as_str())].into_iter().chain(fields.iter().copied());
        let written = all.map(|(name, value)| format!("{name}={}", encoded(value)));
        self.0["body"] = json!(written.collect::<Vec<_>>().join("&"));
        self.header("Content-Type", "application/x-www-form-urlencoded").signed_in(session)
    }

    /// From a browser that holds this token.
    pub(crate) fn signed_in(self, session: &str) -> Self {
        self.browser().header("Cookie", &format!("theme=dark; parkade-operator={session}"))
    }

    /// From a browser, past no authoriser.
    pub(crate) fn browser(mut self) -> Self {
        for headers in ["headers", "multiValueHeaders"] {
            let headers = self.0[headers].as_object_mut().expect("headers");
            headers.retain(|name, _| !name.eq_ignore_ascii_case("authorization"));
        }
        self.caller(Value::Null).header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
    }

    /// A header that comes in several lines.
    pub(crate) fn lines(mut self, name: &str, values: &[&str]) -> Self {
        self.0["headers"][name] = json!(values.last());
        self.0["multiValueHeaders"][name] = json!(values);
        self
    }

    /// A parameter that comes twice.
    pub(crate) fn twice(mut self, name: &str, values: [&str; 2]) -> Self {
        self.0["queryStringParameters"][name] = json!(values[1]);
        self.0["multiValueQueryStringParameters"][name] = json!(values);
        self
    }

    /// With a body as it is.
    pub(crate) fn raw_body(mut self, body: &str) -> Self {
        self.0["body"] = json!(body);
        self
    }

    pub(crate) fn path(mut self, path: &str) -> Self {
        self.0["path"] = json!(path);
        self.0["requestContext"]["path"] = json!(format!("/v1{path}"));
        self
    }

    /// With these fields and no others.
    pub(crate) fn fields(self, fields: &[(&str, &str)]) -> Self {
        let written = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
        self.raw_body(&written.collect::<Vec<_>>().join("&"))
            .header("Content-Type", "application/x-www-form-urlencoded")
    }

    pub(crate) fn caller(mut self, authorizer: Value) -> Self {
        self.0["requestContext"]["authorizer"] = authorizer;
        self
    }

    pub(crate) async fn to(self, services: &impl Invoke, workflow: &impl Workflow) -> ProxyAnswer {
        self.reaching(services, workflow, &Shelf::default()).await
    }

    pub(crate) async fn reaching(
        self,
        services: &impl Invoke,
        workflow: &impl Workflow,
        queues: &impl Queues,
    ) -> ProxyAnswer {
        self.entering(services, workflow, queues, SignInMethod::Closed).await
    }

    /// Likewise, where people sign in like this.
    pub(crate) async fn entering(
        self,
        services: &impl Invoke,
        workflow: &impl Workflow,
        queues: &impl Queues,
        door: SignInMethod,
    ) -> ProxyAnswer {
        let breakers = Control::new(MemoryStore::default(), BreakerTelemetry);
        let backend =
            Backend { services, workflow, queues, breakers: &breakers, config: &config() };
        self.at(&backend, &front(door)).await
    }

    /// Meets this backend, behind these pages' door.
    pub(crate) async fn at<S, W, Q, B, H>(
        self,
        backend: &Backend<'_, S, W, Q, B, H>,
        front: &Front<Inline, OneToken>,
    ) -> ProxyAnswer
    where
        S: Invoke,
        W: Workflow,
        Q: Queues,
        B: Store + Sync,
        H: Host + Sync,
    {
        let event: ProxyEvent = serde_json::from_value(self.0).expect("an event");
        let (id, secret) = (function::new_id, || SECRET.to_owned());
        backend.handle(front, event, Fresh { now: now(), id, secret }).await
    }
}

/// A secret of somebody who is about to sign in.
pub(crate) const SECRET: &str = "a-secret-of-43-letters";

/// A minute after what has happened.
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

/// A token that is good for so many seconds.
pub(crate) fn token_for(subject: &str, scope: &str, seconds: i64) -> String {
    let claims = json!({
        "iss": "https://issuer.example", "aud": "parkade", "sub": subject, "scope": scope,
        "exp": now().as_second() + seconds,
    });
    ISSUER.sign(&claims).expect("signed")
}

/// How people sign in.
pub(crate) enum SignInMethod {
    Local,
    Provider(OneToken),
    Closed,
}

/// The door of the pages on a local cloud.
fn front(method: SignInMethod) -> Front<Inline, OneToken> {
    let expectations = Expectations {
        issuer: "https://issuer.example".to_owned(),
        audience: "parkade".to_owned(),
        roles: vec!["customer".to_owned(), "operator".to_owned()],
    };
    let verifier = Verifier::new(Inline(ISSUER.jwks()), expectations.clone());
    let (sign_in, provider) = match method {
        SignInMethod::Local => (SignIn::Local(issuer()), OneToken::default()),
        SignInMethod::Provider(provider) => (SignIn::OpenId(open_id()), provider),
        SignInMethod::Closed => (SignIn::Nowhere, OneToken::default()),
    };
    let door = Door::new(&SITE, "local", expectations, sign_in);
    Front { site: &SITE, problems: PROBLEMS, verifier, provider, door }
}

fn open_id() -> OpenId {
    OpenId {
        authorize_url: "https://id.example/authorize".to_owned(),
        token_url: "https://id.example/token".to_owned(),
        client_id: "operator".to_owned(),
    }
}

/// Queues with letters in them, of which some cannot be reached.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) letters: Vec<(&'static str, FoundLetter)>,
    pub(crate) unreachable: Vec<&'static str>,
    pub(crate) calls: Mutex<Vec<String>>,
}

impl Shelf {
    fn call(&self, what: &str, queue: &Watched) -> Result<(), ServiceError> {
        self.calls.lock().expect("no panic").push(format!("{what} {}", queue.name));
        if self.unreachable.contains(&queue.name.as_str()) {
            return Err(ServiceError::transient("not now", "connection refused"));
        }
        Ok(())
    }

    fn of(&self, queue: &Watched) -> Vec<FoundLetter> {
        let letters = self.letters.iter().filter(|(name, _)| *name == queue.name);
        letters.map(|(_, letter)| letter.clone()).collect()
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().expect("no panic").clone()
    }
}

impl Queues for Shelf {
    async fn letters(&self, queue: &Watched) -> Result<Vec<FoundLetter>, ServiceError> {
        self.call("look at", queue)?;
        Ok(self.of(queue))
    }

    async fn redrive(&self, queue: &Watched) -> Result<u64, ServiceError> {
        self.call("redrive", queue)?;
        Ok(self.of(queue).len() as u64)
    }

    async fn discard(
        &self,
        queue: &Watched,
        id: &str,
    ) -> Result<Option<FoundLetter>, ServiceError> {
        self.call(&format!("discard {id} of"), queue)?;
        Ok(self.of(queue).into_iter().find(|it| it.message_id == id))
    }

    async fn depth(&self, queue: &Watched) -> Result<Depth, ServiceError> {
        self.call("count", queue)?;
        Ok(Depth { messages: 3, dead_letters: self.of(queue).len() as u64 })
    }

    async fn send(&self, queue: &Watched, message: String) -> Result<(), ServiceError> {
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
        booking_saga_undo: MACHINE.parse().expect("an ARN"),
        queues: QUEUES.map(watched).to_vec(),
    }
}

pub(crate) fn json_of(answer: &ProxyAnswer) -> Value {
    serde_json::from_str(&answer.body).expect("JSON")
}

/// Status and slug of a problem document, whose form is checked.
pub(crate) fn problem(answer: &ProxyAnswer) -> (u16, String) {
    assert_eq!(answer.headers["Content-Type"], "application/problem+json", "{}", answer.body);
    assert_eq!(answer.headers["X-Correlation-Id"], CORRELATION);
    let document = json_of(answer);
    assert_eq!(document["status"], answer.status_code);
    assert_eq!(answer.headers.contains_key("Retry-After"), answer.status_code == 503);
    let slug = document["type"].as_str().expect("a type").rsplit('/').next().expect("a slug");
    (answer.status_code, slug.to_owned())
}

/// What API Gateway gets, for a snapshot.
pub(crate) fn response(answer: ProxyAnswer) -> Response {
    let headers = answer.headers.into_iter().map(|(name, value)| (name.to_owned(), value));
    Response { status: answer.status_code, headers: headers.collect(), body: answer.body }
}
