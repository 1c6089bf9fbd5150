//! `POST /web/bookings/{bookingId}/payments`: the form that pays a bill.

use bff::IdempotencyKey;
use bff::memory::Reply;
use serde_json::{Value, json};

use super::{Case, Services, access, all_down, case, responses, without_billing};
use crate::support::{AT, BOOKING, Routes as _, SLOT, Sent, bill, down, not_found, rejected, well};

const FIELDS: [(&str, &str); 4] =
    [("key", "k1"), ("slot", SLOT), ("amount", "40"), ("token", "tok_visa")];

fn post() -> Sent {
    Sent::booking("POST", "/payments")
}

fn form(title: &str) -> Case {
    case(title, post()).fields(&FIELDS)
}

/// Billing refuses the payment.
fn refusing(function: &str, request: &Value, reply: Reply) -> Reply {
    if function == "billing-command" { reply } else { well(function, request) }
}

const DECLINED: Services = |function, request| {
    refusing(function, request, rejected("payment-declined", "insufficient funds"))
};
const CONFLICT: Services =
    |function, request| refusing(function, request, rejected("conflict", "the bill is paid"));
const NO_BILL: Services =
    |function, request| refusing(function, request, rejected("not-found", "it does not exist"));
const INVALID: Services =
    |function, request| refusing(function, request, rejected("validation", "it is not valid"));
const KEY_REUSED: Services = |function, request| {
    refusing(function, request, rejected("idempotency-key-reused", "another request has it"))
};
const DOWN: Services = |function, request| refusing(function, request, down());

/// The payment of [`FIELDS`] has no outcome yet.
fn pending(function: &str, request: &Value) -> Reply {
    let key: IdempotencyKey = FIELDS[0].1.parse().expect("a key");
    let payment_id = key.id(&format!("payment {SLOT}:{BOOKING} 40.00 tok_visa"), "ada");
    let mut bill = bill();
    bill["payments"] = json!([{
        "paymentId": payment_id, "amount": "40.00", "status": "pending", "requestedAt": AT,
    }]);
    match function {
        "billing-command" => down(),
        "billing-query" => Reply::Response(bill),
        _ => well(function, request),
    }
}

fn no_booking(function: &str, request: &Value) -> Reply {
    match function {
        "booking-query" => not_found(),
        "billing-command" => rejected("not-found", "it does not exist"),
        _ => well(function, request),
    }
}

#[tokio::test(start_paused = true)]
async fn where_it_comes_from() {
    insta::assert_snapshot!(responses(access::form(post, &FIELDS)).await);
}

#[tokio::test]
async fn its_address() {
    let resource = "/web/bookings/{bookingId}/payments";
    let cases = access::address_of_form(resource, &[("bookingId", BOOKING)]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test(start_paused = true)]
async fn what_is_entered() {
    let bad =
        |title: &str, name: &str, value: &str| form(title).but(name, value).with(all_down).json();
    let without = |title: &str, name: &str| form(title).without(name).with(all_down).json();
    let other = Sent::new("POST", "/web/bookings/{bookingId}/payments", &[("bookingId", "7")]);
    insta::assert_snapshot!(
        responses([
            form("no amount").but("amount", ""),
            form("an amount of nothing").but("amount", "0.00"),
            form("an amount in words").but("amount", "forty"),
            form("an amount in words, a program").but("amount", "forty").json(),
            form("an amount in words, and everything is down")
                .but("amount", "forty")
                .with(all_down),
            bad("no slot's id, a program", "slot", "x"),
            bad("an empty key, a program", "key", ""),
            bad("an empty token, a program", "token", ""),
            bad("a token with a blank, a program", "token", "a b"),
            without("without a key, a program", "key"),
            without("without a slot, a program", "slot"),
            without("without an amount, a program", "amount"),
            without("without a token, a program", "token"),
            form("an empty token").but("token", "").with(all_down),
            case("an id that is none", other.clone()).fields(&FIELDS).with(all_down),
            case("an id that is none, a program", other).fields(&FIELDS).with(all_down).json(),
        ])
        .await
    );
}

#[tokio::test(start_paused = true)]
async fn why_it_is_refused() {
    insta::assert_snapshot!(
        responses([
            form("the card is declined").with(DECLINED),
            form("the card is declined, a program").with(DECLINED).json(),
            form("the bill is paid").with(CONFLICT),
            form("more than is left").but("amount", "70").with(CONFLICT),
            form("no bill yet").with(NO_BILL),
            form("billing calls it invalid").with(INVALID),
            form("the key was used before").with(KEY_REUSED),
            form("no outcome").with(DOWN),
            form("no outcome, a program").with(DOWN).json(),
            form("the payment is being checked").with(pending),
            form("the view is down after a payment").with(without_billing),
            form("no such booking").with(no_booking),
            form("no such booking, a program").with(no_booking).json(),
            form("everything is down").with(all_down),
            form("everything is down, a program").with(all_down).json(),
        ])
        .await
    );
}
