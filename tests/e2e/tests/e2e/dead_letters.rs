//! What nobody can handle is put aside with its reason, and comes back when an operator wants it.

use std::time::Duration;

use aws_sdk_sqs::types::MessageAttributeValue;
use platform::{Caller, Platform, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// The address of a queue of the platform.
async fn url(platform: &Platform, name: &str) -> String {
    let queues = platform.sqs();
    let told = queues.get_queue_url().queue_name(format!("parkade-local-{name}")).send().await;
    told.unwrap().queue_url.unwrap()
}

async fn send(platform: &Platform, queue: &str, body: &str) {
    let url = url(platform, queue).await;
    platform.sqs().send_message().queue_url(url).message_body(body).send().await.unwrap();
}

/// The letters of a queue whose bodies hold this text.
async fn letters(operator: &Caller, queue: &str, text: &str) -> Vec<Value> {
    let shown = operator.get("/operator/dead-letters").await.expect(200);
    assert_eq!(shown.get("degraded"), None);
    let items = shown["items"].as_array().unwrap().iter();
    let ours =
        items.filter(|it| it["queue"] == queue && it["body"].as_str().unwrap().contains(text));
    ours.cloned().collect()
}

async fn letter(operator: &Caller, queue: &str, text: &str) -> Value {
    eventually(&format!("{text} is among the dead letters of {queue}"), async || {
        letters(operator, queue, text).await.into_iter().next()
    })
    .await
}

/// Moves letters back until those with this text have left; somebody who looks at them meanwhile keeps them for a moment.
async fn redrive(operator: &Caller, queue: &str, text: &str) {
    let path = format!("/operator/dead-letters/{queue}/redrive");
    eventually(&format!("{text} has left the dead letters of {queue}"), async || {
        operator.send(Method::POST, &path, &[], None).await.expect(202);
        letters(operator, queue, text).await.is_empty().then_some(())
    })
    .await;
}

/// An event of the bus, as a rule puts it into a queue.
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
async fn poison_is_put_aside_with_its_reason_while_others_of_its_queue_go_on() {
    let platform = Platform::up();
    let operator = platform.operator().await;
    for queue in ["booking", "parking", "billing"] {
        let mark = Uuid::new_v4().to_string();
        let poison = delivery("BookingFailed", &json!({ "bookingId": mark }));
        // What booking reads is another kind of event.
        let poison = if queue == "booking" { format!("no JSON {mark}") } else { poison };
        send(&platform, queue, &poison).await;
        let letter = letter(&operator, queue, &mark).await;
        // The local cloud writes JSON anew where AWS leaves it as it was.
        let same = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| json!(text));
        let body: Value = same(letter["body"].as_str().unwrap());
        assert_eq!(body, same(&poison));
        let reason = letter["reason"].as_str().unwrap();
        assert!(reason.contains("expected") || reason.contains("missing field"), "{reason}");
        assert!(letter["receivedAt"].as_str().unwrap().ends_with('Z'));
    }
    let customer = platform.customer().await;
    let slot = platform.slot().await;
    let booking = customer.book_invoice(&slot).await;
    let reference = format!("{slot}:{booking}");
    customer.pay_when_issued(&booking, &reference, "100.00", "tok_visa").await.expect(201);
    assert_eq!(customer.settled(&booking).await["status"], "completed");
}

#[tokio::test]
async fn what_is_redriven_has_its_effect_and_what_had_it_before_changes_nothing() {
    let platform = Platform::up();
    let (operator, customer) = (platform.operator().await, platform.customer().await);
    let slot = platform.slot().await;
    let booking = customer.book_invoice(&slot).await;
    customer.booking(&booking).await;
    // As if the function had died of them time and again: nobody has said why.
    let expired = |reference: &str| {
        let data = json!({ "reference": reference, "slotId": slot, "bookingId": booking });
        delivery("BillExpired", &data).replace("parkade.booking", "parkade.billing")
    };
    let body = expired(&format!("{slot}:{booking}"));
    send(&platform, "booking-dead-letters", &body).await;
    let found = letter(&operator, "booking", &booking).await;
    assert!(found["reason"].as_str().unwrap().contains("died"), "{found}");
    redrive(&operator, "booking", &booking).await;
    let failed = customer.settled(&booking).await;
    assert_eq!(
        (&failed["status"], &failed["reason"]),
        (&json!("failed"), &json!("payment_overdue"))
    );
    // Once more: it is over, and stays as it is.
    send(&platform, "booking-dead-letters", &body).await;
    letter(&operator, "booking", &booking).await;
    redrive(&operator, "booking", &booking).await;
    let events = format!("/operator/bookings/{booking}/events");
    let history = operator.get(&events).await.expect(200);
    assert_eq!(history["events"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_message_that_is_redriven_and_comes_back_is_counted_until_it_is_discarded() {
    let platform = Platform::up();
    let operator = platform.operator().await;
    let mark = Uuid::new_v4().to_string();
    send(&platform, "parking", &format!("no JSON {mark}")).await;
    let first = letter(&operator, "parking", &mark).await;
    // Other tests may have redriven the whole queue by now.
    let before = first["redrives"].as_u64().unwrap_or(0);
    for more in 1..=2 {
        operator
            .send(Method::POST, "/operator/dead-letters/parking/redrive", &[], None)
            .await
            .expect(202);
        eventually(&format!("it has come back {more} times"), async || {
            let found = letters(&operator, "parking", &mark).await.into_iter().next()?;
            (found["redrives"].as_u64()? >= before + more).then_some(())
        })
        .await;
    }
    let path = "/operator/dead-letters/parking/discard";
    let nothing = json!({ "messageId": Uuid::new_v4(), "reason": "it was never there" });
    operator.post(path, &nothing).await.expect_problem(404, "not-found");
    eventually("it is discarded", async || {
        let found = letters(&operator, "parking", &mark).await.into_iter().next()?;
        let discard = json!({ "messageId": found["messageId"], "reason": "it is no JSON" });
        let reply = operator.post(path, &discard).await;
        // Another test that looks at the queue keeps its messages for a moment.
        let is_done = reply.status == 200;
        assert!(is_done || reply.status == 404, "{}", reply.text);
        is_done.then_some(())
    })
    .await;
    assert_eq!(letters(&operator, "parking", &mark).await, [json!(null); 0]);
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
    let path = "/operator/dead-letters/nobody/discard";
    operator.post(path, &good).await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn an_unknown_queue_is_not_redriven() {
    let operator = Platform::up().operator().await;
    for queue in ["nobody", "booking-dead-letters", "parkade-local-booking"] {
        let path = format!("/operator/dead-letters/{queue}/redrive");
        let reply = operator.send(Method::POST, &path, &[], None).await;
        reply.expect_problem(404, "not-found");
    }
}

#[tokio::test]
async fn a_record_that_was_put_aside_is_taken_back_by_the_function_that_follows_the_stream() {
    let platform = Platform::up();
    let operator = platform.operator().await;
    // Of a slot that nobody has added, so that nothing of it is to be published.
    let slot = Uuid::now_v7().to_string();
    let state = json!({ "name": "put aside", "status": "available" });
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
    let parked = json!({ "reason": "the view was gone", "key": slot, "sequenceNumber": "1", "record": record });
    let body = parked.to_string();
    let queue = "parking-publish";
    let url = url(&platform, &format!("{queue}-dead-letters")).await;
    let reason = MessageAttributeValue::builder().data_type("String");
    let reason = reason.string_value("said beside it").build().unwrap();
    let sent = platform.sqs().send_message().queue_url(url).message_body(&body);
    sent.message_attributes("reason", reason).send().await.unwrap();
    let found = letter(&operator, queue, &slot).await;
    assert_eq!(found["reason"], "said beside it");
    redrive(&operator, queue, &slot).await;
}

#[tokio::test]
async fn a_saga_that_wants_an_operator_is_taken_up_when_its_letter_is_moved_back() {
    let platform = Platform::up();
    let (operator, customer) = (platform.operator().await, platform.customer().await);
    let slot = platform.slot().await;
    // Any booking that is pending will do: an undo is right whatever was done before it.
    let booking = customer.book_invoice(&slot).await;
    customer.booking(&booking).await;
    let letter_of = json!({
        "execution": booking, "bookingId": booking, "slotId": slot, "correlationId": booking,
        "reason": "payment_unavailable",
        "failure": { "Error": "Transient", "Cause": "{\"errorMessage\":\"the provider is down\"}" },
    });
    send(&platform, "booking-resume-dead-letters", &letter_of.to_string()).await;
    let found = letter(&operator, "booking-resume", &booking).await;
    assert!(found["reason"].as_str().unwrap().contains("an undo keeps failing: Transient"));
    redrive(&operator, "booking-resume", &booking).await;
    // Of one reason or the other: its bill is closed first, and says that it expires.
    assert_eq!(customer.settled(&booking).await["status"], "failed");
    // What was barred by an undo stays so: nobody can pay for it any more.
    let reference = format!("{slot}:{booking}");
    customer.pay(&reference, "100.00", "tok_visa").await.expect_problem(409, "conflict");
    assert_eq!(platform.slot_status(&slot).await, "available");
}

#[tokio::test]
async fn an_execution_that_is_out_of_time_is_undone_by_itself() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let slot = platform.slot().await;
    let booking = customer.book_instant(&slot, "tok_slow").await;
    platform.slot_becomes(&slot, "blocked").await;
    // As the workflow service tells the account's bus; the local one does not.
    let input = json!({
        "bookingId": booking, "slotId": slot, "customer": "ann", "token": "tok_slow", "correlationId": booking,
    });
    let told = json!({
        "version": "0",
        "id": Uuid::new_v4(),
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "detail": { "name": booking, "status": "TIMED_OUT", "input": input.to_string() },
    });
    send(&platform, "booking-resume", &told.to_string()).await;
    let failed = customer.settled(&booking).await;
    assert_eq!((&failed["status"], &failed["reason"]), (&json!("failed"), &json!("saga_timeout")));
    platform.slot_becomes(&slot, "available").await;
    eventually("nothing is owed", async || {
        (platform.net(&format!("{slot}:{booking}")).await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the platform's clock is this one")]
async fn events_are_published_once_more_and_change_nothing() {
    let platform = Platform::up();
    let (operator, customer) = (platform.operator().await, platform.customer().await);
    let slot = platform.slot().await;
    let booking = customer.book_instant(&slot, "tok_visa").await;
    assert_eq!(customer.settled(&booking).await["status"], "completed");
    let caught = platform.catch_events(&booking).await;
    let wish = json!({ "aggregate": booking });
    operator.post("/operator/services/booking/republish", &wish).await.expect(202);
    let mut names = eventually("all three events have come by again", async || {
        let names = caught.names().await;
        (names.len() >= 3).then_some(names)
    })
    .await;
    // A queue keeps no order.
    names.sort();
    assert_eq!(names, ["BookingCompleted", "BookingCreated", "BookingReserved"]);
    let hour = Duration::from_secs(3_600);
    let now = jiff::Timestamp::now();
    let wish = json!({ "from": now - hour, "until": now + hour });
    for service in ["parking", "billing"] {
        let path = format!("/operator/services/{service}/republish");
        operator.post(&path, &wish).await.expect(202);
    }
    eventually("slot and bill have come by again", async || {
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
