//! Every stored sample of an entry is readable and has the same meaning.

use std::collections::HashMap;
use std::path::Path;

use aws_sdk_dynamodb::types::AttributeValue;
use contracts::money::Money;

use super::conformance::database;
use super::dynamodb::DynamoLedger;
use crate::domain::{Charge, Entry};
use crate::ledger::{Ledger, Revision};

const REFERENCE: &str = "0199aaaa-0000-7000-8000-000000005107:0199aaaa-0000-7000-8000-00000000b00c";

fn sample(name: &str) -> HashMap<String, AttributeValue> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/samples/ledger");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    serde_json::from_str::<serde_dynamo::Item>(&text).unwrap().into()
}

/// A ledger with these items.
async fn ledger(names: &[&str]) -> DynamoLedger {
    let database = database();
    for name in names {
        let item = Some(sample(name));
        database.client().put_item().table_name("ledger").set_item(item).send().await.unwrap();
    }
    DynamoLedger::new(database.client(), "ledger".to_owned())
}

#[tokio::test]
async fn an_entry_of_the_first_version_is_what_it_was() {
    let charge =
        Charge { amount: "100.00".parse::<Money>().unwrap(), token: "tok_visa".parse().unwrap() };
    let at = |time: &str| format!("2026-01-02T{time}Z").parse().unwrap();
    let charged_at = at("03:05:05");
    for (name, revision, entry) in [
        ("attempted", 2, Entry::Attempted { charge: charge.clone(), attempts: 2 }),
        ("charged", 1, Entry::Charged { charge: charge.clone(), charged_at }),
        ("declined", 1, Entry::Declined { charge: charge.clone(), reason: "card_declined".into() }),
        ("refunded", 2, Entry::Refunded { charge, charged_at, refunded_at: at("03:06:05") }),
        ("voided", 1, Entry::Voided { voided_at: at("03:06:05") }),
    ] {
        let ledger = ledger(&[&format!("v1/{name}")]).await;
        let read = ledger.load(&REFERENCE.parse().unwrap(), &"key-1".parse().unwrap()).await;
        assert_eq!(read.unwrap(), (entry, Revision(revision)), "{name}");
    }
}

#[tokio::test]
async fn a_key_stays_bound() {
    let ledger = ledger(&["v1/binding"]).await;
    let bind = async |reference: &str| {
        ledger.bind(&"key-1".parse().unwrap(), &reference.parse().unwrap()).await.unwrap()
    };
    assert!(bind(REFERENCE).await);
    assert!(!bind("another").await);
}
