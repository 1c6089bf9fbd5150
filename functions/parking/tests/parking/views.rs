//! The stream's effects on the view and the bus, and the queries of the view.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use contracts::id::SlotId;
use contracts::parking::{Slot, SlotStatus};
use cqrs::cursor::Cursors;
use cqrs::generation::Generations as _;
use cqrs::lag::ReportThrottle;
use cqrs::memory::{MemoryGenerations, MemoryView};
use cqrs::test_support::{self, given};
use cqrs::view::{Reader, Versioned, View as _};
use outbox::memory::{MemoryBus, MemoryDeadLetters, MemoryRepublishQueue, MemoryStore};
use outbox::state::StateStore as _;
use parking::handlers::{project, publish, query};
use parking::view::SlotRow;
use proptest::prelude::*;
use serde_json::{Value, json};
use service_error::{ErrorKind, ServiceError};
use uuid::Uuid;

use crate::world::{ANN, Action, BOB, SLOT, World, now};

fn batch(records: &[EventRecord]) -> Event {
    let mut event = Event::default();
    event.records = records.to_vec();
    event
}

async fn send(view: &impl Reader<SlotRow>, request: Value) -> Result<Value, ServiceError> {
    let request = serde_json::from_value(request).unwrap();
    let controls = MemoryGenerations::<SlotRow>::default();
    let response = query::handle(view, &controls, &Cursors::new("secret"), request, now()).await?;
    Ok(serde_json::to_value(response).unwrap())
}

async fn refused(view: &MemoryView<SlotRow>, request: Value) -> (ErrorKind, String) {
    let failure = send(view, request).await.unwrap_err();
    (failure.kind(), failure.slug().to_owned())
}

fn slot_id(number: u32) -> SlotId {
    SlotId(Uuid::from_u128(0x0191_f7a4_0000_7000_8000_0001_0000_0000 + u128::from(number)))
}

async fn put(view: &MemoryView<SlotRow>, number: u32, status: SlotStatus) {
    let slot_id = slot_id(number);
    let slot = Slot { slot_id, name: format!("A{number}"), status, holder: None, version: 1 };
    view.upsert_if_newer(&slot_id.to_string(), 1, &SlotRow(slot)).await.unwrap();
}

fn names(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect()
}

mod streams {
    use super::*;

    type Views = MemoryGenerations<SlotRow>;

    async fn project(
        views: &Views,
        dead_letters: &MemoryDeadLetters,
        batch: Event,
    ) -> aws_lambda_events::streams::DynamoDbEventResponse {
        let throttle = ReportThrottle::default();
        project::handle(views, dead_letters, &throttle, now, batch.records).await
    }

    async fn publish(
        bus: &MemoryBus,
        dead_letters: &MemoryDeadLetters,
        batch: Event,
    ) -> aws_lambda_events::streams::DynamoDbEventResponse {
        let (store, republish_queue) =
            (MemoryStore::<parking::domain::Slot>::default(), MemoryRepublishQueue::default());
        let response =
            publish::handle(&store, bus, &republish_queue, dead_letters, batch.into()).await;
        response.into_stream().unwrap()
    }

    fn rows(views: &Views) -> std::collections::BTreeMap<String, Versioned<SlotRow>> {
        views.generation(1).rows()
    }

    #[tokio::test]
    async fn the_example_record_becomes_a_row_and_an_event() {
        let (view, bus, dead_letters) =
            (Views::default(), MemoryBus::default(), MemoryDeadLetters::default());
        let example = include_str!("../../events/parking-project.json");
        let response = project(&view, &dead_letters, serde_json::from_str(example).unwrap()).await;
        assert_eq!(serde_json::to_value(response).unwrap(), json!({ "batchItemFailures": [] }));
        let slot =
            send(&view.generation(1), json!({ "query": "slot", "slotId": SLOT })).await.unwrap();
        let expected = json!({ "slotId": SLOT, "name": "A1", "status": "available", "version": 1 });
        assert_eq!(slot, expected);

        let example = include_str!("../../events/parking-publish.json");
        let response = publish(&bus, &dead_letters, serde_json::from_str(example).unwrap()).await;
        assert_eq!(serde_json::to_value(response).unwrap(), json!({ "batchItemFailures": [] }));
        let [entry] = bus.published().try_into().unwrap();
        assert_eq!((entry.source, entry.detail_type.as_str()), ("parkade.parking", "SlotCreated"));
        let detail: Value = serde_json::from_str(&entry.detail).unwrap();
        assert_eq!(detail["data"], json!({ "slotId": SLOT, "name": "A1" }));
        assert_eq!(dead_letters.records(), []);
    }

    #[tokio::test]
    async fn the_view_reaches_the_version_of_every_response() {
        // The last record is a tombstone's: no event, and a higher version.
        let actions = [Action::Create, Action::Block(ANN), Action::Unblock(BOB)];
        let world = World::after(&actions).await;
        let view = Views::default();
        let records = world.stream.lock().unwrap().clone();
        project(&view, &MemoryDeadLetters::default(), batch(&records)).await;
        let row = &rows(&view)[&SLOT.to_string()];
        assert_eq!((row.version, row.row.0.version, row.row.0.status), (3, 3, SlotStatus::Blocked));
    }

    #[tokio::test]
    async fn a_slot_that_was_never_created_has_no_row_but_its_refusals_are_published() {
        let world = World::after(&[Action::Unblock(ANN), Action::Paid(BOB)]).await;
        let (view, bus, dead_letters) =
            (Views::default(), MemoryBus::default(), MemoryDeadLetters::default());
        let records = world.stream.lock().unwrap().clone();
        project(&view, &dead_letters, batch(&records)).await;
        publish(&bus, &dead_letters, batch(&records)).await;
        assert!(rows(&view).is_empty());
        assert_eq!(bus.published().len(), 1);
        assert_eq!(dead_letters.records(), []);
    }

    #[tokio::test]
    async fn every_event_is_published_and_a_tombstone_publishes_none_again() {
        let actions =
            [Action::Create, Action::Paid(ANN), Action::Unblock(BOB), Action::Unblock(ANN)];
        let world = World::after(&actions).await;
        let bus = MemoryBus::default();
        let records = world.stream.lock().unwrap().clone();
        publish(&bus, &MemoryDeadLetters::default(), batch(&records)).await;
        let published: Vec<_> = bus.published().into_iter().map(|it| it.detail_type).collect();
        assert_eq!(published, world.events());
    }

    #[tokio::test]
    async fn a_record_that_is_no_slot_is_dead_lettered_and_the_others_are_applied() {
        let world = World::after(&[Action::Create, Action::Block(ANN)]).await;
        let mut records = world.stream.lock().unwrap().clone();
        let image = |state: &str, id: &str| {
            let image = json!({
                "id": { "S": id }, "part": { "S": "state" },
                "version": { "N": "1" }, "state": { "S": state },
            });
            serde_json::from_value::<aws_lambda_events::dynamodb::EventRecord>(json!({
                "eventID": "1", "eventName": "MODIFY", "eventSource": "aws:dynamodb",
                "awsRegion": "us-east-1",
                "dynamodb": {
                    "Keys": { "id": { "S": id }, "part": { "S": "state" } },
                    "NewImage": image, "SequenceNumber": "9", "SizeBytes": 1,
                    "StreamViewType": "NEW_IMAGE",
                },
            }))
            .unwrap()
        };
        records.insert(0, image("{}", &SLOT.to_string()));
        records.insert(1, image(r#"{"name":"A1","status":"available"}"#, "no-slot"));
        let (view, dead_letters) = (Views::default(), MemoryDeadLetters::default());
        let response = project(&view, &dead_letters, batch(&records)).await;
        assert!(response.batch_item_failures.is_empty());
        let dead_lettered: Vec<_> = dead_letters.records();
        assert_eq!(dead_lettered.len(), 2);
        assert!(dead_lettered[0].reason.contains("missing field"), "{}", dead_lettered[0].reason);
        assert!(
            dead_lettered[1].reason.contains("no-slot") && dead_lettered[1].key.contains("no-slot")
        );
        assert!(dead_lettered.iter().all(|it| it.sequence_number == "9"));
        assert_eq!(rows(&view)[&SLOT.to_string()].row.0.status, SlotStatus::Blocked);
    }

    fn any_action() -> impl Strategy<Value = Action> {
        let booking = prop_oneof![Just(ANN), Just(BOB)];
        (0..7, booking).prop_map(|(kind, id)| match kind {
            0 => Action::Close,
            1 => Action::Reopen,
            2 => Action::Block(id),
            3 => Action::Reserve(id),
            4 => Action::Unblock(id),
            5 => Action::Paid(id),
            _ => Action::Create,
        })
    }

    proptest! {
        #[test]
        fn shuffled_repeated_and_differently_batched_records_end_in_the_same_view(
            actions in prop::collection::vec(any_action(), 1..15),
            seed: u64,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            runtime.unwrap().block_on(async {
                let world = World::after(&actions).await;
                let records = world.stream.lock().unwrap().clone();
                let loaded = world.store.load(&SLOT.to_string(), None).await.unwrap();
                let slot = loaded
                    .state
                    .and_then(|slot| parking::contract::published(SLOT, loaded.version, &slot));
                let id = SLOT.to_string();
                let expected: Vec<_> =
                    slot.map(|slot| (id.as_str(), loaded.version, SlotRow(slot))).into_iter().collect();
                for batches in [test_support::in_order(&records), test_support::shuffled(&records, seed)] {
                    let (dead_letters, throttle) = (MemoryDeadLetters::default(), ReportThrottle::default());
                    let project = async |views: &Views, records| {
                        project::handle(views, &dead_letters, &throttle, now, records).await
                    };
                    given(batches, project).await.assert_rows(&expected);
                    assert_eq!(dead_letters.records(), [], "every record can be applied");
                }
            });
        }
    }
}

mod rebuilding {
    use contracts::projection::{Command, Projection, ProjectionStatus};
    use outbox::redrive::{Invocation, InvocationResponse};
    use outbox::state::Change;
    use parking::domain::{Slot, SlotState};
    use parking::handlers::rebuild;
    use parking::rebuild_source::SlotRows;

    use super::*;

    type Views = MemoryGenerations<SlotRow>;
    type Store = MemoryStore<Slot>;

    async fn tell(
        store: &Store,
        views: &Views,
        command: Value,
    ) -> Result<Projection, ServiceError> {
        let command: Command = serde_json::from_value(command).unwrap();
        let (call, letters) = (Invocation::Direct(command.into()), MemoryDeadLetters::default());
        let reply = rebuild::handle(views, &SlotRows(store), &letters, call, "worker", now).await?;
        let InvocationResponse::Direct(projection) = reply else {
            unreachable!("a call has a response")
        };
        Ok(projection)
    }

    async fn save(store: &Store, id: &str, state: SlotState) {
        let state = Slot { name: "A1".to_owned(), state, ..Slot::default() };
        let change = Change { expected: 0, id: Uuid::now_v7(), state, events: vec![] };
        store.save(id, change).await.unwrap();
    }

    #[tokio::test]
    async fn the_view_is_rebuilt_from_every_created_slot() {
        let (store, views) = (Store::default(), Views::default());
        // More than a page of slots, one that only refused a booking, and one that has only a tombstone.
        for number in 0..25 {
            save(&store, &slot_id(number).to_string(), SlotState::Available).await;
        }
        save(&store, &slot_id(98).to_string(), SlotState::Absent).await;
        store.set_tombstone(&slot_id(99).to_string(), "ann").await.unwrap();
        let example = serde_json::from_str(include_str!("../../events/parking-rebuild.json"));
        let started = tell(&store, &views, example.unwrap()).await.unwrap();
        assert_eq!((started.status, started.building), (ProjectionStatus::Rebuilding, Some(2)));
        let done = tell(&store, &views, json!({ "command": "workOnRebuild" })).await.unwrap();
        assert_eq!((done.status, done.applied), (ProjectionStatus::Live, 25));
        let rows = views.generation(2).rows();
        assert_eq!(rows.len(), 25);
        assert!(
            rows.values().all(|it| it.version == 1 && it.row.0.status == SlotStatus::Available)
        );
    }

    #[tokio::test]
    async fn a_view_reports_its_status_and_its_counts() {
        let views = Views::default();
        let slot_id = slot_id(1);
        let slot = Slot { name: "A1".to_owned(), state: SlotState::Closed, ..Slot::default() };
        let slot = SlotRow(parking::contract::published(slot_id, 1, &slot).unwrap());
        views.generation(1).upsert_if_newer(&slot_id.to_string(), 1, &slot).await.unwrap();
        let query = async |query: Value| {
            let live = cqrs::live::Live::new(views.clone(), now);
            let request = serde_json::from_value(query).unwrap();
            let cursors = Cursors::new("secret");
            let response = query::handle(&live, &views, &cursors, request, now()).await.unwrap();
            serde_json::to_value(response).unwrap()
        };
        let overview = query(json!({ "query": "overview" })).await;
        let counts = json!({ "available": 0, "blocked": 0, "reserved": 0, "closed": 1 });
        assert_eq!(overview["counts"], counts);
        assert_eq!(overview["projection"], query(json!({ "query": "projection" })).await);
        assert_eq!(overview["projection"]["lagSeconds"], 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_waits_for_a_version_across_a_promotion() {
        let (store, views) = (Store::default(), Views::default());
        let began = tokio::time::Instant::now();
        let clock = || now() + jiff::SignedDuration::try_from(began.elapsed()).unwrap();
        let live = cqrs::live::Live::new(views.clone(), clock);
        let slot = |version| {
            let slot =
                Slot { name: "A1".to_owned(), state: SlotState::Available, ..Slot::default() };
            SlotRow(parking::contract::published(SLOT, version, &slot).unwrap())
        };
        save(&store, &SLOT.to_string(), SlotState::Available).await;
        views.generation(1).upsert_if_newer(&SLOT.to_string(), 1, &slot(1)).await.unwrap();
        let wanted = json!({ "query": "slot", "slotId": SLOT, "minVersion": 2 });
        let (response, ()) = tokio::join!(send(&live, wanted), async {
            tell(&store, &views, json!({ "command": "beginRebuild" })).await.unwrap();
            tell(&store, &views, json!({ "command": "workOnRebuild" })).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
            // The reader has cached generation 1, and finds out about generation 2 while it waits.
            views.generation(2).upsert_if_newer(&SLOT.to_string(), 2, &slot(2)).await.unwrap();
        });
        assert_eq!(response.unwrap()["version"], 2);
        let wanted = json!({ "query": "slot", "slotId": SLOT, "minVersion": 3 });
        assert_eq!(send(&live, wanted).await.unwrap_err().kind(), ErrorKind::Transient);
    }
}

mod queries {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test]
    async fn slots_are_found_by_their_ids_and_unknown_ones_are_left_out() {
        let view = MemoryView::default();
        for number in 1..=3 {
            put(&view, number, SlotStatus::Available).await;
        }
        let by_id = |ids: &[SlotId]| json!({"query": "slotsById", "slotIds": ids});
        let found = send(&view, by_id(&[slot_id(1), slot_id(3), slot_id(9)])).await.unwrap();
        let mut names: Vec<_> =
            found.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["A1", "A3"]);
        let many: Vec<_> = (0..101).map(slot_id).collect();
        for bad in [&[][..], &many] {
            let refused = refused(&view, by_id(bad)).await;
            assert_eq!(refused, (ErrorKind::Rejected, "validation".to_owned()));
        }
    }

    #[test]
    fn a_slot_names_the_booking_that_holds_it_and_rows_of_before_that_are_still_read() {
        use parking::domain::{Slot as SlotAggregate, SlotState};
        let published = |state| {
            let slot = SlotAggregate { name: "A1".to_owned(), state, refused: None };
            parking::contract::published(SLOT, 1, &slot).unwrap()
        };
        assert_eq!(published(SlotState::Blocked { booking_id: ANN }).holder, Some(ANN));
        assert_eq!(published(SlotState::Reserved { booking_id: BOB }).holder, Some(BOB));
        let free = published(SlotState::Available);
        let row = serde_json::to_value(&free).unwrap();
        assert_eq!(row.get("holder"), None);
        assert_eq!(serde_json::from_value::<Slot>(row).unwrap(), free);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_that_appears_within_a_second_is_found() {
        let view = MemoryView::default();
        let request = json!({ "query": "slot", "slotId": slot_id(1) });
        let (response, ()) = tokio::join!(send(&view, request), async {
            sleep(Duration::from_millis(900)).await;
            put(&view, 1, SlotStatus::Available).await;
        });
        assert_eq!(response.unwrap()["name"], "A1");
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_slot_is_not_found_after_a_second() {
        let view = MemoryView::default();
        let began = Instant::now();
        let request = json!({ "query": "slot", "slotId": slot_id(1) });
        let expected = (ErrorKind::Rejected, "not-found".to_owned());
        assert_eq!(refused(&view, request).await, expected);
        assert_eq!(began.elapsed().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_waits_for_a_version_and_never_returns_an_older_one() {
        let view = MemoryView::default();
        put(&view, 1, SlotStatus::Available).await;
        let request = |number, version: u64| json!({ "query": "slot", "slotId": slot_id(number), "minVersion": version });
        assert_eq!(send(&view, request(1, 1)).await.unwrap()["version"], 1);
        let began = Instant::now();
        for number in [1, 2] {
            let (kind, _) = refused(&view, request(number, 2)).await;
            assert_eq!(kind, ErrorKind::Transient);
        }
        assert_eq!(began.elapsed().as_secs(), 4);
        let (response, ()) = tokio::join!(send(&view, request(1, 2)), async {
            sleep(Duration::from_millis(1_900)).await;
            let slot = Slot {
                slot_id: slot_id(1),
                name: "A1".to_owned(),
                status: SlotStatus::Closed,
                holder: None,
                version: 2,
            };
            view.upsert_if_newer(&slot_id(1).to_string(), 2, &SlotRow(slot)).await.unwrap();
        });
        assert_eq!(response.unwrap()["status"], "closed");
    }

    #[tokio::test]
    async fn the_example_query_lists_available_slots() {
        let view = MemoryView::default();
        put(&view, 1, SlotStatus::Available).await;
        put(&view, 2, SlotStatus::Closed).await;
        let example =
            serde_json::from_str(include_str!("../../events/parking-query.json")).unwrap();
        let response = send(&view, example).await.unwrap();
        let slot =
            json!({ "slotId": slot_id(1), "name": "A1", "status": "available", "version": 1 });
        assert_eq!(response, json!({ "items": [slot] }));
    }

    #[tokio::test]
    async fn slots_of_all_states_are_listed_in_the_order_of_their_creation_page_by_page() {
        let view = MemoryView::default();
        let states = [
            SlotStatus::Reserved,
            SlotStatus::Available,
            SlotStatus::Blocked,
            SlotStatus::Available,
            SlotStatus::Closed,
        ];
        for (number, status) in (1..).zip(states) {
            put(&view, number, status).await;
        }
        let first = send(&view, json!({ "query": "slots", "limit": 2 })).await.unwrap();
        assert_eq!(names(&first), ["A1", "A2"]);
        let more =
            |page: &Value| json!({ "query": "slots", "limit": 2, "cursor": page["nextCursor"] });
        let second = send(&view, more(&first)).await.unwrap();
        assert_eq!(names(&second), ["A3", "A4"]);
        let third = send(&view, more(&second)).await.unwrap();
        assert_eq!(names(&third), ["A5"]);
        assert_eq!(third.get("nextCursor"), None);
    }

    #[tokio::test]
    async fn each_state_has_its_list() {
        let view = MemoryView::default();
        for (number, (status, name)) in (1..).zip([
            (SlotStatus::Available, "available"),
            (SlotStatus::Blocked, "blocked"),
            (SlotStatus::Reserved, "reserved"),
            (SlotStatus::Closed, "closed"),
        ]) {
            put(&view, number, status).await;
            let request = json!({ "query": "slots", "status": name, "limit": 100 });
            let page = send(&view, request).await.unwrap();
            assert_eq!(names(&page), [format!("A{number}")], "{name}");
        }
    }

    #[tokio::test]
    async fn a_limit_is_from_1_to_100() {
        let view = MemoryView::default();
        for limit in [1, 100] {
            send(&view, json!({ "query": "slots", "limit": limit })).await.unwrap();
        }
        let expected = (ErrorKind::Rejected, "validation".to_owned());
        for limit in [0, 101, u32::MAX] {
            let request = json!({ "query": "slots", "limit": limit });
            assert_eq!(refused(&view, request).await, expected, "{limit}");
        }
    }

    #[tokio::test]
    async fn a_cursor_of_another_list_is_refused() {
        let view = MemoryView::default();
        put(&view, 1, SlotStatus::Available).await;
        put(&view, 2, SlotStatus::Available).await;
        let page = send(&view, json!({ "query": "slots", "limit": 1 })).await.unwrap();
        let cursor = page["nextCursor"].as_str().unwrap();
        let expected = (ErrorKind::Rejected, "validation".to_owned());
        for (status, cursor) in
            [(Some("available"), cursor), (None, "AAAA"), (None, ""), (None, &cursor[1..])]
        {
            let mut request = json!({ "query": "slots", "limit": 1, "cursor": cursor });
            if let Some(status) = status {
                request["status"] = json!(status);
            }
            assert_eq!(refused(&view, request).await, expected);
        }
    }
}
