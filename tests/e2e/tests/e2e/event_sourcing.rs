//! The events are the source of truth, and can be read.

use std::panic::{AssertUnwindSafe, resume_unwind};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
};
use event_sourcing::conformance;
use event_sourcing::dynamodb::DynamoStore;
use futures::FutureExt as _;
use platform::{Platform, eventually};
use uuid::Uuid;

#[tokio::test]
async fn the_event_store_passes_the_conformance_suite_on_the_cloud() {
    let client = Platform::up().dynamodb();
    let table = format!("conformance-{}", Uuid::now_v7());
    let mut create = client.create_table().table_name(&table);
    for (name, kind, role) in [
        ("stream", ScalarAttributeType::S, KeyType::Hash),
        ("version", ScalarAttributeType::N, KeyType::Range),
    ] {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(kind);
        let key = KeySchemaElement::builder().attribute_name(name).key_type(role);
        create = create
            .attribute_definitions(attribute.build().unwrap())
            .key_schema(key.build().unwrap());
    }
    create.billing_mode(BillingMode::PayPerRequest).send().await.unwrap();
    eventually("the table is active", async || {
        let described = client.describe_table().table_name(&table).send().await.unwrap();
        (described.table()?.table_status()? == &TableStatus::Active).then_some(())
    })
    .await;
    let store = DynamoStore::new(client.clone(), table.clone());
    let verdict = AssertUnwindSafe(conformance::all(&store)).catch_unwind().await;
    client.delete_table().table_name(&table).send().await.unwrap();
    if let Err(failed) = verdict {
        resume_unwind(failed);
    }
}

#[tokio::test]
async fn a_booking_has_its_history_and_its_past_states() {
    let platform = Platform::up();
    let (customer, operator) = (platform.customer().await, platform.operator().await);
    let booking = customer.book_instant(&platform.slot().await, "tok_visa").await;
    customer.finished(&booking).await;
    customer.check_out(&booking).await.expect(202);

    let path = format!("/operator/bookings/{booking}/events");
    let history = operator.get(&path).await.expect(200);
    assert!(!history.to_string().contains("tok_visa"));
    let events = history["events"].as_array().unwrap();
    let types: Vec<_> = events.iter().map(|it| it["type"].as_str().unwrap()).collect();
    assert_eq!(
        types,
        ["BookingCreated", "BookingReserved", "BookingCompleted", "BookingCheckedOut"]
    );
    let versions: Vec<_> = events.iter().map(|it| it["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, [1, 2, 3, 4]);

    for (version, status) in [(1, "pending"), (3, "completed"), (4, "checked_out")] {
        let past = operator.get(&format!("{path}?version={version}")).await.expect(200);
        assert_eq!((&past["status"], &past["version"]), (&status.into(), &version.into()));
    }
    let made = events[0]["occurredAt"].as_str().unwrap();
    let past = operator.get(&format!("{path}?at={made}")).await.expect(200);
    assert_eq!(past["status"], "pending");
    operator.get(&format!("{path}?version=5")).await.expect_problem(404, "not-found");
    for query in ["version=0", "version=x", "at=yesterday", "version=1&at=2026-01-01T00:00:00Z"] {
        operator.get(&format!("{path}?{query}")).await.expect_problem(400, "validation");
    }
}
