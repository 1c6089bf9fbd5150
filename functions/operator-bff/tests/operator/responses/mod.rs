//! What each route answers to valid and invalid requests: status, headers and body, as snapshots.

mod api;
mod pages;

use bff::memory::{Memory, Reply};
use bff::pages::assets::{ICON, SCRIPT};
use bff::pages::session::Proof;
use operator_bff::pages::STYLE;
use serde_json::{Value, json};

use crate::recorder::Record;
use crate::room::{Sagas, letters, well};
use crate::support::{Sent, Shelf, SignInMethod, response, token, token_for};

type Services = fn(&str, &Value) -> Reply;

/// A page of another origin.
const FOREIGN: &str = "https://evil.example";

/// Who sends a request, and how they prove it.
#[derive(Clone, Copy)]
enum Sender {
    /// By the word of the gateway's authoriser.
    Program,
    ProgramOf(&'static str),
    ProgramWithoutCaller,
    ProgramWithExpiredToken,
    SignedOut,
    /// From a browser, with a session cookie.
    Operator,
    OperatorByBearer,
    /// With two `Authorization` headers.
    OperatorByTwoBearers,
    Customer,
    Expired,
    ExpiredByBearer,
}

/// The CSRF token of a form.
#[derive(Clone, Copy)]
enum ProofField {
    Right,
    OfAnotherSession,
    Missing,
}

/// A request, and all that it meets.
struct Case {
    title: String,
    sent: Sent,
    sender: Sender,
    services: Services,
    sagas: Sagas,
    queues: fn() -> Shelf,
    door: fn() -> SignInMethod,
    fields: Option<Vec<(String, String)>>,
    proof: ProofField,
    headers: Vec<(&'static str, &'static str)>,
}

/// A request of olga's program to a platform that works.
fn api(title: &str, sent: Sent) -> Case {
    Case {
        title: title.to_owned(),
        sent,
        sender: Sender::Program,
        services: well,
        sagas: Sagas { reachable: true },
        queues: letters,
        door: || SignInMethod::Closed,
        fields: None,
        proof: ProofField::Right,
        headers: Vec::new(),
    }
}

/// Likewise of her browser.
fn page(title: &str, sent: Sent) -> Case {
    Case { sender: Sender::Operator, ..api(title, sent.browser()) }
}

impl Case {
    /// Under a title that says what it belongs to.
    fn titled(self, what: &str) -> Self {
        Self { title: format!("{what}: {}", self.title), ..self }
    }

    fn by(self, sender: Sender) -> Self {
        Self { sender, ..self }
    }

    fn with(self, services: Services) -> Self {
        Self { services, ..self }
    }

    fn queues(self, queues: fn() -> Shelf) -> Self {
        Self { queues, ..self }
    }

    fn without_sagas(self) -> Self {
        Self { sagas: Sagas { reachable: false }, ..self }
    }

    /// Meets nothing that responds.
    fn down(self) -> Self {
        self.with(all_down).queues(no_queues).without_sagas()
    }

    fn door(self, door: fn() -> SignInMethod) -> Self {
        Self { door, ..self }
    }

    fn proof(self, proof: ProofField) -> Self {
        Self { proof, ..self }
    }

    /// Of a client that takes JSON and no pages.
    fn json(self) -> Self {
        self.header("Accept", "application/json")
    }

    /// As a form with these fields, and the CSRF token.
    fn fields(self, fields: &[(&str, &str)]) -> Self {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { fields: Some(fields.collect()), ..self }
    }

    /// With one more field.
    fn and(mut self, name: &str, value: &str) -> Self {
        self.fields.get_or_insert_default().push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without this field.
    fn without(mut self, name: &str) -> Self {
        self.fields.get_or_insert_default().retain(|(it, _)| it != name);
        self
    }

    /// With another value of this field.
    fn but(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// With a header that replaces what the request would have.
    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    fn to_send(&self) -> Sent {
        let (sent, session) = self.sender.signs(self.sent.clone());
        let proof = match self.proof {
            ProofField::Right => session.map(|it| Proof(&it).of_form()),
            ProofField::OfAnotherSession => Some(Proof("another").of_form()),
            ProofField::Missing => None,
        };
        let sent = match &self.fields {
            None => sent,
            Some(fields) => {
                let proof = proof.iter().map(|it| ("proof", it.as_str()));
                let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                sent.fields(&proof.chain(fields).collect::<Vec<_>>())
            }
        };
        self.headers.iter().fold(sent, |sent, (name, value)| sent.header(name, value))
    }
}

impl Sender {
    /// The request with what proves its sender; and the token, if it is in a cookie.
    fn signs(self, sent: Sent) -> (Sent, Option<String>) {
        let by_cookie = |token: String| (sent.clone().signed_in(&token), Some(token));
        let by_bearer = |token: String| {
            (sent.clone().header("Authorization", &format!("Bearer {token}")), None)
        };
        match self {
            Self::Program | Self::SignedOut => (sent, None),
            Self::ProgramOf(role) => {
                (sent.caller(json!({"principalId": "eve", "sub": "eve", "role": role})), None)
            }
            Self::ProgramWithoutCaller => (sent.caller(Value::Null), None),
            Self::ProgramWithExpiredToken => {
                let caller = json!({"sub": "olga", "role": "operator", "exp": "1741808784"});
                (sent.caller(caller), None)
            }
            Self::Operator => by_cookie(token("olga", "operator")),
            Self::OperatorByBearer => by_bearer(token("olga", "operator")),
            Self::OperatorByTwoBearers => {
                let bearer = format!("Bearer {}", token("olga", "operator"));
                (sent.lines("Authorization", &[&bearer, &bearer]), None)
            }
            Self::Customer => by_cookie(token("ada", "customer")),
            Self::Expired => by_cookie(token_for("olga", "operator", -1)),
            Self::ExpiredByBearer => by_bearer(token_for("olga", "operator", -1)),
        }
    }
}

/// Sends each request to a platform of its own, and writes down what it answers.
async fn responses(cases: impl IntoIterator<Item = Case>) -> String {
    let mut record = Record::new(&[
        ("the style sheet", &STYLE.content),
        ("the script", &SCRIPT.content),
        ("the icon", &ICON.content),
    ]);
    for case in cases {
        let (services, queues) = (Memory::new(case.services), (case.queues)());
        let sent = case.to_send();
        let answer = sent.entering(&services, &case.sagas, &queues, (case.door)()).await;
        record.add(&case.title, &response(answer));
    }
    record.into_text()
}

/// No service responds.
fn all_down(_: &str, _: &Value) -> Reply {
    crate::routes::down()
}

/// No queue can be reached.
fn no_queues() -> Shelf {
    Shelf { unreachable: crate::support::QUEUES.to_vec(), ..letters() }
}

/// Queues of which one cannot be reached.
fn most_queues() -> Shelf {
    Shelf { unreachable: vec!["parking-publish"], ..letters() }
}

fn refusal(slug: &'static str, detail: &'static str) -> Reply {
    Reply::Failure(service_error::ServiceError::rejected(slug, detail))
}

fn conflict(_: &str, _: &Value) -> Reply {
    refusal("conflict", "it is not possible now")
}

fn missing(_: &str, _: &Value) -> Reply {
    refusal("not-found", "it does not exist")
}

fn invalid(_: &str, _: &Value) -> Reply {
    refusal("validation", "it is not valid")
}

/// Only queries are answered; commands are refused.
fn commands_conflict(function: &str, request: &Value) -> Reply {
    if is_command(function) { conflict(function, request) } else { well(function, request) }
}

fn commands_missing(function: &str, request: &Value) -> Reply {
    if is_command(function) { missing(function, request) } else { well(function, request) }
}

fn commands_invalid(function: &str, request: &Value) -> Reply {
    if is_command(function) { invalid(function, request) } else { well(function, request) }
}

fn commands_down(function: &str, request: &Value) -> Reply {
    if is_command(function) { all_down(function, request) } else { well(function, request) }
}

fn is_command(function: &str) -> bool {
    matches!(
        function,
        "parking-command" | "booking-rebuild" | "parking-rebuild" | "billing-breaker"
    )
}
