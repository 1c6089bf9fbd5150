//! The rules of a bill: given a bill, when a command is decided at a time, then these events or this rejection.

use contracts::billing::BillStatus;
use contracts::booking::PaymentMode;
use contracts::id::{BillReference, BookingId, CustomerId, PaymentId, SlotId};
use contracts::money::Money;
use jiff::Timestamp;
use uuid::Uuid;

use super::BillCommand::{
    Authorise, Close, ExpireIfOverdue, Issue, Pay, RecordOutcome, RecordRefund,
};
use super::{
    Bill, BillCommand, BillEvent, ChargeOutcome, Decision, MAX_PAYMENTS, Payment, PaymentState,
    Rejection, Stage, Terms, decide,
};

/// When the invoices of these tests are due, in seconds.
const DUE: i64 = 900;

#[track_caller]
fn check(given: &Bill, when: &BillCommand, at: i64, then: Result<&[BillEvent], Rejection>) -> Bill {
    let decided = decide(given, when, time(at));
    let (bill, events) = match decided {
        Ok(Decision { bill, events }) => (bill, Ok(events)),
        Err(rejection) => (given.clone(), Err(rejection)),
    };
    assert_eq!(events.as_deref().map_err(Clone::clone), then);
    bill
}

/// The command is accepted, has no events, and changes nothing.
#[track_caller]
fn check_unchanged(given: &Bill, when: &BillCommand, at: i64) {
    assert_eq!(&check(given, when, at, Ok(&[])), given);
}

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn usd(text: &str) -> Money {
    text.parse().unwrap()
}

fn alice() -> CustomerId {
    CustomerId("alice".to_owned())
}

fn absent() -> Bill {
    let (slot_id, booking_id) = (SlotId(Uuid::from_u128(1)), BookingId(Uuid::from_u128(2)));
    Bill::absent(BillReference { slot_id, booking_id })
}

fn invoice(payments: Vec<Payment>) -> Bill {
    let mode = PaymentMode::Invoice;
    let due_at = Some(time(DUE));
    let terms = Terms { mode, customer: alice(), total: usd("100.00"), due_at };
    Bill { stage: Stage::Open { terms, payments }, ..absent() }
}

fn instant(state: PaymentState) -> Bill {
    let terms =
        Terms { mode: PaymentMode::Instant, customer: alice(), total: usd("100.00"), due_at: None };
    Bill { stage: Stage::Open { terms, payments: vec![payment(2, "100.00", state)] }, ..absent() }
}

fn closing(payments: Vec<Payment>, overdue: bool) -> Bill {
    let Stage::Open { terms, payments } = invoice(payments).stage else { panic!("is open") };
    Bill { stage: Stage::Closing { terms, payments, since: time(50), overdue }, ..absent() }
}

fn closed(payments: Vec<Payment>) -> Bill {
    let Stage::Open { terms, payments } = invoice(payments).stage else { panic!("is open") };
    Bill { stage: Stage::Closed { terms: Some(terms), payments }, ..absent() }
}

fn never_issued() -> Bill {
    Bill { stage: Stage::Closed { terms: None, payments: vec![] }, ..absent() }
}

fn payment(id: u128, amount: &str, state: PaymentState) -> Payment {
    let (amount, token) = (usd(amount), "tok_visa".to_owned());
    Payment { id: PaymentId(Uuid::from_u128(id)), amount, token, requested_at: time(10), state }
}

fn declined() -> PaymentState {
    PaymentState::Declined { reason: "card_declined".to_owned() }
}

fn refunded(amount: &str) -> PaymentState {
    PaymentState::Refunded { amount: usd(amount) }
}

fn voided(amount: &str) -> PaymentState {
    PaymentState::Voided { amount: usd(amount) }
}

fn issue() -> BillCommand {
    Issue { customer: alice(), total: usd("100.00"), due_at: time(DUE) }
}

fn authorise() -> BillCommand {
    Authorise { customer: alice(), total: usd("100.00"), token: "tok_visa".to_owned() }
}

fn pay(id: u128, amount: &str) -> BillCommand {
    Pay {
        customer: alice(),
        payment_id: PaymentId(Uuid::from_u128(id)),
        amount: usd(amount),
        token: "tok_visa".to_owned(),
    }
}

fn record_outcome(id: u128, outcome: ChargeOutcome) -> BillCommand {
    RecordOutcome { payment_id: PaymentId(Uuid::from_u128(id)), outcome }
}

fn record_refund(id: u128, amount: &str) -> BillCommand {
    RecordRefund { payment_id: PaymentId(Uuid::from_u128(id)), amount: usd(amount) }
}

fn issued(mode: PaymentMode) -> BillEvent {
    BillEvent::Issued { mode, total: usd("100.00") }
}

fn paid(mode: PaymentMode) -> BillEvent {
    BillEvent::Paid { mode, total: usd("100.00") }
}

fn refunded_event(amount: &str) -> BillEvent {
    BillEvent::Refunded { amount: usd(amount) }
}

use PaymentState::{Captured, Requested};

#[test]
fn a_booking_by_invoice_gets_a_pending_bill() {
    let bill = check(&absent(), &issue(), 0, Ok(&[issued(PaymentMode::Invoice)]));
    assert_eq!(bill, invoice(vec![]));
    assert_eq!(bill.status(), Some(BillStatus::Pending));
}

#[test]
fn a_bill_is_issued_only_once() {
    check_unchanged(&invoice(vec![payment(7, "40.00", Captured)]), &issue(), 0);
    check_unchanged(&closing(vec![payment(7, "40.00", Captured)], false), &issue(), 0);
    check_unchanged(&closed(vec![]), &issue(), 0);
}

#[test]
fn a_bill_that_was_closed_before_it_was_issued_stays_closed() {
    let unissued = check(&absent(), &Close, 0, Ok(&[BillEvent::Expired]));
    assert_eq!(unissued, never_issued());
    assert_eq!(unissued.status(), None);
    // The state is the same as if it had been issued first.
    let late = check(&unissued, &issue(), 1, Ok(&[]));
    assert_eq!(late, closed(vec![]));
    assert_eq!(late.status(), Some(BillStatus::Expired));
}

#[test]
fn an_instant_booking_pays_its_whole_bill_with_one_payment() {
    let bill = check(&absent(), &authorise(), 10, Ok(&[issued(PaymentMode::Instant)]));
    assert_eq!(bill, instant(Requested));
    let bill = check(
        &bill,
        &record_outcome(2, ChargeOutcome::Captured),
        11,
        Ok(&[paid(PaymentMode::Instant)]),
    );
    assert_eq!(bill, instant(Captured));
    assert_eq!(bill.status(), Some(BillStatus::Paid));
}

#[test]
fn a_repeated_authorisation_returns_its_original_result() {
    check_unchanged(&instant(Requested), &authorise(), 99);
    check_unchanged(&instant(Captured), &authorise(), 99);
    let rejection = Rejection::Declined { reason: "card_declined".to_owned() };
    check(&instant(declined()), &authorise(), 99, Err(rejection));
    check(&instant(voided("0.00")), &authorise(), 99, Err(Rejection::Closed));
}

#[test]
fn an_authorisation_after_its_compensation_is_rejected_even_if_it_was_paid_before() {
    for bill in [
        never_issued(),
        closing(vec![payment(2, "100.00", Captured)], false),
        closed(vec![payment(2, "100.00", refunded("100.00"))]),
    ] {
        check(&bill, &authorise(), 99, Err(Rejection::Closed));
    }
}

#[test]
fn an_authorisation_with_another_customer_or_token_is_rejected() {
    let (customer, total) = (CustomerId("bob".to_owned()), usd("100.00"));
    let by_another = Authorise { customer, total, token: "tok_visa".to_owned() };
    check(&instant(Requested), &by_another, 20, Err(Rejection::IdempotencyKeyReused));
    let other = Authorise { customer: alice(), total, token: "tok_slow".to_owned() };
    check(&instant(Requested), &other, 20, Err(Rejection::IdempotencyKeyReused));
    check(&invoice(vec![]), &authorise(), 20, Err(Rejection::PaidByInvoice));
}

#[test]
fn an_invoice_can_be_paid_in_parts() {
    let bill = check(&invoice(vec![]), &pay(7, "40.00"), 10, Ok(&[]));
    assert_eq!(bill, invoice(vec![payment(7, "40.00", Requested)]));
    let bill = check(&bill, &record_outcome(7, ChargeOutcome::Captured), 11, Ok(&[]));
    assert_eq!((bill.paid(), bill.status()), (usd("40.00"), Some(BillStatus::Pending)));
    let bill = check(&bill, &pay(8, "60.00"), 12, Ok(&[]));
    let bill = check(
        &bill,
        &record_outcome(8, ChargeOutcome::Captured),
        13,
        Ok(&[paid(PaymentMode::Invoice)]),
    );
    assert_eq!((bill.paid(), bill.status()), (usd("100.00"), Some(BillStatus::Paid)));
}

#[test]
fn only_the_customer_of_a_bill_may_pay_it() {
    check(&absent(), &pay(7, "40.00"), 10, Err(Rejection::NotFound));
    check(&never_issued(), &pay(7, "40.00"), 10, Err(Rejection::NotFound));
    let customer = CustomerId("bob".to_owned());
    let (payment_id, amount) = (PaymentId(Uuid::from_u128(7)), usd("40.00"));
    let by_another = Pay { customer, payment_id, amount, token: "tok_visa".to_owned() };
    for bill in [invoice(vec![]), closing(vec![], false), closed(vec![])] {
        check(&bill, &by_another, 10, Err(Rejection::NotFound));
    }
}

#[test]
fn payments_never_exceed_the_total_and_a_payment_of_unknown_outcome_counts() {
    let bill = invoice(vec![payment(7, "40.00", Captured), payment(8, "40.00", Requested)]);
    check(&bill, &pay(9, "20.01"), 10, Err(Rejection::ExceedsTotal));
    check(&bill, &pay(9, "9999999.99"), 10, Err(Rejection::ExceedsTotal));
    check(&bill, &pay(9, "20.00"), 10, Ok(&[]));
    // A declined payment does not count.
    check(&invoice(vec![payment(7, "100.00", declined())]), &pay(9, "100.00"), 10, Ok(&[]));
}

#[test]
fn an_overdue_bill_accepts_no_payment() {
    check(&invoice(vec![]), &pay(7, "40.00"), DUE - 1, Ok(&[]));
    check(&invoice(vec![]), &pay(7, "40.00"), DUE, Err(Rejection::Overdue));
}

#[test]
fn a_paid_or_closed_bill_accepts_no_payment() {
    let paid = invoice(vec![payment(7, "100.00", Captured)]);
    check(&paid, &pay(8, "1.00"), 10, Err(Rejection::AlreadyPaid));
    check(&closing(vec![], false), &pay(8, "1.00"), 10, Err(Rejection::Closed));
    check(&closed(vec![]), &pay(8, "1.00"), 10, Err(Rejection::Closed));
    check(&instant(declined()), &pay(8, "1.00"), 10, Err(Rejection::PaidInstantly));
}

#[test]
fn a_repeated_payment_returns_its_original_result() {
    let rejection = Rejection::Declined { reason: "card_declined".to_owned() };
    for (state, result) in [
        (Requested, Ok(&[][..])),
        (Captured, Ok(&[][..])),
        (declined(), Err(rejection.clone())),
        (voided("0.00"), Err(Rejection::Closed)),
    ] {
        // Even when the bill is overdue: the payment was requested in time.
        let bill = invoice(vec![payment(7, "40.00", state)]);
        assert_eq!(check(&bill, &pay(7, "40.00"), DUE + 1, result), bill);
    }
    for (state, result) in [
        (Captured, Ok(&[][..])),
        (refunded("40.00"), Ok(&[][..])),
        (declined(), Err(rejection)),
        // Its charge was in flight when the bill was closed, so its original result is a rejection.
        (Requested, Err(Rejection::Closed)),
        (voided("40.00"), Err(Rejection::Closed)),
    ] {
        let bill = closing(vec![payment(7, "40.00", state)], false);
        assert_eq!(check(&bill, &pay(7, "40.00"), 60, result), bill);
    }
}

#[test]
fn a_payment_id_with_another_amount_or_token_is_rejected() {
    let bill = invoice(vec![payment(7, "40.00", Captured)]);
    check(&bill, &pay(7, "41.00"), 10, Err(Rejection::IdempotencyKeyReused));
    let token = "tok_slow".to_owned();
    let (payment_id, amount) = (PaymentId(Uuid::from_u128(7)), usd("40.00"));
    let other = Pay { customer: alice(), payment_id, amount, token };
    check(&bill, &other, 10, Err(Rejection::IdempotencyKeyReused));
}

#[test]
fn a_payment_needs_an_amount_greater_than_zero_and_a_valid_token() {
    check(&invoice(vec![]), &pay(7, "0.00"), 10, Err(Rejection::ZeroAmount));
    for token in [String::new(), "x".repeat(201), "tok visa".to_owned(), "tök".to_owned()] {
        let payment_id = PaymentId(Uuid::from_u128(7));
        let amount = usd("1.00");
        let invalid = Pay { customer: alice(), payment_id, amount, token: token.clone() };
        check(&invoice(vec![]), &invalid, 10, Err(Rejection::InvalidToken));
        let invalid = Authorise { customer: alice(), total: usd("1.00"), token };
        check(&absent(), &invalid, 10, Err(Rejection::InvalidToken));
    }
}

#[test]
fn the_maximal_number_of_payments_fits_into_one_item() {
    let payments = (0..MAX_PAYMENTS).map(|it| payment(100 + it as u128, "1.00", declined()));
    let bill = invoice(payments.collect());
    check(&bill, &pay(7, "1.00"), 10, Err(Rejection::TooManyPayments));
    // DynamoDB allows 400 KB.
    assert!(serde_json::to_string(&bill).unwrap().len() + MAX_PAYMENTS * 300 < 100_000);
}

#[test]
fn a_declined_payment_is_published_and_another_may_follow() {
    let (payment_id, amount) = (PaymentId(Uuid::from_u128(7)), usd("100.00"));
    let reason = "card_declined".to_owned();
    let outcome = ChargeOutcome::Declined { reason: reason.clone() };
    let event = BillEvent::PaymentDeclined { payment_id, amount, reason };
    let bill = invoice(vec![payment(7, "100.00", Requested)]);
    let bill = check(&bill, &record_outcome(7, outcome), 10, Ok(&[event]));
    assert_eq!(bill.status(), Some(BillStatus::Pending));
    check(&bill, &pay(8, "100.00"), 11, Ok(&[]));
}

#[test]
fn a_voided_charge_is_not_a_payment_and_its_retry_is_rejected() {
    let bill = invoice(vec![payment(7, "100.00", Requested)]);
    let bill = check(&bill, &record_outcome(7, ChargeOutcome::Voided), 10, Ok(&[]));
    assert_eq!(bill, invoice(vec![payment(7, "100.00", voided("0.00"))]));
    check(&bill, &pay(7, "100.00"), 11, Err(Rejection::Closed));
}

#[test]
fn a_duplicate_or_late_outcome_changes_nothing() {
    for outcome in [
        ChargeOutcome::Captured,
        ChargeOutcome::Voided,
        ChargeOutcome::Declined { reason: String::new() },
    ] {
        let late = record_outcome(7, outcome);
        check_unchanged(&absent(), &late, 60);
        check_unchanged(&invoice(vec![]), &late, 60);
        check_unchanged(&invoice(vec![payment(7, "100.00", Captured)]), &late, 60);
        check_unchanged(&invoice(vec![payment(7, "100.00", declined())]), &late, 60);
        check_unchanged(&closing(vec![payment(7, "100.00", Requested)], false), &late, 60);
        check_unchanged(&closed(vec![payment(7, "100.00", voided("100.00"))]), &late, 60);
    }
}

#[test]
fn an_unpaid_bill_expires_immediately_when_it_is_closed() {
    for bill in [invoice(vec![]), invoice(vec![payment(7, "40.00", declined())])] {
        let bill = check(&bill, &Close, 60, Ok(&[BillEvent::Expired]));
        assert_eq!(bill.status(), Some(BillStatus::Expired));
        assert!(!bill.is_closing());
    }
}

#[test]
fn a_closed_bill_is_refunded_only_after_every_payment_is_refunded() {
    let payments = vec![payment(7, "40.00", Captured), payment(8, "60.00", Captured)];
    let bill = check(&invoice(payments.clone()), &Close, 50, Ok(&[]));
    assert_eq!(bill, closing(payments, false));
    assert_eq!(bill.status(), Some(BillStatus::Paid));
    let bill = check(&bill, &record_refund(7, "40.00"), 51, Ok(&[]));
    assert_eq!(bill.status(), Some(BillStatus::Paid));
    let bill = check(&bill, &record_refund(8, "60.00"), 52, Ok(&[refunded_event("100.00")]));
    assert_eq!(bill.status(), Some(BillStatus::Refunded));
    assert_eq!(bill.paid(), Money::ZERO);
}

#[test]
fn a_charge_of_unknown_outcome_is_refunded_if_it_was_made() {
    let bill = closing(vec![payment(7, "40.00", Requested)], false);
    let charged = check(&bill, &record_refund(7, "40.00"), 60, Ok(&[refunded_event("40.00")]));
    assert_eq!(charged.status(), Some(BillStatus::Refunded));
    let not_charged = check(&bill, &record_refund(7, "0.00"), 60, Ok(&[BillEvent::Expired]));
    assert_eq!(not_charged.status(), Some(BillStatus::Expired));
}

#[test]
fn a_duplicate_or_unexpected_refund_changes_nothing() {
    for state in [refunded("40.00"), voided("0.00"), declined()] {
        let other = payment(8, "60.00", Captured);
        let bill = closing(vec![payment(7, "40.00", state), other], false);
        check_unchanged(&bill, &record_refund(7, "40.00"), 60);
    }
    check_unchanged(
        &closing(vec![payment(7, "40.00", Captured)], false),
        &record_refund(9, "1.00"),
        60,
    );
    check_unchanged(
        &closed(vec![payment(7, "40.00", refunded("40.00"))]),
        &record_refund(7, "40.00"),
        9,
    );
    check_unchanged(&invoice(vec![payment(7, "40.00", Captured)]), &record_refund(7, "40.00"), 60);
    check_unchanged(&absent(), &record_refund(7, "40.00"), 60);
}

#[test]
fn an_unpaid_bill_expires_at_its_due_time_and_not_before() {
    check_unchanged(&invoice(vec![]), &ExpireIfOverdue, DUE - 1);
    let bill = check(&invoice(vec![]), &ExpireIfOverdue, DUE, Ok(&[BillEvent::Expired]));
    assert_eq!(bill.status(), Some(BillStatus::Expired));
}

#[test]
fn an_overdue_bill_that_is_partly_paid_expires_first_and_is_then_refunded() {
    let bill = invoice(vec![payment(7, "40.00", Captured)]);
    let bill = check(&bill, &ExpireIfOverdue, DUE, Ok(&[BillEvent::Expired]));
    assert_eq!(bill.status(), Some(BillStatus::Pending));
    let bill = check(&bill, &record_refund(7, "40.00"), DUE, Ok(&[refunded_event("40.00")]));
    assert_eq!(bill.status(), Some(BillStatus::Refunded));
}

#[test]
fn an_overdue_bill_expires_only_once_even_if_its_charge_was_not_made() {
    let bill = closing(vec![payment(7, "40.00", Requested)], true);
    let bill = check(&bill, &record_refund(7, "0.00"), DUE, Ok(&[]));
    assert_eq!(bill.status(), Some(BillStatus::Expired));
}

#[test]
fn a_paid_bill_never_expires() {
    check_unchanged(&invoice(vec![payment(7, "100.00", Captured)]), &ExpireIfOverdue, DUE + 1);
    check_unchanged(&instant(Captured), &ExpireIfOverdue, DUE + 1);
    check_unchanged(&instant(declined()), &ExpireIfOverdue, DUE + 1);
    check_unchanged(&absent(), &ExpireIfOverdue, DUE + 1);
}

#[test]
fn a_closed_bill_stays_closed() {
    for bill in [
        never_issued(),
        closed(vec![payment(7, "40.00", refunded("40.00"))]),
        closing(vec![payment(7, "40.00", Captured)], false),
        closing(vec![payment(7, "40.00", Requested)], true),
    ] {
        check_unchanged(&bill, &Close, DUE + 1);
        check_unchanged(&bill, &ExpireIfOverdue, DUE + 1);
    }
}

#[test]
fn a_bill_is_reconciled_when_it_is_due_or_an_operation_is_incomplete() {
    for (bill, at) in [
        (absent(), None),
        (invoice(vec![]), Some(DUE)),
        (invoice(vec![payment(7, "40.00", Captured)]), Some(DUE)),
        (invoice(vec![payment(7, "40.00", Requested)]), Some(10 + 60)),
        (invoice(vec![payment(7, "100.00", Captured)]), None),
        (instant(Requested), Some(10 + 60)),
        (instant(Captured), None),
        (instant(declined()), None),
        (closing(vec![payment(7, "40.00", Captured)], false), Some(50 + 60)),
        (closed(vec![]), None),
    ] {
        assert_eq!(bill.reconcile_at(), at.map(time), "{bill:?}");
    }
}

#[test]
fn a_stored_bill_is_read_and_written_unchanged() {
    // The stored form is frozen: the first version wrote this text.
    let stored = r#"{"reference":"00000000-0000-0000-0000-000000000001:00000000-0000-0000-0000-000000000002","stage":{"stage":"closing","terms":{"mode":"invoice","customer":"alice","total":"100.00","due_at":"1970-01-01T00:15:00Z"},"payments":[{"id":"00000000-0000-0000-0000-000000000007","amount":"40.00","token":"tok_visa","requested_at":"1970-01-01T00:00:10Z","state":{"state":"captured"}},{"id":"00000000-0000-0000-0000-000000000008","amount":"10.00","token":"tok_visa","requested_at":"1970-01-01T00:00:10Z","state":{"state":"declined","reason":"card_declined"}},{"id":"00000000-0000-0000-0000-000000000009","amount":"10.00","token":"tok_visa","requested_at":"1970-01-01T00:00:10Z","state":{"state":"withdrawn","amount":"0.00"}}],"since":"1970-01-01T00:00:50Z","overdue":false}}"#;
    let bill = closing(
        vec![
            payment(7, "40.00", Captured),
            payment(8, "10.00", declined()),
            payment(9, "10.00", voided("0.00")),
        ],
        false,
    );
    assert_eq!(serde_json::from_str::<Bill>(stored).unwrap(), bill);
    assert_eq!(serde_json::to_string(&bill).unwrap(), stored);
}
