//! What AWS sends in, what AWS gets back.

use aws_lambda_events::dynamodb::Event;
use aws_lambda_events::sqs::SqsBatchResponse;
use aws_lambda_events::streams::DynamoDbEventResponse;
use billing::desk::Deadline;
use billing::handlers::react::Trigger;
use billing::handlers::{command, project, publish, query, react};
use billing::view::BillRow;
use contracts::billing::{Bill, BillStatus, Command, Query};
use contracts::message::Request;
use cqrs::memory::MemoryView;
use cqrs::view::Reader as _;
use outbox::memory::{MemoryBus, MemoryDeadLetters, MemoryRepublishQueue, MemoryStore};
use serde_json::{Value, json};
use service_error::{ErrorKind, ServiceError};
use std::time::Duration;

use crate::world::{DUE_AFTER, Deed, Fault, Line, World, payment, reference, usd};

const COMMAND: &str = include_str!("../../events/billing-command.json");
const QUERY: &str = include_str!("../../events/billing-query.json");
const PROJECT: &str = include_str!("../../events/billing-project.json");
const PUBLISH: &str = include_str!("../../events/billing-publish.json");
const REACT: &str = include_str!("../../events/billing-react.json");

fn example(text: &str) -> Value {
    serde_json::from_str(text).expect("the example is JSON")
}

async fn ask(world: &World, command: Value) -> Result<Option<Bill>, ServiceError> {
    let request: Request<Command> = serde_json::from_value(command).expect("a command");
    command::handle(&world.desk(&Line::default()), request).await
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
async fn authorising_answers_with_the_bill() {
    let world = World::default();
    let bill = ask(&world, example(COMMAND)).await.unwrap().unwrap();
    assert_eq!((bill.status, bill.paid, bill.version), (BillStatus::Paid, usd("100.00"), 2));
    let event = &world.store.outbox()[1];
    assert_eq!(event.event.kind, "BillPaid");
    assert_eq!(event.event.data["mode"], "instant");
    assert_eq!(event.sequence, 2);
    assert_eq!(event.correlation_id, reference().booking_id.0);
    assert_eq!(event.subject, reference().to_string());
}

#[tokio::test]
async fn nothing_that_is_published_shows_the_token() {
    let world = World::default();
    let mut command = example(COMMAND);
    command["token"] = json!("tok_declined");
    let failure = ask(&world, command).await.unwrap_err();
    assert_eq!((failure.kind(), failure.slug()), (ErrorKind::Rejected, "payment-declined"));
    let published = serde_json::to_string(&world.store.outbox()).unwrap();
    assert!(published.contains("PaymentDeclined"));
    assert!(!published.contains("tok_declined"));
}

#[tokio::test]
async fn a_declined_card_stays_declined() {
    let world = World::default();
    let mut command = example(COMMAND);
    command["token"] = json!("tok_declined");
    for _ in 0..2 {
        let failure = ask(&world, command.clone()).await.unwrap_err();
        assert_eq!((failure.kind(), failure.slug()), (ErrorKind::Rejected, "payment-declined"));
    }
    assert_eq!(world.events(), ["BillIssued", "PaymentDeclined"]);
}

#[tokio::test]
async fn refunding_what_was_never_authorised_bars_it() {
    let world = World::default();
    assert_eq!(ask(&world, refund()).await.unwrap(), None);
    let failure = ask(&world, example(COMMAND)).await.unwrap_err();
    assert_eq!((failure.kind(), failure.slug()), (ErrorKind::Rejected, "conflict"));
    assert_eq!(world.held(), usd("0.00"));
}

#[tokio::test]
async fn refunding_gives_everything_back() {
    let world = World::default();
    ask(&world, example(COMMAND)).await.unwrap();
    let bill = ask(&world, refund()).await.unwrap().unwrap();
    assert_eq!((bill.status, bill.paid), (BillStatus::Refunded, usd("0.00")));
    assert_eq!(world.held(), usd("0.00"));
    assert_eq!(world.store.outbox().last().unwrap().event.data["amount"], "100.00");
}

#[tokio::test]
async fn each_refusal_has_its_slug() {
    let world = World::default();
    let slug = async |command| match ask(&world, command).await {
        Ok(_) => "ok".to_owned(),
        Err(failure) => {
            assert_eq!(failure.kind(), ErrorKind::Rejected);
            failure.slug().to_owned()
        }
    };
    assert_eq!(slug(pay("40.00", "tok_visa")).await, "not-found");
    world.calmly(&Deed::Issue).await.unwrap();
    assert_eq!(slug(pay("0.00", "tok_visa")).await, "validation");
    assert_eq!(slug(pay("100.01", "tok_visa")).await, "conflict");
    assert_eq!(slug(pay("40.00", "tok_visa")).await, "ok");
    assert_eq!(slug(pay("41.00", "tok_visa")).await, "idempotency-key-reused");
    assert_eq!(slug(pay("40.00", "tok_visa")).await, "ok");
    let mut bobs = pay("40.00", "tok_visa");
    bobs["customer"] = json!("bob");
    assert_eq!(slug(bobs).await, "not-found");
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_transient() {
    let world = World::default();
    let line = Line::with([(0, Fault::Lost)]);
    let request = serde_json::from_str(COMMAND).unwrap();
    let failure = command::handle(&world.desk(&line), request).await.unwrap_err();
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
async fn the_view_follows_the_stream_and_answers_the_query() {
    let (view, dead_letters) = (MemoryView::<BillRow>::default(), MemoryDeadLetters::default());
    let request: Request<Query> = serde_json::from_str(QUERY).unwrap();
    let failure = query::handle(&view, request.clone()).await.unwrap_err();
    assert_eq!((failure.kind(), failure.slug()), (ErrorKind::Rejected, "not-found"));

    let batch: Event = serde_json::from_str(PROJECT).unwrap();
    // At least once means twice.
    for _ in 0..2 {
        let answer = project(&view, &dead_letters, batch.clone()).await;
        assert!(answer.batch_item_failures.is_empty());
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
    serde_json::from_value(batch).expect("an event")
}

#[tokio::test]
async fn a_row_never_goes_back_and_a_gap_heals_itself() {
    let (view, dead_letters) = (MemoryView::<BillRow>::default(), MemoryDeadLetters::default());
    for version in [3, 1, 2] {
        project(&view, &dead_letters, record(version, |_| {})).await;
    }
    let row = view.get(&reference().to_string()).await.unwrap().unwrap();
    assert_eq!((row.version, row.row.0.version), (3, 3));
}

#[tokio::test]
async fn what_is_no_bill_is_passed_over_and_what_cannot_be_read_is_parked() {
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
        let answer = project(&view, &dead_letters, batch).await;
        assert!(answer.batch_item_failures.is_empty());
    }
    assert_eq!(dead_letters.records(), []);
    let poison = record(2, |it| it["dynamodb"]["NewImage"]["state"]["S"] = json!("{"));
    let answer = project(&view, &dead_letters, poison).await;
    assert!(answer.batch_item_failures.is_empty());
    assert_eq!(dead_letters.records().len(), 1);
    assert!(view.rows().is_empty());
}

#[tokio::test]
async fn what_was_committed_is_published() {
    let (bus, dead_letters) = (MemoryBus::default(), MemoryDeadLetters::default());
    let (store, republish_queue) =
        (MemoryStore::<billing::domain::Bill>::default(), MemoryRepublishQueue::default());
    let trigger = serde_json::from_str(PUBLISH).unwrap();
    let answer = publish::handle(&store, &bus, &republish_queue, &dead_letters, trigger).await;
    assert!(answer.into_stream().unwrap().batch_item_failures.is_empty());
    let published = bus.published();
    assert_eq!(published.len(), 1);
    assert_eq!(
        (published[0].source, published[0].detail_type.as_str()),
        ("parkade.billing", "BillIssued")
    );
}

#[tokio::test]
async fn a_bill_is_published_as_the_contract_says() {
    let world = World::default();
    for deed in [Deed::Issue, Deed::Pay(payment(7, "40.00", "tok_declined")), Deed::Close] {
        drop(world.calmly(&deed).await);
    }
    for envelope in world.store.outbox() {
        let event = serde_json::to_value(&envelope.event).unwrap();
        serde_json::from_value::<contracts::billing::Event>(event).unwrap();
    }
    assert_eq!(world.events(), ["BillIssued", "PaymentDeclined", "BillExpired"]);
}

async fn react(world: &World, trigger: Value) -> Result<SqsBatchResponse, ServiceError> {
    let trigger: Trigger = serde_json::from_value(trigger).expect("an trigger");
    let line = Line::default();
    let (desk, store) = (world.desk(&line), &world.store);
    react::handle(&desk, store, &world.reminders, &world.letters, DUE_AFTER, trigger).await
}

/// A batch with one message for each body.
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

/// An event of booking, as the bus delivers it.
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
async fn a_booking_by_invoice_gets_one_bill_however_often_it_is_told() {
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
async fn an_instant_booking_gets_no_bill_by_event() {
    let world = World::default();
    let instant = event("BookingCreated", &json!({ "payment": { "mode": "instant" } }));
    react(&world, batch(&[instant])).await.unwrap();
    assert_eq!(world.bill(), None);
}

#[tokio::test]
async fn the_end_of_a_booking_closes_its_bill_in_any_order_and_number() {
    for over in [failed(), cancelled()] {
        for bodies in [
            vec![created(), over.clone()],
            vec![over.clone(), created()],
            vec![over.clone(), created(), over.clone(), created()],
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
async fn a_cancelled_booking_gets_its_money_back() {
    let world = World::default();
    react(&world, batch(&[created()])).await.unwrap();
    world.calmly(&Deed::Pay(payment(7, "100.00", "tok_visa"))).await.unwrap();
    assert_eq!(status(&world), Some(BillStatus::Paid));
    react(&world, batch(&[cancelled(), cancelled()])).await.unwrap();
    assert_eq!(status(&world), Some(BillStatus::Refunded));
    assert_eq!(world.held(), usd("0.00"));
    assert_eq!(world.events(), ["BillIssued", "BillPaid", "BillRefunded"]);
}

#[tokio::test]
async fn leaving_the_slot_leaves_the_bill_paid() {
    let world = World::default();
    world.calmly(&Deed::Authorise("tok_visa")).await.unwrap();
    react(&world, batch(&[event("BookingCheckedOut", &json!({}))])).await.unwrap();
    world.pass(10_000);
    react(&world, batch(&[due()])).await.unwrap();
    assert_eq!(status(&world), Some(BillStatus::Paid));
}

#[tokio::test]
async fn what_is_unknown_is_left_alone_and_what_is_unreadable_is_put_aside() {
    let world = World::default();
    let mut foreign = failed();
    foreign["source"] = json!("parkade.parking");
    let bodies = [
        event("BookingDreamtOf", &json!({})),
        foreign,
        json!("no JSON"),
        json!({ "due": "no reference" }),
        event("BookingFailed", &json!({ "bookingId": 7 })),
        created(),
    ];
    let response = react(&world, batch(&bodies)).await.unwrap();
    assert_eq!(failures(&response), [""; 0]);
    let put_aside: Vec<String> = world.letters.messages().into_iter().map(|it| it.body).collect();
    assert_eq!(put_aside[..2], ["no JSON".to_owned(), bodies[3].to_string()]);
    assert!(put_aside[2].contains("BookingFailed"), "{}", put_aside[2]);
    assert_eq!(status(&world), Some(BillStatus::Pending));
}

#[tokio::test]
async fn the_sweep_finds_what_is_due_before_the_next_one() {
    let world = World::default();
    react(&world, batch(&[created()])).await.unwrap();
    assert_eq!(world.reminders.take(), []);
    world.pass(839);
    react(&world, json!({ "sweep": "due" })).await.unwrap();
    assert_eq!(world.reminders.take(), []);
    world.pass(2);
    react(&world, json!({ "sweep": "due" })).await.unwrap();
    assert_eq!(world.reminders.take(), [(reference(), Duration::from_secs(59))]);
    // A minute late is late enough.
    world.pass(119);
    react(&world, json!({ "sweep": "due" })).await.unwrap();
    assert_eq!(world.reminders.take(), [(reference(), Duration::ZERO)]);
    react(&world, batch(&[due()])).await.unwrap();
    assert_eq!(world.events(), ["BillIssued", "BillExpired"]);
    react(&world, json!({ "sweep": "due" })).await.unwrap();
    assert_eq!(world.reminders.take(), []);
}

#[tokio::test]
async fn a_reminder_that_comes_early_comes_again() {
    let world = World::default();
    react(&world, batch(&[created()])).await.unwrap();
    react(&world, batch(&[due()])).await.unwrap();
    assert_eq!(world.reminders.take(), [], "the sweep will remind in time");
    world.pass(890);
    react(&world, batch(&[due()])).await.unwrap();
    assert_eq!(world.reminders.take(), [(reference(), Duration::from_secs(10))]);
    assert_eq!(status(&world), Some(BillStatus::Pending));
}

#[tokio::test]
async fn a_bill_that_is_due_before_a_sweep_is_sure_to_come_gets_its_reminder_at_once() {
    let world = World::default();
    let line = Line::default();
    let trigger: Trigger = serde_json::from_value(batch(&[created()])).unwrap();
    let due_after = jiff::SignedDuration::from_secs(20);
    let desk = world.desk(&line);
    let letters = &world.letters;
    let reacted =
        react::handle(&desk, &world.store, &world.reminders, letters, due_after, trigger).await;
    reacted.unwrap();
    assert_eq!(world.reminders.take(), [(reference(), Duration::from_secs(20))]);
}

#[tokio::test]
async fn a_part_paid_bill_that_falls_due_is_given_back() {
    let world = World::default();
    react(&world, batch(&[created()])).await.unwrap();
    world.calmly(&Deed::Pay(payment(7, "40.00", "tok_visa"))).await.unwrap();
    world.pass(900);
    // The booking fails upon the expiry, which closes the bill once more.
    react(&world, batch(&[due(), due(), failed()])).await.unwrap();
    assert_eq!(world.events(), ["BillIssued", "BillExpired", "BillRefunded"]);
    assert_eq!(status(&world), Some(BillStatus::Refunded));
    assert_eq!(world.held(), usd("0.00"));
}

#[tokio::test(start_paused = true)]
async fn what_a_function_left_half_done_the_sweep_finishes() {
    let world = World::default();
    react(&world, batch(&[created()])).await.unwrap();
    let deed = Deed::Pay(payment(7, "100.00", "tok_visa"));
    // It died between the charge and its answer.
    assert!(world.try_to(&deed, &Line::with([(2, Fault::DiesAfter)])).await.is_none());
    assert_eq!(status(&world), Some(BillStatus::Pending));
    world.pass(59);
    react(&world, batch(&[due()])).await.unwrap();
    assert_eq!(status(&world), Some(BillStatus::Pending), "somebody may be at work on it");
    world.pass(1);
    world.reminders.take();
    react(&world, json!({ "sweep": "due" })).await.unwrap();
    assert_eq!(world.reminders.take(), [(reference(), Duration::ZERO)]);
    react(&world, batch(&[due()])).await.unwrap();
    assert_eq!(world.events(), ["BillIssued", "BillPaid"]);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_down_fills_no_dead_letters() {
    let world = World::default();
    react(&world, batch(&[created()])).await.unwrap();
    world.calmly(&Deed::Pay(payment(7, "60.00", "tok_visa"))).await.unwrap();
    drop(world.calmly(&Deed::Pay(payment(8, "40.00", "tok_down"))).await);
    world.pass(60);
    let response = react(&world, batch(&[due()])).await.unwrap();
    assert_eq!(failures(&response), Vec::<&str>::new());
    let wants = world.bill().unwrap().attention_at();
    assert!(wants.is_some_and(|at| at <= world.now()), "the sweep finds it again");
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_is_never_answered_does_not_hold_up_the_others() {
    let world = World::default();
    react(&world, batch(&[created()])).await.unwrap();
    drop(world.calmly(&Deed::Pay(payment(7, "60.00", "tok_down"))).await);
    let deed = Deed::Pay(payment(8, "40.00", "tok_visa"));
    assert!(world.try_to(&deed, &Line::with([(2, Fault::Dies)])).await.is_none());
    world.pass(60);
    react(&world, batch(&[due()])).await.unwrap();
    assert_eq!(world.bill().unwrap().paid(), usd("40.00"));
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_does_not_cost_the_others_their_turn() {
    let world = World::default();
    react(&world, batch(&[created()])).await.unwrap();
    world.calmly(&Deed::Pay(payment(7, "100.00", "tok_visa"))).await.unwrap();
    let line = Line::with((1..20).map(|call| (call, Fault::Lost)));
    let deadline = Deadline::of_invocation();
    tokio::time::sleep(Duration::from_secs(8)).await;
    let late = world.desk(&line).close(reference(), None, deadline).await;
    assert!(late.is_err());
    let began = tokio::time::Instant::now();
    let response = react(&world, batch(&[cancelled(), cancelled()])).await.unwrap();
    assert_eq!(failures(&response), Vec::<&str>::new());
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(status(&world), Some(BillStatus::Refunded));
}

#[tokio::test]
async fn a_sweep_that_cannot_remind_says_so() {
    struct Cut;
    impl billing::ports::Reminders for Cut {
        async fn remind(
            &self,
            _: contracts::id::BillReference,
            _: Duration,
        ) -> Result<(), outbox::bus::SendError> {
            Err(outbox::bus::SendError("cut".into()))
        }
    }
    let world = World::default();
    world.calmly(&Deed::Issue).await.unwrap();
    world.pass(900);
    let line = Line::default();
    let desk = world.desk(&line);
    let letters = &world.letters;
    let sweep: Trigger = serde_json::from_value(json!({ "sweep": "due" })).unwrap();
    let failure =
        react::handle(&desk, &world.store, &Cut, letters, DUE_AFTER, sweep).await.unwrap_err();
    assert_eq!(failure.kind(), ErrorKind::Transient);
    // A bill whose reminder failed is not forgotten: the message comes back.
    let short = jiff::SignedDuration::from_secs(20);
    let issue: Trigger = serde_json::from_value(batch(&[created()])).unwrap();
    let response = react::handle(&desk, &world.store, &Cut, letters, short, issue).await.unwrap();
    assert_eq!(failures(&response), ["0"]);
}

#[test]
fn the_schedule_sends_what_the_function_reads() {
    let template = include_str!("../../../../infra/billing.yaml");
    let input = r#"{"sweep":"due"}"#;
    assert!(template.contains(&format!("Input: '{input}'")));
    assert!(matches!(serde_json::from_str(input), Ok(Trigger::Sweep { .. })));
    assert!(matches!(serde_json::from_str(REACT), Ok(Trigger::Messages(_))));
    assert!(serde_json::from_str::<Trigger>(r#"{"sweep":"floor"}"#).is_err());
}
