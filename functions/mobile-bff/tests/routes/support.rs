//! Events of the gateway, and the configuration they meet.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Index;

use bff::Origins;
use bff::invoke::Invoke;
use bff::web::HttpAdapter;
use mobile_bff::config::Services;
use mobile_bff::{App, PROBLEMS, router};
use serde_json::{Value, json};

pub(crate) const SLOT: &str = "0191f7a4-0000-7000-8000-000000000001";
pub(crate) const BOOKING: &str = "0191f7a4-0000-8000-8000-000000000002";
pub(crate) const CORRELATION: &str = "0191f7a4-0000-7000-8000-000000000003";
pub(crate) const AT: &str = "2025-03-12T19:46:25Z";

/// A request of alice's, as API Gateway sends it.
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

    /// A header that comes in several lines.
    pub(crate) fn lines(mut self, name: &str, values: &[&str]) -> Self {
        self.0["headers"][name] = json!(values.last());
        self.0["multiValueHeaders"][name] = json!(values);
        self
    }

    /// With a slash at the end of the path.
    pub(crate) fn slash(mut self) -> Self {
        for path in [&["path"][..], &["requestContext", "path"]] {
            let found = path.iter().fold(&mut self.0, |it, name| &mut it[*name]);
            *found = json!(format!("{}/", found.as_str().expect("a path")));
        }
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

    pub(crate) fn to(
        self,
        services: &(impl Invoke + Clone + Send + 'static),
    ) -> impl Future<Output = Response> {
        let event = serde_json::from_value(self.0).expect("an event");
        let adapter = HttpAdapter::new(PROBLEMS, Origins::Any, function::new_id);
        let routes = adapter.wrap(router(App::new(services.clone(), self::services())));
        async move {
            let Ok(response) = api_gateway::lambda::respond(routes, event).await;
            Response::from(&serde_json::to_value(response).expect("JSON"))
        }
    }
}

/// The response, as API Gateway receives it.
pub(crate) struct Response {
    pub(crate) status_code: u16,
    pub(crate) headers: Headers,
    pub(crate) body: String,
}

/// One value of each header, whose names have no case.
pub(crate) struct Headers(BTreeMap<String, String>);

impl Headers {
    pub(crate) fn contains_key(&self, name: &str) -> bool {
        self.0.contains_key(&name.to_lowercase())
    }
}

impl Index<&str> for Headers {
    type Output = String;

    fn index(&self, name: &str) -> &String {
        &self.0[&name.to_lowercase()]
    }
}

impl From<&Value> for Response {
    fn from(response: &Value) -> Self {
        let headers = response["multiValueHeaders"].as_object().expect("headers").iter();
        let headers = headers.map(|(name, values)| {
            let [value] = &values.as_array().expect("values")[..] else {
                unreachable!("{name} comes more than once: {values}")
            };
            (name.clone(), value.as_str().expect("a text").to_owned())
        });
        Self {
            status_code: response["statusCode"]
                .as_u64()
                .expect("a status")
                .try_into()
                .expect("HTTP"),
            headers: Headers(headers.collect()),
            body: response["body"].as_str().unwrap_or_default().to_owned(),
        }
    }
}

fn services() -> Services {
    Services {
        booking_command: "booking-command".to_owned(),
        booking_query: "booking-query".to_owned(),
        parking_command: "parking-command".to_owned(),
        parking_query: "parking-query".to_owned(),
        billing_command: "billing-command".to_owned(),
        billing_query: "billing-query".to_owned(),
    }
}

pub(crate) fn json_of(response: &Response) -> Value {
    serde_json::from_str(&response.body).expect("JSON")
}

/// Status and slug of a problem document, whose form is checked.
pub(crate) fn problem(response: &Response) -> (u16, String) {
    assert_eq!(response.headers["Content-Type"], "application/problem+json", "{}", response.body);
    assert_eq!(response.headers["X-Correlation-Id"], CORRELATION);
    let document = json_of(response);
    assert_eq!(document["status"], response.status_code);
    assert_eq!(response.headers.contains_key("Retry-After"), response.status_code == 503);
    let slug = document["type"].as_str().expect("a type").rsplit('/').next().expect("a slug");
    (response.status_code, slug.to_owned())
}

/// A response as text: status, headers by name, body. Values that depend on the clock are left out.
pub(crate) fn recorded(response: &Response) -> String {
    let mut headers: Vec<String> = response
        .headers
        .0
        .iter()
        .map(|(name, value)| match name.to_lowercase().as_str() {
            "server-timing" => "server-timing: …".to_owned(),
            "x-correlation-id" if value != CORRELATION => "x-correlation-id: (new)".to_owned(),
            lower => format!("{lower}: {value}"),
        })
        .collect();
    headers.sort();
    let body =
        if response.body.is_empty() { String::new() } else { format!("\n{}\n", response.body) };
    format!("{}\n{}\n{body}", response.status_code, headers.join("\n"))
}
