//! Given earlier requests with a key, when a request arrives, then the provider responds in this way.

use contracts::money::Money;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{Charge, Entry, MovementKind, Pace, Receipt, Rejection, Request, decide};

const TOKENS: [&str; 8] = [
    "tok_visa",
    "tok_declined",
    "tok_insufficient_funds",
    "tok_slow",
    "tok_timeout",
    "tok_flaky",
    "tok_down",
    "tok_unknown",
];

fn money(text: &str) -> Money {
    text.parse().expect("an amount")
}

fn charge(token: &str) -> Request {
    Request::Charge(Charge { amount: money("100.00"), token: token.parse().expect("a token") })
}

fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
}

/// The entry after these requests, a second apart.
fn entry_after(given: &[Request]) -> Entry {
    given.iter().zip(0..).fold(Entry::Absent, |entry, (request, second)| {
        decide(&entry, request.clone(), at(second)).write.unwrap_or(entry)
    })
}

#[track_caller]
fn check(given: &[Request], when: Request, then: Result<Receipt, Rejection>) {
    let decision = decide(&entry_after(given), when, at(60));
    assert_eq!(decision.response, then);
}

/// The balance of all movements, in cents.
fn paid_cents(entry: &Entry) -> i128 {
    entry
        .movements()
        .iter()
        .map(|movement| match movement.kind {
            MovementKind::Charge => i128::from(movement.amount.cents()),
            MovementKind::Refund => -i128::from(movement.amount.cents()),
        })
        .sum()
}

fn declined(reason: &str) -> Result<Receipt, Rejection> {
    Err(Rejection::Declined { reason: reason.to_owned() })
}

const CHARGED: Result<Receipt, Rejection> = Ok(Receipt::Charged);
const NOT_NOW: Result<Receipt, Rejection> = Err(Rejection::Unavailable);

#[test]
fn a_valid_card_is_charged_once_for_repeated_requests() {
    check(&[], charge("tok_visa"), CHARGED);
    check(&[charge("tok_visa")], charge("tok_visa"), CHARGED);
    assert_eq!(entry_after(&[charge("tok_visa"), charge("tok_visa")]).movements().len(), 1);
}

#[test]
fn a_declined_card_has_the_same_reason_each_time() {
    for (token, reason) in [
        ("tok_declined", "card_declined"),
        ("tok_insufficient_funds", "insufficient_funds"),
        ("tok_unknown", "token_unknown"),
    ] {
        check(&[], charge(token), declined(reason));
        check(&[charge(token)], charge(token), declined(reason));
        assert_eq!(paid_cents(&entry_after(&[charge(token)])), 0, "{token}");
    }
}

#[test]
fn a_slow_response_is_slow_once() {
    let first = decide(&Entry::Absent, charge("tok_slow"), at(0));
    assert_eq!((first.response, first.pace), (CHARGED, Pace::Slow));
    let second = decide(&entry_after(&[charge("tok_slow")]), charge("tok_slow"), at(1));
    assert_eq!((second.response, second.pace), (CHARGED, Pace::Prompt));
}

#[test]
fn a_lost_response_has_charged_the_card_and_a_retry_returns_the_result() {
    let first = decide(&Entry::Absent, charge("tok_timeout"), at(0));
    assert_eq!((first.response, first.pace), (NOT_NOW, Pace::NoResponse));
    let entry = entry_after(&[charge("tok_timeout")]);
    assert_eq!(paid_cents(&entry), 10_000);
    let second = decide(&entry, charge("tok_timeout"), at(1));
    assert_eq!((second.response, second.pace, second.write), (CHARGED, Pace::Prompt, None));
}

#[test]
fn a_flaky_card_is_charged_at_the_third_attempt() {
    let flaky = || charge("tok_flaky");
    check(&[], flaky(), NOT_NOW);
    check(&[flaky()], flaky(), NOT_NOW);
    assert_eq!(paid_cents(&entry_after(&[flaky(), flaky()])), 0);
    check(&[flaky(), flaky()], flaky(), CHARGED);
    check(&[flaky(), flaky(), flaky()], flaky(), CHARGED);
}

#[test]
fn an_unavailable_provider_charges_nothing() {
    let given: Vec<Request> = (0..9).map(|_| charge("tok_down")).collect();
    check(&given, charge("tok_down"), NOT_NOW);
    assert_eq!(paid_cents(&entry_after(&given)), 0);
}

#[test]
fn a_key_belongs_to_one_charge() {
    let other = || {
        Request::Charge(Charge {
            amount: money("99.99"),
            token: "tok_visa".parse().expect("a token"),
        })
    };
    for token in ["tok_visa", "tok_declined", "tok_flaky", "tok_timeout"] {
        check(&[charge(token)], other(), Err(Rejection::KeyReused));
    }
    check(&[charge("tok_visa")], charge("tok_slow"), Err(Rejection::KeyReused));
    check(&[charge("tok_flaky")], charge("tok_visa"), Err(Rejection::KeyReused));
    check(&[charge("tok_visa"), Request::Refund], other(), Err(Rejection::KeyReused));
    assert_eq!(entry_after(&[charge("tok_visa"), other()]), entry_after(&[charge("tok_visa")]));
}

#[test]
fn a_charge_is_refunded_once() {
    let all = Ok(Receipt::Refunded(money("100.00")));
    for token in ["tok_visa", "tok_slow", "tok_timeout"] {
        check(&[charge(token)], Request::Refund, all.clone());
        check(&[charge(token), Request::Refund], Request::Refund, all.clone());
        let entry = entry_after(&[charge(token), Request::Refund, Request::Refund]);
        assert_eq!(entry.movements().len(), 2);
        assert_eq!(paid_cents(&entry), 0);
    }
}

#[test]
fn a_refund_without_a_charge_voids_a_charge_that_arrives_later() {
    let nothing = Ok(Receipt::Refunded(Money::ZERO));
    check(&[], Request::Refund, nothing.clone());
    check(&[Request::Refund], Request::Refund, nothing.clone());
    for token in TOKENS {
        check(&[Request::Refund], charge(token), Err(Rejection::Voided));
    }
    check(&[charge("tok_flaky")], Request::Refund, nothing.clone());
    check(&[charge("tok_flaky"), Request::Refund], charge("tok_flaky"), Err(Rejection::Voided));
    check(&[charge("tok_declined")], Request::Refund, nothing);
    check(
        &[charge("tok_declined"), Request::Refund],
        charge("tok_declined"),
        declined("card_declined"),
    );
}

#[test]
fn a_repeated_charge_after_the_refund_returns_the_original_result_and_moves_nothing() {
    check(&[charge("tok_visa"), Request::Refund], charge("tok_visa"), CHARGED);
    let entry = entry_after(&[charge("tok_visa"), Request::Refund, charge("tok_visa")]);
    assert_eq!(paid_cents(&entry), 0);
}

#[test]
fn the_ledger_has_the_time_of_each_movement() {
    let entry = entry_after(&[charge("tok_visa"), Request::Refund]);
    let moved: Vec<_> = entry.movements().iter().map(|it| (it.kind, it.at)).collect();
    assert_eq!(moved, [(MovementKind::Charge, at(0)), (MovementKind::Refund, at(1))]);
}

#[test]
fn every_stored_form_of_an_entry_is_readable() {
    for (json, given) in [
        (
            r#"{"status":"attempted","charge":{"amount":"100.00","token":"tok_flaky"},"attempts":1}"#,
            vec![charge("tok_flaky")],
        ),
        (
            r#"{"status":"charged","charge":{"amount":"100.00","token":"tok_visa"},"charged_at":"1970-01-01T00:00:00Z"}"#,
            vec![charge("tok_visa")],
        ),
        (
            r#"{"status":"declined","charge":{"amount":"100.00","token":"tok_declined"},"reason":"card_declined"}"#,
            vec![charge("tok_declined")],
        ),
        (
            r#"{"status":"refunded","charge":{"amount":"100.00","token":"tok_visa"},"charged_at":"1970-01-01T00:00:00Z","refunded_at":"1970-01-01T00:00:01Z"}"#,
            vec![charge("tok_visa"), Request::Refund],
        ),
        (r#"{"status":"voided","voided_at":"1970-01-01T00:00:00Z"}"#, vec![Request::Refund]),
    ] {
        let entry: Entry = serde_json::from_str(json).expect("an entry");
        assert_eq!(entry, entry_after(&given), "{json}");
        assert_eq!(serde_json::to_string(&entry).expect("JSON"), json);
    }
}

fn any_request() -> impl Strategy<Value = Request> {
    let charges = (0..TOKENS.len(), 1_u64..3).prop_map(|(token, cents)| {
        Request::Charge(Charge {
            amount: Money::from_cents(cents).expect("an amount"),
            token: TOKENS[token].parse().expect("a token"),
        })
    });
    prop_oneof![3 => charges, 1 => Just(Request::Refund)]
}

proptest! {
    #[test]
    fn the_balance_is_right_for_any_sequence_of_requests(
        requests in prop::collection::vec(any_request(), 0..12),
    ) {
        let mut entry = Entry::Absent;
        let mut first_decided = None;
        for (request, second) in requests.iter().zip(0..) {
            let decision = decide(&entry, request.clone(), at(second));
            if let Some(next) = &decision.write {
                let (before, after) = (entry.movements(), next.movements());
                prop_assert!(after.starts_with(&before), "a movement is never removed");
            }
            entry = decision.write.unwrap_or(entry);
            let paid = paid_cents(&entry);
            match &decision.response {
                Ok(Receipt::Refunded(_)) => prop_assert_eq!(paid, 0),
                Ok(Receipt::Charged) | Err(_) => prop_assert!(paid >= 0),
            }
            // The response to a charge stays the same once it has been decided.
            if let Request::Charge(_) = request {
                match (&first_decided, &decision.response) {
                    (_, Err(Rejection::Unavailable | Rejection::KeyReused)) => {}
                    (None, first) => first_decided = Some((request.clone(), first.clone())),
                    (Some((known, first)), again) if known == request => {
                        prop_assert_eq!(again, first);
                    }
                    (Some(_), again) => prop_assert_eq!(again, &Err(Rejection::Voided)),
                }
            }
            prop_assert!(entry.movements().len() <= 2);
        }
        if matches!(requests.last(), Some(Request::Refund)) {
            prop_assert_eq!(paid_cents(&entry), 0, "nothing remains charged after a refund");
        }
    }
}
