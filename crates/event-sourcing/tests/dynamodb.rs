//! The DynamoDB adapter does what every store must, against a strict DynamoDB in process.

use dynoxide_client::{DynamoDb, Fault};
use event_sourcing::conformance;
use event_sourcing::dynamodb::DynamoStore;
use event_sourcing::store::{Commit, EventStore, Recorded};
use jiff::Timestamp;
use uuid::Uuid;

const TABLE: &str = r#"{
    "TableName": "bookings",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        { "AttributeName": "stream", "AttributeType": "S" },
        { "AttributeName": "version", "AttributeType": "N" }
    ],
    "KeySchema": [
        { "AttributeName": "stream", "KeyType": "HASH" },
        { "AttributeName": "version", "KeyType": "RANGE" }
    ]
}"#;

fn database() -> DynamoDb {
    let database = DynamoDb::new();
    database.create_table(TABLE);
    database
}

#[tokio::test]
async fn the_dynamodb_store_conforms() {
    let database = database();
    let store = DynamoStore::new(database.client(), "bookings".to_owned());
    conformance::all(&store).await;
}

#[tokio::test]
async fn an_append_whose_answer_is_lost_recognises_itself() {
    let database = database();
    let store = DynamoStore::new(database.client(), "bookings".to_owned());
    // The SDK sends the put again; the second time its condition fails, against the first.
    database.order("PutItem", Fault::AnswerLost);
    let commit = Commit {
        version: 1,
        command_id: Uuid::now_v7(),
        occurred_at: Timestamp::UNIX_EPOCH,
        correlation_id: Uuid::nil(),
        causation_id: Uuid::nil(),
        events: vec![Recorded { id: Uuid::now_v7(), event: "made".to_owned() }],
    };
    store.append("s", commit.clone()).await.expect("it is our own");
    assert_eq!(store.load("s", 0).await.expect("readable"), vec![commit]);
}
