//! The name of an enum's value, as serde writes it, so that no name is spelt twice.

use serde::Serialize;

/// The serialised name of a value that has no content.
pub(crate) fn name_of(value: impl Serialize) -> String {
    let value = serde_json::to_value(value).expect("a name is always JSON");
    value.as_str().expect("a value without content is serialised as its name").to_owned()
}

#[cfg(test)]
mod tests {
    use crate::booking::BookingStatus;
    use crate::parking::SlotStatus;

    #[test]
    fn a_state_is_called_what_it_is_serialised_as() {
        assert_eq!(
            BookingStatus::ALL.map(BookingStatus::name),
            ["pending", "completed", "failed", "cancelled", "checked_out"]
        );
        assert_eq!(
            SlotStatus::ALL.map(SlotStatus::name),
            ["available", "blocked", "reserved", "closed"]
        );
    }
}
