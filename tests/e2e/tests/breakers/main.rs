//! Circuit breakers on the local cloud, opened and closed by calls and by operators: `cargo xtask test --only e2e`.
//!
//! While these tests run, other tests cannot rely on the payment provider. That is why the test of another provider is here.

#![expect(clippy::unwrap_used, reason = "a failing test says where")]

mod own_provider;

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use circuit_breaker::conformance::{self, outage};
use circuit_breaker::dynamodb::DynamoStore;
use futures::FutureExt as _;
use jiff::Timestamp;
use platform::{Caller, Platform, eventually, within, xtask};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

const PROVIDER: &str = "payment-provider";
/// A saga whose charge was rejected retries once, within a second or two, and compensates.
const FAILS_WITHIN: Duration = Duration::from_secs(8);
const TABLE: &str = "parkade-local-billing-breakers";

async fn circuit(platform: &Platform, name: &str) -> Value {
    let shown = platform.operator().await.get("/operator/circuit-breakers").await.expect(200);
    assert_eq!(shown.get("degraded"), None, "{shown}");
    shown["items"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap().clone()
}

/// Longer than an instance may use a state that it has read, so that it has to read the override.
const IDLE: Duration = Duration::from_secs(2);
/// An override applies to every call that starts this much later: the promised second, and the time of a read.
const APPLIES_AFTER: Duration = Duration::from_millis(1_100);
/// How often an instance may miss an override because it cannot reach the table. On a busy machine it sometimes cannot.
const UNREACHABLE_MAX: usize = 4;

/// Forces a circuit open after a pause, and makes the first call as soon as the override applies to it.
///
/// `call` returns its result if it was rejected. One that was not must be the documented exception: its instance has
/// logged that it could not reach the table. Then all of it is repeated. Returns with the circuit reset.
async fn first_call_is_rejected<T>(
    platform: &Platform,
    name: &str,
    call: impl AsyncFn() -> Option<T>,
) -> T {
    let path = format!("/operator/circuit-breakers/{name}");
    let operator = platform.operator().await;
    for _ in 0..UNREACHABLE_MAX {
        sleep(IDLE).await;
        let before = function::now();
        operator.post(&path, &json!({ "override": "open" })).await.expect(200);
        sleep(APPLIES_AFTER).await;
        let called = AssertUnwindSafe(call()).catch_unwind().await;
        platform.reset_circuit(name).await;
        if let Some(rejected) = called.unwrap_or_else(|failed| resume_unwind(failed)) {
            return rejected;
        }
        let logged =
            "the call that passed an open circuit logs that its instance could not reach the table";
        within(Duration::from_secs(10), logged, async || {
            was_unreachable(name, before).await.then_some(())
        })
        .await;
    }
    unreachable!(
        "in none of {UNREACHABLE_MAX} attempts an instance could reach the table of {name}"
    )
}

/// Whether an instance has logged since then that it could not reach the table of a breaker.
async fn was_unreachable(breaker: &str, since: Timestamp) -> bool {
    let logs = ["logs", "--level", "warn", "--since", "1m", "--json"];
    let logs = xtask().args(logs).output().await.unwrap();
    assert!(logs.status.success(), "{}", String::from_utf8_lossy(&logs.stderr));
    String::from_utf8(logs.stdout).unwrap().lines().any(|line| {
        let record: Value = serde_json::from_str(line).unwrap();
        let at: Option<Timestamp> = record["timestamp"].as_str().and_then(|it| it.parse().ok());
        record["message"] == "breaker state is unreachable"
            && record["breaker"] == breaker
            && at.is_some_and(|it| it >= since)
    })
}

async fn becomes(platform: &Platform, name: &str, state: &str) -> Value {
    eventually(&format!("circuit {name} is {state}"), async || {
        let shown = circuit(platform, name).await;
        (shown["state"] == state).then_some(shown)
    })
    .await
}

/// A booking paid while booking: its slot, its id, and its final state.
async fn book(platform: &Platform, customer: &Caller, token: &str) -> (String, String, Value) {
    let slot = platform.slot().await;
    let booking = customer.book_instant(&slot, token).await;
    let finished = customer.finished(&booking).await;
    (slot, booking, finished)
}

/// A working card fails quickly; nothing is charged and no slot is held.
async fn fails_fast(platform: &Platform, customer: &Caller) {
    let before = Instant::now();
    let (slot, booking, finished) = book(platform, customer, "tok_visa").await;
    rejected_fast(platform, before, &slot, &booking, &finished).await;
}

/// A booking whose charge the circuit rejects fails quickly; nothing is charged and no slot is held.
async fn rejected_fast(
    platform: &Platform,
    before: Instant,
    slot: &str,
    booking: &str,
    finished: &Value,
) {
    assert!(before.elapsed() < FAILS_WITHIN, "it took {:?}", before.elapsed());
    assert_eq!(
        (&finished["status"], &finished["reason"]),
        (&json!("failed"), &json!("payment_unavailable"))
    );
    assert_eq!(platform.money(&format!("{slot}:{booking}")).await, (vec![], vec![]));
    platform.slot_becomes(slot, "available").await;
}

async fn books_successfully(platform: &Platform, customer: &Caller) {
    let (slot, booking, finished) = book(platform, customer, "tok_visa").await;
    assert_eq!(finished["status"], "completed", "{finished}");
    assert_eq!(platform.net(&format!("{slot}:{booking}")).await, 10_000);
}

/// The transitions of a circuit since the last reset, oldest first.
fn steps(circuit: &Value) -> Vec<&str> {
    let history = circuit["history"].as_array().unwrap();
    let last = history.iter().rposition(|it| it["reason"] == "operator").unwrap();
    history[last + 1..].iter().map(|it| it["to"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_provider_outage_opens_the_circuit_and_one_probe_closes_it() {
    let platform = Platform::up();
    platform.reset_circuit(PROVIDER).await;
    let customer = platform.customer().await;
    books_successfully(&platform, &customer).await;
    let opened = within(Duration::from_secs(60), "the circuit opens", async || {
        book(&platform, &customer, "tok_down").await;
        let shown = circuit(&platform, PROVIDER).await;
        (shown["state"] != "closed").then_some(shown)
    })
    .await;
    assert_eq!(steps(&opened), ["open"], "{opened}");
    assert!(opened["failureRate"].as_f64().unwrap() >= 0.5, "{opened}");
    fails_fast(&platform, &customer).await;
    // The payment of an invoice is rejected as well, but not as declined: it can be paid later.
    let slot = platform.slot().await;
    let booking = customer.book_invoice(&slot).await;
    let reference = format!("{slot}:{booking}");
    let rejected = customer.pay_when_issued(&booking, &reference, "100.00", "tok_visa").await;
    rejected.expect_problem(503, "service-unavailable");

    within(Duration::from_secs(60), "a booking completes", async || {
        let (.., finished) = book(&platform, &customer, "tok_visa").await;
        (finished["status"] == "completed").then_some(())
    })
    .await;
    let closed = becomes(&platform, PROVIDER, "closed").await;
    assert_eq!(steps(&closed), ["open", "half_open", "closed"], "{closed}");
    platform.reset_circuit(PROVIDER).await;
}

#[tokio::test]
async fn an_override_applies_until_it_is_reset() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    // So that the instances that must not use what they know are running.
    books_successfully(&platform, &customer).await;
    first_call_is_rejected(&platform, PROVIDER, async || {
        let before = Instant::now();
        let (slot, booking, finished) = book(&platform, &customer, "tok_visa").await;
        if finished["status"] == "completed" {
            return None;
        }
        rejected_fast(&platform, before, &slot, &booking, &finished).await;
        let shown = circuit(&platform, PROVIDER).await;
        assert_eq!((&shown["state"], &shown["override"]), (&json!("open"), &json!("open")));
        assert_eq!(shown["history"].as_array().unwrap().last().unwrap()["by"], "olga");
        fails_fast(&platform, &customer).await;
        Some(())
    })
    .await;
    let reset = circuit(&platform, PROVIDER).await;
    assert_eq!((&reset["state"], reset.get("override")), (&json!("closed"), None));
    within(Duration::from_secs(20), "the reset is received", async || {
        let (.., finished) = book(&platform, &customer, "tok_visa").await;
        (finished["status"] == "completed").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_service_behind_an_open_circuit_is_missing_from_the_response_immediately() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let slot = platform.slot().await;
    let booking = customer.book_invoice(&slot).await;
    customer.bill_becomes(&booking, "pending").await;
    let path = format!("/mobile/bookings/{booking}");
    let shown = first_call_is_rejected(&platform, "billing-query", async || {
        let shown = customer.get(&path).await.expect(200);
        (shown["degraded"] == json!(["billing"])).then_some(shown)
    })
    .await;
    assert_eq!((&shown["bookingId"], shown.get("bill")), (&json!(booking), None), "{shown}");
    within(Duration::from_secs(10), "the reset is received", async || {
        let shown = customer.get(&path).await.expect(200);
        shown.get("degraded").is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_the_breakers_table_bookings_still_complete() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let tables = platform.dynamodb();
    tables.delete_table().table_name(TABLE).send().await.unwrap();
    let (first, second) = tokio::join!(
        book(&platform, &customer, "tok_visa"),
        book(&platform, &customer, "tok_visa")
    );
    let third = book(&platform, &customer, "tok_visa").await;
    // Immediately after the deletion: the next call needs the table.
    make_table(&tables, TABLE).await;
    for (slot, booking, finished) in [first, second, third] {
        assert_eq!(finished["status"], "completed", "{finished}");
        assert_eq!(platform.net(&format!("{slot}:{booking}")).await, 10_000);
    }
    becomes(&platform, PROVIDER, "closed").await;
}

#[tokio::test]
async fn instances_share_a_breaker_on_the_cloud() {
    let tables = Platform::up().dynamodb();
    let table = format!("conformance-{}", Uuid::now_v7());
    make_table(&tables, &table).await;
    let store = DynamoStore::new(tables.clone(), &table);
    conformance::store(&store, "it").await;
    outage::all(&store, 1).await;
    conformance::fleet(store, "fleet").await;
    tables.delete_table().table_name(&table).send().await.unwrap();
}

/// The table of the stack, as far as the breaker depends on it.
async fn make_table(tables: &aws_sdk_dynamodb::Client, table: &str) {
    let name = AttributeDefinition::builder().attribute_name("name");
    let key = KeySchemaElement::builder().attribute_name("name").key_type(KeyType::Hash);
    let made = tables.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    let made = made
        .attribute_definitions(name.attribute_type(ScalarAttributeType::S).build().unwrap())
        .key_schema(key.build().unwrap());
    made.send().await.unwrap();
    sleep(Duration::from_secs(1)).await;
}
