//! The conformance suite that every ledger must pass.

use std::sync::Arc;

use contracts::money::Money;
use dynoxide_client::{DynamoDb, Fault};
use futures::future::join_all;
use jiff::Timestamp;

use crate::adapters::dynamodb::DynamoLedger;
use crate::adapters::memory::MemoryLedger;
use crate::domain::{
    Charge, Decision, Entry, Key, MovementKind, Receipt, Reference, Rejection, Request,
};
use crate::ledger::{Ledger, LedgerError, Revision, carry_out};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

fn charge(token: &str) -> Request {
    Request::Charge(Charge { amount: "100.00".parse().unwrap(), token: token.parse().unwrap() })
}

fn attempted(attempts: u32) -> Entry {
    let Request::Charge(charge) = charge("tok_down") else { unreachable!("it is a charge") };
    Entry::Attempted { charge, attempts }
}

/// A new database with a table whose keys are those of the deployed one.
pub(super) fn database() -> DynamoDb {
    let dynamodb = DynamoDb::new();
    dynamodb.create_table(
        r#"{
            "TableName": "ledger",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "reference", "AttributeType": "S"},
                {"AttributeName": "entry", "AttributeType": "S"}
            ],
            "KeySchema": [
                {"AttributeName": "reference", "KeyType": "HASH"},
                {"AttributeName": "entry", "KeyType": "RANGE"}
            ]
        }"#,
    );
    dynamodb
}

fn in_dynamodb(dynamodb: &DynamoDb) -> DynamoLedger {
    DynamoLedger::new(dynamodb.client(), "ledger".to_owned())
}

async fn send<L: Ledger>(ledger: &L, request: Request) -> Result<Receipt, Rejection> {
    carry_out(ledger, &reference("r"), &key("k"), request, NOW).await.unwrap().response
}

/// The balance of a reference in cents, and the number of its charges.
async fn paid<L: Ledger>(ledger: &L, of: &Reference) -> (i128, usize) {
    let entries = ledger.entries(of).await.unwrap();
    let moved: Vec<_> = entries.iter().flat_map(|(_, entry)| entry.movements()).collect();
    let charges = moved.iter().filter(|it| it.kind == MovementKind::Charge).count();
    let cents = moved.iter().map(|it| match it.kind {
        MovementKind::Charge => i128::from(it.amount.cents()),
        MovementKind::Refund => -i128::from(it.amount.cents()),
    });
    (cents.sum(), charges)
}

/// Sends all requests concurrently, each in a task of its own.
async fn all_at_once<L: Ledger + 'static>(
    ledger: &Arc<L>,
    requests: Vec<Request>,
) -> Vec<Decision> {
    let tasks = requests.into_iter().map(|request| {
        let ledger = Arc::clone(ledger);
        tokio::spawn(async move {
            carry_out(&*ledger, &reference("r"), &key("k"), request, NOW).await.unwrap()
        })
    });
    join_all(tasks).await.into_iter().map(Result::unwrap).collect()
}

async fn what_is_saved_is_loaded<L: Ledger>(ledger: L) {
    let (r, k) = (reference("r"), key("k"));
    assert_eq!(ledger.load(&r, &k).await.unwrap(), (Entry::Absent, Revision(0)));
    let entries = [
        attempted(1),
        Entry::Voided { voided_at: NOW },
        Entry::Charged {
            charge: Charge { amount: Money::MAX, token: "tok_visa".parse().unwrap() },
            charged_at: "2026-01-01T12:00:00.123456789Z".parse().unwrap(),
        },
    ];
    for (entry, revision) in entries.into_iter().zip(0..) {
        ledger.save(&r, &k, &entry, Revision(revision)).await.unwrap();
        assert_eq!(ledger.load(&r, &k).await.unwrap(), (entry, Revision(revision + 1)));
    }
    assert_eq!(ledger.load(&r, &key("other")).await.unwrap().1, Revision(0));
    assert_eq!(ledger.load(&reference("other"), &k).await.unwrap().1, Revision(0));
}

async fn one_of_two_writers_wins<L: Ledger>(ledger: L) {
    let (r, k) = (reference("r"), key("k"));
    ledger.save(&r, &k, &attempted(1), Revision(0)).await.unwrap();
    for stale in [Revision(0), Revision(2)] {
        let lost = ledger.save(&r, &k, &attempted(9), stale).await;
        assert!(matches!(lost, Err(LedgerError::Conflict)), "{lost:?}");
    }
    let lost = ledger.save(&r, &key("new"), &attempted(9), Revision(1)).await;
    assert!(matches!(lost, Err(LedgerError::Conflict)), "{lost:?}");
    assert_eq!(ledger.load(&r, &k).await.unwrap(), (attempted(1), Revision(1)));
}

async fn a_key_is_bound_to_its_first_reference<L: Ledger>(ledger: L) {
    assert!(ledger.bind(&key("k"), &reference("first")).await.unwrap());
    assert!(ledger.bind(&key("k"), &reference("first")).await.unwrap());
    assert!(!ledger.bind(&key("k"), &reference("second")).await.unwrap());
    assert!(ledger.bind(&key("l"), &reference("second")).await.unwrap());
    // A binding is not listed as an entry.
    assert_eq!(ledger.entries(&reference("first")).await.unwrap(), []);

    let (second, k) = (reference("second"), key("k"));
    for request in [charge("tok_visa"), Request::Refund] {
        let stolen = carry_out(&ledger, &second, &k, request, NOW).await.unwrap();
        assert_eq!(stolen.response, Err(Rejection::KeyReused));
    }
    assert_eq!(paid(&ledger, &reference("second")).await, (0, 0));
}

async fn all_entries_of_a_reference_are_listed<L: Ledger>(ledger: L) {
    // With tokens of this length, more than one page of 1 MiB.
    let long = Charge { amount: Money::MAX, token: "t".repeat(128).parse().unwrap() };
    let entry = Entry::Charged { charge: long, charged_at: NOW };
    let keys: Vec<String> = (0..4_000).map(|n| format!("{n:0>100}")).collect();
    for k in &keys {
        ledger.save(&reference("r"), &key(k), &entry, Revision(0)).await.unwrap();
    }
    let found: Vec<String> =
        ledger.entries(&reference("r")).await.unwrap().into_iter().map(|(k, _)| k.into()).collect();
    assert_eq!(found, keys);
}

async fn sixteen_charges_with_one_key_are_one<L: Ledger + 'static>(ledger: L) {
    let ledger = Arc::new(ledger);
    let requests = vec![charge("tok_visa"); 16];
    for decision in all_at_once(&ledger, requests).await {
        assert_eq!(decision.response, Ok(Receipt::Charged));
    }
    assert_eq!(paid(&*ledger, &reference("r")).await, (10_000, 1));
}

async fn sixteen_flaky_charges_count_each_attempt<L: Ledger + 'static>(ledger: L) {
    let ledger = Arc::new(ledger);
    let decisions = all_at_once(&ledger, vec![charge("tok_flaky"); 16]).await;
    let refused = decisions.iter().filter(|it| it.response == Err(Rejection::Unavailable)).count();
    assert_eq!(refused, 2);
    assert_eq!(paid(&*ledger, &reference("r")).await, (10_000, 1));
}

async fn a_charge_and_a_refund_at_once_leave_no_money<L: Ledger + 'static>(new: impl Fn() -> L) {
    for charges_first in [true, false] {
        let ledger = Arc::new(new());
        let mut requests = vec![charge("tok_visa"); 8];
        requests.extend(vec![Request::Refund; 8]);
        if !charges_first {
            requests.reverse();
        }
        let decisions = all_at_once(&ledger, requests).await;
        let charged = decisions.iter().any(|it| it.response == Ok(Receipt::Charged));
        let voided = decisions.iter().any(|it| it.response == Err(Rejection::Voided));
        assert!(charged != voided, "either it was charged, or it was void");
        assert_eq!(paid(&*ledger, &reference("r")).await, (0, usize::from(charged)));
    }
}

async fn suite<L: Ledger + 'static>(new: impl Fn() -> L) {
    what_is_saved_is_loaded(new()).await;
    one_of_two_writers_wins(new()).await;
    a_key_is_bound_to_its_first_reference(new()).await;
    all_entries_of_a_reference_are_listed(new()).await;
    sixteen_charges_with_one_key_are_one(new()).await;
    sixteen_flaky_charges_count_each_attempt(new()).await;
    a_charge_and_a_refund_at_once_leave_no_money(new).await;
}

#[tokio::test]
async fn the_ledger_in_memory_conforms() {
    suite(MemoryLedger::default).await;
}

#[tokio::test]
async fn the_ledger_in_dynamodb_conforms() {
    suite(|| in_dynamodb(&database())).await;
}

#[tokio::test]
async fn a_lost_response_of_the_table_is_no_second_charge() {
    for fault in [Fault::ResponseLost, Fault::RequestLost, Fault::Throttled] {
        let dynamodb = database();
        let ledger = in_dynamodb(&dynamodb);
        // The first write binds the key, the second saves the entry.
        dynamodb.order("PutItem", fault);
        assert_eq!(send(&ledger, charge("tok_visa")).await, Ok(Receipt::Charged), "{fault:?}");
        dynamodb.order("PutItem", fault);
        let refunded = send(&ledger, Request::Refund).await;
        assert_eq!(refunded, Ok(Receipt::Refunded("100.00".parse().unwrap())), "{fault:?}");
        assert_eq!(paid(&ledger, &reference("r")).await, (0, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn a_retry_completes_a_request_after_a_crash_at_any_write() {
    for (request, response) in [
        (charge("tok_visa"), Ok(Receipt::Charged)),
        (Request::Refund, Ok(Receipt::Refunded(Money::ZERO))),
    ] {
        for writes_before in 0..2 {
            for fault in [Fault::ResponseLost, Fault::RequestLost] {
                let dynamodb = database();
                if writes_before == 1 {
                    in_dynamodb(&dynamodb).bind(&key("k"), &reference("r")).await.unwrap();
                }
                // Without retries of the SDK, a fault ends the request at the same point as a crash.
                let hasty =
                    DynamoLedger::new(dynamodb.without_retries().client(), "ledger".to_owned());
                dynamodb.order("PutItem", fault);
                let crashed =
                    carry_out(&hasty, &reference("r"), &key("k"), request.clone(), NOW).await;
                assert!(matches!(crashed, Err(LedgerError::Unavailable(_))), "{crashed:?}");

                let ledger = in_dynamodb(&dynamodb);
                assert_eq!(send(&ledger, request.clone()).await, response, "{fault:?}");
                let charges = usize::from(response == Ok(Receipt::Charged));
                assert_eq!(paid(&ledger, &reference("r")).await.1, charges, "{fault:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_unreadable_entry_is_an_error_and_not_absent() {
    let dynamodb = database();
    let ledger = in_dynamodb(&dynamodb);
    let text = |it: &str| aws_sdk_dynamodb::types::AttributeValue::S(it.to_owned());
    let put = dynamodb.client().put_item().table_name("ledger").item("reference", text("r"));
    put.item("entry", text("charge#k")).item("status", text("sold")).send().await.unwrap();
    let charged = carry_out(&ledger, &reference("r"), &key("k"), charge("tok_visa"), NOW).await;
    assert!(matches!(charged, Err(LedgerError::Corrupt(_))), "{charged:?}");
    let listed = ledger.entries(&reference("r")).await;
    assert!(matches!(listed, Err(LedgerError::Corrupt(_))), "{listed:?}");
}

#[tokio::test]
async fn the_table_can_be_warmed_up() {
    in_dynamodb(&database()).warm_up().await.unwrap();
}
