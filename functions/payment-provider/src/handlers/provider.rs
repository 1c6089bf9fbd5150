//! Charges, refunds, and shows the ledger.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use api_gateway::proxy::{BodyError, ProxyAnswer, ProxyEvent};
use api_gateway::token::{Refusal as TokenRefusal, bearer};
use api_gateway::verifier::{KeySource, Verifier, VerifyError};
use contracts::money::{CURRENCY, Money};
use jiff::Timestamp;
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
    pub async fn handle(&self, request: &ProxyEvent, now: Timestamp) -> ProxyAnswer {
        let answer = match (request.http_method.as_str(), request.path.as_str()) {
            ("POST", "/charges") => self.charge(request, now).await,
            ("POST", "/refunds") => self.refund(request, now).await,
            ("GET", "/ledger") => self.list(request, now).await,
            _ => Err(Problem::NotFound),
        };
        answer.unwrap_or_else(Problem::into_answer)
    }

    async fn charge(&self, request: &ProxyEvent, now: Timestamp) -> Result<ProxyAnswer, Problem> {
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

    async fn refund(&self, request: &ProxyEvent, now: Timestamp) -> Result<ProxyAnswer, Problem> {
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
    ) -> Result<ProxyAnswer, Problem> {
        let kind = request.name();
        let Decision { write, answer, pace } =
            carry_out(&self.ledger, reference, key, request, now).await?;
        let outcome = answer.as_ref().map_or_else(|it| it.slug(), |_| "done");
        tracing::info!(%reference, %key, kind, outcome, repeated = write.is_none(), "carried out");
        match pace {
            Pace::Prompt => {}
            Pace::Slow => tokio::time::sleep(self.delays.slow).await,
            Pace::Silent => tokio::time::sleep(self.delays.silent).await,
        }
        match answer.map_err(Problem::Refused)? {
            Receipt::Charged => Ok(json(201, &Charged { status: "charged" })),
            Receipt::Refunded(refunded) => Ok(json(200, &Refunded { refunded })),
        }
    }

    async fn list(&self, request: &ProxyEvent, now: Timestamp) -> Result<ProxyAnswer, Problem> {
        self.let_operator_in(request, now).await?;
        let mut query = request.query().filter(|(name, _)| *name == "reference");
        let (_, reference) = query.next().ok_or_else(|| missing("reference"))?;
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
        Ok(json(200, &Listed { entries }))
    }

    /// A client shows the one key there is.
    fn let_in(&self, request: &ProxyEvent) -> Result<(), Problem> {
        let shown = authorization(request).unwrap_or_default();
        // The time it takes must not tell how much of a guess was right.
        let known = shown.as_bytes().ct_eq(self.client_key.as_bytes());
        if bool::from(known) { Ok(()) } else { Err(Problem::Unauthenticated) }
    }

    async fn let_operator_in(&self, request: &ProxyEvent, now: Timestamp) -> Result<(), Problem> {
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

/// What follows `Bearer`.
fn authorization(request: &ProxyEvent) -> Option<&str> {
    bearer(request.only_header("Authorization")?)
}

fn idempotency_key(request: &ProxyEvent) -> Result<Key, Problem> {
    let key = request.only_header("Idempotency-Key");
    let key = key.ok_or_else(|| missing("header Idempotency-Key"))?;
    key.parse().map_err(Problem::validation)
}

fn read<T: DeserializeOwned>(request: &ProxyEvent) -> Result<T, Problem> {
    let body = request.bytes(BODY_BYTES_MAX).map_err(|error| match error {
        BodyError::TooLarge => Problem::PayloadTooLarge,
        BodyError::Unreadable => Problem::validation(error),
    })?;
    serde_json::from_slice(&body).map_err(Problem::validation)
}

fn missing(what: &str) -> Problem {
    Problem::validation(format_args!("{what} is missing"))
}

fn json(status_code: u16, body: &impl Serialize) -> ProxyAnswer {
    ProxyAnswer {
        status_code,
        headers: BTreeMap::from([("Content-Type", "application/json".to_owned())]),
        body: serde_json::to_string(body).expect("texts and lists of them are always JSON"),
        is_base64_encoded: false,
    }
}
