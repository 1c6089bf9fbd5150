//! Those who come to the front door: customers and operators, and what they expect of an answer.

mod customer;
mod operator;

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::{sleep, timeout};

use crate::lambda;
use crate::world::World;

pub(crate) use customer::cancel_pending;
pub(crate) use operator::{finish_rebuilds, open, redrive_all, republish_all};

/// How often a client asks once all is calm, about every two seconds. A circuit may stay open for two minutes, and where no
/// other calls come, a card that works at the third try is its probe three times.
const PATIENCE: u32 = 300;
/// API Gateway waits no longer.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(29);

/// Somebody with a token.
#[derive(Clone, Debug)]
pub(crate) struct Client<'a> {
    world: &'a World,
    subject: String,
    role: &'static str,
}

/// A request, as it comes to the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: &'static str,
    resource: &'static str,
    parameters: Map<String, Value>,
    query: Map<String, Value>,
    key: Option<String>,
    body: Option<Value>,
}

/// What a client hears.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Ask {
    pub(crate) fn new(method: &'static str, resource: &'static str) -> Self {
        let (parameters, query) = (Map::new(), Map::new());
        Self { method, resource, parameters, query, key: None, body: None }
    }

    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.parameters.insert(name.to_owned(), json!(value.to_string()));
        self
    }

    fn query(mut self, name: &str, value: impl ToString) -> Self {
        self.query.insert(name.to_owned(), json!(value.to_string()));
        self
    }

    pub(crate) fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    fn event(&self, client: &Client<'_>) -> Value {
        let mut path = self.resource.to_owned();
        for (name, value) in &self.parameters {
            path = path.replace(&format!("{{{name}}}"), value.as_str().unwrap_or_default());
        }
        let mut headers = json!({ "X-Correlation-Id": client.world.new_id() });
        if let Some(key) = &self.key {
            headers["Idempotency-Key"] = json!(key);
        }
        if self.body.is_some() {
            headers["Content-Type"] = json!("application/json");
        }
        json!({
            "httpMethod": self.method,
            "resource": self.resource,
            "path": path,
            "headers": headers,
            "queryStringParameters": self.query,
            "pathParameters": self.parameters,
            "requestContext": {
                "authorizer": {
                    "principalId": client.subject,
                    "sub": client.subject,
                    "role": client.role,
                },
            },
            "body": self.body.as_ref().map(Value::to_string),
            "isBase64Encoded": false,
        })
    }
}

impl<'a> Client<'a> {
    pub(crate) fn new(world: &'a World, subject: &str, role: &'static str) -> Self {
        Self { world, subject: subject.to_owned(), role }
    }

    /// Sends a request once; nothing if no answer comes, and then nobody knows what it has done.
    pub(crate) async fn send(&self, ask: &Ask) -> Option<Heard> {
        let world = self.world;
        let function = if self.role == "operator" { "operator-bff" } else { "mobile-bff" };
        world.story.tell(world.elapsed(), &self.subject, || {
            format!("{} {} {:?} {:?}", ask.method, ask.resource, ask.parameters, ask.body)
        });
        world.count("request");
        let payload = ask.event(self).to_string().into_bytes();
        if world.befalls(world.plan.lost) {
            return None;
        }
        let answer = timeout(GATEWAY_TIMEOUT, lambda::invoke(world, function, payload)).await;
        if world.befalls(world.plan.answer_lost) {
            return None;
        }
        // What the gateway says of a function that failed, 502 or 504, tells no more than silence.
        let answer: Value = serde_json::from_slice(&answer.ok()?.ok()?).ok()?;
        let status = answer["statusCode"].as_u64().and_then(|it| u16::try_from(it).ok())?;
        let body = answer["body"].as_str().unwrap_or_default();
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        world.story.tell(world.elapsed(), &self.subject, || format!("hears {status} {body}"));
        self.check(ask, status, &answer, &body);
        Some(Heard { status, body })
    }

    /// Sends a request until there is an answer that says yes or no.
    async fn insist(&self, ask: &Ask) -> Option<Heard> {
        let world = self.world;
        let mut attempts_when_calm = 0;
        while attempts_when_calm < PATIENCE {
            match self.send(ask).await {
                Some(heard) if heard.status < 500 => return Some(heard),
                Some(_) | None => {}
            }
            attempts_when_calm += u32::from(world.is_calm());
            sleep(world.dice.millis(100..=4_000)).await;
        }
        world.laws.broken(format!("{} {} is never answered", ask.method, ask.resource));
        None
    }

    /// Whatever goes wrong behind it, the front door keeps its contract.
    fn check(&self, ask: &Ask, status: u16, answer: &Value, body: &Value) {
        let is_problem = header(answer, "Content-Type") == "application/problem+json";
        let known = [200, 201, 202, 304, 400, 402, 403, 404, 409, 422, 503];
        self.world.laws.hold(known.contains(&status), || {
            format!("{} {} is answered {status}: {body}", ask.method, ask.resource)
        });
        self.world.laws.hold(is_problem == (status >= 400), || {
            format!(
                "{} {} is answered {status} as {}",
                ask.method,
                ask.resource,
                header(answer, "Content-Type")
            )
        });
        let may_retry = !header(answer, "Retry-After").is_null();
        self.world.laws.hold(may_retry == (status == 503), || {
            format!(
                "{} {} is answered {status}, Retry-After: {may_retry}",
                ask.method, ask.resource
            )
        });
    }

    /// An answer that cannot be, whatever happens.
    fn wrong(&self, ask: &Ask, heard: &Heard) {
        let Heard { status, body } = heard;
        let what = format!("{} {} {:?}", ask.method, ask.resource, ask.parameters);
        self.world.laws.broken(format!("{what} is answered {status}: {body}"));
    }
}

/// A header of an answer, in either of the forms that API Gateway takes.
fn header<'a>(answer: &'a Value, name: &str) -> &'a Value {
    match &answer["headers"][name] {
        Value::Null => &answer["multiValueHeaders"][name.to_lowercase()][0],
        found => found,
    }
}

/// Everybody comes and does what they came for.
pub(crate) async fn run(world: &World) {
    let slots = operator::open(world).await;
    let customers = (0..world.plan.bookings).map(|number| customer::come(world, &slots, number));
    let operators = operator::work(world, &slots);
    let (_, ()) = tokio::join!(futures::future::join_all(customers), operators);
}
