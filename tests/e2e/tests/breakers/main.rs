//! Circuit breakers on the local cloud: open and closed by calls and by operators: `cargo xtask test --only e2e`.
//!
//! While they run nobody else can rely on the payment provider.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

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
/// A saga that is refused asks once more, within a second or two, and undoes what it has done.
const FAILS_WITHIN: Duration = Duration::from_secs(8);
const TABLE: &str = "parkade-local-billing-breakers";

async fn circuit(platform: &Platform, name: &str) -> Value {
    let shown = platform.operator().await.get("/operator/circuit-breakers").await.expect(200);
    assert_eq!(shown.get("degraded"), None, "{shown}");
    shown["items"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap().clone()
}

/// Does something under an operator's word, which is taken back whatever comes of it.
async fn forced<T>(
    platform: &Platform,
    name: &str,
    word: &str,
    deed: impl Future<Output = T>,
) -> T {
    platform.set_circuit(name, word).await;
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

/// A booking that is paid at once: its slot, its id, and what became of it.
async fn book(platform: &Platform, customer: &Caller, token: &str) -> (String, String, Value) {
    let slot = platform.slot().await;
    let booking = customer.book_instant(&slot, token).await;
    let settled = customer.settled(&booking).await;
    (slot, booking, settled)
}

/// A good card is of no use, nothing is charged and nothing is held, and it does not take long to say so.
async fn fails_fast(platform: &Platform, customer: &Caller) {
    let before = Instant::now();
    let (slot, booking, settled) = book(platform, customer, "tok_visa").await;
    assert!(before.elapsed() < FAILS_WITHIN, "it takes {:?}", before.elapsed());
    assert_eq!(
        (&settled["status"], &settled["reason"]),
        (&json!("failed"), &json!("payment_unavailable"))
    );
    assert_eq!(platform.money(&format!("{slot}:{booking}")).await, (vec![], vec![]));
    platform.slot_becomes(&slot, "available").await;
}

async fn is_booked(platform: &Platform, customer: &Caller) {
    let (slot, booking, settled) = book(platform, customer, "tok_visa").await;
    assert_eq!(settled["status"], "completed", "{settled}");
    assert_eq!(platform.net(&format!("{slot}:{booking}")).await, 10_000);
}

/// The steps of a circuit since it was reset last, oldest first.
fn steps(circuit: &Value) -> Vec<&str> {
    let history = circuit["history"].as_array().unwrap();
    let last = history.iter().rposition(|it| it["reason"] == "operator").unwrap();
    history[last + 1..].iter().map(|it| it["to"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_provider_that_is_down_is_left_alone_and_found_again_by_one_probe() {
    let platform = Platform::up();
    platform.reset_circuit(PROVIDER).await;
    let customer = platform.customer().await;
    is_booked(&platform, &customer).await;
    let opened = within(Duration::from_secs(60), "the circuit opens", async || {
        book(&platform, &customer, "tok_down").await;
        let shown = circuit(&platform, PROVIDER).await;
        (shown["state"] != "closed").then_some(shown)
    })
    .await;
    assert_eq!(steps(&opened), ["open"], "{opened}");
    assert!(opened["failureRate"].as_f64().unwrap() >= 0.5, "{opened}");
    fails_fast(&platform, &customer).await;
    // An invoice is refused as well, and not called declined: it can be paid later.
    let slot = platform.slot().await;
    let booking = customer.book_invoice(&slot).await;
    let reference = format!("{slot}:{booking}");
    let refused = customer.pay_when_issued(&booking, &reference, "100.00", "tok_visa").await;
    refused.expect_problem(503, "service-unavailable");

    within(Duration::from_secs(60), "a booking comes through", async || {
        let (.., settled) = book(&platform, &customer, "tok_visa").await;
        (settled["status"] == "completed").then_some(())
    })
    .await;
    let closed = becomes(&platform, PROVIDER, "closed").await;
    assert_eq!(steps(&closed), ["open", "half_open", "closed"], "{closed}");
    platform.reset_circuit(PROVIDER).await;
}

#[tokio::test]
async fn an_operators_word_stands_until_it_is_taken_back() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    // So that all who are to hear of it are there.
    is_booked(&platform, &customer).await;
    forced(&platform, PROVIDER, "open", async {
        let shown = circuit(&platform, PROVIDER).await;
        assert_eq!((&shown["state"], &shown["override"]), (&json!("open"), &json!("open")));
        assert_eq!(shown["history"].as_array().unwrap().last().unwrap()["by"], "olga");
        // Each instance hears of it beside a call, and obeys from the next one on.
        within(Duration::from_secs(20), "the word is heard", async || {
            let (.., settled) = book(&platform, &customer, "tok_visa").await;
            (settled["status"] == "failed").then_some(())
        })
        .await;
        fails_fast(&platform, &customer).await;
    })
    .await;
    let reset = circuit(&platform, PROVIDER).await;
    assert_eq!((&reset["state"], reset.get("override")), (&json!("closed"), None));
    within(Duration::from_secs(20), "the reset is heard", async || {
        let (.., settled) = book(&platform, &customer, "tok_visa").await;
        (settled["status"] == "completed").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_service_that_is_left_alone_is_missing_from_the_answer_at_once() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let slot = platform.slot().await;
    let booking = customer.book_invoice(&slot).await;
    customer.bill_becomes(&booking, "pending").await;
    let path = format!("/mobile/bookings/{booking}");
    let shown = forced(&platform, "billing-query", "open", async {
        within(Duration::from_secs(10), "the word is heard", async || {
            let shown = customer.get(&path).await.expect(200);
            (shown["degraded"] == json!(["billing"])).then_some(shown)
        })
        .await
    })
    .await;
    assert_eq!((&shown["bookingId"], shown.get("bill")), (&json!(booking), None), "{shown}");
    within(Duration::from_secs(10), "the reset is heard", async || {
        let shown = customer.get(&path).await.expect(200);
        shown.get("degraded").is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_the_table_of_the_breaker_bookings_go_on() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let tables = platform.dynamodb();
    tables.delete_table().table_name(TABLE).send().await.unwrap();
    let (first, second) = tokio::join!(
        book(&platform, &customer, "tok_visa"),
        book(&platform, &customer, "tok_visa")
    );
    let third = book(&platform, &customer, "tok_visa").await;
    // Before anything is said of it: whoever comes next wants the table.
    make_table(&tables, TABLE).await;
    for (slot, booking, settled) in [first, second, third] {
        assert_eq!(settled["status"], "completed", "{settled}");
        assert_eq!(platform.net(&format!("{slot}:{booking}")).await, 10_000);
    }
    becomes(&platform, PROVIDER, "closed").await;
}

#[tokio::test]
async fn a_fleet_shares_a_breaker_here_too() {
    let tables = Platform::up().dynamodb();
    let table = format!("conformance-{}", Uuid::now_v7());
    make_table(&tables, &table).await;
    let store = DynamoStore::new(tables.clone(), &table);
    conformance::store(&store, "it").await;
    outage::all(&store, 1).await;
    conformance::fleet(store, "fleet").await;
    tables.delete_table().table_name(&table).send().await.unwrap();
}

/// The table as the stack makes it, in so far as the breaker depends on it.
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
