//! Every slot that was ever stored can be read, and has the same meaning.

use std::path::Path;

use aws_lambda_events::dynamodb::EventRecord;
use contracts::id::BookingId;
use outbox::record::read_image;
use parking::domain::{Slot, SlotState};
use serde_json::{Value, json};

const BOOKING: &str = "0199aaaa-0000-7000-8000-00000000b00c";

fn sample(name: &str) -> Slot {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/samples/slots");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    let image: Value = serde_json::from_str(&text).unwrap();
    // As the table's stream shows it.
    let record: EventRecord = serde_json::from_value(json!({
        "eventID": "1",
        "eventName": "MODIFY",
        "awsRegion": "us-east-1",
        "dynamodb": { "ApproximateCreationDateTime": 0, "NewImage": image, "SizeBytes": 1 },
    }))
    .unwrap();
    read_image(&record).unwrap().unwrap().state
}

#[test]
fn a_slot_of_the_first_version_is_what_it_was() {
    let booking_id: BookingId = BOOKING.parse().unwrap();
    for (name, state, refused) in [
        ("available", SlotState::Available, None),
        ("blocked", SlotState::Blocked { booking_id }, None),
        ("reserved", SlotState::Reserved { booking_id }, None),
        ("closed", SlotState::Closed, None),
        ("available-after-a-refusal", SlotState::Available, Some(booking_id)),
    ] {
        let expected = Slot { name: "P1".to_owned(), state, refused };
        assert_eq!(sample(&format!("v1/{name}")), expected, "{name}");
        // A new state without a sample stops the build here.
        match state {
            SlotState::Absent
            | SlotState::Available
            | SlotState::Blocked { .. }
            | SlotState::Reserved { .. }
            | SlotState::Closed => {}
        }
    }
}
