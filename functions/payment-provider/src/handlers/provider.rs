//! The HTTP API of the provider: charges, refunds and the ledger.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use api_gateway::token::{Refusal as TokenRefusal, bearer};
use api_gateway::verifier::{KeySource, Verifier, VerifyError};
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{
    DefaultBodyLimit, FromRequest, FromRequestParts, Query, Request as Sent, State,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use contracts::money::{CURRENCY, Money};
use function::handle_request;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use trace_context::{TraceFields, correlate};

use super::problem::Problem;
use crate::domain::{
    Charge, Decision, Key, Movement, MovementKind, Pace, Receipt, Reference, Request, Token,
};
use crate::ledger::{Ledger, carry_out};

/// The maximum size of a body. A charge has a few hundred bytes.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// The delays of late responses.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    /// Before a slow response.
    pub slow: Duration,
    /// Before a response that arrives after every client has timed out.
    pub no_response: Duration,
}

impl Default for Delays {
    fn default() -> Self {
        // Longer than the timeout of any client, and shorter than the function's timeout of fifteen seconds.
        Self { slow: Duration::from_secs(3), no_response: Duration::from_secs(10) }
    }
}

/// The provider, with its ledger, credentials and clock.
pub struct Provider<L, S> {
    ledger: L,
    client_key: String,
    operators: Verifier<S>,
    delays: Delays,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

// Implemented manually, since the client's key is a secret.
impl<L, S> fmt::Debug for Provider<L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("delays", &self.delays).finish_non_exhaustive()
    }
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

#[derive(Deserialize)]
struct LedgerQuery {
    reference: Option<String>,
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

impl<L: Ledger + 'static, S: KeySource + 'static> Provider<L, S> {
    /// Creates a provider. `client_key` is the bearer token of clients, and `operators` verifies the tokens of operators.
    #[must_use]
    pub fn new(
        ledger: L,
        client_key: String,
        operators: Verifier<S>,
        delays: Delays,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        Self { ledger, client_key, operators, delays, now: Box::new(now) }
    }

    /// The routes. Every error is a problem document.
    pub fn router(self) -> Router {
        let not_found = async || Problem::NotFound;
        Router::new()
            .route("/charges", post(charge::<L, S>))
            .route("/refunds", post(refund::<L, S>))
            .route("/ledger", get(list::<L, S>))
            .fallback(not_found)
            .method_not_allowed_fallback(not_found)
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .layer(from_fn(traced))
            .with_state(Arc::new(self))
    }

    async fn carry_out(
        &self,
        reference: &Reference,
        key: &Key,
        request: Request,
    ) -> Result<Receipt, Problem> {
        // The reference names the transaction of the caller.
        correlate(reference);
        let kind = request.name();
        let Decision { write, response, pace } =
            carry_out(&self.ledger, reference, key, request, (self.now)()).await?;
        let outcome = response.as_ref().map_or_else(|it| it.slug(), |_| "done");
        tracing::info!(%reference, %key, kind, outcome, repeated = write.is_none(), "carried out");
        match pace {
            Pace::Prompt => {}
            Pace::Slow => tokio::time::sleep(self.delays.slow).await,
            Pace::NoResponse => tokio::time::sleep(self.delays.no_response).await,
        }
        response.map_err(Problem::Rejected)
    }

    async fn verify(&self, token: &str) -> Result<(), Problem> {
        match self.operators.verify(token, (self.now)()).await {
            Ok(_) => Ok(()),
            Err(VerifyError::Refused(TokenRefusal::RoleUnknown)) => Err(Problem::Forbidden),
            Err(VerifyError::Refused(refusal)) => {
                tracing::info!(reason = refusal.slug(), "token rejected");
                Err(Problem::Unauthenticated)
            }
            Err(VerifyError::Keys(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "keys missing");
                Err(Problem::UNAVAILABLE)
            }
        }
    }
}

/// Handles a request in its span, as part of the caller's trace.
async fn traced(request: Sent, next: Next) -> Response {
    let header = |name| Some(request.headers().get(name)?.to_str().ok()?.to_owned());
    let received = TraceFields::read(header);
    handle_request("payment-provider", &received, None, None, next.run(request)).await
}

/// `POST /charges`.
async fn charge<L: Ledger + 'static, S: KeySource + 'static>(
    _: Client,
    State(provider): State<Arc<Provider<L, S>>>,
    IdempotencyKey(key): IdempotencyKey,
    Body(ChargeBody { reference, amount, currency, token }): Body<ChargeBody>,
) -> Result<(StatusCode, Json<Charged>), Problem> {
    if currency != CURRENCY {
        return Err(Problem::validation(format_args!("currency is not {CURRENCY}")));
    }
    if amount.is_zero() {
        return Err(Problem::validation("amount is nothing"));
    }
    let charge = Request::Charge(Charge { amount, token });
    provider.carry_out(&reference, &key, charge).await?;
    Ok((StatusCode::CREATED, Json(Charged { status: "charged" })))
}

/// `POST /refunds`.
async fn refund<L: Ledger + 'static, S: KeySource + 'static>(
    _: Client,
    State(provider): State<Arc<Provider<L, S>>>,
    IdempotencyKey(key): IdempotencyKey,
    Body(RefundBody { reference }): Body<RefundBody>,
) -> Result<Json<Refunded>, Problem> {
    match provider.carry_out(&reference, &key, Request::Refund).await? {
        Receipt::Refunded(refunded) => Ok(Json(Refunded { refunded })),
        Receipt::Charged => unreachable!("a refund is no charge"),
    }
}

/// `GET /ledger`.
async fn list<L: Ledger + 'static, S: KeySource + 'static>(
    _: Operator,
    State(provider): State<Arc<Provider<L, S>>>,
    query: Result<Query<LedgerQuery>, QueryRejection>,
) -> Result<Json<Listed>, Problem> {
    let reference = query.ok().and_then(|it| it.0.reference).ok_or_else(|| missing("reference"))?;
    let reference = Reference::from_str(&reference).map_err(Problem::validation)?;
    let entries = provider.ledger.entries(&reference).await?;
    let mut entries: Vec<ListedMovement> =
        entries
            .into_iter()
            .flat_map(|(key, entry)| {
                entry.movements().into_iter().map(move |Movement { kind, amount, at }| {
                    ListedMovement { kind, amount, currency: CURRENCY, key: key.clone(), at }
                })
            })
            .collect();
    // The sort is stable, so that a refund at the time of its charge still follows it.
    entries.sort_by_key(|it| it.at);
    Ok(Json(Listed { entries }))
}

/// A client, authenticated by the client key.
struct Client;

impl<L: Ledger + 'static, S: KeySource + 'static> FromRequestParts<Arc<Provider<L, S>>> for Client {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        provider: &Arc<Provider<L, S>>,
    ) -> Result<Self, Problem> {
        let shown = authorization(&parts.headers).unwrap_or_default();
        // In constant time, so that the duration does not reveal how much of a guess was right.
        let is_known = shown.as_bytes().ct_eq(provider.client_key.as_bytes());
        if bool::from(is_known) { Ok(Self) } else { Err(Problem::Unauthenticated) }
    }
}

/// An operator, authenticated by a token.
struct Operator;

impl<L: Ledger + 'static, S: KeySource + 'static> FromRequestParts<Arc<Provider<L, S>>>
    for Operator
{
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        provider: &Arc<Provider<L, S>>,
    ) -> Result<Self, Problem> {
        let token = authorization(&parts.headers).ok_or(Problem::Unauthenticated)?;
        provider.verify(token).await.map(|()| Self)
    }
}

struct IdempotencyKey(Key);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let key = only(&parts.headers, &HeaderName::from_static("idempotency-key"));
        let key = key.ok_or_else(|| missing("header Idempotency-Key"))?;
        key.parse().map(Self).map_err(Problem::validation)
    }
}

/// A body in JSON, regardless of its media type.
struct Body<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Sent, state: &S) -> Result<Self, Problem> {
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::PayloadTooLarge,
            _ => Problem::validation(rejection),
        })?;
        serde_json::from_slice(&body).map(Self).map_err(Problem::validation)
    }
}

/// The token after `Bearer`.
fn authorization(headers: &HeaderMap) -> Option<&str> {
    bearer(only(headers, &header::AUTHORIZATION)?)
}

/// The single value of a header; none if it has several values, since it is ambiguous then.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).into_iter();
    let value = values.next().filter(|_| values.next().is_none());
    value.and_then(|it| it.to_str().ok())
}

fn missing(what: &str) -> Problem {
    Problem::validation(format_args!("{what} is missing"))
}
