//! Messages that cannot be processed are dead-lettered with a reason, and an operator can redrive them.

use std::time::Duration;

use aws_sdk_sqs::types::MessageAttributeValue;
use platform::{Caller, Platform, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// The URL of a queue of the platform.
async fn url(platform: &Platform, name: &str) -> String {
    let queues = platform.sqs();
    let found = queues.get_queue_url().queue_name(format!("parkade-local-{name}")).send().await;
    found.unwrap().queue_url.unwrap()
}

async fn send(platform: &Platform, queue: &str, body: &str) {
    let url = url(platform, queue).await;
    platform.sqs().send_message().queue_url(url).message_body(body).send().await.unwrap();
}

/// The dead letters of a queue whose bodies contain this text.
async fn dead_letters(operator: &Caller, queue: &str, text: &str) -> Vec<Value> {
    let shown = operator.get("/operator/dead-letters").await.expect(200);
    assert_eq!(shown.get("degraded"), None);
    let items = shown["items"].as_array().unwrap().iter();
    let ours =
        items.filter(|it| it["queue"] == queue && it["body"].as_str().unwrap().contains(text));
    ours.cloned().collect()
}

async fn dead_letter(operator: &Caller, queue: &str, text: &str) -> Value {
    eventually(&format!("{text} is among the dead letters of {queue}"), async || {
        dead_letters(operator, queue, text).await.into_iter().next()
    })
    .await
}

/// Redrives until no dead letter with this text is left; a concurrent reader hides them for a moment.
async fn redrive(operator: &Caller, queue: &str, text: &str) {
    let path = format!("/operator/dead-letters/{queue}/redrive");
    eventually(&format!("{text} has left the dead letters of {queue}"), async || {
        operator.send(Method::POST, &path, &[], None).await.expect(202);
        dead_letters(operator, queue, text).await.is_empty().then_some(())
    })
    .await;
}

/// An event of the bus, as a rule sends it to a queue.
fn delivery(kind: &str, data: &Value) -> String {
    json!({
        "version": "0",
        "id": Uuid::new_v4(),
        "detail-type": kind,
        "source": "parkade.booking",
        "account": "000000000000",
        "time": "2026-01-01T12:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {
            "id": Uuid::now_v7(),
            "schemaVersion": 1,
            "occurredAt": "2026-01-01T12:00:00Z",
            "correlationId": Uuid::now_v7(),
            "causationId": Uuid::now_v7(),
            "subject": "it",
            "sequence": 1,
            "type": kind,
            "data": data,
        },
    })
    .to_string()
}

#[tokio::test]
async fn a_poison_message_is_dead_lettered_with_its_reason_and_blocks_no_other() {
    let platform = Platform::up();
    let operator = platform.operator().await;
    for queue in ["booking", "parking", "billing"] {
        let mark = Uuid::new_v4().to_string();
        let poison = delivery("BookingFailed", &json!({ "bookingId": mark }));
        // Booking reads another kind of event.
        let poison = if queue == "booking" { format!("no JSON {mark}") } else { poison };
        send(&platform, queue, &poison).await;
        let dead_letter = dead_letter(&operator, queue, &mark).await;
        // The local cloud reserializes JSON, AWS does not.
        let same = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| json!(text));
        let body: Value = same(dead_letter["body"].as_str().unwrap());
        assert_eq!(body, same(&poison));
        let reason = dead_letter["reason"].as_str().unwrap();
        assert!(reason.contains("expected") || reason.contains("missing field"), "{reason}");
        assert!(dead_letter["receivedAt"].as_str().unwrap().ends_with('Z'));
    }
    let customer = platform.customer().await;
    let slot = platform.slot().await;
    let booking = customer.book_invoice(&slot).await;
    let reference = format!("{slot}:{booking}");
    customer.pay_when_issued(&booking, &reference, "100.00", "tok_visa").await.expect(201);
    assert_eq!(customer.finished(&booking).await["status"], "completed");
}

#[tokio::test]
async fn a_redriven_message_takes_effect_once() {
    let platform = Platform::up();
    let (operator, customer) = (platform.operator().await, platform.customer().await);
    let slot = platform.slot().await;
    let booking = customer.book_invoice(&slot).await;
    customer.booking(&booking).await;
    // As if the function had crashed on them repeatedly: no reason is stored.
    let expired = |reference: &str| {
        let data = json!({ "reference": reference, "slotId": slot, "bookingId": booking });
        delivery("BillExpired", &data).replace("parkade.booking", "parkade.billing")
    };
    let body = expired(&format!("{slot}:{booking}"));
    send(&platform, "booking-dead-letters", &body).await;
    let found = dead_letter(&operator, "booking", &booking).await;
    assert!(found["reason"].as_str().unwrap().contains("crashed"), "{found}");
    redrive(&operator, "booking", &booking).await;
    let failed = customer.finished(&booking).await;
    assert_eq!(
        (&failed["status"], &failed["reason"]),
        (&json!("failed"), &json!("payment_overdue"))
    );
    // Redriven again, it has no effect.
    send(&platform, "booking-dead-letters", &body).await;
    dead_letter(&operator, "booking", &booking).await;
    redrive(&operator, "booking", &booking).await;
    let events = format!("/operator/bookings/{booking}/events");
    let history = operator.get(&events).await.expect(200);
    assert_eq!(history["events"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_message_that_is_redriven_and_fails_again_is_counted_until_it_is_discarded() {
    let platform = Platform::up();
    let operator = platform.operator().await;
    let mark = Uuid::new_v4().to_string();
    send(&platform, "parking", &format!("no JSON {mark}")).await;
    let first = dead_letter(&operator, "parking", &mark).await;
    // Other tests may have redriven the whole queue by now.
    let before = first["redrives"].as_u64().unwrap_or(0);
    for more in 1..=2 {
        operator
            .send(Method::POST, "/operator/dead-letters/parking/redrive", &[], None)
            .await
            .expect(202);
        eventually(&format!("it was dead-lettered {more} times again"), async || {
            let found = dead_letters(&operator, "parking", &mark).await.into_iter().next()?;
            (found["redrives"].as_u64()? >= before + more).then_some(())
        })
        .await;
    }
    let path = "/operator/dead-letters/parking/discard";
    let nothing = json!({ "messageId": Uuid::new_v4(), "reason": "it was never there" });
    operator.post(path, &nothing).await.expect_problem(404, "not-found");
    eventually("it is discarded", async || {
        let found = dead_letters(&operator, "parking", &mark).await.into_iter().next()?;
        let discard = json!({ "messageId": found["messageId"], "reason": "it is no JSON" });
        let reply = operator.post(path, &discard).await;
        // Another test that looks at the queue keeps its messages for a moment.
        let is_done = reply.status == 200;
        assert!(is_done || reply.status == 404, "{}", reply.text);
        is_done.then_some(())
    })
    .await;
    assert_eq!(dead_letters(&operator, "parking", &mark).await, [json!(null); 0]);
}

#[tokio::test]
async fn only_an_operator_discards_and_not_without_a_reason() {
    let platform = Platform::up();
    let (operator, customer) = (platform.operator().await, platform.customer().await);
    let path = "/operator/dead-letters/booking/discard";
    let good = json!({ "messageId": Uuid::new_v4(), "reason": "why not" });
    customer.post(path, &good).await.expect_problem(403, "forbidden");
    for bad in [
        json!({ "messageId": Uuid::new_v4() }),
        json!({ "messageId": Uuid::new_v4(), "reason": "" }),
        json!({ "messageId": Uuid::new_v4(), "reason": "  " }),
        json!({ "messageId": Uuid::new_v4(), "reason": "x", "all": true }),
    ] {
        operator.post(path, &bad).await.expect_problem(400, "validation");
    }
    let path = "/operator/dead-letters/unknown/discard";
    operator.post(path, &good).await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn an_unknown_queue_is_not_redriven() {
    let operator = Platform::up().operator().await;
    for queue in ["unknown", "booking-dead-letters", "parkade-local-booking"] {
        let path = format!("/operator/dead-letters/{queue}/redrive");
        let reply = operator.send(Method::POST, &path, &[], None).await;
        reply.expect_problem(404, "not-found");
    }
}

#[tokio::test]
async fn a_dead_lettered_record_is_redriven_to_its_stream_consumer() {
    let platform = Platform::up();
    let operator = platform.operator().await;
    // Of a slot that does not exist, so that nothing is published.
    let slot = Uuid::now_v7().to_string();
    let state = json!({ "name": "dead-lettered", "status": "available" });
    let record = json!({
        "eventID": "1",
        "eventName": "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_767_268_800,
            "Keys": { "id": { "S": slot }, "part": { "S": "state" } },
            "NewImage": {
                "id": { "S": slot }, "part": { "S": "state" }, "version": { "N": "1" },
                "changed": { "N": "1" }, "events": { "S": "[]" }, "state": { "S": state.to_string() },
            },
            "SequenceNumber": "1",
            "SizeBytes": 300,
            "StreamViewType": "NEW_IMAGE",
        },
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/1",
    });
    let message = json!({ "reason": "the view was missing", "key": slot, "sequenceNumber": "1", "record": record });
    let body = message.to_string();
    let queue = "parking-publish";
    let url = url(&platform, &format!("{queue}-dead-letters")).await;
    let reason = MessageAttributeValue::builder().data_type("String");
    let reason = reason.string_value("from the attribute").build().unwrap();
    let sent = platform.sqs().send_message().queue_url(url).message_body(&body);
    sent.message_attributes("reason", reason).send().await.unwrap();
    let found = dead_letter(&operator, queue, &slot).await;
    assert_eq!(found["reason"], "from the attribute");
    redrive(&operator, queue, &slot).await;
}

#[tokio::test]
async fn an_incomplete_saga_is_recovered_when_its_dead_letter_is_redriven() {
    let platform = Platform::up();
    let (operator, customer) = (platform.operator().await, platform.customer().await);
    let slot = platform.slot().await;
    // Any pending booking will do: a compensation is idempotent and needs no earlier action.
    let booking = customer.book_invoice(&slot).await;
    customer.booking(&booking).await;
    let letter_of = json!({
        "execution": booking, "bookingId": booking, "slotId": slot, "correlationId": booking,
        "reason": "payment_unavailable",
        "failure": { "Error": "Transient", "Cause": "{\"errorMessage\":\"the provider is down\"}" },
    });
    send(&platform, "booking-resume-dead-letters", &letter_of.to_string()).await;
    let found = dead_letter(&operator, "booking-resume", &booking).await;
    assert!(found["reason"].as_str().unwrap().contains("a compensation keeps failing: Transient"));
    redrive(&operator, "booking-resume", &booking).await;
    // With either reason: its bill is closed first, and an event says that it expired.
    assert_eq!(customer.finished(&booking).await["status"], "failed");
    // The compensation has left a tombstone: the bill can no longer be paid.
    let reference = format!("{slot}:{booking}");
    customer.pay(&reference, "100.00", "tok_visa").await.expect_problem(409, "conflict");
    assert_eq!(platform.slot_status(&slot).await, "available");
}

#[tokio::test]
async fn a_timed_out_execution_is_compensated_automatically() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let slot = platform.slot().await;
    let booking = customer.book_instant(&slot, "tok_slow").await;
    platform.slot_becomes(&slot, "blocked").await;
    // In the form of the workflow service on AWS; the local one sends no such event.
    let input = json!({
        "bookingId": booking, "slotId": slot, "customer": "ann", "token": "tok_slow", "correlationId": booking,
    });
    let event = json!({
        "version": "0",
        "id": Uuid::new_v4(),
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "detail": { "name": booking, "status": "TIMED_OUT", "input": input.to_string() },
    });
    send(&platform, "booking-resume", &event.to_string()).await;
    let failed = customer.finished(&booking).await;
    assert_eq!((&failed["status"], &failed["reason"]), (&json!("failed"), &json!("saga_timeout")));
    platform.slot_becomes(&slot, "available").await;
    eventually("everything is refunded", async || {
        (platform.net(&format!("{slot}:{booking}")).await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the platform's clock is this one")]
async fn republished_events_have_no_effect() {
    let platform = Platform::up();
    let (operator, customer) = (platform.operator().await, platform.customer().await);
    let slot = platform.slot().await;
    let booking = customer.book_instant(&slot, "tok_visa").await;
    assert_eq!(customer.finished(&booking).await["status"], "completed");
    let caught = platform.catch_events(&booking).await;
    let request = json!({ "aggregate": booking });
    operator.post("/operator/services/booking/republish", &request).await.expect(202);
    let mut names = eventually("all three events are republished", async || {
        let names = caught.names().await;
        (names.len() >= 3).then_some(names)
    })
    .await;
    // A queue keeps no order.
    names.sort();
    assert_eq!(names, ["BookingCompleted", "BookingCreated", "BookingReserved"]);
    let hour = Duration::from_secs(3_600);
    let now = jiff::Timestamp::now();
    let request = json!({ "from": now - hour, "until": now + hour });
    for service in ["parking", "billing"] {
        let path = format!("/operator/services/{service}/republish");
        operator.post(&path, &request).await.expect(202);
    }
    eventually("the events of slot and bill are republished", async || {
        let names = caught.names().await;
        ["SlotReserved", "BillPaid"]
            .iter()
            .all(|it| names.contains(&(*it).to_owned()))
            .then_some(())
    })
    .await;
    assert_eq!(customer.booking(&booking).await["status"], "completed");
    assert_eq!(platform.slot_status(&slot).await, "reserved");
    assert_eq!(platform.net(&format!("{slot}:{booking}")).await, 10_000);
}
