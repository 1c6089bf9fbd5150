//! Stories of bookings as the local cloud has told them.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::gather::{Found, HistoryEvent, line};
use super::{Cause, Timeline, mermaid, terminal};
use crate::api_client::{LedgerEntry, Saga};
use crate::ui::Paint;

/// What the routes, the ledger and the logs have answered.
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

/// A declined card: every step of the saga that was taken is undone.
fn instant() -> Found {
    found(include_str!("fixtures/instant.json"))
}

/// Paid by a bill: nobody conducts.
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
fn a_saga_is_told_with_its_steps_and_their_undos() {
    insta::assert_snapshot!(table(instant()));
}

#[test]
fn a_choreography_is_told_by_its_events() {
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
fn what_is_older_than_the_logs_is_told_without_them() {
    let mut old = instant();
    old.lines.clear();
    let told = table(old);
    assert!(told.contains("BookingFailed: payment_declined"), "{told}");
    assert!(told.contains("AuthorisePayment failed: Rejected: payment-declined"), "{told}");
    assert!(told.contains("no logs"), "{told}");
}

#[test]
fn a_token_is_told_nowhere_even_if_a_source_lets_it_slip() {
    let mut found = instant();
    found.history[0].data["payment"]["token"] = "tok_secret".into();
    let slip = serde_json::json!({
        "timestamp": "2026-01-01T00:00:00Z", "level": "INFO", "message": "done", "token": "tok_secret",
        "command": "CreateBooking", "payment": {"token": "tok_secret"},
    });
    found.lines.extend(line("booking-command", &slip.to_string()));
    let timeline = Timeline::of(found);
    for told in [terminal::table(&timeline, Paint::of(false)), mermaid::diagram(&timeline)] {
        assert!(!told.contains("tok_"), "{told}");
    }
}

#[test]
fn nothing_is_told_before_its_cause() {
    for found in [instant(), invoice()] {
        let entries = Timeline::of(found).entries;
        for (place, effect) in entries.iter().enumerate() {
            let Cause::Event { name, .. } = &effect.cause else { continue };
            let before = entries[..place].iter().any(|it| it.what.starts_with(name));
            assert!(before, "{} before {name}", effect.what);
        }
    }
}
