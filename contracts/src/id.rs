//! Identifiers, each of its own type so that none is taken for another.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Identifies a slot.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct SlotId(pub Uuid);

/// Identifies a booking; also the correlation id of all that it sets off.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct BookingId(pub Uuid);

/// Identifies a payment on a bill; also its idempotency key at the payment provider.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct PaymentId(pub Uuid);

/// Names a customer: the subject of their token.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct CustomerId(pub String);

/// Names a bill as `<slotId>:<bookingId>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BillReference {
    /// The slot that is paid for.
    pub slot_id: SlotId,
    /// The booking that pays.
    pub booking_id: BookingId,
}

/// A text that is no identifier of the kind it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}")]
pub struct InvalidId {
    kind: &'static str,
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for BookingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SlotId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        hyphenated(text).map(Self).ok_or(InvalidId { kind: "slot id" })
    }
}

impl FromStr for BookingId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        hyphenated(text).map(Self).ok_or(InvalidId { kind: "booking id" })
    }
}

impl fmt::Display for BillReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.slot_id, self.booking_id)
    }
}

impl FromStr for BillReference {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let reference = text.split_once(':').and_then(|(slot, booking)| {
            Some(Self { slot_id: slot.parse().ok()?, booking_id: booking.parse().ok()? })
        });
        reference.ok_or(InvalidId { kind: "bill reference" })
    }
}

impl Serialize for BillReference {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BillReference {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for BillReference {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BillReference".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "<slotId>:<bookingId>",
            "pattern": "^[0-9a-f-]{36}:[0-9a-f-]{36}$",
        })
    }
}

/// One spelling for each id, so that two texts never name the same thing: lower case with hyphens.
fn hyphenated(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: &str = "0191f7a4-0000-7000-8000-000000000001";
    const BOOKING: &str = "0191f7a4-0000-7000-8000-000000000002";

    #[test]
    fn a_reference_reads_back_as_it_was_written() {
        let text = format!("{SLOT}:{BOOKING}");
        let reference: BillReference = text.parse().unwrap();
        assert_eq!(reference.to_string(), text);
    }

    #[test]
    fn each_id_has_one_spelling() {
        for text in
            [SLOT.to_uppercase(), SLOT.replace('-', ""), format!("{{{SLOT}}}"), String::new()]
        {
            assert!(text.parse::<SlotId>().is_err(), "{text}");
        }
    }

    #[test]
    fn half_a_reference_is_none() {
        for text in
            [SLOT.to_owned(), format!("{SLOT}:"), format!("{SLOT}:{BOOKING}:"), ":".to_owned()]
        {
            assert!(text.parse::<BillReference>().is_err(), "{text}");
        }
    }
}
