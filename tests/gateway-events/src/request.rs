//! A request, made from a recorded event of API Gateway.

use std::convert::Infallible;

use api_gateway::proxy::ProxyEvent;
use axum::http::Request;
use axum::response::Response;
use lambda_http::Body;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tower::Service;

use crate::response::Received;

/// A request, as API Gateway hands it to a function.
#[derive(Clone, Debug)]
pub struct Sent(Value);

impl Sent {
    /// A request of this route: `recorded` is an event in JSON, `resource` the template of the path, `parameters` its values.
    ///
    /// # Panics
    ///
    /// If the event is no JSON.
    #[must_use]
    pub fn of_event(
        recorded: &str,
        method: &str,
        resource: &str,
        parameters: &[(&str, &str)],
    ) -> Self {
        let mut event: Value = serde_json::from_str(recorded).expect("an event is JSON");
        let path = parameters.iter().fold(resource.to_owned(), |path, (name, value)| {
            path.replace(&format!("{{{name}}}"), value)
        });
        event["httpMethod"] = json!(method);
        event["resource"] = json!(resource);
        for (name, value) in parameters {
            event["pathParameters"][name] = json!(value);
        }
        Self(event).path(&path)
    }

    /// Another path of the same route.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.0["path"] = json!(path);
        self.0["requestContext"]["path"] = json!(format!("/v1{path}"));
        self
    }

    /// The path as the client wrote it, which is that of the route behind the stage unless this says otherwise.
    #[must_use]
    pub fn address(mut self, address: &str) -> Self {
        self.0["requestContext"]["path"] = json!(address);
        self
    }

    /// With a slash at the end of the path.
    #[must_use]
    pub fn slash(self) -> Self {
        let path = format!("{}/", self.0["path"].as_str().unwrap_or_default());
        self.path(&path)
    }

    /// Sets a header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.lines(name, &[value])
    }

    /// Sets a header that comes in several lines.
    #[must_use]
    pub fn lines(mut self, name: &str, values: &[&str]) -> Self {
        self.0["headers"][name] = json!(values.last());
        self.0["multiValueHeaders"][name] = json!(values);
        self
    }

    /// Without a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        for headers in ["headers", "multiValueHeaders"] {
            if let Some(headers) = self.0[headers].as_object_mut() {
                headers.retain(|it, _| !it.eq_ignore_ascii_case(name));
            }
        }
        self
    }

    /// Adds a cookie to those that are sent already.
    #[must_use]
    pub fn cookie(self, name: &str, value: &str) -> Self {
        let cookies = self.0["headers"]["Cookie"].as_str().unwrap_or("theme=dark").to_owned();
        self.header("Cookie", &format!("{cookies}; {name}={value}"))
    }

    /// Accepts JSON alone.
    #[must_use]
    pub fn json(self) -> Self {
        self.header("Accept", "application/json")
    }

    /// A body as it is.
    #[must_use]
    pub fn text(mut self, body: &str) -> Self {
        self.0["body"] = json!(body);
        self
    }

    /// Adds a parameter that comes twice to the query.
    #[must_use]
    pub fn twice(mut self, name: &str, values: [&str; 2]) -> Self {
        self.0["queryStringParameters"][name] = json!(values[1]);
        self.0["multiValueQueryStringParameters"][name] = json!(values);
        self
    }

    /// Adds a parameter to the query.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.0["queryStringParameters"][name] = json!(value);
        self.0["multiValueQueryStringParameters"][name] = json!([value]);
        self
    }

    /// A body in JSON.
    #[must_use]
    pub fn body(self, body: &Value) -> Self {
        self.raw_body(&body.to_string())
    }

    /// A body that claims to be JSON.
    #[must_use]
    pub fn raw_body(mut self, body: &str) -> Self {
        self.0["body"] = json!(body);
        self.header("Content-Type", "application/json")
    }

    /// A form, as a browser writes it.
    #[must_use]
    pub fn fields(mut self, fields: &[(&str, &str)]) -> Self {
        let encoded = |text: &str| {
            utf8_percent_encode(text, NON_ALPHANUMERIC).to_string().replace("%20", "+")
        };
        let fields = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
        self.0["body"] = json!(fields.collect::<Vec<_>>().join("&"));
        self.header("Content-Type", "application/x-www-form-urlencoded")
    }

    /// Sets what the authorizer says of the caller.
    #[must_use]
    pub fn caller(mut self, authorizer: Value) -> Self {
        self.0["requestContext"]["authorizer"] = authorizer;
        self
    }

    /// The event of API Gateway.
    ///
    /// # Panics
    ///
    /// If the request is no event.
    #[must_use]
    pub fn event(self) -> ProxyEvent {
        serde_json::from_value(self.0).expect("an event")
    }

    /// Sends the request to a backend, as Lambda would.
    pub async fn send_to<S>(self, service: S) -> Received
    where
        S: Service<Request<Body>, Response = Response, Error = Infallible> + Send + 'static,
        S::Future: Send + 'static,
    {
        let Ok(response) = api_gateway::lambda::respond(service, self.event()).await;
        Received::from(&serde_json::to_value(response).expect("a response is JSON"))
    }
}
