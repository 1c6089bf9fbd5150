//! Every slot that was ever stored can be read, and still means what it meant.

use std::path::Path;

use aws_lambda_events::dynamodb::EventRecord;
use contracts::id::BookingId;
use outbox::record::shown;
use parking::domain::{Slot, Standing};
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
    shown(&record).unwrap().unwrap().state
}

#[test]
fn a_slot_of_the_first_version_is_what_it_was() {
    let booking_id: BookingId = BOOKING.parse().unwrap();
    for (name, standing, refused) in [
        ("available", Standing::Available, None),
        ("blocked", Standing::Blocked { booking_id }, None),
        ("reserved", Standing::Reserved { booking_id }, None),
        ("closed", Standing::Closed, None),
        ("available-after-a-refusal", Standing::Available, Some(booking_id)),
    ] {
        let expected = Slot { name: "P1".to_owned(), standing, refused };
        assert_eq!(sample(&format!("v1/{name}")), expected, "{name}");
        // Whoever stores a standing that has none finds the word here.
        match standing {
            Standing::Absent
            | Standing::Available
            | Standing::Blocked { .. }
            | Standing::Reserved { .. }
            | Standing::Closed => {}
        }
    }
}
