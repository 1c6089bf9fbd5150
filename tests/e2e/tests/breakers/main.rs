//! Circuit breakers on the local cloud, opened and closed by calls and by operators: `cargo xtask test --only e2e`.
//!
//! While these tests run, other tests cannot rely on the payment provider.

#![expect(clippy::unwrap_used, reason = "a failing test says where")]

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use circuit_breaker::conformance::{self, outage};
use circuit_breaker::dynamodb::DynamoStore;
use futures::FutureExt as _;
use platform::{Caller, Platform, eventually, within};
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

/// Runs a test under an operator's override, which is reset whatever the result.
async fn with_override<T>(
    platform: &Platform,
    name: &str,
    state: &str,
    deed: impl Future<Output = T>,
) -> T {
    platform.set_circuit(name, state).await;
    let done = AssertUnwindSafe(deed).catch_unwind().await;
    platform.reset_circuit(name).await;
    done.unwrap_or_else(|failed| resume_unwind(failed))
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
    assert!(before.elapsed() < FAILS_WITHIN, "it took {:?}", before.elapsed());
    assert_eq!(
        (&finished["status"], &finished["reason"]),
        (&json!("failed"), &json!("payment_unavailable"))
    );
    assert_eq!(platform.money(&format!("{slot}:{booking}")).await, (vec![], vec![]));
    platform.slot_becomes(&slot, "available").await;
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
    // So that all instances that must receive the override are running.
    books_successfully(&platform, &customer).await;
    with_override(&platform, PROVIDER, "open", async {
        let shown = circuit(&platform, PROVIDER).await;
        assert_eq!((&shown["state"], &shown["override"]), (&json!("open"), &json!("open")));
        assert_eq!(shown["history"].as_array().unwrap().last().unwrap()["by"], "olga");
        // Each instance reads the override alongside a call, and applies it from the next call on.
        within(Duration::from_secs(20), "the override is received", async || {
            let (.., finished) = book(&platform, &customer, "tok_visa").await;
            (finished["status"] == "failed").then_some(())
        })
        .await;
        fails_fast(&platform, &customer).await;
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
    let shown = with_override(&platform, "billing-query", "open", async {
        within(Duration::from_secs(10), "the override is received", async || {
            let shown = customer.get(&path).await.expect(200);
            (shown["degraded"] == json!(["billing"])).then_some(shown)
        })
        .await
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
