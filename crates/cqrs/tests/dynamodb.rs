//! The DynamoDB view passes the conformance suite, also under network faults.

use aws_sdk_dynamodb::types::AttributeValue;
use cqrs::conformance::{self, Car, INDEX};
use cqrs::dynamodb::{DynamoGenerations, DynamoView};
use cqrs::generation::{ProjectionState, ProjectionStateStore as _};
use cqrs::view::{Order, Range, Reader, View, ViewError};
use dynoxide_client::{DynamoDb, Fault};

const TABLE: &str = "cars";

fn dynamodb() -> DynamoDb {
    let dynamodb = DynamoDb::new();
    dynamodb.create_table(
        r#"{
            "TableName": "cars",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "id", "AttributeType": "S"},
                {"AttributeName": "colour", "AttributeType": "S"},
                {"AttributeName": "position", "AttributeType": "S"}
            ],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "GlobalSecondaryIndexes": [{
                "IndexName": "by-colour",
                "KeySchema": [
                    {"AttributeName": "colour", "KeyType": "HASH"},
                    {"AttributeName": "position", "KeyType": "RANGE"}
                ],
                "Projection": {"ProjectionType": "ALL"}
            }]
        }"#,
    );
    dynamodb
}

fn view(dynamodb: &DynamoDb) -> DynamoView {
    DynamoView::new(dynamodb.client(), TABLE.to_owned())
}

fn red() -> Car {
    Car { colour: "red".to_owned(), number: "1".to_owned(), text: String::new() }
}

const REDS: Range<'_> = Range {
    index: INDEX,
    attribute: "colour",
    partition: "red",
    after: None,
    order: Order::Ascending,
    limit: 10,
};

#[tokio::test]
async fn the_dynamodb_view_conforms() {
    conformance::all(&view(&dynamodb())).await;
}

#[tokio::test]
async fn the_dynamodb_generations_conform() {
    let dynamodb = dynamodb();
    let views = DynamoGenerations::new(dynamodb.client(), TABLE.to_owned());
    conformance::all_generations(&views).await;
}

#[tokio::test]
async fn rows_in_parts_conform() {
    conformance::all_parts(&view(&dynamodb())).await;
}

#[tokio::test]
async fn an_update_whose_response_is_lost_is_recognised() {
    let dynamodb = dynamodb();
    let views = DynamoGenerations::new(dynamodb.client(), TABLE.to_owned());
    dynamodb.order("UpdateItem", Fault::ResponseLost);
    let (state, _) = views.state().await.unwrap();
    let next = ProjectionState { revision: 1, newest: 2, ..state };
    assert!(views.update_state(&next).await.unwrap());
    assert_eq!(views.state().await.unwrap().0, next);
}

#[tokio::test]
async fn a_put_whose_response_is_lost_leaves_the_right_row() {
    let dynamodb = dynamodb();
    dynamodb.order("PutItem", Fault::ResponseLost);
    // Whether the response says that the row was written does not matter: the row exists.
    view(&dynamodb).upsert_if_newer("a", 3, &red()).await.unwrap();
    let found = Reader::<Car>::get(&view(&dynamodb), "a").await.unwrap().unwrap();
    assert_eq!((found.version, found.row), (3, red()));
}

#[tokio::test]
async fn an_unknown_outcome_is_never_reported_as_an_old_version() {
    for fault in [Fault::Throttled, Fault::RequestLost, Fault::ResponseLost] {
        let dynamodb = dynamodb();
        let view = view(&dynamodb.without_retries());
        dynamodb.order("PutItem", fault);
        let unknown = view.upsert_if_newer("a", 3, &red()).await;
        assert!(matches!(unknown, Err(ViewError::Unavailable(_))), "{fault:?}: {unknown:?}");
        dynamodb.order("GetItem", fault);
        let unread = Reader::<Car>::get(&view, "a").await;
        assert!(matches!(unread, Err(ViewError::Unavailable(_))), "{fault:?}: {unread:?}");
        dynamodb.order("Query", fault);
        let unread = Reader::<Car>::list(&view, REDS).await;
        assert!(matches!(unread, Err(ViewError::Unavailable(_))), "{fault:?}: {unread:?}");
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_corrupt_and_not_absent() {
    let dynamodb = dynamodb();
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let put = dynamodb.client().put_item().table_name(TABLE).item("id", text("a"));
    let put = put.item("version", AttributeValue::N("1".to_owned())).item("row", text("{"));
    put.item("colour", text("red")).item("position", text("1")).send().await.unwrap();
    let view = view(&dynamodb);
    let read = Reader::<Car>::get(&view, "a").await;
    assert!(matches!(read, Err(ViewError::Corrupt(_))), "{read:?}");
    let read = Reader::<Car>::list(&view, REDS).await;
    assert!(matches!(read, Err(ViewError::Corrupt(_))), "{read:?}");
    // A new version replaces it.
    assert!(view.upsert_if_newer("a", 2, &red()).await.unwrap());
    assert_eq!(Reader::<Car>::list(&view, REDS).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_stored_still_reads() {
    let dynamodb = dynamodb();
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let put = dynamodb.client().put_item().table_name(TABLE).item("id", text("a"));
    let put = put.item("version", AttributeValue::N("7".to_owned()));
    let row = r#"{"colour":"red","number":"1","text":""}"#;
    put.item("row", text(row)).item("colour", text("red")).send().await.unwrap();
    let found = Reader::<Car>::get(&view(&dynamodb), "a").await.unwrap().unwrap();
    assert_eq!((found.version, found.row), (7, red()));
}

#[tokio::test]
async fn a_warm_up_needs_no_row() {
    view(&dynamodb()).warm_up().await.unwrap();
}
