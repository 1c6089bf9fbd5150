//! Events of the gateway as a browser sends them, and the backend that they meet.

use std::collections::BTreeMap;

use api_gateway::issuer::Issuer;
use api_gateway::proxy::{ProxyAnswer, ProxyEvent};
use api_gateway::token::Expectations;
use api_gateway::verifier::{Inline, Verifier};
use bff::invoke::Invoke;
use bff::memory::Reply;
use bff::pages::provider::OneToken;
use bff::pages::session::Proof;
use bff::pages::sign_in::{Door, OpenId, SignIn};
use bff::pages::{Fresh, Front, encoded};
use jiff::Timestamp;
use serde_json::{Value, json};
use service_error::ServiceError;
use uuid::Uuid;
use web_bff::config::Services;
use web_bff::handlers::bff::{PROBLEMS, Web};
use web_bff::pages::SITE;
use web_bff::response_cache::ResponseCache;

use crate::recorder::Response;

pub(crate) const SLOT: &str = "0191f7a4-0000-7000-8000-000000000001";
pub(crate) const BOOKING: &str = "0191f7a4-0000-8000-8000-000000000002";
pub(crate) const CORRELATION: &str = "0191f7a4-0000-7000-8000-000000000003";
pub(crate) const FRESH: &str = "0191f7a4-0000-7000-8000-000000000009";
pub(crate) const AT: &str = "2025-03-12T19:46:25Z";
pub(crate) const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";
/// The secret of a customer who is about to sign in.
pub(crate) const SECRET: &str = "a-secret-of-43-letters";

/// A minute after what has happened.
pub(crate) fn now() -> Timestamp {
    "2025-03-12T19:47:25Z".parse().expect("a time")
}

/// One platform: its issuer, and a backend before some services.
pub(crate) struct World<S> {
    pub(crate) issuer: Issuer,
    ada: String,
    pub(crate) web: Web<S, Inline, OneToken>,
}

/// How people sign in.
pub(crate) enum SignInMethod {
    Local,
    Provider(OneToken),
    Closed,
}

impl<S: Invoke> World<S> {
    pub(crate) fn new(services: S) -> Self {
        Self::with(services, SignInMethod::Local)
    }

    pub(crate) fn with(services: S, door: SignInMethod) -> Self {
        let key = Issuer::generate().expect("a key");
        let issuer = || Issuer::from_pkcs8(&key).expect("a key");
        let expectations = Expectations {
            issuer: "https://issuer.example".to_owned(),
            audience: "parkade".to_owned(),
            roles: vec!["customer".to_owned(), "operator".to_owned()],
        };
        let verifier = Verifier::new(Inline(issuer().jwks()), expectations.clone());
        let (sign_in, stage, mut provider) = match door {
            SignInMethod::Local => (SignIn::Local(issuer()), "local", OneToken::default()),
            SignInMethod::Provider(provider) => (SignIn::OpenId(open_id()), "prod", provider),
            SignInMethod::Closed => (SignIn::Nowhere, "prod", OneToken::default()),
        };
        if provider.token == "good" {
            provider.token = token(&issuer(), "ada", "openid customer", 600);
        }
        let at = Services {
            booking_command: "booking-command".to_owned(),
            booking_query: "booking-query".to_owned(),
            parking_query: "parking-query".to_owned(),
            billing_command: "billing-command".to_owned(),
            billing_query: "billing-query".to_owned(),
        };
        let door = Door::new(&SITE, stage, expectations, sign_in);
        let front = Front { site: &SITE, problems: PROBLEMS, verifier, provider, door };
        let web = Web { services, at, front, cache: ResponseCache::default() };
        let ada = token(&issuer(), "ada", "customer", 600);
        Self { issuer: issuer(), ada, web }
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, sent: Sent) -> ProxyAnswer {
        self.send_at(sent, now()).await
    }

    /// Sends it at this time.
    pub(crate) async fn send_at(&self, sent: Sent, now: Timestamp) -> ProxyAnswer {
        let event: ProxyEvent = serde_json::from_value(sent.0).expect("an event");
        let fresh = Fresh {
            now,
            id: || Uuid::try_parse(FRESH).expect("an id"),
            secret: || SECRET.to_owned(),
        };
        self.web.handle(event, fresh).await
    }

    /// Sends it as ada, who is signed in.
    pub(crate) async fn by_ada(&self, sent: Sent) -> ProxyAnswer {
        self.send(sent.cookie(&self.session(), &self.ada())).await
    }

    /// Sends a form as one of the pages would.
    pub(crate) async fn form(&self, sent: Sent, fields: &[(&str, &str)]) -> ProxyAnswer {
        let token = self.ada();
        let proof = Proof(&token).of_form();
        let mut all = vec![("proof", proof.as_str())];
        all.extend(fields);
        self.send(sent.cookie(&self.session(), &token).fields(&all)).await
    }

    pub(crate) fn session(&self) -> String {
        self.web.front.door.cookies.session()
    }

    pub(crate) fn signing_in(&self) -> String {
        self.web.front.door.cookies.signing_in()
    }

    /// Her one token: no two signatures are the same.
    pub(crate) fn ada(&self) -> String {
        self.ada.clone()
    }
}

fn open_id() -> OpenId {
    OpenId {
        authorize_url: "https://id.example/authorize".to_owned(),
        token_url: "https://id.example/token".to_owned(),
        client_id: "web".to_owned(),
    }
}

pub(crate) fn token(issuer: &Issuer, subject: &str, scope: &str, seconds: i64) -> String {
    let claims = json!({
        "iss": "https://issuer.example", "aud": "parkade", "sub": subject, "scope": scope,
        "exp": now().as_second() + seconds,
    });
    issuer.sign(&claims).expect("signed")
}

/// A request, as API Gateway hands it over.
#[derive(Clone)]
pub(crate) struct Sent(Value);

impl Sent {
    /// The route's template, with what stands for its parameters.
    pub(crate) fn new(method: &str, resource: &str, parameters: &[(&str, &str)]) -> Self {
        let recorded = include_str!("../../events/web-bff.json");
        let mut event: Value = serde_json::from_str(recorded).expect("JSON");
        let path = parameters.iter().fold(resource.to_owned(), |path, (name, value)| {
            path.replace(&format!("{{{name}}}"), value)
        });
        // As a browser asks for the first page.
        let path = if path == "/web" { "/web/".to_owned() } else { path };
        event["httpMethod"] = json!(method);
        event["resource"] = json!(resource);
        event["path"] = json!(path);
        event["requestContext"]["path"] = json!(format!("/v1{path}"));
        for (name, value) in parameters {
            event["pathParameters"][name] = json!(value);
        }
        Self(event).header("Accept", HTML)
    }

    /// A page.
    pub(crate) fn get(resource: &str) -> Self {
        Self::new("GET", resource, &[])
    }

    /// The booking's page, or a form on it.
    pub(crate) fn booking(method: &str, below: &str) -> Self {
        let resource = format!("/web/bookings/{{bookingId}}{below}");
        Self::new(method, &resource, &[("bookingId", BOOKING)])
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.0["headers"][name] = json!(value);
        self.0["multiValueHeaders"][name] = json!([value]);
        self
    }

    pub(crate) fn cookie(self, name: &str, value: &str) -> Self {
        self.header("Cookie", &format!("theme=dark; {name}={value}"))
    }

    pub(crate) fn json(self) -> Self {
        self.header("Accept", "application/json")
    }

    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.0["queryStringParameters"][name] = json!(value);
        self.0["multiValueQueryStringParameters"][name] = json!([value]);
        self
    }

    pub(crate) fn fields(mut self, fields: &[(&str, &str)]) -> Self {
        let written = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value).replace("%20", "+")));
        self.0["body"] = json!(written.collect::<Vec<_>>().join("&"));
        self.header("Content-Type", "application/x-www-form-urlencoded")
    }

    pub(crate) fn path(mut self, path: &str) -> Self {
        self.0["path"] = json!(path);
        self.0["requestContext"]["path"] = json!(format!("/v1{path}"));
        self
    }

    /// With a body that is no form of a page.
    pub(crate) fn raw_body(mut self, body: &str) -> Self {
        self.0["body"] = json!(body);
        self
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
}

/// What API Gateway gets, for a snapshot.
pub(crate) fn response(answer: ProxyAnswer) -> Response {
    let headers = answer.headers.into_iter().map(|(name, value)| (name.to_owned(), value));
    Response { status: answer.status_code, headers: headers.collect(), body: answer.body }
}

pub(crate) fn json_of(answer: &ProxyAnswer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| unreachable!("no JSON: {}", answer.body))
}

/// Where an answer sends its reader.
pub(crate) fn sent_to(answer: &ProxyAnswer) -> &str {
    assert_eq!(answer.status_code, 303, "{}", answer.body);
    &answer.headers["Location"]
}

/// Status and slug of a problem document.
pub(crate) fn problem(answer: &ProxyAnswer) -> (u16, String) {
    assert_eq!(answer.headers["Content-Type"], "application/problem+json", "{}", answer.body);
    let document = json_of(answer);
    let slug = document["type"].as_str().expect("a type").rsplit('/').next().expect("a slug");
    (answer.status_code, slug.to_owned())
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
    let asked = request["command"].as_str().or(request["query"].as_str());
    Reply::Answer(match (function, asked) {
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
