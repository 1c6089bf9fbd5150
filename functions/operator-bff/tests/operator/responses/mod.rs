//! What each route answers to valid and invalid requests: status, headers and body, as snapshots.

mod api;
mod pages;

use ::pages::assets::{ICON, SCRIPT};
use ::pages::{CSRF_FIELD, csrf_token};
use bff::memory::{Memory, Reply};
use gateway_events::recorder::Record;
use operator_bff::views::STYLE;
use serde_json::{Value, json};

use crate::console::{Sagas, letters, well};
use crate::support::{
    OperatorRequest as _, SECRET, Sent, Shelf, SignIn, new_secret, token, token_for,
};

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
    /// The user of a page whose session has expired meanwhile, or a stranger.
    SignedOut,
    /// From a browser, with a session cookie.
    Operator,
    /// With a session cookie alone: the browser has no secret behind CSRF tokens yet.
    OperatorInNewBrowser,
    OperatorByBearer,
    /// With two `Authorization` headers.
    OperatorByTwoBearers,
    Customer,
    Expired,
    ExpiredByBearer,
}

/// The CSRF token of a form.
#[derive(Clone, Copy)]
enum CsrfField {
    Right,
    /// Of the same user, from before the browser was closed.
    OfAnotherSession,
    OfAnotherUser,
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
    sign_in: fn() -> SignIn,
    fields: Option<Vec<(String, String)>>,
    csrf: CsrfField,
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
        sign_in: || SignIn::None,
        fields: None,
        csrf: CsrfField::Right,
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

    fn sign_in(self, sign_in: fn() -> SignIn) -> Self {
        Self { sign_in, ..self }
    }

    fn csrf(self, csrf: CsrfField) -> Self {
        Self { csrf, ..self }
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
        let sent = self.sender.signs(self.sent.clone());
        let csrf = self.sender.user_of_page().and_then(|user| match self.csrf {
            CsrfField::Right => Some(csrf_token(SECRET, user)),
            CsrfField::OfAnotherSession => Some(csrf_token("an earlier secret", user)),
            CsrfField::OfAnotherUser => Some(csrf_token(SECRET, "oscar")),
            CsrfField::Missing => None,
        });
        let sent = match &self.fields {
            None => sent,
            Some(fields) => {
                let csrf = csrf.iter().map(|it| (CSRF_FIELD, it.as_str()));
                let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                sent.fields(&csrf.chain(fields).collect::<Vec<_>>())
            }
        };
        self.headers.iter().fold(sent, |sent, (name, value)| sent.header(name, value))
    }
}

impl Sender {
    /// The request with what proves its sender.
    fn signs(self, sent: Sent) -> Sent {
        let by_bearer =
            |sent: Sent, token: &str| sent.header("Authorization", &format!("Bearer {token}"));
        match self {
            Self::Program | Self::SignedOut => sent,
            Self::ProgramOf(role) => {
                sent.caller(json!({"principalId": "eve", "sub": "eve", "role": role}))
            }
            Self::ProgramWithoutCaller => sent.caller(Value::Null),
            Self::ProgramWithExpiredToken => {
                sent.caller(json!({"sub": "olga", "role": "operator", "exp": "1741808784"}))
            }
            Self::Operator => sent.signed_in(&token("olga", "operator")),
            Self::OperatorInNewBrowser => {
                sent.browser().cookie("parkade-operator", &token("olga", "operator"))
            }
            Self::OperatorByBearer => by_bearer(sent, &token("olga", "operator")),
            Self::OperatorByTwoBearers => {
                let bearer = format!("Bearer {}", token("olga", "operator"));
                sent.lines("Authorization", &[&bearer, &bearer])
            }
            Self::Customer => sent.signed_in(&token("ada", "customer")),
            Self::Expired => sent.signed_in(&token_for("olga", "operator", -1)),
            Self::ExpiredByBearer => by_bearer(sent, &token_for("olga", "operator", -1)),
        }
    }

    /// The user of the page that a form comes from; a program has no page.
    fn user_of_page(self) -> Option<&'static str> {
        match self {
            Self::SignedOut | Self::Operator | Self::OperatorInNewBrowser | Self::Expired => {
                Some("olga")
            }
            Self::Customer => Some("ada"),
            Self::Program
            | Self::ProgramOf(_)
            | Self::ProgramWithoutCaller
            | Self::ProgramWithExpiredToken
            | Self::OperatorByBearer
            | Self::OperatorByTwoBearers
            | Self::ExpiredByBearer => None,
        }
    }
}

/// An empty record in which the CSRF tokens of the tests have names.
fn record() -> Record {
    let record = Record::new(&[
        ("the style sheet", &STYLE.content),
        ("the script", &SCRIPT.content),
        ("the icon", &ICON.content),
    ]);
    let names = [("olga", "olga"), ("ada", "ada"), ("an anonymous user", "")].into_iter().flat_map(
        |(name, subject)| {
            let (token, of_new) =
                (csrf_token(SECRET, subject), csrf_token(&new_secret(1), subject));
            let user = token.split('.').next().unwrap_or_default().to_owned();
            [
                (format!("(CSRF token of {name})"), token),
                (format!("(CSRF token of {name}, of the new secret)"), of_new),
                (format!("(hash of {name})"), user),
            ]
        },
    );
    names.fold(record, |record, (name, value)| record.with_name(&name, &value))
}

/// Sends each request to a platform of its own, and writes down what it answers.
async fn responses(cases: impl IntoIterator<Item = Case>) -> String {
    let mut record = record();
    for case in cases {
        let (services, queues) = (Memory::new(case.services), (case.queues)());
        let sent = case.to_send();
        let answer = sent.entering(&services, &case.sagas, &queues, (case.sign_in)()).await;
        record.add(&case.title, &answer);
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
