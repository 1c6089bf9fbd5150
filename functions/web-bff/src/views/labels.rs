//! Labels for money and states; those for times are the crate's.

use contracts::billing::{BillStatus, PaymentStatus};
use contracts::booking::BookingStatus;
use contracts::money::Money;
use contracts::parking::SlotStatus;
pub use pages::format::{badge, duration, minute, short, time, until};

/// An amount, as people write it.
#[must_use]
pub fn money(amount: Money) -> String {
    pages::format::money(&amount.to_string())
}

/// A state of a slot: the label, and its kind.
#[must_use]
pub fn slot(status: SlotStatus) -> (&'static str, &'static str) {
    match status {
        SlotStatus::Available => ("Free", "good"),
        SlotStatus::Blocked => ("On hold", "busy"),
        SlotStatus::Reserved => ("Taken", "muted"),
        SlotStatus::Closed => ("Closed", "muted"),
    }
}

/// A state of a booking.
#[must_use]
pub fn booking(status: BookingStatus) -> (&'static str, &'static str) {
    match status {
        BookingStatus::Pending => ("In progress", "busy"),
        BookingStatus::Completed => ("Booked", "good"),
        BookingStatus::Failed => ("Failed", "bad"),
        BookingStatus::Cancelled => ("Cancelled", "muted"),
        BookingStatus::CheckedOut => ("Checked out", "muted"),
    }
}

/// A state of a bill.
#[must_use]
pub fn bill(status: BillStatus) -> (&'static str, &'static str) {
    match status {
        BillStatus::Pending => ("To be paid", "busy"),
        BillStatus::Paid => ("Paid", "good"),
        BillStatus::Refunded => ("Refunded", "muted"),
        BillStatus::Expired => ("Expired", "muted"),
    }
}

/// A state of a payment.
#[must_use]
pub fn payment(status: PaymentStatus) -> (&'static str, &'static str) {
    match status {
        PaymentStatus::Pending => ("Being checked", "busy"),
        PaymentStatus::Captured => ("Paid", "good"),
        PaymentStatus::Declined => ("Declined", "bad"),
        PaymentStatus::Refunded => ("Refunded", "muted"),
        PaymentStatus::Withdrawn => ("Withdrawn", "muted"),
    }
}

/// Why a payment was declined: the provider's reason, as text for people.
#[must_use]
pub fn refusal(reason: &str) -> String {
    reason.rsplit(": ").next().unwrap_or(reason).replace('_', " ")
}

/// A part of a page, as the subject of a sentence.
#[must_use]
pub fn part(name: &str) -> &'static str {
    match name {
        "parking" | "slots" | "names" => "Parking",
        "billing" => "Billing",
        "bookings" => "Booking",
        _ => "The booking’s history",
    }
}

/// What a page lacks without a part.
#[must_use]
pub fn what_is_missing(name: &str) -> &'static str {
    match name {
        "slots" => "the slots are missing here",
        "parking" => "the name of your slot is missing here",
        "billing" => "the bill and its payments are missing here",
        "bookings" => "your latest bookings are missing here",
        "names" => "the names of your slots are missing here",
        _ => "the times of the steps are missing here",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_the_providers_reason() {
        assert_eq!(refusal("payment was declined: card_declined"), "card declined");
        assert_eq!(refusal("insufficient funds"), "insufficient funds");
    }
}
