//! Charges, refunds, and shows the ledger.

use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use api_gateway::token::{Refusal as TokenRefusal, bearer};
use api_gateway::verifier::{KeySource, Verifier, VerifyError};
use contracts::money::{CURRENCY, Money};
use jiff::Timestamp;
use lambda_http::http::header::{AUTHORIZATION, CONTENT_TYPE};
use lambda_http::http::{HeaderValue, Method, StatusCode};
use lambda_http::{Body, Request as HttpRequest, RequestExt, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::problem::Problem;
use crate::domain::{
    Charge, Decision, Key, Movement, MovementKind, Pace, Receipt, Reference, Request, Token,
};
use crate::ledger::{Ledger, carry_out};

/// A charge has a few hundred bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// How long the answers take that do not come at once.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    /// Before a slow answer.
    pub slow: Duration,
    /// Before an answer that nobody should be waiting for any more.
    pub silent: Duration,
}

impl Default for Delays {
    fn default() -> Self {
        // Longer than any client waits, and shorter than the fifteen seconds that the function has.
        Self { slow: Duration::from_secs(3), silent: Duration::from_secs(10) }
    }
}

/// What the provider works with.
#[derive(Debug)]
pub struct Provider<L, S> {
    ledger: L,
    client_key: String,
    operators: Verifier<S>,
    delays: Delays,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChargeBody {
    reference: Reference,
    amount: Money,
    currency: String,
    token: Token,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefundBody {
    reference: Reference,
}

#[derive(Serialize)]
struct Charged {
    status: &'static str,
}

#[derive(Serialize)]
struct Refunded {
    refunded: Money,
}

#[derive(Serialize)]
struct Listed {
    entries: Vec<ListedMovement>,
}

#[derive(Serialize)]
struct ListedMovement {
    kind: MovementKind,
    amount: Money,
    currency: &'static str,
    key: Key,
    at: Timestamp,
}

impl<L: Ledger, S: KeySource> Provider<L, S> {
    /// Puts together what the provider works with.
    #[must_use]
    pub fn new(ledger: L, client_key: String, operators: Verifier<S>, delays: Delays) -> Self {
        Self { ledger, client_key, operators, delays }
    }

    /// Answers a request; whatever goes wrong is an answer too.
    ///
    /// # Errors
    ///
    /// Never.
    pub async fn handle(
        &self,
        request: HttpRequest,
        now: Timestamp,
    ) -> Result<Response<Body>, Infallible> {
        let answer = match (request.method(), request.raw_http_path()) {
            (&Method::POST, "/charges") => self.charge(&request, now).await,
            (&Method::POST, "/refunds") => self.refund(&request, now).await,
            (&Method::GET, "/ledger") => self.list(&request, now).await,
            _ => Err(Problem::NotFound),
        };
        Ok(answer.unwrap_or_else(Problem::into_response))
    }

    async fn charge(
        &self,
        request: &HttpRequest,
        now: Timestamp,
    ) -> Result<Response<Body>, Problem> {
        self.let_in(request)?;
        let key = idempotency_key(request)?;
        let body: ChargeBody = read(request)?;
        if body.currency != CURRENCY {
            return Err(Problem::validation(format_args!("currency is not {CURRENCY}")));
        }
        if body.amount.is_zero() {
            return Err(Problem::validation("amount is nothing"));
        }
        let charge = Request::Charge(Charge { amount: body.amount, token: body.token });
        self.carry_out(&body.reference, &key, charge, now).await
    }

    async fn refund(
        &self,
        request: &HttpRequest,
        now: Timestamp,
    ) -> Result<Response<Body>, Problem> {
        self.let_in(request)?;
        let key = idempotency_key(request)?;
        let body: RefundBody = read(request)?;
        self.carry_out(&body.reference, &key, Request::Refund, now).await
    }

    async fn carry_out(
        &self,
        reference: &Reference,
        key: &Key,
        request: Request,
        now: Timestamp,
    ) -> Result<Response<Body>, Problem> {
        let Decision { write, answer, pace } =
            carry_out(&self.ledger, reference, key, request, now).await?;
        let outcome = answer.as_ref().map_or_else(|it| it.slug(), |_| "done");
        tracing::info!(%reference, %key, outcome, repeated = write.is_none(), "request carried out");
        match pace {
            Pace::Prompt => {}
            Pace::Slow => tokio::time::sleep(self.delays.slow).await,
            Pace::Silent => tokio::time::sleep(self.delays.silent).await,
        }
        match answer.map_err(Problem::Refused)? {
            Receipt::Charged => Ok(json(StatusCode::CREATED, &Charged { status: "charged" })),
            Receipt::Refunded(refunded) => Ok(json(StatusCode::OK, &Refunded { refunded })),
        }
    }

    async fn list(&self, request: &HttpRequest, now: Timestamp) -> Result<Response<Body>, Problem> {
        self.let_operator_in(request, now).await?;
        let query = request.query_string_parameters();
        let reference = query.first("reference").ok_or_else(|| missing("reference"))?;
        let reference = Reference::from_str(reference).map_err(Problem::validation)?;
        let entries = self.ledger.entries(&reference).await?;
        let mut entries: Vec<ListedMovement> = entries
            .into_iter()
            .flat_map(|(key, entry)| {
                entry.movements().into_iter().map(move |Movement { kind, amount, at }| {
                    ListedMovement { kind, amount, currency: CURRENCY, key: key.clone(), at }
                })
            })
            .collect();
        // Stable, so that a refund in the instant of its charge still follows it.
        entries.sort_by_key(|it| it.at);
        Ok(json(StatusCode::OK, &Listed { entries }))
    }

    /// A client shows the one key there is.
    fn let_in(&self, request: &HttpRequest) -> Result<(), Problem> {
        let shown = authorization(request).unwrap_or_default();
        // The time it takes must not tell how much of a guess was right.
        let known = shown.as_bytes().ct_eq(self.client_key.as_bytes());
        if bool::from(known) { Ok(()) } else { Err(Problem::Unauthenticated) }
    }

    async fn let_operator_in(&self, request: &HttpRequest, now: Timestamp) -> Result<(), Problem> {
        let token = authorization(request).ok_or(Problem::Unauthenticated)?;
        match self.operators.verify(token, now).await {
            Ok(_) => Ok(()),
            Err(VerifyError::Refused(TokenRefusal::RoleUnknown)) => Err(Problem::Forbidden),
            Err(VerifyError::Refused(refusal)) => {
                tracing::info!(reason = refusal.slug(), "token refused");
                Err(Problem::Unauthenticated)
            }
            Err(VerifyError::Keys(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "keys missing");
                Err(Problem::UNAVAILABLE)
            }
        }
    }
}

/// What follows `Bearer`. Of two headers the runtime has kept the last.
fn authorization(request: &HttpRequest) -> Option<&str> {
    bearer(request.headers().get(AUTHORIZATION)?.to_str().ok()?)
}

fn idempotency_key(request: &HttpRequest) -> Result<Key, Problem> {
    let key = request.headers().get("idempotency-key").and_then(|it| it.to_str().ok());
    let key = key.ok_or_else(|| missing("header Idempotency-Key"))?;
    key.parse().map_err(Problem::validation)
}

fn read<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Problem> {
    let body: &[u8] = request.body().as_ref();
    if body.len() > BODY_BYTES_MAX {
        return Err(Problem::PayloadTooLarge);
    }
    serde_json::from_slice(body).map_err(Problem::validation)
}

fn missing(what: &str) -> Problem {
    Problem::validation(format_args!("{what} is missing"))
}

fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    let body = serde_json::to_string(body).expect("texts and lists of them are always JSON");
    let mut response = Response::new(Body::Text(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
