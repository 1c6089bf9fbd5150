//! A client of the platform's API, with a bearer token.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::aws::http_client;
use crate::clock;
use crate::cloud::Cloud;
use crate::deploy::Outputs;
use crate::deploy::settings::Settings;
use crate::failure::{Context as _, Failure, Result};
use crate::keys::Keys;
use crate::layout::Layout;
use crate::token::{self, Scope, TTL_SECONDS};

/// How long to wait for a state. The contract gives an instant booking 30 s, whatever token pays for it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(40);
/// Longer than a call, and short compared with the time until the state is reached.
const POLL: Duration = Duration::from_millis(15);

/// A customer or an operator.
#[derive(Debug)]
pub(crate) struct ApiClient {
    http: reqwest::Client,
    api: String,
    provider: String,
    token: String,
}

/// A booking as its customer sees it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Booking {
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) bill: Option<Bill>,
}

/// A bill as its customer sees it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Bill {
    pub(crate) reference: String,
    pub(crate) total: String,
    pub(crate) status: String,
}

/// The saga's execution of the state machine.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Saga {
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) steps: Vec<SagaStep>,
}

/// One of its steps.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SagaStep {
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) started_at: Timestamp,
    #[serde(default)]
    pub(crate) ended_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) attempts: u32,
    #[serde(default)]
    pub(crate) error: Option<String>,
}

impl SagaStep {
    /// Its duration; `None` while it runs.
    pub(crate) fn took(&self) -> Option<Duration> {
        Some(self.ended_at?.duration_since(self.started_at).unsigned_abs())
    }
}

/// An entry of the payment provider's ledger.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct LedgerEntry {
    pub(crate) kind: String,
    pub(crate) amount: String,
    pub(crate) key: String,
    pub(crate) at: Timestamp,
}

impl ApiClient {
    /// A client of the running platform with a token for this subject.
    pub(crate) fn at(layout: &Layout, cloud: &Cloud, scope: Scope, name: &str) -> Result<Self> {
        let outputs = Outputs::require(layout)?;
        let keys = Keys::ensure(layout)?;
        let issuer = Settings::local(layout, &keys, &cloud.record.settings).issuer();
        let token = token::issue(&keys, &issuer, scope, name, TTL_SECONDS, clock::now())?;
        Self::new(&outputs, token)
    }

    pub(crate) fn new(outputs: &Outputs, token: String) -> Result<Self> {
        Ok(Self {
            http: http_client()?,
            api: outputs.api_url.clone(),
            provider: outputs.payment_provider_url.clone(),
            token,
        })
    }

    pub(crate) async fn create_slot(&self, name: &str) -> Result<String> {
        let slot = self.post("/operator/slots", Some(json!({"name": name})), 201).await?;
        field(&slot, "slotId")
    }

    pub(crate) async fn close_slot(&self, slot: &str) -> Result<String> {
        field(&self.post(&format!("/operator/slots/{slot}/close"), None, 200).await?, "status")
    }

    /// Waits until the slot's view shows this status.
    pub(crate) async fn slot_becomes(&self, slot: &str, status: &str) -> Result {
        let path = format!("/operator/slots/{slot}");
        wait(&format!("the slot is {status}"), async || {
            let Some(slot) = self.find(&path).await? else { return Ok(None) };
            Ok((field(&slot, "status")? == status).then_some(()))
        })
        .await
    }

    /// Creates a booking that is paid by card while booking.
    pub(crate) async fn book_with_card(&self, slot: &str, card: &str) -> Result<String> {
        self.book(slot, json!({"mode": "instant", "token": card})).await
    }

    /// Creates a booking that is paid by invoice.
    pub(crate) async fn book_by_invoice(&self, slot: &str) -> Result<String> {
        self.book(slot, json!({"mode": "invoice"})).await
    }

    async fn book(&self, slot: &str, payment: Value) -> Result<String> {
        let body = json!({"slotId": slot, "payment": payment});
        field(&self.post("/mobile/bookings", Some(body), 202).await?, "bookingId")
    }

    /// Pays a bill in full.
    pub(crate) async fn pay(&self, bill: &Bill, card: &str) -> Result<String> {
        let path = format!("/mobile/bills/{}/payments", bill.reference);
        let body = json!({"amount": bill.total, "token": card});
        field(&self.post(&path, Some(body), 201).await?, "status")
    }

    /// Waits until the booking meets a condition.
    pub(crate) async fn booking(
        &self,
        booking: &str,
        what: &str,
        is_met: impl Fn(&Booking) -> bool,
    ) -> Result<Booking> {
        let path = format!("/mobile/bookings/{booking}");
        wait(what, async || {
            // The view may not have it yet.
            let Some(found) = self.find(&path).await? else { return Ok(None) };
            let found: Booking = serde_json::from_value(found)
                .context(|| format!("cannot understand the booking {booking}"))?;
            Ok(is_met(&found).then_some(found))
        })
        .await
    }

    /// Waits until the booking is in a final state.
    pub(crate) async fn finished(&self, booking: &str) -> Result<Booking> {
        self.booking(booking, "the booking is in a final state", |it| it.status != "pending").await
    }

    /// The execution for a booking; `None` until it has started.
    pub(crate) async fn saga(&self, booking: &str) -> Result<Option<Saga>> {
        let Some(found) = self.find(&format!("/operator/bookings/{booking}/saga")).await? else {
            return Ok(None);
        };
        let saga = serde_json::from_value(found);
        saga.map(Some).context(|| format!("cannot understand the saga of {booking}"))
    }

    /// Reads a JSON resource; `None` if the API responds with 404.
    pub(crate) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let (status, body) = self.send(Method::GET, &format!("{}{path}", self.api), None).await?;
        match status {
            200 => {
                let found = serde_json::from_value(body);
                found.map(Some).context(|| format!("cannot understand {path}"))
            }
            404 => Ok(None),
            _ => Err(refused("GET", path, status, &body)),
        }
    }

    /// Measures a request: its duration, and the response's `Server-Timing` header if it has one.
    pub(crate) async fn look(&self, path: &str) -> Result<(Duration, Option<String>)> {
        let what = || format!("cannot reach {path}");
        let request = self.http.get(format!("{}{path}", self.api)).bearer_auth(&self.token);
        let sent_at = clock::start();
        let response = request.send().await.context(what)?;
        let status = response.status().as_u16();
        let timing = response.headers().get("server-timing").and_then(|it| it.to_str().ok());
        let timing = timing.map(str::to_owned);
        let body = response.text().await.context(what)?;
        let took = sent_at.elapsed();
        if status == 200 {
            Ok((took, timing))
        } else {
            Err(refused("GET", path, status, &Value::String(body)))
        }
    }

    /// The types of a booking's events, in order.
    pub(crate) async fn history(&self, booking: &str) -> Result<Vec<String>> {
        let path = format!("/operator/bookings/{booking}/events");
        let history = self.find(&path).await?.unwrap_or_default();
        let events = history["events"].as_array().cloned().unwrap_or_default();
        events.iter().map(|it| field(it, "type")).collect()
    }

    /// The ledger's entries of a bill.
    pub(crate) async fn ledger(&self, reference: &str) -> Result<Vec<LedgerEntry>> {
        let url = format!("{}/ledger?reference={reference}", self.provider);
        let (status, body) = self.send(Method::GET, &url, None).await?;
        if status != 200 {
            return Err(refused("GET", "/ledger", status, &body));
        }
        serde_json::from_value(body["entries"].clone())
            .context(|| "cannot understand the ledger".into())
    }

    async fn find(&self, path: &str) -> Result<Option<Value>> {
        let (status, body) = self.send(Method::GET, &format!("{}{path}", self.api), None).await?;
        match status {
            200 => Ok(Some(body)),
            // Not there yet, or temporarily unavailable: the caller retries.
            404 | 503 => Ok(None),
            _ => Err(refused("GET", path, status, &body)),
        }
    }

    async fn post(&self, path: &str, body: Option<Value>, expected: u16) -> Result<Value> {
        let (status, response) =
            self.send(Method::POST, &format!("{}{path}", self.api), body).await?;
        if status == expected {
            Ok(response)
        } else {
            Err(refused("POST", path, status, &response))
        }
    }

    async fn send(&self, method: Method, url: &str, body: Option<Value>) -> Result<(u16, Value)> {
        let what = || format!("cannot reach {url}");
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.header("idempotency-key", Uuid::now_v7().to_string()).json(&body);
        }
        let response = request.send().await.context(what)?;
        let status = response.status().as_u16();
        let text = response.text().await.context(what)?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
}

fn field(value: &Value, name: &str) -> Result<String> {
    value[name].as_str().map(str::to_owned).ok_or_else(|| {
        Failure::new("unexpected response from the API")
            .because(format!("{value} has no field {name}"))
    })
}

fn refused(method: &str, path: &str, status: u16, body: &Value) -> Failure {
    Failure::new(format!("{method} {path} responded with status {status}"))
        .because(body)
        .advise("`cargo xtask logs --level warn` shows what the functions logged; the local cloud is still up")
}

/// Retries until there is a result.
async fn wait<T>(what: &str, call: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
    let started = clock::start();
    while started.elapsed() < TIMEOUT {
        if let Some(response) = call().await? {
            return Ok(response);
        }
        tokio::time::sleep(POLL).await;
    }
    Err(check_failed(&format!("{what}, within {}", clock::human(TIMEOUT))))
}

/// The failure of a check.
pub(crate) fn check_failed(claim: &str) -> Failure {
    Failure::new("a check failed")
        .because(format!("expected: {claim}"))
        .advise("`cargo xtask logs --level warn` shows what the functions logged; the local cloud is still up")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Saga;

    #[test]
    fn a_step_has_a_duration_once_it_has_ended() {
        let saga = r#"{"status":"running","steps":[
            {"name":"BlockSlot","status":"succeeded","startedAt":"2026-01-01T00:00:00Z",
             "endedAt":"2026-01-01T00:00:00.012Z","attempts":1},
            {"name":"AuthorisePayment","status":"running","startedAt":"2026-01-01T00:00:00.013Z","attempts":0}]}"#;
        let saga: Saga = serde_json::from_str(saga).expect("read");
        assert_eq!(saga.steps[0].took(), Some(Duration::from_millis(12)));
        assert_eq!(saga.steps[1].took(), None);
    }
}
