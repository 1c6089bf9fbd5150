//! Given what has been asked under a key, when this is asked, then that is answered.

use contracts::money::Money;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{Charge, Entry, MovementKind, Pace, Receipt, Refusal, Request, decide};

const TOKENS: [&str; 8] = [
    "tok_visa",
    "tok_declined",
    "tok_insufficient_funds",
    "tok_slow",
    "tok_timeout",
    "tok_flaky",
    "tok_down",
    "tok_nobody",
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
fn check(given: &[Request], when: Request, then: Result<Receipt, Refusal>) {
    let decision = decide(&entry_after(given), when, at(60));
    assert_eq!(decision.answer, then);
}

/// What the card's owner has paid in the end, in cents.
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

fn declined(reason: &str) -> Result<Receipt, Refusal> {
    Err(Refusal::Declined { reason: reason.to_owned() })
}

const CHARGED: Result<Receipt, Refusal> = Ok(Receipt::Charged);
const NOT_NOW: Result<Receipt, Refusal> = Err(Refusal::Unavailable);

#[test]
fn a_good_card_is_charged_once_however_often_it_is_asked() {
    check(&[], charge("tok_visa"), CHARGED);
    check(&[charge("tok_visa")], charge("tok_visa"), CHARGED);
    assert_eq!(entry_after(&[charge("tok_visa"), charge("tok_visa")]).movements().len(), 1);
}

#[test]
fn a_declined_card_says_why_each_time() {
    for (token, reason) in [
        ("tok_declined", "card_declined"),
        ("tok_insufficient_funds", "insufficient_funds"),
        ("tok_nobody", "token_unknown"),
    ] {
        check(&[], charge(token), declined(reason));
        check(&[charge(token)], charge(token), declined(reason));
        assert_eq!(paid_cents(&entry_after(&[charge(token)])), 0, "{token}");
    }
}

#[test]
fn a_slow_answer_is_slow_once() {
    let first = decide(&Entry::Absent, charge("tok_slow"), at(0));
    assert_eq!((first.answer, first.pace), (CHARGED, Pace::Slow));
    let second = decide(&entry_after(&[charge("tok_slow")]), charge("tok_slow"), at(1));
    assert_eq!((second.answer, second.pace), (CHARGED, Pace::Prompt));
}

#[test]
fn a_lost_answer_has_taken_the_money_and_asking_again_tells() {
    let first = decide(&Entry::Absent, charge("tok_timeout"), at(0));
    assert_eq!((first.answer, first.pace), (NOT_NOW, Pace::Silent));
    let entry = entry_after(&[charge("tok_timeout")]);
    assert_eq!(paid_cents(&entry), 10_000);
    let second = decide(&entry, charge("tok_timeout"), at(1));
    assert_eq!((second.answer, second.pace, second.write), (CHARGED, Pace::Prompt, None));
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
fn a_provider_that_is_down_stays_down_and_takes_nothing() {
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
        check(&[charge(token)], other(), Err(Refusal::KeyReused));
    }
    check(&[charge("tok_visa")], charge("tok_slow"), Err(Refusal::KeyReused));
    check(&[charge("tok_flaky")], charge("tok_visa"), Err(Refusal::KeyReused));
    check(&[charge("tok_visa"), Request::Refund], other(), Err(Refusal::KeyReused));
    assert_eq!(entry_after(&[charge("tok_visa"), other()]), entry_after(&[charge("tok_visa")]));
}

#[test]
fn a_refund_gives_back_what_was_taken_once() {
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
fn a_refund_of_nothing_voids_the_charge_that_may_come() {
    let nothing = Ok(Receipt::Refunded(Money::ZERO));
    check(&[], Request::Refund, nothing.clone());
    check(&[Request::Refund], Request::Refund, nothing.clone());
    for token in TOKENS {
        check(&[Request::Refund], charge(token), Err(Refusal::Voided));
    }
    check(&[charge("tok_flaky")], Request::Refund, nothing.clone());
    check(&[charge("tok_flaky"), Request::Refund], charge("tok_flaky"), Err(Refusal::Voided));
    check(&[charge("tok_declined")], Request::Refund, nothing);
    check(
        &[charge("tok_declined"), Request::Refund],
        charge("tok_declined"),
        declined("card_declined"),
    );
}

#[test]
fn a_repeat_after_the_refund_gets_the_first_answer_and_moves_nothing() {
    check(&[charge("tok_visa"), Request::Refund], charge("tok_visa"), CHARGED);
    let entry = entry_after(&[charge("tok_visa"), Request::Refund, charge("tok_visa")]);
    assert_eq!(paid_cents(&entry), 0);
}

#[test]
fn the_ledger_tells_when_money_moved() {
    let entry = entry_after(&[charge("tok_visa"), Request::Refund]);
    let moved: Vec<_> = entry.movements().iter().map(|it| (it.kind, it.at)).collect();
    assert_eq!(moved, [(MovementKind::Charge, at(0)), (MovementKind::Refund, at(1))]);
}

#[test]
fn entries_ever_stored_still_read() {
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
    fn money_adds_up_whatever_is_asked_in_whatever_order(
        requests in prop::collection::vec(any_request(), 0..12),
    ) {
        let mut entry = Entry::Absent;
        let mut first_decided = None;
        for (request, second) in requests.iter().zip(0..) {
            let decision = decide(&entry, request.clone(), at(second));
            if let Some(next) = &decision.write {
                let (before, after) = (entry.movements(), next.movements());
                prop_assert!(after.starts_with(&before), "what has moved has moved");
            }
            entry = decision.write.unwrap_or(entry);
            let paid = paid_cents(&entry);
            match &decision.answer {
                Ok(Receipt::Refunded(_)) => prop_assert_eq!(paid, 0),
                Ok(Receipt::Charged) | Err(_) => prop_assert!(paid >= 0),
            }
            // The same charge is answered the same once it has been decided.
            if let Request::Charge(_) = request {
                match (&first_decided, &decision.answer) {
                    (_, Err(Refusal::Unavailable | Refusal::KeyReused)) => {}
                    (None, answer) => first_decided = Some((request.clone(), answer.clone())),
                    (Some((known, answer)), again) if known == request => {
                        prop_assert_eq!(again, answer);
                    }
                    (Some(_), again) => prop_assert_eq!(again, &Err(Refusal::Voided)),
                }
            }
            prop_assert!(entry.movements().len() <= 2);
        }
        if matches!(requests.last(), Some(Request::Refund)) {
            prop_assert_eq!(paid_cents(&entry), 0, "never money left after a refund");
        }
    }
}
