//! Every commit that was ever stored can be read, and has the same meaning.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use booking::domain::{Booking, BookingEvent};
use contracts::booking::{BookingStatus, FailureReason, PaymentMode};
use event_sourcing::decider::fold;
use event_sourcing::item::CommitItem;
use event_sourcing::store::Commit;
use event_sourcing::upcast::Upcast;

fn samples() -> BTreeMap<String, CommitItem> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/samples/bookings");
    let entries = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect()
    };
    let files = entries(&root).into_iter().flat_map(|version| entries(&version));
    let samples = files.map(|path| {
        let item: serde_dynamo::Item =
            serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let name = path.strip_prefix(&root).unwrap().with_extension("").display().to_string();
        (name, serde_dynamo::from_item(item).unwrap())
    });
    samples.collect()
}

fn commit(item: &CommitItem) -> Commit<BookingEvent> {
    item.commit().unwrap()
}

/// The booking that these samples lead to, one after the other.
fn after(names: [&str; 2]) -> (BookingStatus, Option<FailureReason>) {
    let samples = samples();
    let commits = names.map(|name| commit(&samples[name]));
    let booking: Booking = fold(commits.iter().flat_map(|it| &it.events).map(|it| &it.event));
    (booking.known().unwrap().1, booking.reason())
}

#[test]
fn every_commit_ever_stored_can_be_read() {
    for (name, item) in samples() {
        let commit = commit(&item);
        assert_eq!(commit.last_version(), item.last, "{name}");
        assert!(!commit.events.is_empty(), "{name}");
    }
}

#[test]
fn a_booking_of_the_first_version_is_what_it_was() {
    for (name, mode) in [("instant", PaymentMode::Instant), ("invoice", PaymentMode::Invoice)] {
        let created = commit(&samples()[&format!("v1/created-{name}")]);
        let booking: Booking = fold(created.events.iter().map(|it| &it.event));
        let (details, status) = booking.known().unwrap();
        assert_eq!((details.payment.mode(), status), (mode, BookingStatus::Pending));
        assert_eq!(details.customer.0, "ann");
        assert_eq!(details.slot_id.to_string(), "0199aaaa-0000-7000-8000-000000005107");
        assert_eq!(created.occurred_at.to_string(), "2026-01-02T03:04:05.123456789Z");
    }
}

#[test]
fn events_of_the_first_version_lead_to_the_same_state() {
    let after = |name: &str| after(["v1/created-instant", &format!("v1/{name}")]);
    assert_eq!(after("completed"), (BookingStatus::Completed, None));
    assert_eq!(after("cancelled"), (BookingStatus::Cancelled, None));
    assert_eq!(after("checked-out"), (BookingStatus::CheckedOut, None));
    for (name, reason) in [
        ("slot-unavailable", FailureReason::SlotUnavailable),
        ("payment-declined", FailureReason::PaymentDeclined),
        ("payment-unavailable", FailureReason::PaymentUnavailable),
        ("payment-overdue", FailureReason::PaymentOverdue),
        ("cancelled", FailureReason::Cancelled),
        ("saga-timeout", FailureReason::SagaTimeout),
    ] {
        assert_eq!(after(&format!("failed-{name}")), (BookingStatus::Failed, Some(reason)));
    }
}

#[test]
fn every_event_has_a_sample_in_the_current_version() {
    // The error of an unknown event lists every known one, so this list is complete.
    let refusal = serde_json::from_str::<BookingEvent>(r#"{"type":"?"}"#).unwrap_err().to_string();
    let (_, names) = refusal.split_once("expected one of").unwrap();
    let expected: BTreeSet<_> = names.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(expected.len() >= 6, "{refusal}");
    let items = samples().into_values().filter(|item| item.schema == BookingEvent::VERSION);
    let events = items.flat_map(|item| {
        let events: Vec<serde_json::Value> = serde_json::from_str(&item.events).unwrap();
        events.into_iter().map(|it| it["event"]["type"].as_str().unwrap().to_owned())
    });
    assert_eq!(events.collect::<BTreeSet<_>>(), expected);
}

#[test]
fn events_are_written_as_the_samples_of_the_current_version() {
    // A change of the stored form needs a new version, with samples of it.
    for (name, item) in samples().into_iter().filter(|(_, it)| it.schema == BookingEvent::VERSION) {
        let written = CommitItem::new(&item.stream, &commit(&item)).unwrap();
        assert_eq!(written, item, "{name}");
    }
}
