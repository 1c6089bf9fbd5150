//! Both stores do what every store must, and fifty instances over them agree; what the network does is not mistaken for an answer.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use circuit_breaker::breaker::{Asker, Question, Shared};
use circuit_breaker::conformance;
use circuit_breaker::dynamodb::DynamoStore;
use circuit_breaker::memory::MemoryStore;
use circuit_breaker::settings::Settings;
use circuit_breaker::store::{Store as _, StoreError, Swapped};
use dynoxide_client::{DynamoDb, Fault};
use jiff::Timestamp;

/// Keys as in the templates.
const CREATE_TABLE: &str = r#"{
    "TableName": "breakers",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "name", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "name", "KeyType": "HASH"}]
}"#;

fn database() -> DynamoDb {
    let dynamodb = DynamoDb::new();
    dynamodb.create_table(CREATE_TABLE);
    dynamodb
}

fn store(dynamodb: &DynamoDb) -> DynamoStore {
    DynamoStore::new(dynamodb.client(), "breakers".to_owned())
}

fn next(shared: &Shared, write: u64) -> Shared {
    let asker = Asker { by: "test", write, now: Timestamp::UNIX_EPOCH };
    shared.answer(&Question::Reset, &asker, &Settings::default()).unwrap()
}

#[tokio::test]
async fn the_memory_store_conforms() {
    for seed in 0..20 {
        conformance::all(&MemoryStore::default(), seed).await;
    }
}

#[tokio::test]
async fn the_dynamodb_store_conforms() {
    conformance::all(&store(&database()), 1).await;
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_recognises_itself() {
    let dynamodb = database();
    let store = store(&dynamodb);
    let first = next(&Shared::default(), 1);
    let second = next(&first, 2);
    for (expected, shared) in [(0, &first), (1, &second)] {
        dynamodb.order("PutItem", Fault::AnswerLost);
        assert_eq!(store.swap("it", expected, shared).await.unwrap(), Swapped::Done);
    }
    assert_eq!(store.load("it").await.unwrap(), Some(second));
}

#[tokio::test]
async fn what_a_fault_leaves_unknown_is_never_called_a_loss() {
    let dynamodb = database();
    let store = store(&dynamodb.without_retries());
    let first = next(&Shared::default(), 1);
    for fault in [Fault::Throttled, Fault::RequestLost, Fault::AnswerLost] {
        dynamodb.order("PutItem", fault);
        let unknown = store.swap("it", 0, &first).await;
        match fault {
            Fault::Throttled => assert!(matches!(unknown, Err(StoreError::Throttled(_)))),
            _ => assert!(matches!(unknown, Err(StoreError::Unavailable(_)))),
        }
    }
    assert_eq!(store.load("it").await.unwrap(), Some(first));
}

#[tokio::test]
async fn an_unreadable_item_is_for_a_person_to_look_at() {
    let dynamodb = database();
    let put = dynamodb.client().put_item().table_name("breakers");
    let text = aws_sdk_dynamodb::types::AttributeValue::S("it".to_owned());
    put.item("name", text.clone()).item("shared", text).send().await.unwrap();
    let unread = store(&dynamodb).load("it").await;
    assert!(matches!(unread, Err(StoreError::Corrupt(_))), "{unread:?}");
}

#[tokio::test]
async fn a_state_costs_a_read_unit_and_at_most_two_write_units_each() {
    let dynamodb = database();
    let store = store(&dynamodb);
    let mut shared = Shared::default();
    for write in 0..40 {
        let before = shared.version;
        shared = next(&shared, u64::MAX - write);
        drop(dynamodb.spent());
        store.swap("it", before, &shared).await.unwrap();
        store.load("it").await.unwrap();
        let spent = dynamodb.spent();
        assert!(spent.units("GetItem") <= 1.0, "{spent:?}");
        assert!(spent.units("PutItem") <= 2.0, "{spent:?}");
    }
}
