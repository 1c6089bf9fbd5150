//! What each route answers to valid and invalid requests: status, headers and body, as snapshots.

mod access;
mod bookings;
mod payments;
mod routes;
mod sign_in;
mod slots;

use api_gateway::issuer::Issuer;
use bff::memory::{Memory, Reply};
use gateway_events::recorder::Record;
use pages::assets::{ICON, SCRIPT};
use pages::{CSRF_FIELD, SignInMethod, csrf_token};
use serde_json::Value;
use web_bff::views::STYLE;

use self::sign_in::Said;
use crate::support::{
    Method, Received, SECRET, Sent, World, down, next_secrets, open_id, restart_secrets, token,
    well,
};

type Services = fn(&str, &Value) -> Reply;

/// Who sends a request, and how they prove it.
#[derive(Clone, Copy)]
enum Sender {
    /// The user of a page whose session has expired meanwhile, or a stranger.
    SignedOut,
    /// With a session cookie.
    Customer,
    /// With a session cookie alone: the browser has no secret behind CSRF tokens yet.
    CustomerInNewBrowser,
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
enum CsrfField {
    Right,
    /// Of the same user, from before the browser was closed.
    OfAnotherSession,
    OfAnotherUser,
    Missing,
}

/// How people sign in.
#[derive(Clone, Copy)]
enum SignIn {
    Local,
    Provider(Said),
    None,
}

/// A request, the services that it meets, and how people sign in.
struct Case {
    title: String,
    sent: Sent,
    sender: Sender,
    services: Services,
    sign_in: SignIn,
    fields: Option<Vec<(String, String)>>,
    csrf: CsrfField,
    headers: Vec<(&'static str, &'static str)>,
}

/// A request of ada's, who is signed in, to services that work.
fn case(title: &str, sent: Sent) -> Case {
    Case {
        title: title.to_owned(),
        sent,
        sender: Sender::Customer,
        services: well,
        sign_in: SignIn::Local,
        fields: None,
        csrf: CsrfField::Right,
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

    fn sign_in(self, sign_in: SignIn) -> Self {
        Self { sign_in, ..self }
    }

    fn csrf(self, csrf: CsrfField) -> Self {
        Self { csrf, ..self }
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

    fn world(&self) -> World<Memory<Services>> {
        let services = Memory::new(self.services);
        match self.sign_in {
            SignIn::Local => World::with(services, Method::Local),
            SignIn::Provider(said) => {
                let issuer = Issuer::generate().and_then(|it| Issuer::from_pkcs8(&it));
                let issuer = issuer.expect("a key");
                let provider = said.provider(&issuer);
                World::behind(services, SignInMethod::OpenId(open_id()), provider, issuer)
            }
            SignIn::None => World::with(services, Method::None),
        }
    }

    fn sent_to(&self, world: &World<Memory<Services>>) -> Sent {
        let sent = self.sender.signs(self.sent.clone(), world);
        let csrf = self.sender.user_of_page().and_then(|user| match self.csrf {
            CsrfField::Right => Some(csrf_token(SECRET, user)),
            CsrfField::OfAnotherSession => Some(csrf_token("an earlier secret", user)),
            CsrfField::OfAnotherUser => Some(csrf_token(SECRET, "grace")),
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

    async fn response(&self) -> Received {
        restart_secrets();
        let world = self.world();
        world.send(self.sent_to(&world)).await
    }
}

impl Sender {
    /// The request with what proves its sender.
    fn signs(self, sent: Sent, world: &World<Memory<Services>>) -> Sent {
        let made = |subject, scope, seconds| token(&world.issuer, subject, scope, seconds);
        let by_cookie = |sent: Sent, token: &str| {
            sent.cookie(&world.session(), token).cookie(&world.csrf(), SECRET)
        };
        let by_bearer =
            |sent: Sent, token: &str| sent.header("Authorization", &format!("Bearer {token}"));
        match self {
            Self::SignedOut => sent,
            Self::Customer => by_cookie(sent, &world.ada()),
            Self::CustomerInNewBrowser => sent.cookie(&world.session(), &world.ada()),
            Self::CustomerByBearer => by_bearer(sent, &world.ada()),
            Self::CustomerByTwoBearers => {
                let bearer = format!("Bearer {}", world.ada());
                sent.lines("Authorization", &[&bearer, &bearer])
            }
            Self::Operator => by_cookie(sent, &made("olga", "operator", 600)),
            Self::Expired => by_cookie(sent, &made("ada", "customer", -1)),
            Self::ExpiredByBearer => by_bearer(sent, &made("ada", "customer", -1)),
        }
    }

    /// The user of the page that a form comes from; a program has no page.
    fn user_of_page(self) -> Option<&'static str> {
        match self {
            Self::SignedOut | Self::Customer | Self::CustomerInNewBrowser | Self::Expired => {
                Some("ada")
            }
            Self::Operator => Some("olga"),
            Self::CustomerByBearer | Self::CustomerByTwoBearers | Self::ExpiredByBearer => None,
        }
    }
}

/// An empty record in which the CSRF tokens of the tests have names.
fn record() -> Record {
    restart_secrets();
    let [new] = next_secrets();
    let record = Record::new(&[
        ("the style sheet", &STYLE.content),
        ("the script", &SCRIPT.content),
        ("the icon", &ICON.content),
    ]);
    let names = [("ada", "ada"), ("olga", "olga"), ("an anonymous user", "")].into_iter().flat_map(
        |(name, subject)| {
            let (token, of_new) = (csrf_token(SECRET, subject), csrf_token(&new, subject));
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
        record.add(&case.title, &case.response().await);
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
