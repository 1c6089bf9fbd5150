//! Real AWS events in, answers out, against stores in memory.

mod support;

use std::sync::atomic::Ordering;

use crate::handlers::command::Answer;
use crate::handlers::{project, publish, query, react, rebuild};
use crate::view::{BookingRow, fold};
use contracts::booking::{BookingStatus, FailureReason, Query};
use contracts::message::Request;
use cqrs::cursor::Cursors;
use cqrs::generation::Generations as _;
use cqrs::kit::{self, given};
use cqrs::lag::Gauge;
use cqrs::memory::{MemoryGenerations, MemoryView};
use cqrs::view::Versioned;
use event_sourcing::store::{Commit, EventStore, StoreError};
use outbox::memory::{MemoryBus, MemoryDeadLetters};
use proptest::prelude::*;
use saga::{Failure, FailureKind};
use serde_json::{Value, json};
use support::*;

fn accepted(answer: Answer) -> (BookingStatus, u64) {
    match answer {
        Answer::Accepted(accepted) => (accepted.status, accepted.version),
        Answer::History(_) | Answer::Standing(_) => panic!("not what a command is answered with"),
    }
}

fn slug(refused: Result<Answer, Failure>) -> String {
    let failure = refused.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Rejected);
    failure.slug().to_owned()
}

fn complete() -> Value {
    json!({ "command": "completeBooking", "bookingId": BOOKING })
}

fn cancel() -> Value {
    json!({ "command": "cancelBooking", "bookingId": BOOKING, "customer": "ann" })
}

mod commands {
    use super::*;

    #[tokio::test]
    async fn a_booking_is_accepted_as_pending() {
        let store = Store::default();
        let answer = ask(&store, create(card())).await.unwrap();
        assert_eq!(accepted(answer), (BookingStatus::Pending, 1));
    }

    #[tokio::test]
    async fn a_repeat_gets_the_first_answer_whatever_has_happened_since() {
        let store = Store::default();
        ask(&store, create(card())).await.unwrap();
        ask(&store, complete()).await.unwrap();
        let again = ask(&store, create(card())).await.unwrap();
        assert_eq!(accepted(again), (BookingStatus::Pending, 1));
        assert_eq!(event_names(&store).await.len(), 3);
    }

    #[tokio::test]
    async fn a_key_is_not_used_for_two_bookings() {
        let store = Store::default();
        ask(&store, create(card())).await.unwrap();
        assert_eq!(slug(ask(&store, create(invoice())).await), "idempotency-key-reused");
    }

    #[tokio::test]
    async fn versions_count_events() {
        let store = Store::default();
        ask(&store, create(card())).await.unwrap();
        assert_eq!(accepted(ask(&store, complete()).await.unwrap()), (BookingStatus::Completed, 3));
        assert_eq!(accepted(ask(&store, cancel()).await.unwrap()), (BookingStatus::Cancelled, 4));
        assert_eq!(accepted(ask(&store, cancel()).await.unwrap()), (BookingStatus::Cancelled, 4));
    }

    #[tokio::test]
    async fn an_unknown_booking_is_not_found() {
        let store = Store::default();
        assert_eq!(slug(ask(&store, cancel()).await), "not-found");
        let history = json!({ "command": "readHistory", "bookingId": BOOKING });
        assert_eq!(slug(ask(&store, history).await), "not-found");
    }

    #[tokio::test]
    async fn events_belong_to_the_booking_and_to_what_set_them_off() {
        let store = Store::default();
        let mut request = create(card());
        request["cause"] = json!("0191f7a4-0000-7000-8000-000000000009");
        ask(&store, request).await.unwrap();
        let commits = commits(&store).await;
        assert_eq!(commits[0].correlation_id, BOOKING.0);
        assert_eq!(commits[0].causation_id.to_string(), "0191f7a4-0000-7000-8000-000000000009");
    }

    #[tokio::test]
    async fn history_tells_what_has_happened_and_keeps_the_token_to_itself() {
        let store = Store::default();
        ask(&store, create(card())).await.unwrap();
        ask(&store, complete()).await.unwrap();
        let history = json!({ "command": "readHistory", "bookingId": BOOKING });
        let answer = serde_json::to_value(ask(&store, history).await.unwrap()).unwrap();
        let told: Vec<_> = answer["events"].as_array().unwrap().iter().collect();
        assert_eq!(told.len(), 3);
        assert_eq!(told[0]["type"], "BookingCreated");
        assert_eq!(told[0]["version"], 1);
        assert_eq!(told[2]["type"], "BookingCompleted");
        assert!(!answer.to_string().contains("tok_visa"));
    }

    #[tokio::test]
    async fn a_booking_can_be_seen_as_it_stood() {
        let store = Store::default();
        ask(&store, create(card())).await.unwrap();
        ask(&store, complete()).await.unwrap();
        let read = async |point: Value| {
            let mut request = json!({ "command": "readHistory", "bookingId": BOOKING });
            request.as_object_mut().unwrap().extend(point.as_object().unwrap().clone());
            ask(&store, request).await.map(|it| serde_json::to_value(it).unwrap())
        };
        assert_eq!(read(json!({ "version": 1 })).await.unwrap()["status"], "pending");
        assert_eq!(read(json!({ "version": 3 })).await.unwrap()["status"], "completed");
        assert_eq!(read(json!({ "at": now() })).await.unwrap()["version"], 3);
        assert!(read(json!({ "version": 4 })).await.is_err());
        assert!(read(json!({ "at": "2020-01-01T00:00:00Z" })).await.is_err());
    }
}

mod faults {
    use std::sync::Mutex;

    use crate::domain::BookingEvent;

    use super::*;

    /// Loses the answers of some calls, before or after their effect.
    struct Faulty {
        store: Store,
        faults: Mutex<Vec<Fault>>,
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Fault {
        None,
        BeforeEffect,
        AfterEffect,
    }

    impl Faulty {
        fn next(&self) -> Fault {
            self.faults.lock().unwrap().pop().unwrap_or(Fault::None)
        }
    }

    fn lost() -> StoreError {
        StoreError::Unavailable("the answer was lost".into())
    }

    impl EventStore<BookingEvent> for Faulty {
        async fn load(
            &self,
            stream: &str,
            after: u64,
        ) -> Result<Vec<Commit<BookingEvent>>, StoreError> {
            match self.next() {
                Fault::None => self.store.load(stream, after).await,
                Fault::BeforeEffect | Fault::AfterEffect => Err(lost()),
            }
        }

        async fn load_back(
            &self,
            stream: &str,
            from: u64,
            limit: usize,
        ) -> Result<Vec<Commit<BookingEvent>>, StoreError> {
            match self.next() {
                Fault::None => self.store.load_back(stream, from, limit).await,
                Fault::BeforeEffect | Fault::AfterEffect => Err(lost()),
            }
        }

        async fn append(
            &self,
            stream: &str,
            commit: Commit<BookingEvent>,
        ) -> Result<(), StoreError> {
            match self.next() {
                Fault::None => self.store.append(stream, commit).await,
                Fault::BeforeEffect => Err(lost()),
                Fault::AfterEffect => {
                    self.store.append(stream, commit).await?;
                    Err(lost())
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_command_that_is_repeated_until_it_is_answered_has_one_effect(
            faults in prop::collection::vec(
                prop_oneof![Just(Fault::None), Just(Fault::BeforeEffect), Just(Fault::AfterEffect)],
                0..12,
            ),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let store = Faulty { store: Store::default(), faults: Mutex::new(faults) };
                for request in [create(card()), complete(), cancel()] {
                    loop {
                        match ask(&store, request.clone()).await {
                            Ok(_) => break,
                            // Never taken for a refusal: it may have had its effect.
                            Err(failure) => prop_assert_eq!(failure.kind(), FailureKind::Transient),
                        }
                    }
                }
                let names = event_names(&store.store).await;
                prop_assert_eq!(
                    names,
                    ["BookingCreated", "BookingReserved", "BookingCompleted", "BookingCancelled"]
                );
                Ok(())
            })?;
        }
    }
}

mod projection {
    use super::*;

    type Views = MemoryGenerations<BookingRow>;

    async fn project(
        store: &Store,
        views: &Views,
        parked: &MemoryDeadLetters,
        batch: aws_lambda_events::dynamodb::Event,
    ) -> aws_lambda_events::streams::DynamoDbEventResponse {
        project::handle(store, views, parked, &Gauge::default(), now, batch).await
    }

    fn rows(views: &Views) -> std::collections::BTreeMap<String, Versioned<BookingRow>> {
        views.generation(1).rows()
    }

    async fn history() -> (Store, Vec<Commit<crate::domain::BookingEvent>>) {
        let store = Store::default();
        ask(&store, create(card())).await.unwrap();
        ask(&store, complete()).await.unwrap();
        ask(&store, cancel()).await.unwrap();
        let commits = commits(&store).await;
        (store, commits)
    }

    #[tokio::test]
    async fn the_view_shows_what_the_stream_tells() {
        let (store, commits) = history().await;
        let (view, parked) = (Views::default(), MemoryDeadLetters::default());
        let answer = project(&store, &view, &parked, stream_batch(&commits)).await;
        assert!(answer.batch_item_failures.is_empty());
        let row = &rows(&view)[&BOOKING.to_string()];
        assert_eq!(row.version, 4);
        assert_eq!(row.row.0.status, BookingStatus::Cancelled);
    }

    #[tokio::test]
    async fn a_gap_is_healed_from_the_source() {
        let (store, commits) = history().await;
        let (view, parked) = (Views::default(), MemoryDeadLetters::default());
        project(&store, &view, &parked, stream_batch(&commits[2..])).await;
        assert_eq!(rows(&view)[&BOOKING.to_string()].version, 4);
    }

    #[tokio::test]
    async fn a_poison_record_is_parked_and_the_others_go_on() {
        let (store, commits) = history().await;
        let (view, parked) = (Views::default(), MemoryDeadLetters::default());
        let poison = record("INSERT", 9, json!({ "stream": { "S": "no uuid" } }));
        let mut batch = stream_batch(&commits);
        batch.records.insert(0, serde_json::from_value(poison).unwrap());
        let answer = project(&store, &view, &parked, batch).await;
        assert!(answer.batch_item_failures.is_empty());
        let [parked] = parked.parked().try_into().unwrap();
        assert_eq!(parked.sequence_number, "9");
        assert!(parked.key.contains(&BOOKING.to_string()), "{}", parked.key);
        assert!(parked.reason.contains("missing field"), "{}", parked.reason);
        assert_eq!(rows(&view)[&BOOKING.to_string()].version, 4);
    }

    fn any_end() -> impl Strategy<Value = Vec<Value>> {
        prop_oneof![
            Just(vec![]),
            Just(vec![cancel()]),
            Just(vec![complete()]),
            Just(vec![complete(), cancel()]),
            Just(vec![fail()]),
        ]
    }

    fn fail() -> Value {
        json!({ "command": "failBooking", "bookingId": BOOKING, "reason": "payment_declined" })
    }

    proptest! {
        #[test]
        fn shuffled_repeated_and_differently_batched_records_end_in_the_same_view(
            ends in prop::collection::vec(any_end(), 1..5),
            seed: u64,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let (store, mut records, mut expected) = (Store::default(), Vec::new(), Vec::new());
                for (number, end) in ends.iter().enumerate() {
                    let booking_id = contracts::id::BookingId(uuid::Uuid::from_u128(number as u128));
                    for mut wish in [vec![create(card())], end.clone()].concat() {
                        wish["bookingId"] = json!(booking_id);
                        ask(&store, wish).await.unwrap();
                    }
                    let commits = store.load(&booking_id.to_string(), 0).await.unwrap();
                    records.extend(support::records(booking_id, &commits));
                    let (version, row) = fold(booking_id, &commits).unwrap();
                    expected.push((booking_id.to_string(), version, row));
                }
                let expected: Vec<_> =
                    expected.iter().map(|(id, at, row)| (id.as_str(), *at, row.clone())).collect();
                for batches in [kit::in_order(&records), kit::shuffled(&records, seed)] {
                    let handled = async |views: &Views, parked: &MemoryDeadLetters, batch| {
                        project(&store, views, parked, batch).await
                    };
                    given(batches, handled).await.shows(&expected);
                }
            });
        }
    }
}

mod rebuilding {
    use contracts::projection::{Command, Projection, ProjectionStatus};

    use super::*;
    use crate::source::Bookings;

    type Views = MemoryGenerations<BookingRow>;

    async fn tell(store: &Store, views: &Views, command: Value) -> Result<Projection, Failure> {
        let command: Command = serde_json::from_value(command).unwrap();
        rebuild::handle(views, &Bookings(store), command, "worker", now).await
    }

    #[tokio::test]
    async fn the_view_is_made_anew_from_every_stream() {
        let (store, views) = (Store::default(), Views::default());
        // More than a page of streams.
        let ids: Vec<_> =
            (0..25).map(|it| contracts::id::BookingId(uuid::Uuid::from_u128(it))).collect();
        for booking_id in &ids {
            for mut wish in [create(card()), complete()] {
                wish["bookingId"] = json!(booking_id);
                ask(&store, wish).await.unwrap();
            }
        }
        let example = serde_json::from_str(include_str!("../../../events/booking-rebuild.json"));
        let begun = tell(&store, &views, example.unwrap()).await.unwrap();
        assert_eq!((begun.status, begun.building), (ProjectionStatus::Rebuilding, Some(2)));
        let done = tell(&store, &views, json!({ "command": "workOnRebuild" })).await.unwrap();
        assert_eq!((done.status, done.applied), (ProjectionStatus::Live, 25));
        assert_eq!((done.generation, done.previous), (2, Some(1)));
        let rows = views.generation(2).rows();
        for booking_id in &ids {
            let commits = store.load(&booking_id.to_string(), 0).await.unwrap();
            let (version, row) = fold(*booking_id, &commits).unwrap();
            assert_eq!(rows[&booking_id.to_string()], Versioned { version, row });
        }
    }

    #[tokio::test]
    async fn a_generation_that_is_not_kept_is_a_conflict_and_a_fresh_switch_comes_back() {
        let (store, views) = (Store::default(), Views::default());
        let back = |generation: u64| json!({ "command": "rollBack", "generation": generation });
        assert_eq!(tell(&store, &views, back(7)).await.unwrap_err().slug(), "conflict");
        tell(&store, &views, json!({ "command": "beginRebuild" })).await.unwrap();
        tell(&store, &views, json!({ "command": "workOnRebuild" })).await.unwrap();
        let early = tell(&store, &views, back(1)).await.unwrap_err();
        assert_eq!(early.kind(), FailureKind::Transient);
    }

    #[tokio::test]
    async fn a_view_tells_how_it_fares_and_what_it_holds() {
        let (store, views) = (Store::default(), Views::default());
        ask(&store, create(card())).await.unwrap();
        let batch = stream_batch(&commits(&store).await);
        let (parked, gauge) = (MemoryDeadLetters::default(), Gauge::default());
        let later = || now() + jiff::SignedDuration::from_secs(7);
        project::handle(&store, &views, &parked, &gauge, later, batch).await;
        let query = async |query: Value| {
            let live = cqrs::live::Live::new(views.clone());
            let request: Request<Query> = serde_json::from_value(query).unwrap();
            let cursors = Cursors::new("secret");
            let answer = query::handle(&live, &views, &cursors, request, later()).await.unwrap();
            serde_json::to_value(answer).unwrap()
        };
        // The record was written at the time of the fixture.
        let projection = query(json!({ "query": "projection" })).await;
        assert_eq!((&projection["status"], &projection["lagSeconds"]), (&json!("live"), &json!(7)));
        let overview = query(json!({ "query": "overview" })).await;
        assert_eq!(overview["counts"]["pending"], 1);
        assert_eq!(overview["counts"]["checked_out"], 0);
        assert_eq!(overview["projection"], projection);
    }
}

mod publishing {
    use super::*;

    #[tokio::test]
    async fn every_committed_event_is_published_in_order() {
        let store = Store::default();
        ask(&store, create(card())).await.unwrap();
        ask(&store, complete()).await.unwrap();
        let (bus, parked) = (MemoryBus::default(), MemoryDeadLetters::default());
        let batch = stream_batch(&commits(&store).await);
        let answer = publish::handle(&bus, &parked, batch).await;
        assert!(answer.batch_item_failures.is_empty());
        let published: Vec<Value> =
            bus.published().iter().map(|it| serde_json::from_str(&it.detail).unwrap()).collect();
        let told: Vec<_> = published
            .iter()
            .map(|it| (it["type"].as_str().unwrap(), it["sequence"].as_u64().unwrap()))
            .collect();
        assert_eq!(told, [("BookingCreated", 1), ("BookingReserved", 2), ("BookingCompleted", 3)]);
        assert_eq!(published[0]["data"]["payment"], json!({ "mode": "instant" }));
    }
}

mod reactions {
    use super::*;

    fn slot_event(kind: &str) -> (&'static str, Value) {
        (
            "parkade.parking",
            json!({ "type": kind, "data": { "slotId": SLOT, "bookingId": BOOKING } }),
        )
    }

    fn created(mode: &str) -> (&'static str, Value) {
        let data = json!({ "bookingId": BOOKING, "slotId": SLOT, "customer": "ann", "payment": { "mode": mode } });
        ("parkade.booking", json!({ "type": "BookingCreated", "data": data }))
    }

    fn expired() -> (&'static str, Value) {
        let data = json!({ "reference": format!("{SLOT}:{BOOKING}"), "slotId": SLOT, "bookingId": BOOKING });
        ("parkade.billing", json!({ "type": "BillExpired", "data": data }))
    }

    async fn deliver(store: &Store, sagas: &CountedSagas, events: &[(&str, Value)]) -> Vec<String> {
        let answer = react::handle(store, sagas, queue_batch(events), now, new_id).await;
        answer.batch_item_failures.into_iter().map(|it| it.item_identifier).collect()
    }

    #[tokio::test]
    async fn an_instant_booking_starts_one_saga_however_often_it_is_told() {
        let (store, sagas) = (Store::default(), CountedSagas::default());
        ask(&store, create(card())).await.unwrap();
        let failed = deliver(&store, &sagas, &[created("instant"), created("instant")]).await;
        assert!(failed.is_empty());
        let started = sagas.started.lock().unwrap();
        assert_eq!(started.len(), 1);
        assert_eq!(started[0].token, "tok_visa");
    }

    #[tokio::test]
    async fn a_saga_that_may_not_have_been_started_is_started_again() {
        let (store, sagas) = (Store::default(), CountedSagas::default());
        sagas.answers_to_lose.store(1, Ordering::Relaxed);
        ask(&store, create(card())).await.unwrap();
        assert_eq!(deliver(&store, &sagas, &[created("instant")]).await, ["message-0"]);
        assert!(deliver(&store, &sagas, &[created("instant")]).await.is_empty());
        assert_eq!(sagas.started.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_booking_that_is_over_needs_no_saga() {
        let (store, sagas) = (Store::default(), CountedSagas::default());
        ask(&store, create(card())).await.unwrap();
        ask(&store, cancel()).await.unwrap();
        assert!(deliver(&store, &sagas, &[created("instant")]).await.is_empty());
        assert!(sagas.started.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_invoice_booking_starts_none() {
        let (store, sagas) = (Store::default(), CountedSagas::default());
        ask(&store, create(invoice())).await.unwrap();
        assert!(deliver(&store, &sagas, &[created("invoice")]).await.is_empty());
        assert!(sagas.started.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_reserved_slot_completes_an_invoice_booking_once() {
        let (store, sagas) = (Store::default(), CountedSagas::default());
        ask(&store, create(invoice())).await.unwrap();
        let twice = [slot_event("SlotReserved"), slot_event("SlotReserved")];
        assert!(deliver(&store, &sagas, &twice).await.is_empty());
        assert_eq!(
            event_names(&store).await,
            ["BookingCreated", "BookingReserved", "BookingCompleted"]
        );
    }

    #[tokio::test]
    async fn a_reserved_slot_leaves_an_instant_booking_to_its_saga() {
        let (store, sagas) = (Store::default(), CountedSagas::default());
        ask(&store, create(card())).await.unwrap();
        assert!(deliver(&store, &sagas, &[slot_event("SlotReserved")]).await.is_empty());
        assert_eq!(event_names(&store).await, ["BookingCreated"]);
    }

    #[tokio::test]
    async fn late_news_does_not_take_a_booking_back() {
        let (store, sagas) = (Store::default(), CountedSagas::default());
        ask(&store, create(invoice())).await.unwrap();
        deliver(&store, &sagas, &[slot_event("SlotReserved")]).await;
        let late = [slot_event("SlotUnavailable"), expired()];
        assert!(deliver(&store, &sagas, &late).await.is_empty());
        assert_eq!(event_names(&store).await.len(), 3);
    }

    #[tokio::test]
    async fn each_refusal_has_its_reason() {
        for (news, reason) in [
            (slot_event("SlotUnavailable"), FailureReason::SlotUnavailable),
            (expired(), FailureReason::PaymentOverdue),
        ] {
            let (store, sagas) = (Store::default(), CountedSagas::default());
            ask(&store, create(invoice())).await.unwrap();
            assert!(deliver(&store, &sagas, &[news]).await.is_empty());
            let read = json!({ "command": "readHistory", "bookingId": BOOKING, "version": 2 });
            let Answer::Standing(standing) = ask(&store, read).await.unwrap() else {
                panic!("a standing was asked for")
            };
            assert_eq!(standing.reason, Some(reason));
        }
    }

    #[tokio::test]
    async fn a_poison_message_comes_back_and_the_others_go_on() {
        let (store, sagas) = (Store::default(), CountedSagas::default());
        ask(&store, create(invoice())).await.unwrap();
        let mut batch = queue_batch(&[slot_event("SlotUnavailable"), slot_event("SlotReserved")]);
        batch.records[0].body = Some("{ no JSON".to_owned());
        let answer = react::handle(&store, &sagas, batch, now, new_id).await;
        let failed: Vec<_> =
            answer.batch_item_failures.iter().map(|it| it.item_identifier.as_str()).collect();
        assert_eq!(failed, ["message-0"]);
        assert_eq!(event_names(&store).await.len(), 3);
    }

    #[tokio::test]
    async fn an_unknown_kind_of_event_is_left_alone() {
        let (store, sagas) = (Store::default(), CountedSagas::default());
        let unknown =
            ("parkade.parking", json!({ "type": "SlotRepainted", "data": { "colour": "red" } }));
        assert!(deliver(&store, &sagas, &[unknown]).await.is_empty());
    }
}

mod queries {
    use super::*;

    async fn view_of(bookings: u128) -> MemoryView<BookingRow> {
        use cqrs::view::View as _;

        let view = MemoryView::default();
        for number in 0..bookings {
            let booking_id = contracts::id::BookingId(uuid::Uuid::from_u128(number));
            let row = BookingRow(contracts::booking::Booking {
                booking_id,
                slot_id: SLOT,
                customer: ann(),
                status: if number % 2 == 0 {
                    BookingStatus::Pending
                } else {
                    BookingStatus::Failed
                },
                reason: None,
                mode: contracts::booking::PaymentMode::Invoice,
                version: 1,
                created_at: now() + jiff::SignedDuration::from_secs(i64::try_from(number).unwrap()),
                updated_at: now(),
            });
            view.advance(&booking_id.to_string(), 1, &row).await.unwrap();
        }
        view
    }

    async fn ask(view: &MemoryView<BookingRow>, query: Value) -> Result<Value, Failure> {
        let request: Request<Query> = serde_json::from_value(query).unwrap();
        let controls = MemoryGenerations::<BookingRow>::default();
        let answer =
            query::handle(view, &controls, &Cursors::new("secret"), request, now()).await?;
        Ok(serde_json::to_value(answer).unwrap())
    }

    #[tokio::test]
    async fn anothers_booking_is_not_found() {
        let view = view_of(1).await;
        let id = uuid::Uuid::from_u128(0);
        let mine = json!({ "query": "booking", "bookingId": id, "customer": "ann" });
        assert_eq!(ask(&view, mine).await.unwrap()["status"], "pending");
        let yours = json!({ "query": "booking", "bookingId": id, "customer": "bob" });
        assert_eq!(ask(&view, yours).await.unwrap_err().slug(), "not-found");
    }

    #[tokio::test(start_paused = true)]
    async fn a_version_that_is_not_reached_is_not_answered_with_an_older_one() {
        let view = view_of(1).await;
        let id = uuid::Uuid::from_u128(0);
        let query = json!({ "query": "booking", "bookingId": id, "minVersion": 2 });
        assert_eq!(ask(&view, query).await.unwrap_err().kind(), FailureKind::Transient);
        let unknown = json!({ "query": "booking", "bookingId": uuid::Uuid::from_u128(9) });
        assert_eq!(ask(&view, unknown).await.unwrap_err().slug(), "not-found");
    }

    #[tokio::test]
    async fn pages_are_newest_first_and_complete() {
        let view = view_of(23).await;
        for list in [
            json!({ "query": "bookings", "limit": 5 }),
            json!({ "query": "customerBookings", "customer": "ann", "limit": 5 }),
        ] {
            let (mut seen, mut query) = (Vec::new(), list);
            loop {
                let page = ask(&view, query.clone()).await.unwrap();
                for item in page["items"].as_array().unwrap() {
                    seen.push(item["bookingId"].as_str().unwrap().to_owned());
                }
                let Some(next) = page["nextCursor"].as_str() else { break };
                query["cursor"] = json!(next);
            }
            let expected: Vec<_> =
                (0..23).rev().map(|number| uuid::Uuid::from_u128(number).to_string()).collect();
            assert_eq!(seen, expected);
        }
    }

    #[tokio::test]
    async fn a_cursor_serves_only_the_list_that_it_came_from() {
        let view = view_of(23).await;
        let all = ask(&view, json!({ "query": "bookings", "limit": 5 })).await.unwrap();
        let mut other = json!({ "query": "bookings", "status": "pending", "limit": 5 });
        other["cursor"] = all["nextCursor"].clone();
        assert_eq!(ask(&view, other).await.unwrap_err().slug(), "validation");
    }

    #[tokio::test]
    async fn a_limit_out_of_range_is_refused() {
        let view = view_of(1).await;
        for limit in [0, 101] {
            let query = json!({ "query": "bookings", "limit": limit });
            assert_eq!(ask(&view, query).await.unwrap_err().slug(), "validation");
        }
    }
}
