//! What each route answers to valid and invalid requests: status, headers and body, as snapshots.

mod access;
mod book;
mod booking_page;
mod bookings;
mod change;
mod first_page;
mod pay;
mod routes;
mod sign_in;

use bff::memory::{Memory, Reply};
use bff::pages::assets::{ICON, SCRIPT};
use bff::pages::session::Proof;
use serde_json::Value;
use web_bff::pages::STYLE;

use crate::recorder::Record;
use crate::support::{Sent, SignInMethod, World, down, response, token, well};

type Services = fn(&str, &Value) -> Reply;

/// Who sends a request, and how they prove it.
#[derive(Clone, Copy)]
enum Sender {
    SignedOut,
    /// With a session cookie.
    Customer,
    CustomerByBearer,
    /// With two `Authorization` headers.
    CustomerByTwoBearers,
    Operator,
    /// With a cookie whose token has expired.
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

/// A request, the services that it meets, and how people sign in.
struct Case {
    title: String,
    sent: Sent,
    sender: Sender,
    services: Services,
    door: fn() -> SignInMethod,
    fields: Option<Vec<(String, String)>>,
    proof: ProofField,
    headers: Vec<(&'static str, &'static str)>,
}

/// A request of ada's, who is signed in, to services that work.
fn case(title: &str, sent: Sent) -> Case {
    Case {
        title: title.to_owned(),
        sent,
        sender: Sender::Customer,
        services: well,
        door: || SignInMethod::Local,
        fields: None,
        proof: ProofField::Right,
        headers: Vec::new(),
    }
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

    fn door(self, door: fn() -> SignInMethod) -> Self {
        Self { door, ..self }
    }

    fn proof(self, proof: ProofField) -> Self {
        Self { proof, ..self }
    }

    /// Of a client that takes JSON and no pages.
    fn json(self) -> Self {
        Self { sent: self.sent.json(), ..self }
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

    /// With a header that replaces what the form would have.
    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    fn sent_to(&self, world: &World<Memory<Services>>) -> Sent {
        let (sent, session) = self.sender.signs(self.sent.clone(), world);
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
    fn signs(self, sent: Sent, world: &World<Memory<Services>>) -> (Sent, Option<String>) {
        let made = |subject, scope, seconds| token(&world.issuer, subject, scope, seconds);
        let by_cookie =
            |token: String| (sent.clone().cookie(&world.session(), &token), Some(token));
        let by_bearer = |token: String| {
            (sent.clone().header("Authorization", &format!("Bearer {token}")), None)
        };
        match self {
            Self::SignedOut => (sent, None),
            Self::Customer => by_cookie(world.ada()),
            Self::CustomerByBearer => by_bearer(world.ada()),
            Self::CustomerByTwoBearers => {
                let bearer = format!("Bearer {}", world.ada());
                (sent.lines("Authorization", &[&bearer, &bearer]), None)
            }
            Self::Operator => by_cookie(made("olga", "operator", 600)),
            Self::Expired => by_cookie(made("ada", "customer", -1)),
            Self::ExpiredByBearer => by_bearer(made("ada", "customer", -1)),
        }
    }
}

fn record() -> Record {
    Record::new(&[
        ("the style sheet", &STYLE.content),
        ("the script", &SCRIPT.content),
        ("the icon", &ICON.content),
    ])
}

/// Sends each request to a platform of its own, and writes down what it answers.
async fn responses(cases: impl IntoIterator<Item = Case>) -> String {
    let mut record = record();
    for case in cases {
        let world = World::with(Memory::new(case.services), (case.door)());
        let answer = world.send(case.sent_to(&world)).await;
        record.add(&case.title, &response(answer));
    }
    record.into_text()
}

/// No service responds.
fn all_down(_: &str, _: &Value) -> Reply {
    down()
}

fn without_parking(function: &str, request: &Value) -> Reply {
    if function == "parking-query" { down() } else { well(function, request) }
}

fn without_billing(function: &str, request: &Value) -> Reply {
    if function == "billing-query" { down() } else { well(function, request) }
}

fn without_bookings(function: &str, request: &Value) -> Reply {
    if function == "booking-query" { down() } else { well(function, request) }
}
