//! Given these events, when this command arrives, then this event or rejection follows.

use contracts::id::BookingId;
use proptest::prelude::*;
use uuid::Uuid;

use super::{Rejection, Slot, SlotCommand, SlotEvent, decide, evolve};

const ANN: BookingId = BookingId(Uuid::from_u128(1));
const BOB: BookingId = BookingId(Uuid::from_u128(2));

const FREE: bool = false;
const TOMBSTONED: bool = true;

fn created() -> SlotEvent {
    SlotEvent::Created { name: "A1".to_owned() }
}

fn create(name: &str) -> SlotCommand {
    SlotCommand::Create { name: name.to_owned() }
}

fn blocked(booking_id: BookingId) -> SlotEvent {
    SlotEvent::Blocked { booking_id }
}

fn reserved(booking_id: BookingId) -> SlotEvent {
    SlotEvent::Reserved { booking_id }
}

fn unavailable(booking_id: BookingId) -> SlotEvent {
    SlotEvent::Unavailable { booking_id }
}

const BLOCK: SlotCommand = SlotCommand::Block { booking_id: ANN };
const RESERVE: SlotCommand = SlotCommand::Reserve { booking_id: ANN };
const UNBLOCK: SlotCommand = SlotCommand::Unblock { booking_id: ANN };
const RESERVE_PAID: SlotCommand = SlotCommand::ReservePaid { booking_id: ANN };

fn fold(given: &[SlotEvent]) -> Slot {
    given.iter().fold(Slot::default(), evolve)
}

/// `tombstone` tells whether Ann has given the slot up.
#[track_caller]
fn check(
    given: &[SlotEvent],
    tombstone: bool,
    when: &SlotCommand,
    then: Result<Option<SlotEvent>, Rejection>,
) {
    assert_eq!(
        decide(&fold(given), tombstone, when),
        then,
        "given {given:?}, tombstone: {tombstone}"
    );
}

/// Every state in which Ann has no hold, and no other booking has one that she could get.
fn out_of_reach() -> [Vec<SlotEvent>; 4] {
    [
        vec![],
        vec![created(), blocked(BOB)],
        vec![created(), reserved(BOB)],
        vec![created(), SlotEvent::Closed],
    ]
}

#[test]
fn a_slot_is_added_once() {
    check(&[], FREE, &create("A1"), Ok(Some(created())));
    for then in [vec![], vec![blocked(ANN)], vec![reserved(ANN)], vec![SlotEvent::Closed]] {
        let given = [vec![created()], then].concat();
        check(&given, FREE, &create("A1"), Ok(None));
        check(&given, FREE, &create("B2"), Err(Rejection::IdTaken));
    }
}

#[test]
fn a_name_has_1_to_100_characters_whatever_their_size() {
    for name in ["x".to_owned(), "x".repeat(100), "🅿".repeat(100)] {
        check(&[], FREE, &create(&name), Ok(Some(SlotEvent::Created { name: name.clone() })));
    }
    for name in [String::new(), "x".repeat(101)] {
        check(&[], FREE, &create(&name), Err(Rejection::NameInvalid));
        check(&[created()], FREE, &create(&name), Err(Rejection::NameInvalid));
    }
}

#[test]
fn a_slot_that_is_not_reserved_can_be_closed() {
    let closed = Ok(Some(SlotEvent::Closed));
    check(&[created()], FREE, &SlotCommand::Close, closed.clone());
    check(&[created(), blocked(ANN)], FREE, &SlotCommand::Close, closed);
    check(&[created(), reserved(ANN)], FREE, &SlotCommand::Close, Err(Rejection::IsReserved));
    check(&[created(), SlotEvent::Closed], FREE, &SlotCommand::Close, Ok(None));
    check(&[], FREE, &SlotCommand::Close, Err(Rejection::NotFound));
}

#[test]
fn a_closed_slot_can_be_reopened_and_is_available() {
    let closed = [created(), blocked(ANN), SlotEvent::Closed];
    check(&closed, FREE, &SlotCommand::Reopen, Ok(Some(SlotEvent::Reopened)));
    let reopened = [closed.as_slice(), &[SlotEvent::Reopened]].concat();
    check(&reopened, FREE, &BLOCK, Ok(Some(blocked(ANN))));
    for given in [vec![], vec![blocked(ANN)], vec![reserved(ANN)]] {
        check(&[vec![created()], given].concat(), FREE, &SlotCommand::Reopen, Ok(None));
    }
    check(&[], FREE, &SlotCommand::Reopen, Err(Rejection::NotFound));
}

#[test]
fn an_available_slot_is_blocked_unless_the_booking_has_a_tombstone() {
    check(&[created()], FREE, &BLOCK, Ok(Some(blocked(ANN))));
    check(&[created()], TOMBSTONED, &BLOCK, Err(Rejection::Unavailable));
}

#[test]
fn blocking_a_held_slot_again_changes_nothing() {
    check(&[created(), blocked(ANN)], FREE, &BLOCK, Ok(None));
    check(&[created(), reserved(ANN)], FREE, &BLOCK, Ok(None));
}

#[test]
fn a_slot_that_is_held_or_closed_cannot_be_blocked() {
    for given in out_of_reach() {
        check(&given, FREE, &BLOCK, Err(Rejection::Unavailable));
        check(&given, TOMBSTONED, &BLOCK, Err(Rejection::Unavailable));
    }
}

#[test]
fn only_the_booking_that_blocked_a_slot_can_reserve_it() {
    check(&[created(), blocked(ANN)], FREE, &RESERVE, Ok(Some(reserved(ANN))));
    check(&[created(), blocked(ANN), reserved(ANN)], FREE, &RESERVE, Ok(None));
    check(&[created()], FREE, &RESERVE, Err(Rejection::Unavailable));
    for given in out_of_reach() {
        check(&given, FREE, &RESERVE, Err(Rejection::Unavailable));
    }
}

#[test]
fn a_slot_that_was_closed_under_its_saga_is_not_reserved() {
    let given = [created(), blocked(ANN), SlotEvent::Closed];
    check(&given, FREE, &RESERVE, Err(Rejection::Unavailable));
    let given = [created(), blocked(ANN), SlotEvent::Closed, SlotEvent::Reopened];
    check(&given, FREE, &RESERVE, Err(Rejection::Unavailable));
}

#[test]
fn every_hold_can_be_released() {
    let unblocked = SlotEvent::Unblocked { booking_id: ANN };
    let released = SlotEvent::Released { booking_id: ANN };
    for tombstone in [FREE, TOMBSTONED] {
        check(&[created(), blocked(ANN)], tombstone, &UNBLOCK, Ok(Some(unblocked.clone())));
        check(&[created(), reserved(ANN)], tombstone, &UNBLOCK, Ok(Some(released.clone())));
    }
    for over in [unblocked, released] {
        check(
            &[created(), over],
            FREE,
            &SlotCommand::Block { booking_id: BOB },
            Ok(Some(blocked(BOB))),
        );
    }
}

#[test]
fn releasing_a_slot_of_another_booking_changes_nothing() {
    for given in out_of_reach().into_iter().chain([vec![created()]]) {
        check(&given, FREE, &UNBLOCK, Ok(None));
        check(&given, TOMBSTONED, &UNBLOCK, Ok(None));
    }
}

#[test]
fn the_first_paid_booking_gets_an_available_slot() {
    check(&[created()], FREE, &RESERVE_PAID, Ok(Some(reserved(ANN))));
    check(&[created(), reserved(ANN)], FREE, &RESERVE_PAID, Ok(None));
    check(&[created(), blocked(ANN)], FREE, &RESERVE_PAID, Ok(Some(reserved(ANN))));
}

#[test]
fn a_paid_booking_that_cannot_have_the_slot_is_refused_by_an_event() {
    for given in out_of_reach() {
        check(&given, FREE, &RESERVE_PAID, Ok(Some(unavailable(ANN))));
    }
    check(&[created()], TOMBSTONED, &RESERVE_PAID, Ok(Some(unavailable(ANN))));
}

#[test]
fn a_refused_booking_is_refused_once_and_never_gets_the_slot() {
    for given in out_of_reach() {
        let already_refused = [given, vec![unavailable(ANN)]].concat();
        check(&already_refused, FREE, &RESERVE_PAID, Ok(None));
    }
    let released = SlotEvent::Released { booking_id: BOB };
    let given = [created(), reserved(BOB), unavailable(ANN), released];
    check(&given, FREE, &RESERVE_PAID, Ok(None));
}

#[test]
fn what_is_stored_still_reads() {
    for (json, given) in [
        (r#"{"name":"","status":"absent"}"#, vec![]),
        (r#"{"name":"A1","status":"available"}"#, vec![created()]),
        (
            r#"{"name":"A1","status":"blocked","bookingId":"00000000-0000-0000-0000-000000000001"}"#,
            vec![created(), blocked(ANN)],
        ),
        (
            r#"{"name":"A1","status":"reserved","bookingId":"00000000-0000-0000-0000-000000000001","refused":"00000000-0000-0000-0000-000000000002"}"#,
            vec![created(), reserved(ANN), unavailable(BOB)],
        ),
        (r#"{"name":"A1","status":"closed"}"#, vec![created(), SlotEvent::Closed]),
    ] {
        let slot = fold(&given);
        assert_eq!(serde_json::from_str::<Slot>(json).unwrap(), slot, "{json}");
        assert_eq!(serde_json::to_string(&slot).unwrap(), json);
    }
}

fn any_command() -> impl Strategy<Value = SlotCommand> {
    let booking_id = (1..=3_u128).prop_map(|it| BookingId(Uuid::from_u128(it)));
    (0..7, booking_id).prop_map(|(kind, booking_id)| match kind {
        0 => create("A1"),
        1 => SlotCommand::Close,
        2 => SlotCommand::Reopen,
        3 => SlotCommand::Block { booking_id },
        4 => SlotCommand::Reserve { booking_id },
        5 => SlotCommand::Unblock { booking_id },
        _ => SlotCommand::ReservePaid { booking_id },
    })
}

fn holder(slot: &Slot) -> Option<BookingId> {
    match slot.state {
        super::SlotState::Blocked { booking_id } | super::SlotState::Reserved { booking_id } => {
            Some(booking_id)
        }
        super::SlotState::Absent | super::SlotState::Available | super::SlotState::Closed => None,
    }
}

proptest! {
    #[test]
    fn a_hold_is_released_before_another_booking_gets_the_slot(
        commands in prop::collection::vec((any_command(), any::<bool>()), 1..40),
    ) {
        let mut slot = Slot::default();
        for (command, has_tombstone) in commands {
            let before = holder(&slot);
            let Ok(Some(event)) = decide(&slot, has_tombstone, &command) else { continue };
            slot = evolve(slot, &event);
            let after = holder(&slot);
            if before.is_some() && before != after {
                prop_assert_eq!(after, None, "{:?} took it over", command);
                let is_released = matches!(command, SlotCommand::Unblock { booking_id } if Some(booking_id) == before);
                prop_assert!(is_released || command == SlotCommand::Close, "{:?} took it away", command);
            }
            if after.is_some() && after != before {
                prop_assert!(!has_tombstone, "{:?} took what its booking had released", command);
            }
        }
    }

    #[test]
    fn a_repeated_command_changes_nothing(
        commands in prop::collection::vec((any_command(), any::<bool>()), 1..40),
    ) {
        let mut slot = Slot::default();
        for (command, has_tombstone) in commands {
            let Ok(Some(event)) = decide(&slot, has_tombstone, &command) else { continue };
            slot = evolve(slot, &event);
            prop_assert_eq!(decide(&slot, has_tombstone, &command), Ok(None));
        }
    }
}
