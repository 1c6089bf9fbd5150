//! The handlers: AWS events in, responses out.

use aws_lambda_events::dynamodb::Event;
use aws_lambda_events::sqs::SqsBatchResponse;
use aws_lambda_events::streams::DynamoDbEventResponse;
use billing::handlers::react::Trigger;
use billing::handlers::{command, project, publish, query, react};
use billing::payment_service::Deadline;
use billing::view::BillRow;
use contracts::billing::{Bill, BillStatus, CommandPayload, ConsistentQuery, Query};
use contracts::message::Request;
use cqrs::memory::MemoryView;
use cqrs::view::Reader as _;
use outbox::memory::{MemoryBus, MemoryDeadLetters, MemoryRepublishQueue, MemoryStore};
use serde_json::{Value, json};
use service_error::{ErrorKind, ServiceError};
use std::time::Duration;

use crate::world::{DUE_AFTER, Fault, FaultyTransport, Operation, World, payment, reference, usd};

const COMMAND: &str = include_str!("../../events/billing-command.json");
const QUERY: &str = include_str!("../../events/billing-query.json");
const PROJECT: &str = include_str!("../../events/billing-project.json");
const PUBLISH: &str = include_str!("../../events/billing-publish.json");
const REACT: &str = include_str!("../../events/billing-react.json");

fn example(text: &str) -> Value {
    serde_json::from_str(text).expect("the example is JSON")
}

async fn execute(world: &World, payload: Value) -> Result<Option<Bill>, ServiceError> {
    let request: Request<CommandPayload> =
        serde_json::from_value(payload).expect("the payload is valid");
    command::handle(&world.service(&FaultyTransport::default()), request).await
}

fn pay(amount: &str, token: &str) -> Value {
    json!({
        "command": "payBill", "reference": reference().to_string(), "customer": "alice",
        "paymentId": "0191f7a4-0000-7000-8000-00000000000a", "amount": amount, "token": token,
    })
}

fn refund() -> Value {
    let (slot, booking) = (reference().slot_id, reference().booking_id);
    json!({ "command": "refundPayment", "slotId": slot, "bookingId": booking })
}

#[tokio::test]
async fn an_authorisation_returns_the_paid_bill_and_publishes_its_payment() {
    let world = World::default();
    let bill = execute(&world, example(COMMAND)).await.unwrap().unwrap();
    assert_eq!((bill.status, bill.paid, bill.version), (BillStatus::Paid, usd("100.00"), 2));
    let event = &world.store.outbox()[1];
    assert_eq!(event.event.kind, "BillPaid");
    assert_eq!(event.event.data["mode"], "instant");
    assert_eq!(event.sequence, 2);
    assert_eq!(event.correlation_id, reference().booking_id.0);
    assert_eq!(event.subject, reference().to_string());
}

#[tokio::test]
async fn a_published_event_never_contains_the_payment_token() {
    let world = World::default();
    let mut command = example(COMMAND);
    command["token"] = json!("tok_declined");
    let failure = execute(&world, command).await.unwrap_err();
    assert_eq!((failure.kind(), failure.slug()), (ErrorKind::Rejected, "payment-declined"));
    let published = serde_json::to_string(&world.store.outbox()).unwrap();
    assert!(published.contains("PaymentDeclined"));
    assert!(!published.contains("tok_declined"));
}

#[tokio::test]
async fn a_retry_of_a_declined_payment_is_declined_without_another_event() {
    let world = World::default();
    let mut command = example(COMMAND);
    command["token"] = json!("tok_declined");
    for _ in 0..2 {
        let failure = execute(&world, command.clone()).await.unwrap_err();
        assert_eq!((failure.kind(), failure.slug()), (ErrorKind::Rejected, "payment-declined"));
    }
    assert_eq!(world.events(), ["BillIssued", "PaymentDeclined"]);
}

#[tokio::test]
async fn a_refund_before_the_authorisation_makes_the_authorisation_fail() {
    let world = World::default();
    assert_eq!(execute(&world, refund()).await.unwrap(), None);
    let failure = execute(&world, example(COMMAND)).await.unwrap_err();
    assert_eq!((failure.kind(), failure.slug()), (ErrorKind::Rejected, "conflict"));
    assert_eq!(world.held(), usd("0.00"));
}

#[tokio::test]
async fn a_refund_pays_back_the_whole_amount() {
    let world = World::default();
    execute(&world, example(COMMAND)).await.unwrap();
    let bill = execute(&world, refund()).await.unwrap().unwrap();
    assert_eq!((bill.status, bill.paid), (BillStatus::Refunded, usd("0.00")));
    assert_eq!(world.held(), usd("0.00"));
    assert_eq!(world.store.outbox().last().unwrap().event.data["amount"], "100.00");
}

#[tokio::test]
async fn each_rejection_has_its_slug() {
    let world = World::default();
    let slug = async |command| match execute(&world, command).await {
        Ok(_) => "ok".to_owned(),
        Err(failure) => {
            assert_eq!(failure.kind(), ErrorKind::Rejected);
            failure.slug().to_owned()
        }
    };
    assert_eq!(slug(pay("40.00", "tok_visa")).await, "not-found");
    world.run(&Operation::Issue).await.unwrap();
    assert_eq!(slug(pay("0.00", "tok_visa")).await, "validation");
    assert_eq!(slug(pay("100.01", "tok_visa")).await, "conflict");
    assert_eq!(slug(pay("40.00", "tok_visa")).await, "ok");
    assert_eq!(slug(pay("41.00", "tok_visa")).await, "idempotency-key-reused");
    assert_eq!(slug(pay("40.00", "tok_visa")).await, "ok");
    let mut by_another = pay("40.00", "tok_visa");
    by_another["customer"] = json!("bob");
    assert_eq!(slug(by_another).await, "not-found");
}

#[tokio::test(start_paused = true)]
async fn a_payment_of_unknown_outcome_is_in_progress_and_no_other_payment_can_use_its_amount() {
    let world = World::default();
    world.run(&Operation::Issue).await.unwrap();
    // The bill is read and the payment stored; the provider does not respond to any call after that.
    let transport = FaultyTransport::with_faults((2..20).map(|at| (at, Fault::RequestLost)));
    let request = serde_json::from_value(pay("20.00", "tok_visa")).unwrap();
    let failure = command::handle(&world.service(&transport), request).await.unwrap_err();
    assert_eq!(failure.kind(), ErrorKind::Transient);

    let read = json!({"command": "readBill", "reference": reference().to_string()});
    let bill = execute(&world, read.clone()).await.unwrap().unwrap();
    assert_eq!((bill.paid, bill.in_progress), (usd("0.00"), usd("20.00")));
    assert_eq!(bill.remaining(), usd("80.00"));
    let other = |amount: &str| {
        let mut other = pay(amount, "tok_visa");
        other["paymentId"] = json!("0191f7a4-0000-7000-8000-00000000000b");
        other
    };
    // Another payment may have exactly the remaining amount.
    assert_eq!(execute(&world, other("80.01")).await.unwrap_err().slug(), "conflict");
    let bill = execute(&world, other("80.00")).await.unwrap().unwrap();
    assert_eq!((bill.paid, bill.remaining()), (usd("80.00"), usd("0.00")));
    // A retry of the first payment completes it.
    execute(&world, pay("20.00", "tok_visa")).await.unwrap();
    let bill = execute(&world, read).await.unwrap().unwrap();
    assert_eq!((bill.status, bill.in_progress), (BillStatus::Paid, usd("0.00")));
}

#[tokio::test]
async fn a_consistent_query_returns_the_stored_bill_or_nothing_and_changes_nothing() {
    let world = World::default();
    let read = json!({"command": "readBill", "reference": reference().to_string()});
    let query = Request::from(ConsistentQuery::ReadBill { reference: reference() });
    assert_eq!(serde_json::to_value(query).unwrap(), read, "the wire form is frozen");
    assert_eq!(execute(&world, read.clone()).await.unwrap(), None);
    world.run(&Operation::Issue).await.unwrap();
    let bill = execute(&world, read.clone()).await.unwrap().unwrap();
    assert_eq!((bill.status, bill.version), (BillStatus::Pending, 1));
    assert_eq!(execute(&world, read).await.unwrap().unwrap().version, 1, "reading changes nothing");
}

#[tokio::test]
async fn a_store_without_a_response_is_a_transient_failure() {
    let world = World::default();
    let transport = FaultyTransport::with_faults([(0, Fault::RequestLost)]);
    let request = serde_json::from_str(COMMAND).unwrap();
    let failure = command::handle(&world.service(&transport), request).await.unwrap_err();
    assert_eq!(failure.kind(), ErrorKind::Transient);
}

async fn project(
    view: &MemoryView<BillRow>,
    dead_letters: &MemoryDeadLetters,
    batch: Event,
) -> DynamoDbEventResponse {
    project::handle(view, dead_letters, batch.records).await
}

#[tokio::test]
async fn a_query_returns_the_row_that_the_stream_projects() {
    let (view, dead_letters) = (MemoryView::<BillRow>::default(), MemoryDeadLetters::default());
    let request: Request<Query> = serde_json::from_str(QUERY).unwrap();
    let failure = query::handle(&view, request.clone()).await.unwrap_err();
    assert_eq!((failure.kind(), failure.slug()), (ErrorKind::Rejected, "not-found"));

    let batch: Event = serde_json::from_str(PROJECT).unwrap();
    // The stream delivers at least once.
    for _ in 0..2 {
        let response = project(&view, &dead_letters, batch.clone()).await;
        assert!(response.batch_item_failures.is_empty());
    }
    let bill = query::handle(&view, request).await.unwrap();
    let expected = json!({
        "reference": reference().to_string(), "customer": "alice", "total": "100.00", "paid": "0.00",
        "status": "pending", "dueAt": "2026-01-01T12:15:00Z", "version": 1,
    });
    assert_eq!(serde_json::to_value(&bill).unwrap(), expected);
}

fn record(version: u64, change: impl FnOnce(&mut Value)) -> Event {
    let mut batch = example(PROJECT);
    batch["Records"][0]["dynamodb"]["NewImage"]["version"]["N"] = json!(version.to_string());
    change(&mut batch["Records"][0]);
    serde_json::from_value(batch).expect("the record is an event")
}

#[tokio::test]
async fn a_row_never_returns_to_an_older_version_and_a_gap_needs_no_backfill() {
    let (view, dead_letters) = (MemoryView::<BillRow>::default(), MemoryDeadLetters::default());
    for version in [3, 1, 2] {
        project(&view, &dead_letters, record(version, |_| {})).await;
    }
    let row = view.get(&reference().to_string()).await.unwrap().unwrap();
    assert_eq!((row.version, row.row.0.version), (3, 3));
}

#[tokio::test]
async fn a_record_without_a_bill_is_skipped_and_an_unreadable_one_is_dead_lettered() {
    let (view, dead_letters) = (MemoryView::<BillRow>::default(), MemoryDeadLetters::default());
    let no_state = record(2, |it| {
        it["dynamodb"]["NewImage"].as_object_mut().unwrap().remove("state");
    });
    let removed = record(2, |it| it["eventName"] = json!("REMOVE"));
    let never_issued = record(1, |it| {
        let state = json!({
            "reference": reference().to_string(),
            "stage": { "stage": "closed", "terms": null, "payments": [] },
        });
        it["dynamodb"]["NewImage"]["state"]["S"] = json!(state.to_string());
    });
    for batch in [no_state, removed, never_issued] {
        let response = project(&view, &dead_letters, batch).await;
        assert!(response.batch_item_failures.is_empty());
    }
    assert_eq!(dead_letters.records(), []);
    let poison = record(2, |it| it["dynamodb"]["NewImage"]["state"]["S"] = json!("{"));
    let response = project(&view, &dead_letters, poison).await;
    assert!(response.batch_item_failures.is_empty());
    assert_eq!(dead_letters.records().len(), 1);
    assert!(view.rows().is_empty());
}

#[tokio::test]
async fn a_stored_event_is_published() {
    let (bus, dead_letters) = (MemoryBus::default(), MemoryDeadLetters::default());
    let (store, republish_queue) =
        (MemoryStore::<billing::domain::Bill>::default(), MemoryRepublishQueue::default());
    let trigger = serde_json::from_str(PUBLISH).unwrap();
    let response = publish::handle(&store, &bus, &republish_queue, &dead_letters, trigger).await;
    assert!(response.into_stream().unwrap().batch_item_failures.is_empty());
    let published = bus.published();
    assert_eq!(published.len(), 1);
    assert_eq!(
        (published[0].source, published[0].detail_type.as_str()),
        ("parkade.billing", "BillIssued")
    );
}

#[tokio::test]
async fn every_published_event_conforms_to_the_contract() {
    let world = World::default();
    for operation in
        [Operation::Issue, Operation::Pay(payment(7, "40.00", "tok_declined")), Operation::Close]
    {
        drop(world.run(&operation).await);
    }
    for envelope in world.store.outbox() {
        let event = serde_json::to_value(&envelope.event).unwrap();
        serde_json::from_value::<contracts::billing::Event>(event).unwrap();
    }
    assert_eq!(world.events(), ["BillIssued", "PaymentDeclined", "BillExpired"]);
}

async fn react(world: &World, trigger: Value) -> Result<SqsBatchResponse, ServiceError> {
    let trigger: Trigger = serde_json::from_value(trigger).expect("the trigger is valid");
    let transport = FaultyTransport::default();
    let (service, store) = (world.service(&transport), &world.store);
    react::handle(&service, store, &world.reminders, &world.dead_letters, DUE_AFTER, trigger).await
}

/// A batch of one message for each body.
fn batch(bodies: &[Value]) -> Value {
    let mut batch = example(REACT);
    let message = batch["Records"][0].clone();
    let messages = bodies.iter().enumerate().map(|(number, body)| {
        let mut message = message.clone();
        message["messageId"] = json!(number.to_string());
        message["body"] = body.as_str().map_or_else(|| json!(body.to_string()), |it| json!(it));
        message
    });
    batch["Records"] = messages.collect();
    batch
}

/// An event of booking in the form in which the bus delivers it.
fn event(kind: &str, data: &Value) -> Value {
    let batch = example(REACT);
    let body = batch["Records"][0]["body"].as_str().unwrap_or_default();
    let mut event = example(body);
    event["detail-type"] = json!(kind);
    event["detail"]["type"] = json!(kind);
    for (name, value) in data.as_object().into_iter().flatten() {
        event["detail"]["data"][name] = value.clone();
    }
    event
}

fn created() -> Value {
    event("BookingCreated", &json!({}))
}

fn failed() -> Value {
    event("BookingFailed", &json!({ "reason": "slot_unavailable" }))
}

fn cancelled() -> Value {
    event("BookingCancelled", &json!({}))
}

fn due() -> Value {
    json!({ "due": reference().to_string() })
}

fn failures(response: &SqsBatchResponse) -> Vec<&str> {
    response.batch_item_failures.iter().map(|it| it.item_identifier.as_str()).collect()
}

fn status(world: &World) -> Option<BillStatus> {
    world.bill().and_then(|bill| bill.status())
}

#[tokio::test]
async fn a_duplicate_booking_created_issues_only_one_bill() {
    let world = World::default();
    for _ in 0..2 {
        let response = react(&world, example(REACT)).await.unwrap();
        assert_eq!(failures(&response), Vec::<&str>::new());
    }
    assert_eq!(world.events(), ["BillIssued"]);
    assert_eq!(status(&world), Some(BillStatus::Pending));
    let outbox = world.store.outbox();
    assert_eq!(outbox[0].causation_id.to_string(), "0191f7a4-0000-7000-8000-000000000009");
}

#[tokio::test]
async fn the_event_of_an_instant_booking_issues_no_bill() {
    let world = World::default();
    let instant = event("BookingCreated", &json!({ "payment": { "mode": "instant" } }));
    react(&world, batch(&[instant])).await.unwrap();
    assert_eq!(world.bill(), None);
}

#[tokio::test]
async fn the_end_of_a_booking_closes_its_bill_in_any_order_with_any_duplicates() {
    for ended in [failed(), cancelled()] {
        for bodies in [
            vec![created(), ended.clone()],
            vec![ended.clone(), created()],
            vec![ended.clone(), created(), ended.clone(), created()],
        ] {
            let world = World::default();
            let response = react(&world, batch(&bodies)).await.unwrap();
            assert_eq!(failures(&response), Vec::<&str>::new());
            assert_eq!(status(&world), Some(BillStatus::Expired));
            assert_eq!(world.events().iter().filter(|it| *it == "BillExpired").count(), 1);
        }
    }
}

#[tokio::test]
async fn the_payments_of_a_cancelled_booking_are_refunded() {
    let world = World::default();
    react(&world, batch(&[created()])).await.unwrap();
    world.run(&Operation::Pay(payment(7, "100.00", "tok_visa"))).await.unwrap();
    assert_eq!(status(&world), Some(BillStatus::Paid));
    react(&world, batch(&[cancelled(), cancelled()])).await.unwrap();
    assert_eq!(status(&world), Some(BillStatus::Refunded));
    assert_eq!(world.held(), usd("0.00"));
    assert_eq!(world.events(), ["BillIssued", "BillPaid", "BillRefunded"]);
}

#[tokio::test]
async fn a_check_out_leaves_the_bill_paid() {
    let world = World::default();
    world.run(&Operation::Authorise("tok_visa")).await.unwrap();
    react(&world, batch(&[event("BookingCheckedOut", &json!({}))])).await.unwrap();
    world.advance(10_000);
    react(&world, batch(&[due()])).await.unwrap();
    assert_eq!(status(&world), Some(BillStatus::Paid));
}

#[tokio::test]
async fn an_event_of_another_type_or_source_is_ignored_and_an_unreadable_message_is_dead_lettered()
{
    let world = World::default();
    let mut foreign = failed();
    foreign["source"] = json!("parkade.parking");
    let bodies = [
        event("BookingRenamed", &json!({})),
        foreign,
        json!("no JSON"),
        json!({ "due": "no reference" }),
        event("BookingFailed", &json!({ "bookingId": 7 })),
        created(),
    ];
    let response = react(&world, batch(&bodies)).await.unwrap();
    assert_eq!(failures(&response), [""; 0]);
    let dead_lettered: Vec<String> =
        world.dead_letters.messages().into_iter().map(|it| it.body).collect();
    assert_eq!(dead_lettered[..2], ["no JSON".to_owned(), bodies[3].to_string()]);
    assert!(dead_lettered[2].contains("BookingFailed"), "{}", dead_lettered[2]);
    assert_eq!(status(&world), Some(BillStatus::Pending));
}

#[tokio::test]
async fn the_schedule_sends_a_reminder_of_each_bill_that_is_due_before_its_next_run() {
    let world = World::default();
    react(&world, batch(&[created()])).await.unwrap();
    assert_eq!(world.reminders.take(), []);
    world.advance(839);
    react(&world, json!({ "sweep": "due" })).await.unwrap();
    assert_eq!(world.reminders.take(), []);
    world.advance(2);
    react(&world, json!({ "sweep": "due" })).await.unwrap();
    assert_eq!(world.reminders.take(), [(reference(), Duration::from_secs(59))]);
    // One minute after the due time, a reminder is sent without a delay.
    world.advance(119);
    react(&world, json!({ "sweep": "due" })).await.unwrap();
    assert_eq!(world.reminders.take(), [(reference(), Duration::ZERO)]);
    react(&world, batch(&[due()])).await.unwrap();
    assert_eq!(world.events(), ["BillIssued", "BillExpired"]);
    react(&world, json!({ "sweep": "due" })).await.unwrap();
    assert_eq!(world.reminders.take(), []);
}

#[tokio::test]
async fn an_early_reminder_is_sent_again() {
    let world = World::default();
    react(&world, batch(&[created()])).await.unwrap();
    react(&world, batch(&[due()])).await.unwrap();
    assert_eq!(world.reminders.take(), [], "the schedule sends it in time");
    world.advance(890);
    react(&world, batch(&[due()])).await.unwrap();
    assert_eq!(world.reminders.take(), [(reference(), Duration::from_secs(10))]);
    assert_eq!(status(&world), Some(BillStatus::Pending));
}

#[tokio::test]
async fn a_bill_that_is_due_before_the_next_scheduled_run_gets_its_reminder_when_it_is_issued() {
    let world = World::default();
    let transport = FaultyTransport::default();
    let trigger: Trigger = serde_json::from_value(batch(&[created()])).unwrap();
    let due_after = jiff::SignedDuration::from_secs(20);
    let service = world.service(&transport);
    let dead_letters = &world.dead_letters;
    let handled =
        react::handle(&service, &world.store, &world.reminders, dead_letters, due_after, trigger)
            .await;
    handled.unwrap();
    assert_eq!(world.reminders.take(), [(reference(), Duration::from_secs(20))]);
}

#[tokio::test]
async fn an_overdue_bill_that_is_partly_paid_is_refunded() {
    let world = World::default();
    react(&world, batch(&[created()])).await.unwrap();
    world.run(&Operation::Pay(payment(7, "40.00", "tok_visa"))).await.unwrap();
    world.advance(900);
    // The expiry makes the booking fail, and its failure closes the bill again.
    react(&world, batch(&[due(), due(), failed()])).await.unwrap();
    assert_eq!(world.events(), ["BillIssued", "BillExpired", "BillRefunded"]);
    assert_eq!(status(&world), Some(BillStatus::Refunded));
    assert_eq!(world.held(), usd("0.00"));
}

#[tokio::test(start_paused = true)]
async fn reconciliation_completes_the_payment_of_a_crashed_function() {
    let world = World::default();
    react(&world, batch(&[created()])).await.unwrap();
    let operation = Operation::Pay(payment(7, "100.00", "tok_visa"));
    // It crashed after the charge, before storing the outcome.
    assert!(
        world
            .run_over(&operation, &FaultyTransport::with_faults([(2, Fault::CrashAfter)]))
            .await
            .is_none()
    );
    assert_eq!(status(&world), Some(BillStatus::Pending));
    world.advance(59);
    react(&world, batch(&[due()])).await.unwrap();
    assert_eq!(
        status(&world),
        Some(BillStatus::Pending),
        "a function may still be waiting for its outcome"
    );
    world.advance(1);
    world.reminders.take();
    react(&world, json!({ "sweep": "due" })).await.unwrap();
    assert_eq!(world.reminders.take(), [(reference(), Duration::ZERO)]);
    react(&world, batch(&[due()])).await.unwrap();
    assert_eq!(world.events(), ["BillIssued", "BillPaid"]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_provider_produces_no_dead_letters() {
    let world = World::default();
    react(&world, batch(&[created()])).await.unwrap();
    world.run(&Operation::Pay(payment(7, "60.00", "tok_visa"))).await.unwrap();
    drop(world.run(&Operation::Pay(payment(8, "40.00", "tok_down"))).await);
    world.advance(60);
    let response = react(&world, batch(&[due()])).await.unwrap();
    assert_eq!(failures(&response), Vec::<&str>::new());
    let reconcile_at = world.bill().unwrap().reconcile_at();
    assert!(reconcile_at.is_some_and(|at| at <= world.now()), "reconciliation finds it again");
}

#[tokio::test(start_paused = true)]
async fn a_payment_without_a_response_does_not_block_the_reconciliation_of_others() {
    let world = World::default();
    react(&world, batch(&[created()])).await.unwrap();
    drop(world.run(&Operation::Pay(payment(7, "60.00", "tok_down"))).await);
    let operation = Operation::Pay(payment(8, "40.00", "tok_visa"));
    assert!(
        world
            .run_over(&operation, &FaultyTransport::with_faults([(2, Fault::CrashBefore)]))
            .await
            .is_none()
    );
    world.advance(60);
    react(&world, batch(&[due()])).await.unwrap();
    assert_eq!(world.bill().unwrap().paid(), usd("40.00"));
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_used_up_its_deadline_is_completed_by_the_next_message() {
    let world = World::default();
    react(&world, batch(&[created()])).await.unwrap();
    world.run(&Operation::Pay(payment(7, "100.00", "tok_visa"))).await.unwrap();
    let transport = FaultyTransport::with_faults((1..20).map(|call| (call, Fault::RequestLost)));
    let deadline = Deadline::of_invocation();
    tokio::time::sleep(Duration::from_secs(8)).await;
    let late = world.service(&transport).close(reference(), None, deadline).await;
    assert!(late.is_err());
    let started = tokio::time::Instant::now();
    let response = react(&world, batch(&[cancelled(), cancelled()])).await.unwrap();
    assert_eq!(failures(&response), Vec::<&str>::new());
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(status(&world), Some(BillStatus::Refunded));
}

#[tokio::test]
async fn a_reminder_that_can_not_be_sent_is_a_failure_that_is_retried() {
    struct Unreachable;
    impl billing::ports::Reminders for Unreachable {
        async fn remind(
            &self,
            _: contracts::id::BillReference,
            _: Duration,
        ) -> Result<(), outbox::bus::SendError> {
            Err(outbox::bus::SendError("the connection was lost".into()))
        }
    }
    let world = World::default();
    world.run(&Operation::Issue).await.unwrap();
    world.advance(900);
    let transport = FaultyTransport::default();
    let service = world.service(&transport);
    let dead_letters = &world.dead_letters;
    let schedule: Trigger = serde_json::from_value(json!({ "sweep": "due" })).unwrap();
    let failure =
        react::handle(&service, &world.store, &Unreachable, dead_letters, DUE_AFTER, schedule)
            .await
            .unwrap_err();
    assert_eq!(failure.kind(), ErrorKind::Transient);
    // If the reminder of a new bill can't be sent, the message is redelivered.
    let short = jiff::SignedDuration::from_secs(20);
    let issue: Trigger = serde_json::from_value(batch(&[created()])).unwrap();
    let response = react::handle(&service, &world.store, &Unreachable, dead_letters, short, issue)
        .await
        .unwrap();
    assert_eq!(failures(&response), ["0"]);
}

#[test]
fn the_input_of_the_schedule_in_the_template_is_a_valid_trigger() {
    let template = include_str!("../../../../infra/billing.yaml");
    let input = r#"{"sweep":"due"}"#;
    assert!(template.contains(&format!("Input: '{input}'")));
    assert!(matches!(serde_json::from_str(input), Ok(Trigger::Schedule { .. })));
    assert!(matches!(serde_json::from_str(REACT), Ok(Trigger::Messages(_))));
    assert!(serde_json::from_str::<Trigger>(r#"{"sweep":"floor"}"#).is_err());
}
