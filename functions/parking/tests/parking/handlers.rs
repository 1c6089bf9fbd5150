//! Each command and each event, without faults.

use serde_json::{Value, json};
use service_error::ErrorKind;
use uuid::Uuid;

use crate::world::{
    ANN, Action, BOB, CAY, EVENT, Line, Outcome, SLOT, World, event, messages, paid, request,
};

fn refused(slug: &str) -> Outcome {
    Outcome::Refused(slug.to_owned())
}

#[tokio::test]
async fn the_example_command_adds_a_slot() {
    let world = World::default();
    let example = serde_json::from_str(include_str!("../../events/parking-command.json")).unwrap();
    let response = world.send(example, &Line::default()).await.unwrap();
    let slot = json!({ "slotId": SLOT, "name": "A1", "status": "available", "version": 1 });
    assert_eq!(response, slot);
}

#[tokio::test]
async fn the_example_message_reserves_the_slot_of_a_paid_booking() {
    let world = World::after(&[Action::Create]).await;
    let example = serde_json::from_str(include_str!("../../events/parking-react.json")).unwrap();
    assert_eq!(world.deliver(example, &Line::default()).await, [""; 0]);
    assert_eq!(world.holder(), Some(ANN));
    assert_eq!(world.events(), ["SlotCreated", "SlotReserved"]);
}

#[tokio::test]
async fn a_consistent_query_returns_the_slot_or_not_found() {
    let read = json!({ "command": "readSlot", "slotId": SLOT });
    let world = World::default();
    let missing = world.send(read.clone(), &Line::default()).await.unwrap_err();
    assert_eq!((missing.kind(), missing.slug()), (ErrorKind::Rejected, "not-found"));
    // A tombstone is no slot.
    world.calmly(Action::Unblock(ANN)).await;
    assert!(world.send(read.clone(), &Line::default()).await.is_err());
    world.calmly(Action::Create).await;
    let line = Line::default();
    let slot = json!({ "slotId": SLOT, "name": "A1", "status": "available", "version": 2 });
    assert_eq!(world.send(read, &line).await.unwrap(), slot);
    assert_eq!((line.calls(), line.writes()), (1, 0));
}

#[tokio::test]
async fn a_refused_booking_never_gets_the_slot_however_late_a_repetition_arrives() {
    let others = [Action::Paid(BOB), Action::Paid(ANN), Action::Paid(CAY)];
    let world = World::after(&[Action::Create]).await;
    for action in
        others.into_iter().chain([Action::Over("BookingCancelled", BOB), Action::Paid(ANN)])
    {
        world.calmly(action).await;
    }
    assert_eq!(world.holder(), None);
    let reserved = world.events().iter().filter(|it| *it == "SlotReserved").count();
    assert_eq!(reserved, 1, "{:?}", world.events());
}

#[tokio::test]
async fn each_command_returns_the_slot_after_it() {
    let world = World::default();
    for (action, status, version) in [
        (Action::Create, "available", 1),
        (Action::Create, "available", 1),
        (Action::Block(ANN), "blocked", 2),
        (Action::Block(ANN), "blocked", 2),
        (Action::Reserve(ANN), "reserved", 3),
        (Action::Reserve(ANN), "reserved", 3),
        // A tombstone counts as a change.
        (Action::Unblock(ANN), "available", 5),
        (Action::Unblock(ANN), "available", 5),
        (Action::Close, "closed", 6),
        (Action::Create, "closed", 6),
        (Action::Reopen, "available", 7),
    ] {
        let response = world.send(request(action), &Line::default()).await.unwrap();
        assert_eq!(
            (&response["status"], &response["version"]),
            (&json!(status), &json!(version)),
            "{action:?}"
        );
        assert_eq!((&response["slotId"], &response["name"]), (&json!(SLOT), &json!("A1")));
    }
}

#[tokio::test]
async fn a_compensation_for_a_missing_slot_succeeds() {
    let world = World::default();
    let response = world.send(request(Action::Unblock(ANN)), &Line::default()).await.unwrap();
    assert_eq!(response, Value::Null);
    world.calmly(Action::Create).await;
    assert_eq!(world.calmly(Action::Block(ANN)).await, refused("slot-unavailable"));
    assert_eq!(world.calmly(Action::Block(BOB)).await, Outcome::Done);
}

#[tokio::test]
async fn a_rejection_has_a_reason_and_stores_nothing() {
    let taken = [Action::Create, Action::Block(BOB), Action::Reserve(BOB)];
    for (given, when, slug) in [
        (&[][..], Action::Close, "not-found"),
        (&[], Action::Reopen, "not-found"),
        (&[], Action::Block(ANN), "slot-unavailable"),
        (&[], Action::Reserve(ANN), "slot-unavailable"),
        (&taken, Action::Close, "conflict"),
        (&taken, Action::Block(ANN), "slot-unavailable"),
        (&taken, Action::Reserve(ANN), "slot-unavailable"),
    ] {
        let world = World::after(given).await;
        let before = world.remains();
        let line = Line::default();
        assert_eq!(world.try_to(when, &line).await, Some(refused(slug)), "{when:?}");
        assert_eq!(world.remains(), before);
        assert_eq!(line.writes(), 0);
    }
}

#[tokio::test]
async fn the_handler_checks_the_name_too() {
    let create = |name: String| json!({ "command": "createSlot", "slotId": SLOT, "name": name });
    let world = World::default();
    for name in [String::new(), "x".repeat(101)] {
        let failure = world.send(create(name), &Line::default()).await.unwrap_err();
        assert_eq!((failure.kind(), failure.slug()), (ErrorKind::Rejected, "validation"));
    }
    world.send(create("x".repeat(100)), &Line::default()).await.unwrap();
    let failure = world.send(create("y".to_owned()), &Line::default()).await.unwrap_err();
    assert_eq!((failure.kind(), failure.slug()), (ErrorKind::Rejected, "conflict"));
}

#[tokio::test]
async fn closing_a_blocked_slot_makes_its_saga_fail_at_reserve() {
    let world = World::after(&[Action::Create, Action::Block(ANN), Action::Close]).await;
    assert_eq!(world.calmly(Action::Reserve(ANN)).await, refused("slot-unavailable"));
    assert_eq!(world.calmly(Action::Unblock(ANN)).await, Outcome::Done);
    assert_eq!(world.events(), ["SlotCreated", "SlotBlocked", "SlotClosed"]);
}

#[tokio::test]
async fn the_first_paid_booking_gets_the_slot_and_the_second_is_refused() {
    let world = World::after(&[Action::Create, Action::Paid(ANN), Action::Paid(BOB)]).await;
    assert_eq!(world.holder(), Some(ANN));
    let published_event = world.store.outbox().pop().unwrap();
    assert_eq!(published_event.event.kind, "SlotUnavailable");
    assert_eq!(published_event.event.data, json!({ "slotId": SLOT, "bookingId": BOB }));
}

#[tokio::test]
async fn a_paid_booking_of_a_missing_slot_is_refused() {
    let world = World::after(&[Action::Paid(ANN)]).await;
    assert_eq!(world.events(), ["SlotUnavailable"]);
    // The slot can still be created.
    assert_eq!(world.calmly(Action::Create).await, Outcome::Done);
    assert_eq!(world.calmly(Action::Block(BOB)).await, Outcome::Done);
}

#[tokio::test]
async fn a_booking_that_is_paid_after_its_release_is_refused() {
    let world =
        World::after(&[Action::Create, Action::Over("BookingCancelled", ANN), Action::Paid(ANN)])
            .await;
    assert_eq!(world.events(), ["SlotCreated", "SlotUnavailable"]);
    assert_eq!(world.holder(), None);
}

#[tokio::test]
async fn a_booking_that_has_ended_releases_its_slot() {
    for kind in ["BookingFailed", "BookingCancelled", "BookingCheckedOut"] {
        for (given, event) in [
            (&[Action::Create, Action::Block(ANN)][..], "SlotUnblocked"),
            (&[Action::Create, Action::Block(ANN), Action::Reserve(ANN)], "SlotReleased"),
            (&[Action::Create, Action::Paid(ANN)], "SlotReleased"),
        ] {
            let world = World::after(given).await;
            assert_eq!(world.calmly(Action::Over(kind, ANN)).await, Outcome::Done);
            assert_eq!(world.events().pop().unwrap(), event, "{kind}");
            assert_eq!(world.calmly(Action::Block(BOB)).await, Outcome::Done);
        }
    }
}

#[tokio::test]
async fn a_booking_that_has_ended_releases_no_other_hold() {
    let world =
        World::after(&[Action::Create, Action::Block(BOB), Action::Over("BookingFailed", ANN)])
            .await;
    assert_eq!(world.holder(), Some(BOB));
    assert_eq!(world.calmly(Action::Reserve(BOB)).await, Outcome::Done);
}

#[tokio::test]
async fn the_bill_of_an_instant_booking_and_irrelevant_events_are_ignored() {
    let world = World::after(&[Action::Create]).await;
    let line = Line::default();
    let batch = messages(&[
        paid(ANN, "instant"),
        event("parkade.booking", "BookingCreated", ANN, json!({})),
        event("parkade.booking", "BookingPostponed", ANN, json!({ "until": 1 })),
        event("parkade.elsewhere", "BillPaid", ANN, json!({})),
        event("parkade.parking", "SlotReserved", ANN, json!({})),
    ]);
    assert_eq!(world.deliver(batch, &line).await, [""; 0]);
    assert_eq!(line.calls(), 0);
}

#[tokio::test]
async fn only_an_unreadable_message_is_dead_lettered() {
    let world = World::after(&[Action::Create]).await;
    let broken = event("parkade.billing", "BillPaid", BOB, json!({ "slotId": SLOT }));
    let batch = messages(&[json!("what?"), broken, paid(ANN, "invoice")]);
    assert_eq!(world.deliver(batch, &Line::default()).await, [""; 0]);
    let letters = world.letters.messages();
    assert_eq!(letters.len(), 2);
    assert_eq!(letters[0].body, "\"what?\"");
    assert!(letters[1].reason.contains("missing field"), "{}", letters[1].reason);
    assert_eq!(world.holder(), Some(ANN));
}

#[tokio::test]
async fn an_event_carries_its_correlation_and_causation_ids() {
    let cause = Uuid::from_u128(7);
    let world = World::default();
    let with_cause = |action| {
        let mut request = request(action);
        request["cause"] = json!(cause);
        request
    };
    world.send(with_cause(Action::Create), &Line::default()).await.unwrap();
    world.send(with_cause(Action::Block(ANN)), &Line::default()).await.unwrap();
    world.calmly(Action::Over("BookingFailed", ANN)).await;
    world.calmly(Action::Close).await;
    let outbox = world.store.outbox();
    let [created, blocked, unblocked, closed] = outbox.as_slice() else { panic!("{outbox:?}") };
    assert_eq!((created.correlation_id, created.causation_id), (cause, cause));
    assert_eq!((blocked.correlation_id, blocked.causation_id), (ANN.0, cause));
    assert_eq!((unblocked.correlation_id, unblocked.causation_id), (ANN.0, EVENT));
    assert_eq!((closed.correlation_id, closed.causation_id), (SLOT.0, closed.id));
    let sequences: Vec<u64> = outbox.iter().map(|it| it.sequence).collect();
    assert_eq!(sequences, [1, 2, 4, 5]);
    assert!(outbox.iter().all(|it| it.subject == SLOT.to_string() && it.schema_version == 1));
    let published = serde_json::to_value(blocked).unwrap();
    serde_json::from_value::<contracts::parking::Event>(published).unwrap();
}

#[tokio::test]
async fn a_change_is_one_write_and_an_idle_compensation_only_its_tombstone() {
    let world = World::default();
    for (action, calls, writes) in [
        (Action::Create, 2, 1),
        (Action::Block(ANN), 2, 1),
        (Action::Block(ANN), 1, 0),
        (Action::Reserve(ANN), 2, 1),
        (Action::Unblock(ANN), 3, 1),
        (Action::Unblock(ANN), 2, 0),
        (Action::Over("BookingFailed", ANN), 2, 0),
        (Action::Paid(BOB), 2, 1),
        (Action::Paid(BOB), 1, 0),
        (Action::Paid(ANN), 2, 1),
        (Action::Paid(ANN), 1, 0),
    ] {
        let line = Line::default();
        world.try_to(action, &line).await.unwrap();
        assert_eq!((line.calls(), line.writes()), (calls, writes), "{action:?}");
    }
}
