//! `POST /web/bookings`: the form that books a slot.

use bff::memory::Reply;
use serde_json::Value;

use crate::responses::{Case, Services, access, all_down, case, responses, without_parking};
use crate::support::{Routes as _, SLOT, Sent, down, rejected, well};

const FIELDS: [(&str, &str); 4] =
    [("key", "k1"), ("slot", SLOT), ("pay", "card"), ("token", "tok_visa")];

fn post() -> Sent {
    Sent::new("POST", "/web/bookings", &[])
}

fn form(title: &str) -> Case {
    case(title, post()).fields(&FIELDS)
}

/// Booking refuses the command.
fn refusing(function: &str, request: &Value, reply: Reply) -> Reply {
    if function == "booking-command" { reply } else { well(function, request) }
}

const CONFLICT: Services =
    |function, request| refusing(function, request, rejected("conflict", "it is taken"));
const NO_SUCH_SLOT: Services =
    |function, request| refusing(function, request, rejected("not-found", "it does not exist"));
const INVALID: Services =
    |function, request| refusing(function, request, rejected("validation", "it is not valid"));
const KEY_REUSED: Services = |function, request| {
    refusing(function, request, rejected("idempotency-key-reused", "another request has it"))
};
const DOWN: Services = |function, request| refusing(function, request, down());

#[tokio::test]
async fn where_it_comes_from() {
    insta::assert_snapshot!(responses(access::form(post, &FIELDS)).await);
}

#[tokio::test]
async fn what_is_entered() {
    let bad =
        |title: &str, name: &str, value: &str| form(title).but(name, value).with(all_down).json();
    let without = |title: &str, name: &str| form(title).without(name).with(all_down).json();
    insta::assert_snapshot!(
        responses([
            form("by invoice").but("pay", "invoice"),
            form("by invoice without a token").but("pay", "invoice").without("token"),
            form("an unknown way to pay").but("pay", "barter").with(all_down),
            bad("an unknown way to pay, a program", "pay", "barter"),
            bad("no slot's id, a program", "slot", "x"),
            bad("an empty key, a program", "key", ""),
            bad("a key with a blank, a program", "key", "a b"),
            bad("an empty token, a program", "token", ""),
            bad("a token with a blank, a program", "token", "a b"),
            without("without a key, a program", "key"),
            without("without a slot, a program", "slot"),
            without("without a way to pay, a program", "pay"),
            without("without a token, a program", "token"),
            form("without a key").without("key").with(all_down),
        ])
        .await
    );
}

#[tokio::test]
async fn why_it_is_refused() {
    insta::assert_snapshot!(
        responses([
            form("the slot is taken").with(CONFLICT),
            form("the slot is taken, a program").with(CONFLICT).json(),
            form("the slot is taken, by invoice").but("pay", "invoice").with(CONFLICT),
            form("no such slot").with(NO_SUCH_SLOT),
            form("booking calls it invalid").with(INVALID),
            form("the key was used before").with(KEY_REUSED),
            form("booking is down").with(DOWN),
            form("booking is down, a program").with(DOWN).json(),
            form("parking is down").with(without_parking),
            form("everything is down").with(all_down),
        ])
        .await
    );
}
