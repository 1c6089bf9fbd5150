//! Somebody at the front door, with a token.

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
use crate::failure::{Context as _, Failure, Outcome};
use crate::keys::Keys;
use crate::layout::Layout;
use crate::token::{self, Scope, TTL_SECONDS};

/// The contract gives an instant booking 30 s, whatever pays it.
pub(super) const PATIENCE: Duration = Duration::from_secs(40);
/// Short beside what is waited for, long beside a call.
const POLL: Duration = Duration::from_millis(15);

/// A caller of the front door.
#[derive(Debug)]
pub(crate) struct Visitor {
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
    pub(super) reason: Option<String>,
    #[serde(default)]
    pub(super) bill: Option<Bill>,
}

/// A bill as its customer sees it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Bill {
    pub(super) reference: String,
    pub(super) total: String,
    pub(super) status: String,
}

/// An execution of the state machine.
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
    /// How long it took; `None` while it runs.
    pub(crate) fn took(&self) -> Option<Duration> {
        Some(self.ended_at?.duration_since(self.started_at).unsigned_abs())
    }
}

/// What the payment provider wrote down.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct LedgerEntry {
    pub(crate) kind: String,
    pub(crate) amount: String,
    pub(crate) key: String,
    pub(crate) at: Timestamp,
}

impl Visitor {
    /// Somebody of this name at the platform that is up.
    pub(crate) fn at(layout: &Layout, cloud: &Cloud, scope: Scope, name: &str) -> Outcome<Self> {
        let outputs = Outputs::load(layout)?.ok_or_else(|| {
            Failure::new("the platform is not deployed").advise("run `cargo xtask up`")
        })?;
        let keys = Keys::ensure(layout)?;
        let issuer = Settings::local(layout, &keys, &cloud.record.settings).issuer();
        let token = token::issue(&keys, &issuer, scope, name, TTL_SECONDS, clock::now())?;
        Self::new(&outputs, token)
    }

    pub(super) fn new(outputs: &Outputs, token: String) -> Outcome<Self> {
        Ok(Self {
            http: http_client()?,
            api: outputs.api_url.clone(),
            provider: outputs.payment_provider_url.clone(),
            token,
        })
    }

    pub(crate) async fn create_slot(&self, name: &str) -> Outcome<String> {
        let slot = self.post("/operator/slots", Some(json!({"name": name})), 201).await?;
        field(&slot, "slotId")
    }

    pub(super) async fn close_slot(&self, slot: &str) -> Outcome<String> {
        field(&self.post(&format!("/operator/slots/{slot}/close"), None, 200).await?, "status")
    }

    /// Waits until the slot's view shows this status.
    pub(super) async fn slot_becomes(&self, slot: &str, status: &str) -> Outcome {
        let path = format!("/operator/slots/{slot}");
        wait(&format!("the slot is {status}"), async || {
            let Some(slot) = self.find(&path).await? else { return Ok(None) };
            Ok((field(&slot, "status")? == status).then_some(()))
        })
        .await
    }

    /// Asks for a booking that a card pays at once.
    pub(crate) async fn book_with_card(&self, slot: &str, card: &str) -> Outcome<String> {
        self.book(slot, json!({"mode": "instant", "token": card})).await
    }

    /// Asks for a booking that a bill is sent for.
    pub(super) async fn book_by_invoice(&self, slot: &str) -> Outcome<String> {
        self.book(slot, json!({"mode": "invoice"})).await
    }

    async fn book(&self, slot: &str, payment: Value) -> Outcome<String> {
        let body = json!({"slotId": slot, "payment": payment});
        field(&self.post("/mobile/bookings", Some(body), 202).await?, "bookingId")
    }

    /// Pays a bill in full.
    pub(super) async fn pay(&self, bill: &Bill, card: &str) -> Outcome<String> {
        let path = format!("/mobile/bills/{}/payments", bill.reference);
        let body = json!({"amount": bill.total, "token": card});
        field(&self.post(&path, Some(body), 201).await?, "status")
    }

    /// Waits until the booking is as it is wanted.
    pub(super) async fn booking(
        &self,
        booking: &str,
        what: &str,
        is_so: impl Fn(&Booking) -> bool,
    ) -> Outcome<Booking> {
        let path = format!("/mobile/bookings/{booking}");
        wait(what, async || {
            // The view may not have it yet.
            let Some(found) = self.find(&path).await? else { return Ok(None) };
            let found: Booking = serde_json::from_value(found)
                .context(|| format!("cannot understand the booking {booking}"))?;
            Ok(is_so(&found).then_some(found))
        })
        .await
    }

    /// The booking when nothing happens to it any more.
    pub(crate) async fn settled(&self, booking: &str) -> Outcome<Booking> {
        self.booking(booking, "the booking is settled", |it| it.status != "pending").await
    }

    /// The execution for a booking; `None` until it has started.
    pub(super) async fn saga(&self, booking: &str) -> Outcome<Option<Saga>> {
        let Some(found) = self.find(&format!("/operator/bookings/{booking}/saga")).await? else {
            return Ok(None);
        };
        let saga = serde_json::from_value(found);
        saga.map(Some).context(|| format!("cannot understand the saga of {booking}"))
    }

    /// What stands at a path; `None` only if the platform knows nothing of it.
    pub(crate) async fn read<T: DeserializeOwned>(&self, path: &str) -> Outcome<Option<T>> {
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

    /// What a screen says of its parts (`Server-Timing`), if anything, and how long it was waited for.
    pub(crate) async fn look(&self, path: &str) -> Outcome<(Duration, Option<String>)> {
        let what = || format!("cannot reach {path}");
        let request = self.http.get(format!("{}{path}", self.api)).bearer_auth(&self.token);
        let begun = clock::start();
        let response = request.send().await.context(what)?;
        let status = response.status().as_u16();
        let timing = response.headers().get("server-timing").and_then(|it| it.to_str().ok());
        let timing = timing.map(str::to_owned);
        let body = response.text().await.context(what)?;
        let took = begun.elapsed();
        if status == 200 {
            Ok((took, timing))
        } else {
            Err(refused("GET", path, status, &Value::String(body)))
        }
    }

    /// The names of a booking's events, in order.
    pub(super) async fn history(&self, booking: &str) -> Outcome<Vec<String>> {
        let path = format!("/operator/bookings/{booking}/events");
        let history = self.find(&path).await?.unwrap_or_default();
        let events = history["events"].as_array().cloned().unwrap_or_default();
        events.iter().map(|it| field(it, "type")).collect()
    }

    /// What the payment provider wrote down under a reference.
    pub(crate) async fn ledger(&self, reference: &str) -> Outcome<Vec<LedgerEntry>> {
        let url = format!("{}/ledger?reference={reference}", self.provider);
        let (status, body) = self.send(Method::GET, &url, None).await?;
        if status != 200 {
            return Err(refused("GET", "/ledger", status, &body));
        }
        serde_json::from_value(body["entries"].clone())
            .context(|| "cannot understand the ledger".into())
    }

    async fn find(&self, path: &str) -> Outcome<Option<Value>> {
        let (status, body) = self.send(Method::GET, &format!("{}{path}", self.api), None).await?;
        match status {
            200 => Ok(Some(body)),
            // Not there yet, or for a moment not to be had: who waits asks again.
            404 | 503 => Ok(None),
            _ => Err(refused("GET", path, status, &body)),
        }
    }

    async fn post(&self, path: &str, body: Option<Value>, expected: u16) -> Outcome<Value> {
        let (status, answer) =
            self.send(Method::POST, &format!("{}{path}", self.api), body).await?;
        if status == expected { Ok(answer) } else { Err(refused("POST", path, status, &answer)) }
    }

    async fn send(&self, method: Method, url: &str, body: Option<Value>) -> Outcome<(u16, Value)> {
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

fn field(value: &Value, name: &str) -> Outcome<String> {
    value[name].as_str().map(str::to_owned).ok_or_else(|| {
        Failure::new("the platform answers with something unexpected")
            .because(format!("there is no {name} in {value}"))
    })
}

fn refused(method: &str, path: &str, status: u16, body: &Value) -> Failure {
    Failure::new(format!("{method} {path} is answered with {status}"))
        .because(body)
        .advise("`cargo xtask logs` tells what the functions printed; the cloud is still up")
}

/// Asks again until there is an answer.
async fn wait<T>(what: &str, ask: impl AsyncFn() -> Outcome<Option<T>>) -> Outcome<T> {
    let started = clock::start();
    while started.elapsed() < PATIENCE {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        tokio::time::sleep(POLL).await;
    }
    Err(untrue(&format!("{what}, within {}", clock::human(PATIENCE))))
}

/// Something that should have been, and was not.
pub(super) fn untrue(claim: &str) -> Failure {
    Failure::new("the story did not come true")
        .because(format!("it should have been that {claim}"))
        .advise("`cargo xtask logs` tells what the functions printed; the cloud is still up")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Saga;

    #[test]
    fn a_step_tells_how_long_it_took_once_it_has_ended() {
        let saga = r#"{"status":"running","steps":[
            {"name":"BlockSlot","status":"succeeded","startedAt":"2026-01-01T00:00:00Z",
             "endedAt":"2026-01-01T00:00:00.012Z","attempts":1},
            {"name":"AuthorisePayment","status":"running","startedAt":"2026-01-01T00:00:00.013Z","attempts":0}]}"#;
        let saga: Saga = serde_json::from_str(saga).expect("read");
        assert_eq!(saga.steps[0].took(), Some(Duration::from_millis(12)));
        assert_eq!(saga.steps[1].took(), None);
    }
}
