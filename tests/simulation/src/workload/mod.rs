//! Clients of the public API: customers and operators, and their checks of the responses.

mod customer;
mod operator;

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::{sleep, timeout};

use crate::lambda;
use crate::world::World;

pub(crate) use customer::cancel_pending;
pub(crate) use operator::{finish_rebuilds, open, redrive_all, republish_all};

/// The number of attempts of a client after the faults have stopped, one about every two seconds. A circuit may stay
/// open for two minutes, and without other calls, a card that works at the third attempt is the probe three times.
const MAX_ATTEMPTS: u32 = 300;
/// The integration timeout of API Gateway.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(29);

/// A client with a bearer token.
#[derive(Clone, Debug)]
pub(crate) struct Client<'a> {
    world: &'a World,
    subject: String,
    role: &'static str,
}

/// A request to the gateway.
#[derive(Clone, Debug)]
pub(crate) struct ApiRequest {
    method: &'static str,
    resource: &'static str,
    parameters: Map<String, Value>,
    query: Map<String, Value>,
    key: Option<String>,
    body: Option<Value>,
}

/// A response of the gateway.
#[derive(Clone, Debug)]
pub(crate) struct ApiResponse {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl ApiRequest {
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

    /// Sends a request once; `None` if there is no response, so that its effect is unknown.
    pub(crate) async fn send(&self, request: &ApiRequest) -> Option<ApiResponse> {
        let world = self.world;
        let function = if self.role == "operator" { "operator-bff" } else { "mobile-bff" };
        world.log.record(world.elapsed(), &self.subject, || {
            format!(
                "{} {} {:?} {:?}",
                request.method, request.resource, request.parameters, request.body
            )
        });
        world.count("request");
        let payload = request.event(self).to_string().into_bytes();
        if world.injects(world.plan.request_lost) {
            return None;
        }
        let proxy = timeout(GATEWAY_TIMEOUT, lambda::invoke(world, function, payload)).await;
        if world.injects(world.plan.response_lost) {
            return None;
        }
        // The gateway's response for a failed function, 502 or 504, tells no more than no response.
        let proxy: Value = serde_json::from_slice(&proxy.ok()?.ok()?).ok()?;
        let status = proxy["statusCode"].as_u64().and_then(|it| u16::try_from(it).ok())?;
        let body = proxy["body"].as_str().unwrap_or_default();
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        world.log.record(world.elapsed(), &self.subject, || format!("gets {status} {body}"));
        self.check(request, status, &proxy, &body);
        Some(ApiResponse { status, body })
    }

    /// Sends a request until it gets a response below 500.
    async fn send_until_decided(&self, request: &ApiRequest) -> Option<ApiResponse> {
        let world = self.world;
        let mut attempts_without_faults = 0;
        while attempts_without_faults < MAX_ATTEMPTS {
            match self.send(request).await {
                Some(response) if response.status < 500 => return Some(response),
                Some(_) | None => {}
            }
            attempts_without_faults += u32::from(world.faults_have_ended());
            sleep(world.rng.millis(100..=4_000)).await;
        }
        world.invariants.violated(format!(
            "{} {} never gets a response below 500",
            request.method, request.resource
        ));
        None
    }

    /// The public API keeps its contract, whatever faults occur behind it.
    fn check(&self, request: &ApiRequest, status: u16, proxy: &Value, body: &Value) {
        let is_problem = header(proxy, "Content-Type") == "application/problem+json";
        let known = [200, 201, 202, 304, 400, 402, 403, 404, 409, 422, 503];
        self.world.invariants.check(known.contains(&status), || {
            format!("{} {} got {status}: {body}", request.method, request.resource)
        });
        self.world.invariants.check(is_problem == (status >= 400), || {
            let media_type = header(proxy, "Content-Type");
            format!("{} {} got {status} as {media_type}", request.method, request.resource)
        });
        let may_retry = !header(proxy, "Retry-After").is_null();
        self.world.invariants.check(may_retry == (status == 503), || {
            format!(
                "{} {} got {status}, Retry-After: {may_retry}",
                request.method, request.resource
            )
        });
    }

    /// Records an impossible response as a violation.
    fn wrong(&self, request: &ApiRequest, response: &ApiResponse) {
        let ApiResponse { status, body } = response;
        let what = format!("{} {} {:?}", request.method, request.resource, request.parameters);
        self.world.invariants.violated(format!("{what} got {status}: {body}"));
    }
}

/// A header of a response, in either of the forms that API Gateway accepts.
fn header<'a>(response: &'a Value, name: &str) -> &'a Value {
    let single = &response["headers"][name];
    if single.is_null() { &response["multiValueHeaders"][name.to_lowercase()][0] } else { single }
}

/// Runs all customers and operators to their end.
pub(crate) async fn run(world: &World) {
    let slots = operator::open(world).await;
    let customers = (0..world.plan.bookings).map(|number| customer::run(world, &slots, number));
    let operators = operator::work(world, &slots);
    let (_, ()) = tokio::join!(futures::future::join_all(customers), operators);
}
