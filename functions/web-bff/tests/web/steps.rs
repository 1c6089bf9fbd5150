//! The steps of a booking, as they are told in every state of it and of its bill.

use bff::compose::{Part, Report};
use serde_json::{Value, json};
use web_bff::shape::{Whole, timeline};
use web_bff::story::{StepState, is_live, steps};

use crate::support::{bill, booking, event, slot};

/// What is known of a booking with these events and this bill.
fn whole(mode: &str, status: &str, events: &[&str], bill: Part<Option<Value>>) -> Whole {
    let mut shown = booking();
    shown["mode"] = json!(mode);
    shown["status"] = json!(status);
    shown["version"] = json!(events.len());
    let booking = serde_json::from_value(shown).expect("a booking");
    let events = events.iter().zip(1..).map(|(kind, version)| event(version, kind));
    let history = json!({"events": events.collect::<Vec<_>>()});
    let history = serde_json::from_value(history).expect("a history");
    let timeline = Part::Fresh(timeline(history, &booking));
    let slot = Part::Fresh(serde_json::from_value(slot()).expect("a slot"));
    let read = |it: Option<Value>| it.map(|it| serde_json::from_value(it).expect("a bill"));
    Whole { booking, slot, bill: bill.map(read), timeline, report: Report::default() }
}

fn bill_that_is(status: &str, payments: &[(&str, &str)]) -> Part<Option<Value>> {
    let mut bill = bill();
    let template = bill["payments"][0].clone();
    let payments = payments.iter().map(|(amount, status)| {
        let mut payment = template.clone();
        payment["amount"] = json!(amount);
        payment["status"] = json!(status);
        payment
    });
    bill["payments"] = json!(payments.collect::<Vec<_>>());
    bill["status"] = json!(status);
    bill["paid"] = json!(if status == "paid" { "100.00" } else { "0.00" });
    Part::Fresh(Some(bill))
}

fn states(whole: &Whole) -> Vec<StepState> {
    steps(whole).into_iter().map(|it| it.state).collect()
}

#[test]
fn the_steps_of_an_instant_booking_are_those_it_has_taken() {
    use StepState::{Ahead, Done, Ended, Failed, Now, Skipped, Unknown};
    const CREATED: &[&str] = &["BookingCreated"];
    const COMPLETED: &[&str] = &["BookingCreated", "BookingReserved", "BookingCompleted"];
    let none = || Part::Fresh(None);
    for (status, events, bill, expected, live) in [
        ("pending", CREATED, none(), vec![Done, Now, Ahead, Ahead], true),
        ("pending", CREATED, bill_that_is("pending", &[]), vec![Done, Done, Now, Ahead], true),
        (
            "pending",
            CREATED,
            bill_that_is("paid", &[("100.00", "captured")]),
            vec![Done, Done, Done, Now],
            true,
        ),
        ("pending", CREATED, Part::Missing, vec![Done, Unknown, Unknown, Ahead], true),
        (
            "completed",
            COMPLETED,
            bill_that_is("paid", &[("100.00", "captured")]),
            vec![Done, Done, Done, Done, Ahead],
            false,
        ),
        // It is complete, whatever billing says or does not say.
        ("completed", COMPLETED, Part::Missing, vec![Done, Done, Done, Done, Ahead], false),
        ("failed", CREATED, none(), vec![Done, Failed, Skipped, Skipped, Ended], false),
        (
            "failed",
            CREATED,
            bill_that_is("expired", &[("100.00", "declined")]),
            vec![Done, Done, Failed, Skipped, Ended],
            false,
        ),
        // Paid, and the slot was gone: the money is on its way back, and then it is back.
        (
            "failed",
            CREATED,
            bill_that_is("paid", &[("100.00", "captured")]),
            vec![Done, Done, Done, Failed, Ended, Now],
            true,
        ),
        (
            "failed",
            CREATED,
            bill_that_is("refunded", &[("100.00", "refunded")]),
            vec![Done, Done, Done, Failed, Ended, Done],
            false,
        ),
        // Where it failed is not known.
        (
            "failed",
            CREATED,
            Part::Missing,
            vec![Done, Unknown, Unknown, Skipped, Ended, Unknown],
            true,
        ),
    ] {
        let whole = whole("instant", status, events, bill);
        assert_eq!(states(&whole), expected, "{status} {:?}", whole.bill);
        assert_eq!(is_live(&whole), live, "{status} {:?}", whole.bill);
    }
}

#[test]
fn the_steps_of_an_invoice_wait_for_the_customer() {
    use StepState::{Ahead, Done, Ended, Failed, Now, Skipped, Unknown, Yours};
    const CREATED: &[&str] = &["BookingCreated"];
    const CANCELLED: &[&str] = &["BookingCreated", "BookingCancelled"];
    const CANCELLED_LATER: &[&str] =
        &["BookingCreated", "BookingReserved", "BookingCompleted", "BookingCancelled"];
    for (status, events, bill, expected) in [
        ("pending", CREATED, Part::Fresh(None), vec![Done, Now, Ahead, Ahead]),
        (
            "pending",
            CREATED,
            bill_that_is("pending", &[("40.00", "captured")]),
            vec![Done, Done, Yours, Ahead],
        ),
        (
            "pending",
            CREATED,
            bill_that_is("paid", &[("40.00", "captured"), ("60.00", "captured")]),
            vec![Done, Done, Done, Now],
        ),
        ("failed", CREATED, bill_that_is("expired", &[]), vec![Done, Done, Failed, Skipped, Ended]),
        // A part came back, but all of it was never paid.
        (
            "failed",
            CREATED,
            bill_that_is("refunded", &[("40.00", "refunded")]),
            vec![Done, Done, Failed, Skipped, Ended, Done],
        ),
        (
            "cancelled",
            CANCELLED,
            bill_that_is("expired", &[]),
            vec![Done, Done, Skipped, Skipped, Done],
        ),
        (
            "cancelled",
            CANCELLED_LATER,
            bill_that_is("refunded", &[("40.00", "refunded"), ("60.00", "refunded")]),
            vec![Done, Done, Done, Done, Done, Done],
        ),
    ] {
        let whole = whole("invoice", status, events, bill);
        assert_eq!(states(&whole), expected, "{status} {:?}", whole.bill);
    }
    // Whether a cancelled booking had its slot is in its history alone.
    let mut dark = whole("invoice", "cancelled", CANCELLED_LATER, Part::Missing);
    dark.timeline = Part::Missing;
    assert_eq!(states(&dark), [Done, Unknown, Unknown, Unknown, Done, Unknown]);
}
