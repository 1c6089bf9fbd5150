//! Support for tests of the deployed platform: addresses, tokens, clients of the cloud, and waiting.
//!
//! It uses the platform that `PARKADE_OUTPUTS` describes (`.local/outputs.json` by default). An error here fails the
//! test that has called it.

#![expect(clippy::unwrap_used, reason = "a failing test says where")]

mod caller;
#[cfg(feature = "cloud")]
mod caught;
mod cloud;
mod reply;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

pub use caller::Caller;
#[cfg(feature = "cloud")]
pub use caught::Caught;
pub use reply::Reply;

/// The longest that an instant booking may take, whatever its payment token.
pub const FINAL_WITHIN: Duration = Duration::from_secs(30);

/// A deployed platform.
#[derive(Clone, Debug)]
pub struct Platform {
    api: String,
    provider: String,
    http: Client,
}

impl Platform {
    /// The platform that is running.
    pub fn up() -> Self {
        static HTTPS: LazyLock<()> = LazyLock::new(|| {
            let installed = rustls::crypto::ring::default_provider().install_default();
            assert!(installed.is_ok(), "no other provider is installed");
        });
        LazyLock::force(&HTTPS);
        let outputs =
            variable("PARKADE_OUTPUTS").map_or(root().join(".local/outputs.json"), PathBuf::from);
        let text = std::fs::read_to_string(&outputs).unwrap_or_else(|error| {
            unreachable!("{}: {error}; `cargo xtask up` first", outputs.display())
        });
        let outputs: Value = serde_json::from_str(&text).unwrap();
        let address = |name: &str| outputs[name].as_str().unwrap().trim_end_matches('/').to_owned();
        Self {
            api: address("ApiUrl"),
            provider: address("PaymentProviderUrl"),
            http: Client::builder().timeout(Duration::from_secs(35)).build().unwrap(),
        }
    }

    /// The URL of the API, without a slash at its end.
    pub fn api(&self) -> &str {
        &self.api
    }

    /// The URL of the cloud that the platform runs on.
    pub fn endpoint(&self) -> String {
        let (scheme, rest) = self.api.split_once("://").unwrap();
        format!("{scheme}://{}", rest.split('/').next().unwrap())
    }

    /// The folder with the state of the local cloud.
    pub fn state(&self) -> PathBuf {
        variable("PARKADE_LOCAL").map_or(root().join(".local"), PathBuf::from)
    }

    /// A new customer.
    pub async fn customer(&self) -> Caller {
        self.caller("customer", &format!("customer-{}", Uuid::new_v4()), &[]).await
    }

    /// The operator, the same for all tests.
    pub async fn operator(&self) -> Caller {
        static TOKEN: LazyLock<tokio::sync::Mutex<Option<String>>> =
            LazyLock::new(Default::default);
        let mut token = TOKEN.lock().await;
        if token.is_none() {
            *token = Some(issue("operator", "olga", &[]).await);
        }
        Caller { platform: self.clone(), token: token.clone().unwrap() }
    }

    /// A client with this subject, whose token is issued with these flags of `cargo xtask token`.
    pub async fn caller(&self, scope: &str, subject: &str, flags: &[&str]) -> Caller {
        Caller { platform: self.clone(), token: issue(scope, subject, flags).await }
    }

    /// A client with this token, valid or not.
    pub fn bearer(&self, token: &str) -> Caller {
        Caller { platform: self.clone(), token: token.to_owned() }
    }

    /// Sends a request without a token, to a path below the API or to a URL.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Reply {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    /// The same, for cases in which there may be no response.
    ///
    /// # Errors
    ///
    /// If there is no complete response.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Result<Reply, reqwest::Error> {
        let url =
            if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.api) };
        let mut request = self.http.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Reply { status, headers, body, text })
    }

    /// What the provider has charged and refunded, in cents: (charges, refunds).
    pub async fn money(&self, reference: &str) -> (Vec<i64>, Vec<i64>) {
        let path = format!("{}/ledger?reference={reference}", self.provider);
        let ledger = self.operator().await.get(&path).await.expect(200);
        let of = |kind: &str| {
            let entries = ledger["entries"].as_array().unwrap().iter();
            entries.filter(|it| it["kind"] == kind).map(|it| cents(&it["amount"])).collect()
        };
        (of("charge"), of("refund"))
    }

    /// What the provider holds, in cents.
    pub async fn net(&self, reference: &str) -> i64 {
        let (charges, refunds) = self.money(reference).await;
        charges.iter().sum::<i64>() - refunds.iter().sum::<i64>()
    }

    /// Keeps the circuit of the provider closed whatever happens: the failing cards of one test must not affect other
    /// tests. Tests that open circuits on purpose run alone.
    pub async fn hold_provider_circuit(&self) {
        self.set_circuit("payment-provider", "closed").await;
    }

    /// Overrides the state of a circuit breaker.
    pub async fn set_circuit(&self, name: &str, state: &str) -> Value {
        let path = format!("/operator/circuit-breakers/{name}");
        let set = self.operator().await.post(&path, &json!({ "override": state })).await;
        // Until all instances have received it.
        sleep(Duration::from_millis(1_200)).await;
        set.expect(200)
    }

    /// Resets a circuit breaker, and clears its override.
    pub async fn reset_circuit(&self, name: &str) -> Value {
        let path = format!("/operator/circuit-breakers/{name}/reset");
        let set = self.operator().await.send(Method::POST, &path, &[], None).await;
        // Until all instances have received it.
        sleep(Duration::from_millis(1_200)).await;
        set.expect(200)
    }

    /// Creates a slot that can be booked.
    pub async fn slot(&self) -> String {
        let operator = self.operator().await;
        let name = format!("slot {}", Uuid::new_v4());
        let slot = operator.post("/operator/slots", &json!({ "name": name })).await.expect(201);
        slot["slotId"].as_str().unwrap().to_owned()
    }

    /// The status of a slot in the view.
    pub async fn slot_status(&self, slot: &str) -> String {
        let path = format!("/operator/slots/{slot}");
        let slot = self.operator().await.get(&path).await.expect(200);
        slot["status"].as_str().unwrap().to_owned()
    }

    /// Waits until the view contains the slot.
    pub async fn slot_appears(&self, slot: &str) {
        let (operator, path) = (self.operator().await, format!("/operator/slots/{slot}"));
        eventually(&format!("slot {slot} is in the view"), async || {
            (operator.get(&path).await.status == 200).then_some(())
        })
        .await;
    }

    /// Waits until the slot has this status in the view.
    pub async fn slot_becomes(&self, slot: &str, status: &str) {
        eventually(&format!("slot {slot} is {status}"), async || {
            (self.slot_status(slot).await == status).then_some(())
        })
        .await;
    }
}

/// Polls until there is a value; fails with this description after the default timeout.
pub async fn eventually<T>(what: &str, condition: impl AsyncFn() -> Option<T>) -> T {
    within(FINAL_WITHIN, what, condition).await
}

/// The same with another timeout.
pub async fn within<T>(time: Duration, what: &str, condition: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + time;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {time:?}: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// An amount such as `"100.00"`, in cents.
#[track_caller]
pub fn cents(amount: &Value) -> i64 {
    let (whole, places) = amount.as_str().unwrap().split_once('.').unwrap();
    assert_eq!(places.len(), 2, "{amount}");
    format!("{whole}{places}").parse().unwrap()
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// An environment variable; an empty one counts as absent.
#[expect(clippy::disallowed_methods, reason = "a test has no config.rs")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `cargo xtask`; the test command passes its own program, so that cargo need not be called each time.
pub fn xtask() -> Command {
    let mut command = match variable("PARKADE_XTASK") {
        Some(program) => Command::new(program),
        None => {
            let mut cargo = Command::new("cargo");
            cargo.arg("xtask");
            cargo
        }
    };
    command.current_dir(root());
    command
}

/// A token of `cargo xtask token`; each is issued once.
async fn issue(scope: &str, subject: &str, flags: &[&str]) -> String {
    static ISSUED: LazyLock<Mutex<HashMap<String, String>>> = LazyLock::new(Mutex::default);
    let name = format!("{scope} {subject} {flags:?}");
    if let Some(token) = ISSUED.lock().unwrap().get(&name) {
        return token.clone();
    }
    let output = xtask().args(["token", scope, subject]).args(flags).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let token = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    ISSUED.lock().unwrap().insert(name, token.clone());
    token
}
