//! Timelines of bookings that were recorded on the local cloud.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::gather::{Found, HistoryEvent, line};
use super::{Cause, Timeline, json, mermaid, terminal};
use crate::api_client::{LedgerEntry, Saga};
use crate::ui::Paint;

/// The recorded responses of the routes, the ledger and the logs.
#[derive(Deserialize)]
struct Fixture {
    booking: Uuid,
    history: Vec<HistoryEvent>,
    saga: Option<Saga>,
    ledger: Vec<LedgerEntry>,
    lines: Vec<Logged>,
}

#[derive(Deserialize)]
struct Logged {
    function: String,
    message: Value,
}

/// A declined card: the saga compensates its steps.
fn instant() -> Found {
    found(include_str!("fixtures/instant.json"))
}

/// Paid by invoice: a choreography.
fn invoice() -> Found {
    found(include_str!("fixtures/invoice.json"))
}

fn found(fixture: &str) -> Found {
    let Fixture { booking, history, saga, ledger, lines } =
        serde_json::from_str(fixture).expect("the fixture is read");
    let lines = lines.iter().filter_map(|it| line(&it.function, &it.message.to_string()));
    Found { booking, history, saga, ledger, lines: lines.collect() }
}

fn table(found: Found) -> String {
    terminal::table(&Timeline::of(found), Paint::of(false))
}

#[test]
fn a_saga_is_shown_with_its_steps_and_compensations() {
    insta::assert_snapshot!(table(instant()));
}

#[test]
fn a_choreography_is_shown_by_its_events() {
    insta::assert_snapshot!(table(invoice()));
}

#[test]
fn a_saga_is_drawn_as_calls() {
    insta::assert_snapshot!(mermaid::diagram(&Timeline::of(instant())));
}

#[test]
fn a_choreography_is_drawn_as_events() {
    insta::assert_snapshot!(mermaid::diagram(&Timeline::of(invoice())));
}

#[test]
fn colours_change_nothing_but_the_colour() {
    let timeline = Timeline::of(instant());
    let coloured = terminal::table(&timeline, Paint::of(true));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain += before;
        rest = after.split_once('m').expect("a colour ends").1;
    }
    plain += rest;
    let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert_eq!(trimmed(&plain), trimmed(&table(instant())));
    assert_ne!(coloured, plain);
}

#[test]
fn a_booking_without_logs_is_shown_from_what_services_have_stored() {
    let mut old = instant();
    old.lines.clear();
    let shown = table(old);
    assert!(shown.contains("BookingFailed: payment_declined"), "{shown}");
    assert!(shown.contains("AuthorisePayment failed: Rejected: payment-declined"), "{shown}");
    assert!(shown.contains("no logs"), "{shown}");
}

#[test]
fn a_token_is_never_shown_even_if_a_source_contains_it() {
    let mut found = instant();
    found.history[0].data["payment"]["token"] = "tok_secret".into();
    let leaking = serde_json::json!({
        "timestamp": "2026-01-01T00:00:00Z", "level": "INFO", "message": "done", "token": "tok_secret",
        "command": "CreateBooking", "payment": {"token": "tok_secret"},
    });
    found.lines.extend(line("booking-command", &leaking.to_string()));
    let timeline = Timeline::of(found);
    for shown in [terminal::table(&timeline, Paint::of(false)), mermaid::diagram(&timeline)] {
        assert!(!shown.contains("tok_"), "{shown}");
    }
}

#[test]
fn no_entry_comes_before_its_cause() {
    for found in [instant(), invoice()] {
        let entries = Timeline::of(found).entries;
        for (place, effect) in entries.iter().enumerate() {
            let Cause::Event { name, .. } = &effect.cause else { continue };
            let before = entries[..place].iter().any(|it| it.what.starts_with(name));
            assert!(before, "{} before {name}", effect.what);
        }
    }
}

#[test]
fn programs_read_the_same_entries_as_people() {
    let timeline = Timeline::of(instant());
    let document = serde_json::to_value(json::document(&timeline)).expect("JSON");
    assert_eq!(document["lastEvent"], "BookingFailed: payment_declined");
    assert_eq!(document["saga"], "failed");
    let entries = document["entries"].as_array().expect("a list");
    assert_eq!(entries.len(), timeline.entries.len());
    assert_eq!(entries[0]["afterMs"], 0);
    let kinds = |it: &Value| (it["kind"].clone(), it["severity"].clone(), it["cause"].clone());
    let refund = entries.iter().find(|it| it["what"] == "BillExpired").expect("it is there");
    let step = serde_json::json!({ "step": "RefundPayment" });
    assert_eq!(kinds(refund), ("other".into(), "bad".into(), step));
}
