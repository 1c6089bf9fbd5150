//! The payment provider over HTTP.
//!
//! | asks                                                                  | answers                                     |
//! | --------------------------------------------------------------------- | ------------------------------------------- |
//! | `POST /charges {reference, amount, currency, token}`, Idempotency-Key | 201 · 402 with a reason · 409 charge-voided |
//! | `POST /refunds {reference}`, Idempotency-Key of the charge            | 200 `{refunded}`                            |
//!
//! A charge that is not valid (400) has not been made, and is never going to be: that is a refusal as well. Whatever else
//! comes back, or nothing, leaves the outcome unknown: a charge may have been made.

use std::error::Error as StdError;
use std::time::Duration;

use contracts::id::{BillReference, PaymentId};
use contracts::money::{CURRENCY, Money};
use reqwest::Client;
use reqwest::redirect::Policy;
use serde::{Deserialize, Serialize};

use crate::domain::Outcome;
use crate::ports::{Charge, Provider, ProviderError};

/// A connection is there at once, or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// An idle connection is closed before API Gateway does it, which would cost a request its answer.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// A reason is a word or two; the provider's prose is not stored.
const REASON_LENGTH_MAX: usize = 100;

/// The provider at one address.
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

/// An answer that says neither yes nor no.
#[derive(Debug, thiserror::Error)]
#[error("payment provider answers {status}")]
struct Unexpected {
    status: u16,
}

impl HttpProvider {
    /// Makes the one client of this process; each attempt may take `attempt_timeout` in all.
    ///
    /// # Errors
    ///
    /// If TLS can't be set up.
    pub fn new(url: &str, key: String, attempt_timeout: Duration) -> Result<Self, reqwest::Error> {
        // A second client in this process finds it installed.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut client = Client::builder()
            .timeout(attempt_timeout)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            // A redirected charge would show the key to whoever it is sent to.
            .redirect(Policy::none())
            .no_proxy();
        if url.starts_with("http://") {
            // The local cloud: the machine's certificates take longer to read than all the rest of the start.
            client = client.tls_certs_only([]);
        }
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { client: client.build()?, url, key })
    }

    /// Opens the connection, so that the first charge need not.
    ///
    /// # Errors
    ///
    /// If nobody is there. Any answer will do.
    pub async fn warm_up(&self) -> Result<(), reqwest::Error> {
        self.client.head(&self.url).timeout(CONNECT_TIMEOUT).send().await.map(drop)
    }

    async fn post(
        &self,
        path: &str,
        key: PaymentId,
        body: &impl Serialize,
    ) -> Result<(u16, Vec<u8>), ProviderError> {
        let request = self
            .client
            .post(format!("{}/{path}", self.url))
            .bearer_auth(&self.key)
            .header("idempotency-key", key.to_string())
            .json(body);
        let response = request.send().await.map_err(no_answer)?;
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(no_answer)?;
        Ok((status, body.to_vec()))
    }
}

impl Provider for HttpProvider {
    type Leave<'a> = ();

    async fn leave(&self) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn charge(&self, (): (), charge: &Charge) -> Result<Outcome, ProviderError> {
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

/// What a charge is asked for with.
#[must_use]
pub fn charge_body(charge: &Charge) -> impl Serialize + '_ {
    ChargeBody {
        reference: charge.reference,
        amount: charge.amount,
        currency: CURRENCY,
        token: &charge.token,
    }
}

/// What a refund is asked for with.
#[must_use]
pub fn refund_body(reference: BillReference) -> impl Serialize {
    RefundBody { reference }
}

/// What the provider's answer to a charge says.
///
/// # Errors
///
/// If it says neither yes nor no.
pub fn charged(status: u16, body: &[u8]) -> Result<Outcome, ProviderError> {
    let problem = serde_json::from_slice::<Problem>(body).ok();
    match (status, problem) {
        (201, _) => Ok(Outcome::Captured),
        (402, Some(it)) if it.is("payment-declined") => {
            let reason = it.reason.unwrap_or_else(|| "declined".to_owned());
            Ok(Outcome::Declined { reason: reason.chars().take(REASON_LENGTH_MAX).collect() })
        }
        (400, Some(it)) if it.is("validation") => {
            Ok(Outcome::Declined { reason: "invalid_request".to_owned() })
        }
        (409, Some(it)) if it.is("charge-voided") => Ok(Outcome::Voided),
        (status, _) => Err(unexpected(status)),
    }
}

/// What the provider's answer to a refund says: how much went back.
///
/// # Errors
///
/// If it does not say so.
pub fn refunded(status: u16, body: &[u8]) -> Result<Money, ProviderError> {
    if status != 200 {
        return Err(unexpected(status));
    }
    serde_json::from_slice(body).map(|Refunded { refunded }| refunded).map_err(no_answer)
}

impl Problem {
    fn is(&self, slug: &str) -> bool {
        self.kind.rsplit('/').next() == Some(slug)
    }
}

fn no_answer(error: impl StdError + Send + Sync + 'static) -> ProviderError {
    ProviderError::NoAnswer(Box::new(error))
}

/// What is wrong with the request stays wrong; anything else may pass.
fn unexpected(status: u16) -> ProviderError {
    // A time-out, a conflict, too many requests.
    let passing = [408, 409, 429];
    let error = Box::new(Unexpected { status });
    if (400..500).contains(&status) && !passing.contains(&status) {
        ProviderError::NotUnderstood(error)
    } else {
        ProviderError::NoAnswer(error)
    }
}
