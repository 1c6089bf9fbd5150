//! The index of due bills, on the table that the template describes.

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use billing::adapters::dynamodb::DynamoDueBills;
use billing::memory::MemoryProvider;
use billing::payment_service::{Deadline, PaymentService};
use billing::ports::{DueBill, DueBills};
use contracts::id::{BillReference, BookingId};
use dynoxide_client::DynamoDb;
use outbox::dynamodb::DynamoStore;
use uuid::Uuid;

use crate::world::{DUE_AFTER, World, alice, payment, reference, usd};

fn with_table() -> DynamoDb {
    let template: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(include_str!("../../../../infra/billing.yaml"))
            .expect("the template is YAML");
    let described = &template["Resources"]["BillsTable"]["Properties"];
    let mut properties = serde_json::Map::new();
    for member in ["AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes"] {
        let value =
            serde_json::to_value(&described[member]).expect("it contains no intrinsic functions");
        properties.insert(member.to_owned(), value);
    }
    let dynamodb = DynamoDb::new();
    dynamodb.create_table_of_template("bills", &properties.into());
    dynamodb
}

fn booking(id: u128) -> BillReference {
    BillReference { booking_id: BookingId(Uuid::from_u128(id)), ..reference() }
}

#[tokio::test]
async fn a_bill_is_in_the_index_as_long_as_it_has_to_be_reconciled() {
    let dynamodb = with_table();
    let client = dynamodb.client();
    let world = World::default();
    let due_bills = DynamoDueBills::new(client.clone(), "bills".to_owned());
    let service = PaymentService {
        store: DynamoStore::new(client, "bills".to_owned(), function::now),
        provider: MemoryProvider::default(),
        now: || world.now(),
        new_id: function::new_id,
        total: usd("100.00"),
    };
    // At least one in each partition.
    for id in 0..10 {
        service.issue(booking(id), alice(), DUE_AFTER, None).await.unwrap();
        world.advance(1);
    }
    let found = due_bills.due_before(i64::MAX).await.unwrap();
    let expected: Vec<DueBill> = (0..10)
        .zip(900..)
        .map(|(id, at_seconds)| DueBill { reference: booking(id), at_seconds })
        .collect();
    assert_eq!(found, expected);
    assert_eq!(due_bills.due_before(903).await.unwrap(), expected[..3]);

    let deadline = Deadline::of_invocation();
    service.pay(booking(3), payment(7, "100.00", "tok_visa"), None, deadline).await.unwrap();
    service.close(booking(4), None, deadline).await.unwrap();
    let remaining = due_bills.due_before(i64::MAX).await.unwrap();
    assert_eq!(remaining.len(), 8);
    assert!(remaining.iter().all(|it| it.reference != booking(3) && it.reference != booking(4)));
}

#[tokio::test]
async fn all_pages_of_the_index_are_read() {
    // A page contains at most 1 MB, which is about 10,000 keys.
    const BILLS: u128 = 12_000;
    let client = with_table().client();
    for first in (0..BILLS).step_by(25) {
        let writes = (first..first + 25).map(|id| {
            let put = PutRequest::builder()
                .item("id", AttributeValue::S(booking(id).to_string()))
                .item("part", AttributeValue::S("state".to_owned()))
                .item("due", AttributeValue::S("due#0".to_owned()))
                .item("due_at", AttributeValue::N(id.to_string()));
            WriteRequest::builder().put_request(put.build().unwrap()).build()
        });
        let writes = writes.collect::<Vec<_>>();
        client.batch_write_item().request_items("bills", writes).send().await.unwrap();
    }
    let pages = client
        .query()
        .table_name("bills")
        .index_name("by-due")
        .key_condition_expression("due = :due")
        .expression_attribute_values(":due", AttributeValue::S("due#0".to_owned()))
        .send()
        .await
        .unwrap();
    assert!(pages.last_evaluated_key().is_some(), "one page contains all {}", pages.count());
    let found = DynamoDueBills::new(client, "bills".to_owned()).due_before(i64::MAX).await.unwrap();
    assert_eq!(found.len() as u128, BILLS);
}
