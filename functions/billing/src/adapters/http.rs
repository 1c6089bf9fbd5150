//! The payment provider over HTTP.
//!
//! | request                                                               | response                                    |
//! | --------------------------------------------------------------------- | ------------------------------------------- |
//! | `POST /charges {reference, amount, currency, token}`, Idempotency-Key | 201 · 402 with a reason · 409 charge-voided |
//! | `POST /refunds {reference}`, Idempotency-Key of the charge            | 200 `{refunded}`                            |
//!
//! An invalid charge (400 `validation`) was not made and never will be, so it counts as declined. After any other response,
//! or none, the outcome is unknown: the charge may have been made.

use std::error::Error as StdError;
use std::time::Duration;

use contracts::id::{BillReference, PaymentId};
use contracts::money::{CURRENCY, Money};
use reqwest::Client;
use reqwest::redirect::Policy;
use serde::{Deserialize, Serialize};
use trace_context::{TraceFields, call};

use crate::domain::ChargeOutcome;
use crate::ports::{Charge, Provider, ProviderError};

/// A connection opens within this time, or the provider is unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Idle connections are closed before API Gateway closes them, which could lose the response to a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// The maximal length of a stored reason, in characters. A reason is a short identifier; a longer one is truncated.
const MAX_REASON_LENGTH: usize = 100;

/// The HTTP client of the payment provider.
#[derive(Clone, Debug)]
pub struct HttpProvider {
    client: Client,
    url: String,
    key: String,
}

#[derive(Serialize)]
struct ChargeBody<'a> {
    reference: BillReference,
    amount: Money,
    currency: &'a str,
    token: &'a str,
}

#[derive(Serialize)]
struct RefundBody {
    reference: BillReference,
}

#[derive(Deserialize)]
struct Refunded {
    refunded: Money,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    reason: Option<String>,
}

/// A response that leaves the outcome unknown.
#[derive(Debug, thiserror::Error)]
#[error("payment provider returned status {status}")]
struct Unexpected {
    status: u16,
}

impl HttpProvider {
    /// Creates the client of this process. `attempt_timeout` limits each request, including its response.
    ///
    /// # Errors
    ///
    /// If the client can't set up TLS.
    pub fn new(url: &str, key: String, attempt_timeout: Duration) -> Result<Self, reqwest::Error> {
        // Fails if another client of this process has installed it, which is fine.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut client = Client::builder()
            .timeout(attempt_timeout)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            // A redirect would send the API key to another server.
            .redirect(Policy::none())
            .no_proxy();
        if url.starts_with("http://") {
            // The local cloud uses no TLS. Reading the system's certificates would take longer than the rest of the start.
            client = client.tls_certs_only([]);
        }
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { client: client.build()?, url, key })
    }

    /// Opens a connection ahead of the first charge. Any response is accepted.
    ///
    /// # Errors
    ///
    /// If the provider is unreachable.
    pub async fn warm_up(&self) -> Result<(), reqwest::Error> {
        self.client.head(&self.url).timeout(CONNECT_TIMEOUT).send().await.map(drop)
    }

    async fn post(
        &self,
        path: &str,
        key: PaymentId,
        body: &impl Serialize,
    ) -> Result<(u16, Vec<u8>), ProviderError> {
        let mut request = self
            .client
            .post(format!("{}/{path}", self.url))
            .bearer_auth(&self.key)
            .header("idempotency-key", key.to_string())
            .json(body);
        for (name, value) in TraceFields::current().iter() {
            request = request.header(name, value);
        }
        let exchange = async {
            let response = request.send().await.map_err(no_response)?;
            let status = response.status().as_u16();
            let body = response.bytes().await.map_err(no_response)?;
            Ok((status, body.to_vec()))
        };
        call("http:POST", path, exchange).await
    }
}

impl Provider for HttpProvider {
    type Permit<'a> = ();

    async fn acquire_permit(&self) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn charge(&self, (): (), charge: &Charge) -> Result<ChargeOutcome, ProviderError> {
        let (status, body) = self.post("charges", charge.key, &charge_body(charge)).await?;
        charged(status, &body)
    }

    async fn refund(
        &self,
        reference: BillReference,
        key: PaymentId,
    ) -> Result<Money, ProviderError> {
        let (status, body) = self.post("refunds", key, &refund_body(reference)).await?;
        refunded(status, &body)
    }
}

/// The request body of a charge.
#[must_use]
pub fn charge_body(charge: &Charge) -> impl Serialize + '_ {
    ChargeBody {
        reference: charge.reference,
        amount: charge.amount,
        currency: CURRENCY,
        token: &charge.token,
    }
}

/// The request body of a refund.
#[must_use]
pub fn refund_body(reference: BillReference) -> impl Serialize {
    RefundBody { reference }
}

/// The outcome in the response to a charge.
///
/// # Errors
///
/// If the response leaves the outcome unknown.
pub fn charged(status: u16, body: &[u8]) -> Result<ChargeOutcome, ProviderError> {
    let problem = serde_json::from_slice::<Problem>(body).ok();
    match (status, problem) {
        (201, _) => Ok(ChargeOutcome::Captured),
        (402, Some(it)) if it.is("payment-declined") => {
            let reason = it.reason.unwrap_or_else(|| "declined".to_owned());
            Ok(ChargeOutcome::Declined { reason: reason.chars().take(MAX_REASON_LENGTH).collect() })
        }
        (400, Some(it)) if it.is("validation") => {
            Ok(ChargeOutcome::Declined { reason: "invalid_request".to_owned() })
        }
        (409, Some(it)) if it.is("charge-voided") => Ok(ChargeOutcome::Voided),
        (status, _) => Err(unexpected(status)),
    }
}

/// The refunded amount in the response to a refund.
///
/// # Errors
///
/// If the response does not contain the amount.
pub fn refunded(status: u16, body: &[u8]) -> Result<Money, ProviderError> {
    if status != 200 {
        return Err(unexpected(status));
    }
    serde_json::from_slice(body).map(|Refunded { refunded }| refunded).map_err(no_response)
}

impl Problem {
    fn is(&self, slug: &str) -> bool {
        self.kind.rsplit('/').next() == Some(slug)
    }
}

fn no_response(error: impl StdError + Send + Sync + 'static) -> ProviderError {
    ProviderError::NoResponse(Box::new(error))
}

/// An invalid request stays invalid; any other status may be temporary.
fn unexpected(status: u16) -> ProviderError {
    // Request timeout, conflict, too many requests.
    let temporary = [408, 409, 429];
    let error = Box::new(Unexpected { status });
    if (400..500).contains(&status) && !temporary.contains(&status) {
        ProviderError::InvalidRequest(error)
    } else {
        ProviderError::NoResponse(error)
    }
}
