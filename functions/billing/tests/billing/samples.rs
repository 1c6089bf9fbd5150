//! Every stored form of a bill can be read, with its original meaning.

#![expect(clippy::unwrap_used, reason = "a test that can't continue reports where")]

use std::path::Path;

use aws_lambda_events::dynamodb::EventRecord;
use billing::domain::{Bill, PaymentState, Stage};
use contracts::billing::BillStatus;
use contracts::booking::PaymentMode;
use outbox::record::read_image;
use serde_json::{Value, json};

use crate::world::usd;

fn sample(name: &str) -> Bill {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/samples/bills");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    let image: Value = serde_json::from_str(&text).unwrap();
    // The form of the table's stream.
    let record: EventRecord = serde_json::from_value(json!({
        "eventID": "1",
        "eventName": "MODIFY",
        "awsRegion": "us-east-1",
        "dynamodb": { "ApproximateCreationDateTime": 0, "NewImage": image, "SizeBytes": 1 },
    }))
    .unwrap();
    let image = read_image::<Bill>(&record).unwrap().unwrap();
    assert_eq!(image.id, image.state.reference.to_string());
    image.state
}

#[test]
fn a_stored_bill_of_the_first_version_keeps_its_meaning() {
    for (name, status, paid, refunded) in [
        ("open", Some(BillStatus::Pending), "0.00", "0.00"),
        ("open-with-every-payment", Some(BillStatus::Pending), "20.00", "0.00"),
        ("open-instant", Some(BillStatus::Paid), "100.00", "0.00"),
        ("closing", Some(BillStatus::Pending), "20.00", "0.00"),
        ("closed", Some(BillStatus::Refunded), "0.00", "20.00"),
        ("closed-before-it-was-issued", None, "0.00", "0.00"),
    ] {
        let bill = sample(&format!("v1/{name}"));
        assert_eq!(bill.status(), status, "{name}");
        assert_eq!((bill.paid(), bill.refunded()), (usd(paid), usd(refunded)), "{name}");
        if let Some(terms) = bill.terms() {
            assert_eq!((&*terms.customer.0, terms.total), ("ann", usd("100.00")), "{name}");
            let has_due_time = terms.mode == PaymentMode::Invoice;
            assert_eq!(terms.due_at.is_some(), has_due_time, "{name}");
        }
    }
    let Stage::Closing { since, overdue, .. } = sample("v1/closing").stage else {
        unreachable!("the sample is a bill that is being closed")
    };
    assert_eq!((since.to_string().as_str(), overdue), ("2026-01-02T03:20:05Z", true));
}

#[test]
fn the_samples_contain_every_state_of_a_payment() {
    let all = ["open-with-every-payment", "closed"].map(|name| sample(&format!("v1/{name}")));
    let states: Vec<_> = all.iter().flat_map(Bill::payments).map(|it| it.state.clone()).collect();
    let expected = [
        PaymentState::Requested,
        PaymentState::Captured,
        PaymentState::Declined { reason: "insufficient_funds".to_owned() },
        PaymentState::Refunded { amount: usd("20.00") },
        PaymentState::Voided { amount: usd("0.00") },
    ];
    assert_eq!(states, expected);
}
