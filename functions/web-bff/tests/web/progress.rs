//! The steps of a booking, as a page shows them in every state of it and of its bill.

use bff::compose::{Part, Report};
use serde_json::{Value, json};
use web_bff::dto::{BookingDetails, timeline};
use web_bff::progress::{StepState, is_live, outcome, steps};

use crate::support::{BOOKING, bill, booking, event, slot};

const CREATED: &[&str] = &["BookingCreated"];
const COMPLETED: &[&str] = &["BookingCreated", "BookingReserved", "BookingCompleted"];
const FAILED: &[&str] = &["BookingCreated", "BookingFailed"];

/// What is known of a booking with these events and this bill.
fn whole(mode: &str, status: &str, events: &[&str], bill: Part<Option<Value>>) -> BookingDetails {
    let mut shown = booking();
    shown["mode"] = json!(mode);
    let (status, reason) = status.split_once(':').unwrap_or((status, ""));
    shown["status"] = json!(status);
    if !reason.is_empty() {
        shown["reason"] = json!(reason);
    }
    shown["version"] = json!(events.len());
    let booking = serde_json::from_value(shown).expect("a booking");
    let events = events.iter().zip(1..).map(|(kind, version)| event(version, kind));
    let history = json!({"events": events.collect::<Vec<_>>()});
    let history = serde_json::from_value(history).expect("a history");
    let timeline = Part::Fresh(timeline(history, &booking));
    let slot = Part::Fresh(serde_json::from_value(slot()).expect("a slot"));
    let read = |it: Option<Value>| it.map(|it| serde_json::from_value(it).expect("a bill"));
    BookingDetails { booking, slot, bill: bill.map(read), timeline, report: Report::default() }
}

/// The same, while the slot is held by this booking.
fn holding(mut whole: BookingDetails) -> BookingDetails {
    let mut slot = slot();
    slot["status"] = json!("blocked");
    slot["holder"] = json!(BOOKING);
    whole.slot = Part::Fresh(serde_json::from_value(slot).expect("a slot"));
    whole
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

fn states(whole: &BookingDetails) -> Vec<StepState> {
    steps(whole).into_iter().map(|it| it.state).collect()
}

#[test]
fn the_steps_of_an_instant_booking_are_those_it_has_taken() {
    use StepState::{Ahead, Done, Ended, Failed, Now, Skipped, Unknown};
    let none = || Part::Fresh(None);
    for (status, events, bill, expected, live) in [
        ("pending", CREATED, none(), vec![Done, Now, Ahead, Ahead], true),
        (
            "pending",
            CREATED,
            bill_that_is("pending", &[("100.00", "pending")]),
            vec![Done, Done, Now, Ahead],
            true,
        ),
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
        (
            "failed:slot_unavailable",
            FAILED,
            none(),
            vec![Done, Failed, Skipped, Skipped, Ended],
            false,
        ),
        (
            "failed:payment_declined",
            FAILED,
            bill_that_is("expired", &[("100.00", "declined")]),
            vec![Done, Done, Failed, Skipped, Ended],
            false,
        ),
        // Paid, and the slot was gone: the money is on its way back, and then it is back.
        (
            "failed:slot_unavailable",
            FAILED,
            bill_that_is("paid", &[("100.00", "captured")]),
            vec![Done, Done, Done, Failed, Ended, Now],
            true,
        ),
        (
            "failed:slot_unavailable",
            FAILED,
            bill_that_is("refunded", &[("100.00", "refunded")]),
            vec![Done, Done, Done, Failed, Ended, Done],
            false,
        ),
        // Where it failed is not known.
        (
            "failed:slot_unavailable",
            FAILED,
            Part::Missing,
            vec![Done, Unknown, Unknown, Unknown, Ended, Unknown],
            true,
        ),
    ] {
        let whole = whole("instant", status, events, bill);
        assert_eq!(states(&whole), expected, "{status} {:?}", whole.bill);
        assert_eq!(is_live(&whole), live, "{status} {:?}", whole.bill);
    }
}

#[test]
fn a_saga_that_failed_at_the_payment_had_held_the_slot_whether_or_not_there_is_a_bill() {
    use StepState::{Done, Ended, Failed, Skipped, Unknown};
    for reason in ["payment_unavailable", "payment_declined"] {
        for (bill, money) in [(Part::Fresh(None), None), (Part::Missing, Some(Unknown))] {
            let whole = whole("instant", &format!("failed:{reason}"), FAILED, bill);
            let mut expected = vec![Done, Done, Failed, Skipped, Ended];
            expected.extend(money);
            assert_eq!(states(&whole), expected, "{reason} {:?}", whole.bill);
        }
    }
}

#[test]
fn a_missing_payment_does_not_prove_that_the_slot_was_never_held() {
    use StepState::{Failed, Stopped, Unknown};
    for status in ["cancelled", "failed:saga_timeout"] {
        for bill in [Part::Fresh(None), bill_that_is("expired", &[])] {
            let whole = whole("instant", status, FAILED, bill);
            let held = states(&whole)[1];
            assert_eq!(held, Unknown, "{status} {:?}", whole.bill);
            assert!(![Failed, Stopped].contains(&held));
        }
    }
}

#[test]
fn a_bill_waits_for_the_customer_only_while_there_is_something_to_pay() {
    use StepState::{Now, Yours};
    for (in_progress, expected) in [("40.00", Yours), ("100.00", Now)] {
        let mut bill = bill_that_is("pending", &[(in_progress, "pending")]);
        if let Part::Fresh(Some(bill)) = &mut bill {
            bill["inProgress"] = json!(in_progress);
        }
        assert_eq!(states(&whole("invoice", "pending", CREATED, bill))[2], expected);
    }
}

#[test]
fn a_slot_that_the_booking_holds_is_held_before_there_is_a_bill() {
    use StepState::{Ahead, Done, Now};
    let pending = holding(whole("instant", "pending", CREATED, Part::Fresh(None)));
    assert_eq!(states(&pending), [Done, Done, Now, Ahead]);
}

#[test]
fn a_bill_that_is_missing_in_a_cached_response_of_billing_proves_nothing() {
    use StepState::{Done, Ended, Unknown};
    let whole = whole("instant", "failed:slot_unavailable", FAILED, Part::Stale(None));
    assert_eq!(states(&whole), [Done, Unknown, Unknown, Unknown, Ended, Unknown]);
}

#[test]
fn a_page_says_one_thing_of_the_money_and_it_is_what_billing_has_recorded() {
    let pending = || bill_that_is("pending", &[("100.00", "pending")]);
    for (status, bill, says) in [
        ("failed:payment_unavailable", Part::Fresh(None), "Nothing was charged."),
        ("failed:payment_unavailable", Part::Missing, "If your card was charged"),
        ("failed:payment_unavailable", pending(), "If your card was charged"),
        (
            "failed:payment_unavailable",
            bill_that_is("refunded", &[("100.00", "withdrawn")]),
            "What you paid was refunded.",
        ),
        (
            "failed:payment_declined",
            bill_that_is("expired", &[("100.00", "declined")]),
            "Nothing was charged.",
        ),
        (
            "failed:slot_unavailable",
            bill_that_is("paid", &[("100.00", "captured")]),
            "What you paid is being refunded.",
        ),
        ("failed:saga_timeout", Part::Stale(None), "If your card was charged"),
    ] {
        let whole = whole("instant", status, FAILED, bill);
        let text = outcome(&whole, whole.booking.reason.expect("a reason"));
        let sentences = [
            "Nothing was charged.",
            "If your card was charged",
            "is being refunded",
            "was refunded",
        ];
        let said = sentences.iter().filter(|it| text.contains(**it)).count();
        assert!(text.contains(says) && said == 1, "{status} {:?}: {text}", whole.bill);
    }
}

#[test]
fn the_steps_of_an_invoice_wait_for_the_customer() {
    use StepState::{Ahead, Done, Ended, Failed, Now, Skipped, Stopped, Unknown, Yours};
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
        (
            "failed:payment_overdue",
            FAILED,
            bill_that_is("expired", &[]),
            vec![Done, Done, Failed, Skipped, Ended],
        ),
        // A part was refunded; the full amount was never paid.
        (
            "failed:payment_overdue",
            FAILED,
            bill_that_is("refunded", &[("40.00", "refunded")]),
            vec![Done, Done, Failed, Skipped, Ended, Done],
        ),
        // The reason says it, whatever billing says or does not say.
        (
            "failed:slot_unavailable",
            FAILED,
            Part::Missing,
            vec![Done, Done, Done, Failed, Ended, Unknown],
        ),
        (
            "cancelled",
            CANCELLED,
            bill_that_is("expired", &[]),
            vec![Done, Done, Stopped, Skipped, Done],
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
