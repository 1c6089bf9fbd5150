//! Events of the gateway, and the configuration they meet.

use std::future::Future;

use api_gateway::proxy::{ProxyAnswer, ProxyEvent};
use bff::Origins;
use bff::invoke::Invoke;
use circuit_breaker::settings::Settings;
use mobile_bff::config::{Config, Services};
use mobile_bff::handlers::bff::handle;
use serde_json::{Value, json};

pub(crate) const SLOT: &str = "0191f7a4-0000-7000-8000-000000000001";
pub(crate) const BOOKING: &str = "0191f7a4-0000-8000-8000-000000000002";
pub(crate) const CORRELATION: &str = "0191f7a4-0000-7000-8000-000000000003";
pub(crate) const AT: &str = "2025-03-12T19:46:25Z";

/// A request of alice's, as API Gateway hands it over.
pub(crate) struct Sent(Value);

impl Sent {
    /// The route's template, with what stands for its parameters.
    pub(crate) fn new(method: &str, resource: &str, parameters: &[(&str, &str)]) -> Self {
        let recorded = include_str!("../../events/mobile-bff.json");
        let mut event: Value = serde_json::from_str(recorded).expect("JSON");
        let path = parameters.iter().fold(resource.to_owned(), |path, (name, value)| {
            path.replace(&format!("{{{name}}}"), value)
        });
        event["httpMethod"] = json!(method);
        event["resource"] = json!(resource);
        event["path"] = json!(path);
        event["requestContext"]["path"] = json!(format!("/v1{path}"));
        event["requestContext"]["authorizer"] = json!({"principalId": "alice", "sub": "alice", "role": "customer", "integrationLatency": 3});
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

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("Idempotency-Key", key)
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

    pub(crate) fn raw_body(mut self, body: &str) -> Self {
        self.0["body"] = json!(body);
        self.header("Content-Type", "application/json")
    }

    pub(crate) fn caller(mut self, authorizer: Value) -> Self {
        self.0["requestContext"]["authorizer"] = authorizer;
        self
    }

    pub(crate) fn to(self, services: &impl Invoke) -> impl Future<Output = ProxyAnswer> {
        let event: ProxyEvent = serde_json::from_value(self.0).expect("an event");
        async move { handle(services, &config(), event, function::new_id).await }
    }
}

pub(crate) fn config() -> Config {
    Config {
        services: Services {
            booking_command: "booking-command".to_owned(),
            booking_query: "booking-query".to_owned(),
            parking_command: "parking-command".to_owned(),
            parking_query: "parking-query".to_owned(),
            billing_command: "billing-command".to_owned(),
            billing_query: "billing-query".to_owned(),
        },
        origins: Origins::Any,
        breakers_table: "breakers".to_owned(),
        breaker: Settings::default(),
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

/// A response as text: status, headers by name, body. What the clock decides is left out.
pub(crate) fn recorded(answer: &ProxyAnswer) -> String {
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .map(|(name, value)| match name.to_lowercase().as_str() {
            "server-timing" => "server-timing: …".to_owned(),
            "x-correlation-id" if value != CORRELATION => "x-correlation-id: (new)".to_owned(),
            lower => format!("{lower}: {value}"),
        })
        .collect();
    headers.sort();
    let body = if answer.body.is_empty() { String::new() } else { format!("\n{}\n", answer.body) };
    format!("{}\n{}\n{body}", answer.status_code, headers.join("\n"))
}
