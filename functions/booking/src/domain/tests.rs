//! Given these events, when this command arrives, then these events or this rejection follow.

use contracts::booking::{FailureReason, Payment, PaymentMode};
use contracts::id::{CustomerId, SlotId};
use event_sourcing::decider::{Decider, fold};
use proptest::prelude::*;
use uuid::Uuid;

use super::{Booking, BookingCommand, BookingEvent, Rejection};

const SLOT: SlotId = SlotId(Uuid::from_u128(7));

fn ann() -> CustomerId {
    CustomerId("ann".to_owned())
}

fn bob() -> CustomerId {
    CustomerId("bob".to_owned())
}

fn card() -> Payment {
    Payment::Instant { token: "tok_visa".to_owned() }
}

fn created(payment: Payment) -> BookingEvent {
    BookingEvent::BookingCreated { customer: ann(), slot_id: SLOT, payment }
}

fn create(payment: Payment) -> BookingCommand {
    BookingCommand::Create { customer: ann(), slot_id: SLOT, payment }
}

const RESERVED: BookingEvent = BookingEvent::BookingReserved { slot_id: SLOT };
const COMPLETED: BookingEvent = BookingEvent::BookingCompleted { slot_id: SLOT };
const CANCELLED: BookingEvent = BookingEvent::BookingCancelled { slot_id: SLOT };
const CHECKED_OUT: BookingEvent = BookingEvent::BookingCheckedOut { slot_id: SLOT };
const FAILED: BookingEvent =
    BookingEvent::BookingFailed { slot_id: SLOT, reason: FailureReason::SlotUnavailable };
const COMPLETE: BookingCommand = BookingCommand::Complete { mode: PaymentMode::Instant };
const FAIL: BookingCommand = BookingCommand::Fail { reason: FailureReason::SlotUnavailable };

fn cancel() -> BookingCommand {
    BookingCommand::Cancel { customer: ann() }
}

fn check_out() -> BookingCommand {
    BookingCommand::CheckOut { customer: ann() }
}

#[track_caller]
fn check(given: &[BookingEvent], when: &BookingCommand, then: Result<&[BookingEvent], Rejection>) {
    let booking: Booking = fold(given);
    let decided = booking.decide(when);
    assert_eq!(decided.as_deref().map_err(|rejection| *rejection), then);
}

#[test]
fn a_booking_is_made() {
    check(&[], &create(card()), Ok(&[created(card())]));
}

#[test]
fn the_same_creation_twice_changes_nothing() {
    check(&[created(card())], &create(card()), Ok(&[]));
    check(&[created(card()), FAILED], &create(card()), Ok(&[]));
}

#[test]
fn another_creation_under_the_same_key_is_rejected() {
    check(&[created(card())], &create(Payment::Invoice {}), Err(Rejection::KeyReused));
    let other = Payment::Instant { token: "tok_declined".to_owned() };
    check(&[created(card())], &create(other), Err(Rejection::KeyReused));
}

#[test]
fn a_paid_booking_with_its_slot_completes_in_one_commit() {
    check(&[created(card())], &COMPLETE, Ok(&[RESERVED, COMPLETED]));
}

#[test]
fn a_reserved_slot_completes_only_an_invoice_booking() {
    let reserved = BookingCommand::Complete { mode: PaymentMode::Invoice };
    check(&[created(card())], &reserved, Ok(&[]));
    check(&[created(Payment::Invoice {})], &reserved, Ok(&[RESERVED, COMPLETED]));
}

#[test]
fn completing_twice_changes_nothing() {
    check(&[created(card()), RESERVED, COMPLETED], &COMPLETE, Ok(&[]));
    check(&[created(card()), RESERVED, COMPLETED, CHECKED_OUT], &COMPLETE, Ok(&[]));
}

#[test]
fn a_booking_that_has_ended_cannot_be_completed() {
    check(&[created(card()), CANCELLED], &COMPLETE, Err(Rejection::IsOver));
    check(&[created(card()), FAILED], &COMPLETE, Err(Rejection::IsOver));
}

#[test]
fn a_pending_booking_fails_with_its_reason() {
    check(&[created(card())], &FAIL, Ok(&[FAILED]));
}

#[test]
fn a_booking_that_has_ended_cannot_fail() {
    check(&[created(card()), FAILED], &FAIL, Ok(&[]));
    check(&[created(card()), CANCELLED], &FAIL, Ok(&[]));
}

#[test]
fn only_an_invoice_falls_due() {
    let reason = FailureReason::PaymentOverdue;
    let overdue = BookingCommand::Fail { reason };
    check(&[created(card())], &overdue, Ok(&[]));
    let failed = BookingEvent::BookingFailed { slot_id: SLOT, reason };
    check(&[created(Payment::Invoice {})], &overdue, Ok(&[failed]));
}

#[test]
fn a_complete_booking_does_not_fail() {
    check(&[created(card()), RESERVED, COMPLETED], &FAIL, Err(Rejection::IsComplete));
    check(&[created(card()), RESERVED, COMPLETED, CHECKED_OUT], &FAIL, Err(Rejection::IsComplete));
}

#[test]
fn a_pending_or_completed_booking_can_be_cancelled() {
    check(&[created(card())], &cancel(), Ok(&[CANCELLED]));
    check(&[created(card()), RESERVED, COMPLETED], &cancel(), Ok(&[CANCELLED]));
}

#[test]
fn cancelling_twice_changes_nothing() {
    check(&[created(card()), CANCELLED], &cancel(), Ok(&[]));
}

#[test]
fn a_failed_or_checked_out_booking_cannot_be_cancelled() {
    check(&[created(card()), FAILED], &cancel(), Err(Rejection::IsOver));
    check(&[created(card()), RESERVED, COMPLETED, CHECKED_OUT], &cancel(), Err(Rejection::IsOver));
}

#[test]
fn only_a_completed_booking_is_checked_out() {
    check(&[created(card()), RESERVED, COMPLETED], &check_out(), Ok(&[CHECKED_OUT]));
    check(&[created(card())], &check_out(), Err(Rejection::IsPending));
    for over in [FAILED, CANCELLED] {
        check(&[created(card()), over], &check_out(), Err(Rejection::IsOver));
    }
    check(
        &[created(card()), RESERVED, COMPLETED, CHECKED_OUT],
        &check_out(),
        Err(Rejection::IsOver),
    );
}

#[test]
fn the_booking_of_another_customer_does_not_exist() {
    for given in [vec![created(card())], vec![created(card()), RESERVED, COMPLETED]] {
        check(&given, &BookingCommand::Cancel { customer: bob() }, Err(Rejection::NotFound));
        check(&given, &BookingCommand::CheckOut { customer: bob() }, Err(Rejection::NotFound));
    }
}

#[test]
fn every_command_but_creation_needs_an_existing_booking() {
    for when in [COMPLETE, FAIL, cancel(), check_out()] {
        check(&[], &when, Err(Rejection::NotFound));
    }
}

fn any_command() -> impl Strategy<Value = BookingCommand> {
    prop_oneof![
        Just(create(card())),
        Just(create(Payment::Invoice {})),
        Just(COMPLETE),
        Just(BookingCommand::Complete { mode: PaymentMode::Invoice }),
        Just(FAIL),
        Just(cancel()),
        Just(check_out()),
    ]
}

proptest! {
    #[test]
    fn a_repeated_command_has_one_effect(commands in prop::collection::vec(any_command(), 0..12), last in any_command()) {
        let mut booking = Booking::default();
        for command in commands.iter().chain([&last]) {
            for event in booking.decide(command).unwrap_or_default() {
                booking = booking.evolve(&event);
            }
        }
        prop_assert_eq!(booking.decide(&last).unwrap_or_default(), vec![]);
    }

    #[test]
    fn a_booking_ends_once(commands in prop::collection::vec(any_command(), 0..20)) {
        let mut booking = Booking::default();
        let mut endings = 0;
        for command in &commands {
            for event in booking.decide(command).unwrap_or_default() {
                endings += usize::from([FAILED, CANCELLED, CHECKED_OUT].contains(&event));
                booking = booking.evolve(&event);
            }
        }
        prop_assert!(endings <= 1);
    }
}
