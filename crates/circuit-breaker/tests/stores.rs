//! Both stores pass the conformance suites, and report an unknown result of a request as unknown.

use circuit_breaker::conformance::{self, outage};
use circuit_breaker::dynamodb::DynamoStore;
use circuit_breaker::memory::MemoryStore;
use circuit_breaker::shared_state::SharedState;
use circuit_breaker::store::{Store as _, StoreError, Swapped};
use dynoxide_client::{DynamoDb, Fault};

/// The table, with the keys that the templates define.
const CREATE_TABLE: &str = r#"{
    "TableName": "breakers",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "name", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "name", "KeyType": "HASH"}]
}"#;

fn table() -> DynamoDb {
    let dynamodb = DynamoDb::new();
    dynamodb.create_table(CREATE_TABLE);
    dynamodb
}

fn first() -> SharedState {
    SharedState { version: 1, write: u64::MAX, ..SharedState::default() }
}

#[tokio::test]
async fn memory_is_a_store() {
    conformance::store(&MemoryStore::default(), "it").await;
}

#[tokio::test]
async fn dynamodb_is_a_store() {
    conformance::store(&DynamoStore::new(table().client(), "breakers"), "it").await;
}

#[tokio::test]
async fn a_fleet_shares_a_breaker_in_memory() {
    conformance::fleet(MemoryStore::default(), "it").await;
}

#[tokio::test]
async fn a_fleet_shares_a_breaker_in_dynamodb() {
    conformance::fleet(DynamoStore::new(table().client(), "breakers"), "it").await;
}

#[tokio::test]
async fn a_write_whose_response_is_lost_does_not_lose_against_itself() {
    let table = table();
    let store = DynamoStore::new(table.client(), "breakers");
    table.order("PutItem", Fault::ResponseLost);
    assert_eq!(store.swap("it", 0, &first()).await.unwrap(), Swapped::Done);
}

#[tokio::test]
async fn a_fault_is_not_reported_as_a_lost_race() {
    let table = table().without_retries();
    let store = DynamoStore::new(table.client(), "breakers");
    for (fault, is_throttled) in
        [(Fault::Throttled, true), (Fault::RequestLost, false), (Fault::ResponseLost, false)]
    {
        table.order("PutItem", fault);
        let error = store.swap("it", 0, &first()).await.unwrap_err();
        assert_eq!(matches!(error, StoreError::Throttled(_)), is_throttled, "{error:?}");
        table.order("GetItem", fault);
        let error = store.load("it").await.unwrap_err();
        assert_eq!(matches!(error, StoreError::Throttled(_)), is_throttled, "{error:?}");
    }
    assert_eq!(store.load("it").await.unwrap(), Some(first()), "the last one took effect");
}

#[tokio::test]
async fn a_fleet_survives_an_outage_with_any_jitter() {
    for seed in 0..20 {
        outage::all(&MemoryStore::default(), seed).await;
    }
    outage::all(&DynamoStore::new(table().client(), "breakers".to_owned()), 1).await;
}
