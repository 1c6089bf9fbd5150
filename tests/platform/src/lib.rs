//! What a test of the deployed platform needs: addresses, tokens, the cloud behind it, and patience.
//!
//! It speaks to whatever platform `PARKADE_OUTPUTS` describes (`.local/outputs.json` unless set). What goes wrong here ends
//! the test that has called.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

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

/// The longest that an instant booking may take, whatever token pays it.
pub const FINAL_WITHIN: Duration = Duration::from_secs(30);

/// One platform, and how to reach it.
#[derive(Clone, Debug)]
pub struct Platform {
    api: String,
    provider: String,
    http: Client,
}

impl Platform {
    /// The one that is up.
    pub fn up() -> Self {
        static HTTPS: LazyLock<()> = LazyLock::new(|| {
            let installed = rustls::crypto::ring::default_provider().install_default();
            assert!(installed.is_ok(), "nobody else chooses");
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

    /// Where the front door is, without a slash at its end.
    pub fn api(&self) -> &str {
        &self.api
    }

    /// Where the cloud is that the platform runs on.
    pub fn endpoint(&self) -> String {
        let (scheme, rest) = self.api.split_once("://").unwrap();
        format!("{scheme}://{}", rest.split('/').next().unwrap())
    }

    /// The folder in which the cloud keeps its own.
    pub fn state(&self) -> PathBuf {
        variable("PARKADE_LOCAL").map_or(root().join(".local"), PathBuf::from)
    }

    /// A customer whom nobody has seen before.
    pub async fn customer(&self) -> Caller {
        self.caller("customer", &format!("customer-{}", Uuid::new_v4()), &[]).await
    }

    /// The operator, who is the same for all.
    pub async fn operator(&self) -> Caller {
        static TOKEN: LazyLock<tokio::sync::Mutex<Option<String>>> =
            LazyLock::new(Default::default);
        let mut token = TOKEN.lock().await;
        if token.is_none() {
            *token = Some(issue("operator", "olga", &[]).await);
        }
        Caller { platform: self.clone(), token: token.clone().unwrap() }
    }

    /// Somebody of this name, with a token that `flags` of `cargo xtask token` make another.
    pub async fn caller(&self, scope: &str, subject: &str, flags: &[&str]) -> Caller {
        Caller { platform: self.clone(), token: issue(scope, subject, flags).await }
    }

    /// Whoever bears this token, good or not.
    pub fn bearer(&self, token: &str) -> Caller {
        Caller { platform: self.clone(), token: token.to_owned() }
    }

    /// A request without a token, to a path below the API or to an address.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Reply {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    /// The same where nobody may be there to answer.
    ///
    /// # Errors
    ///
    /// When no answer has come, or not all of it.
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

    /// What the provider has taken and given back, in cents: (charges, refunds).
    pub async fn money(&self, reference: &str) -> (Vec<i64>, Vec<i64>) {
        let path = format!("{}/ledger?reference={reference}", self.provider);
        let ledger = self.operator().await.get(&path).await.expect(200);
        let of = |kind: &str| {
            let entries = ledger["entries"].as_array().unwrap().iter();
            entries.filter(|it| it["kind"] == kind).map(|it| cents(&it["amount"])).collect()
        };
        (of("charge"), of("refund"))
    }

    /// What the provider has kept, in cents.
    pub async fn net(&self, reference: &str) -> i64 {
        let (charges, refunds) = self.money(reference).await;
        charges.iter().sum::<i64>() - refunds.iter().sum::<i64>()
    }

    /// Whatever the provider does not answer from now on, it is not left alone: the cards of one test are no business of
    /// another's. Those that open circuits on purpose run by themselves.
    pub async fn hold_provider_circuit(&self) {
        self.set_circuit("payment-provider", "closed").await;
    }

    /// An operator's word for a circuit breaker.
    pub async fn set_circuit(&self, name: &str, word: &str) -> Value {
        let path = format!("/operator/circuit-breakers/{name}");
        let set = self.operator().await.post(&path, &json!({ "override": word })).await;
        // Until everybody has heard of it.
        sleep(Duration::from_millis(1_200)).await;
        set.expect(200)
    }

    /// Takes every word back.
    pub async fn reset_circuit(&self, name: &str) -> Value {
        let path = format!("/operator/circuit-breakers/{name}/reset");
        let set = self.operator().await.send(Method::POST, &path, &[], None).await;
        // Until everybody has heard of it.
        sleep(Duration::from_millis(1_200)).await;
        set.expect(200)
    }

    /// A new slot, ready to be booked.
    pub async fn slot(&self) -> String {
        let operator = self.operator().await;
        let name = format!("slot {}", Uuid::new_v4());
        let slot = operator.post("/operator/slots", &json!({ "name": name })).await.expect(201);
        slot["slotId"].as_str().unwrap().to_owned()
    }

    /// What the view of slots shows of one.
    pub async fn slot_status(&self, slot: &str) -> String {
        let path = format!("/operator/slots/{slot}");
        let slot = self.operator().await.get(&path).await.expect(200);
        slot["status"].as_str().unwrap().to_owned()
    }

    /// Waits until there is such a slot in the view.
    pub async fn slot_appears(&self, slot: &str) {
        let (operator, path) = (self.operator().await, format!("/operator/slots/{slot}"));
        eventually(&format!("slot {slot} is in the view"), async || {
            (operator.get(&path).await.status == 200).then_some(())
        })
        .await;
    }

    /// Waits until the slot's view shows this state.
    pub async fn slot_becomes(&self, slot: &str, status: &str) {
        eventually(&format!("slot {slot} is {status}"), async || {
            (self.slot_status(slot).await == status).then_some(())
        })
        .await;
    }
}

/// Asks again and again until there is an answer, and says what was waited for if there is none in time.
pub async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    within(FINAL_WITHIN, what, ask).await
}

/// The same with a time of its own.
pub async fn within<T>(time: Duration, what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + time;
    loop {
        if let Some(answer) = ask().await {
            return answer;
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

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A variable of the environment; an empty one is none.
#[expect(clippy::disallowed_methods, reason = "a test has no config.rs")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `cargo xtask`; the test command names its own program, so that cargo need not be asked each time.
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

/// A token from `cargo xtask token`; each is issued once.
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
