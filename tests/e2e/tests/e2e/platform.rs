//! What a client of the platform needs: addresses, tokens, and patience.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// The longest that an instant booking may take, whatever token pays it.
pub(crate) const FINAL_WITHIN: Duration = Duration::from_secs(30);

/// How a client of the local cloud is made; every service has a configuration of its own.
macro_rules! client_config {
    ($service:ident, $endpoint:expr) => {
        $service::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url($endpoint)
            .build()
    };
}

/// One platform, and how to reach it.
#[derive(Clone, Debug)]
pub(crate) struct Platform {
    api: String,
    provider: String,
    http: Client,
}

/// Somebody with a token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) platform: Platform,
    pub(crate) token: String,
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Reply {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body
    }

    /// Checks an error of the contract: status, media type, and the slug at the end of its type.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, slug: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        let kind = self.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/problem+json"), "{kind}: {}", self.text);
        let named = self.body["type"].as_str().unwrap_or_default();
        assert!(named.ends_with(slug), "{}", self.text);
        assert_eq!(self.body["status"], status, "{}", self.text);
        self.body
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[expect(clippy::disallowed_methods, reason = "a test has no config.rs")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Platform {
    pub(crate) fn up() -> Self {
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

    /// The local cloud's DynamoDB, for what no route leads to.
    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::from_conf(client_config!(aws_sdk_dynamodb, self.endpoint()))
    }

    /// Its queues.
    pub(crate) fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::from_conf(client_config!(aws_sdk_sqs, self.endpoint()))
    }

    /// Its workflow service.
    pub(crate) fn sfn(&self) -> aws_sdk_sfn::Client {
        aws_sdk_sfn::Client::from_conf(client_config!(aws_sdk_sfn, self.endpoint()))
    }

    /// Its functions.
    pub(crate) fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::from_conf(client_config!(aws_sdk_lambda, self.endpoint()))
    }

    /// The folder in which the cloud keeps its own.
    pub(crate) fn state(&self) -> PathBuf {
        variable("PARKADE_LOCAL").map_or(root().join(".local"), PathBuf::from)
    }

    /// Its buses.
    pub(crate) fn eventbridge(&self) -> aws_sdk_eventbridge::Client {
        let config = client_config!(aws_sdk_eventbridge, self.endpoint());
        aws_sdk_eventbridge::Client::from_conf(config)
    }

    pub(crate) fn api(&self) -> &str {
        &self.api
    }

    pub(crate) fn endpoint(&self) -> String {
        let (scheme, rest) = self.api.split_once("://").unwrap();
        format!("{scheme}://{}", rest.split('/').next().unwrap())
    }

    /// From now on, keeps the events of a booking that come over the bus.
    pub(crate) async fn catch_events(&self, booking: &str) -> Caught {
        let (queues, name) = (self.sqs(), format!("caught-{}", Uuid::new_v4()));
        let made = queues.create_queue().queue_name(&name).send().await.unwrap();
        let (rules, bus) = (self.eventbridge(), "parkade-local");
        let pattern = json!({ "detail": { "correlationId": [booking] } }).to_string();
        let rule = rules.put_rule().name(&name).event_bus_name(bus).event_pattern(pattern);
        rule.send().await.unwrap();
        let target = aws_sdk_eventbridge::types::Target::builder().id("queue");
        let target = target.arn(format!("arn:aws:sqs:us-east-1:000000000000:{name}")).build();
        let targets = rules.put_targets().rule(&name).event_bus_name(bus);
        targets.targets(target.unwrap()).send().await.unwrap();
        Caught { queues, url: made.queue_url.unwrap(), names: tokio::sync::Mutex::default() }
    }

    /// A customer whom nobody has seen before.
    pub(crate) async fn customer(&self) -> Caller {
        self.caller("customer", &format!("customer-{}", Uuid::new_v4()), &[]).await
    }

    pub(crate) async fn operator(&self) -> Caller {
        static TOKEN: LazyLock<tokio::sync::Mutex<Option<String>>> =
            LazyLock::new(Default::default);
        let mut token = TOKEN.lock().await;
        if token.is_none() {
            *token = Some(issue("operator", "olga", &[]).await);
        }
        Caller { platform: self.clone(), token: token.clone().unwrap() }
    }

    pub(crate) async fn caller(&self, scope: &str, subject: &str, flags: &[&str]) -> Caller {
        Caller { platform: self.clone(), token: issue(scope, subject, flags).await }
    }

    pub(crate) fn bearer(&self, token: &str) -> Caller {
        Caller { platform: self.clone(), token: token.to_owned() }
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Reply {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    /// The same where nobody may be there to answer.
    pub(crate) async fn try_send(
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
    pub(crate) async fn money(&self, reference: &str) -> (Vec<i64>, Vec<i64>) {
        let path = format!("{}/ledger?reference={reference}", self.provider);
        let ledger = self.operator().await.get(&path).await.expect(200);
        let of = |kind: &str| {
            let entries = ledger["entries"].as_array().unwrap().iter();
            entries.filter(|it| it["kind"] == kind).map(|it| cents(&it["amount"])).collect()
        };
        (of("charge"), of("refund"))
    }

    /// What the provider has kept, in cents.
    pub(crate) async fn net(&self, reference: &str) -> i64 {
        let (charges, refunds) = self.money(reference).await;
        charges.iter().sum::<i64>() - refunds.iter().sum::<i64>()
    }

    /// Whatever the provider does not answer from now on, it is not left alone: the cards of one test are no business of
    /// another's. Those that open circuits on purpose run by themselves.
    pub(crate) async fn hold_provider_circuit(&self) {
        self.set_circuit("payment-provider", "closed").await;
    }

    /// An operator's word for a circuit breaker.
    pub(crate) async fn set_circuit(&self, name: &str, word: &str) -> Value {
        let path = format!("/operator/circuit-breakers/{name}");
        let set = self.operator().await.post(&path, &json!({ "override": word })).await;
        // Until everybody has heard of it.
        sleep(Duration::from_millis(1_200)).await;
        set.expect(200)
    }

    /// Takes every word back.
    pub(crate) async fn reset_circuit(&self, name: &str) -> Value {
        let path = format!("/operator/circuit-breakers/{name}/reset");
        let set = self.operator().await.send(Method::POST, &path, &[], None).await;
        // Until everybody has heard of it.
        sleep(Duration::from_millis(1_200)).await;
        set.expect(200)
    }

    /// A new slot, ready to be booked.
    pub(crate) async fn slot(&self) -> String {
        let operator = self.operator().await;
        let name = format!("slot {}", Uuid::new_v4());
        let slot = operator.post("/operator/slots", &json!({ "name": name })).await.expect(201);
        slot["slotId"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn slot_status(&self, slot: &str) -> String {
        let path = format!("/operator/slots/{slot}");
        let slot = self.operator().await.get(&path).await.expect(200);
        slot["status"].as_str().unwrap().to_owned()
    }

    /// Waits until there is such a slot in the view.
    pub(crate) async fn slot_appears(&self, slot: &str) {
        let (operator, path) = (self.operator().await, format!("/operator/slots/{slot}"));
        eventually(&format!("slot {slot} is in the view"), async || {
            (operator.get(&path).await.status == 200).then_some(())
        })
        .await;
    }

    /// Waits until the slot's view shows this state.
    pub(crate) async fn slot_becomes(&self, slot: &str, status: &str) {
        eventually(&format!("slot {slot} is {status}"), async || {
            (self.slot_status(slot).await == status).then_some(())
        })
        .await;
    }
}

/// Events that came over the bus.
pub(crate) struct Caught {
    queues: aws_sdk_sqs::Client,
    url: String,
    names: tokio::sync::Mutex<Vec<String>>,
}

impl Caught {
    /// The names of all that have come so far, in the order in which the queue gave them.
    pub(crate) async fn names(&self) -> Vec<String> {
        let mut names = self.names.lock().await;
        let received =
            self.queues.receive_message().queue_url(&self.url).max_number_of_messages(10);
        for message in received.send().await.unwrap().messages.unwrap_or_default() {
            let event: Value = serde_json::from_str(message.body.as_deref().unwrap()).unwrap();
            names.push(event["detail-type"].as_str().unwrap().to_owned());
            let handle = message.receipt_handle.unwrap();
            let gone = self.queues.delete_message().queue_url(&self.url).receipt_handle(handle);
            gone.send().await.unwrap();
        }
        names.clone()
    }
}

impl Caller {
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, &[], Some(body.to_string())).await
    }

    /// A POST that wants a key; each has a new one.
    pub(crate) async fn post_once(&self, path: &str, body: &Value) -> Reply {
        self.post_with_key(path, &Uuid::new_v4().to_string(), body).await
    }

    pub(crate) async fn post_with_key(&self, path: &str, key: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, &[("idempotency-key", key)], Some(body.to_string())).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Reply {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    /// The same where nobody may be there to answer.
    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Result<Reply, reqwest::Error> {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        self.platform.try_send(method, path, &all, body).await
    }

    /// Books a slot and pays at once; answers the booking's id.
    pub(crate) async fn book_instant(&self, slot: &str, token: &str) -> String {
        self.book(slot, json!({ "mode": "instant", "token": token })).await
    }

    /// Books a slot to be paid by a bill; answers the booking's id.
    pub(crate) async fn book_invoice(&self, slot: &str) -> String {
        self.book(slot, json!({ "mode": "invoice" })).await
    }

    async fn book(&self, slot: &str, payment: Value) -> String {
        let wish = json!({ "slotId": slot, "payment": payment });
        let accepted = self.post_once("/mobile/bookings", &wish).await.expect(202);
        assert_eq!(accepted["status"], "pending");
        accepted["bookingId"].as_str().unwrap().to_owned()
    }

    /// The booking, as soon as the view shows it: what was accepted a moment ago may not be there yet.
    pub(crate) async fn booking(&self, booking: &str) -> Value {
        let path = format!("/mobile/bookings/{booking}");
        eventually(&format!("booking {booking} is in the view"), async || {
            let reply = self.get(&path).await;
            (reply.status != 404).then(|| reply.expect(200))
        })
        .await
    }

    /// Waits until the booking is no longer pending.
    pub(crate) async fn settled(&self, booking: &str) -> Value {
        eventually(&format!("booking {booking} is final"), async || {
            let found = self.booking(booking).await;
            (found["status"] != "pending").then_some(found)
        })
        .await
    }

    /// Waits until the booking's bill shows this state.
    pub(crate) async fn bill_becomes(&self, booking: &str, status: &str) -> Value {
        eventually(&format!("bill of {booking} is {status}"), async || {
            let found = self.booking(booking).await;
            (found["bill"]["status"] == status).then(|| found["bill"].clone())
        })
        .await
    }

    /// Pays a bill, or a part of it; a bill that is not issued yet is waited for.
    pub(crate) async fn pay_when_issued(
        &self,
        booking: &str,
        reference: &str,
        amount: &str,
        token: &str,
    ) -> Reply {
        eventually(&format!("bill of {booking} is issued"), async || {
            let found = self.booking(booking).await;
            (!found["bill"].is_null()).then_some(())
        })
        .await;
        self.pay(reference, amount, token).await
    }

    /// Pays a bill, or a part of it.
    pub(crate) async fn pay(&self, reference: &str, amount: &str, token: &str) -> Reply {
        let path = format!("/mobile/bills/{reference}/payments");
        self.post_once(&path, &json!({ "amount": amount, "token": token })).await
    }

    pub(crate) async fn cancel(&self, booking: &str) -> Reply {
        self.send(Method::POST, &format!("/mobile/bookings/{booking}/cancel"), &[], None).await
    }

    pub(crate) async fn check_out(&self, booking: &str) -> Reply {
        self.send(Method::POST, &format!("/mobile/bookings/{booking}/check-out"), &[], None).await
    }
}

/// Asks again and again until there is an answer, and says what was waited for if there is none in time.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    within(FINAL_WITHIN, what, ask).await
}

pub(crate) async fn within<T>(time: Duration, what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
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
pub(crate) fn cents(amount: &Value) -> i64 {
    let (whole, places) = amount.as_str().unwrap().split_once('.').unwrap();
    assert_eq!(places.len(), 2, "{amount}");
    format!("{whole}{places}").parse().unwrap()
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

/// `cargo xtask`; the test command names its own program, so that cargo need not be asked each time.
pub(crate) fn xtask() -> Command {
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
