//! Recovery of sagas that ended incomplete.

use std::sync::Mutex;

use super::*;
use crate::handlers::resume;
use crate::ports::{CompensationInput, CompensationStarter, WorkflowError};

/// The started executions of compensations, by name; and whether the workflow service is unreachable.
#[derive(Default)]
struct Started(Mutex<Vec<(String, CompensationInput)>>, bool);

impl CompensationStarter for Started {
    async fn start_compensation(
        &self,
        name: &str,
        input: &CompensationInput,
    ) -> Result<(), WorkflowError> {
        if self.1 {
            return Err(WorkflowError("connection refused".into()));
        }
        let mut started = self.0.lock().unwrap();
        if !started.iter().any(|(taken, _)| taken == name) {
            started.push((name.to_owned(), input.clone()));
        }
        Ok(())
    }
}

fn letter(execution: &str, reason: &str) -> String {
    json!({
        "execution": execution, "bookingId": BOOKING, "slotId": SLOT, "correlationId": BOOKING,
        "reason": reason, "failure": { "Error": "Transient", "Cause": "{}" },
    })
    .to_string()
}

fn ended(name: &str, input: &Value) -> String {
    json!({
        "version": "0",
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "detail": {
            "executionArn": format!("arn:aws:states:us-east-1:000000000000:execution:m:{name}"),
            "stateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:m",
            "name": name,
            "status": "TIMED_OUT",
            "input": input.to_string(),
            "output": null,
        },
    })
    .to_string()
}

async fn deliver(compensations: &Started, bodies: &[String]) -> (Vec<String>, Vec<String>) {
    let messages = bodies.iter().enumerate().map(|(number, body)| message(number, body));
    let batch = json!({ "Records": messages.collect::<Vec<_>>() });
    let letters = MemoryDeadLetters::default();
    let response =
        resume::handle(compensations, &letters, serde_json::from_value(batch).unwrap()).await;
    let failed = response.batch_item_failures.into_iter().map(|it| it.item_identifier);
    (failed.collect(), letters.messages().into_iter().map(|it| it.reason).collect())
}

const NOTHING: (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());

#[tokio::test]
async fn each_execution_is_recovered_once_however_often_its_message_arrives() {
    let compensations = Started::default();
    let booking = BOOKING.to_string();
    let first = letter(&booking, "payment_declined");
    assert_eq!(deliver(&compensations, &[first.clone(), first.clone()]).await, NOTHING);
    assert_eq!(deliver(&compensations, &[first]).await, NOTHING);
    // It failed again, and sent a dead letter of its own.
    let second = letter(&format!("{booking}-1"), "payment_declined");
    assert_eq!(deliver(&compensations, &[second]).await, NOTHING);
    let started = compensations.0.into_inner().unwrap();
    let names: Vec<&str> = started.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, [format!("{booking}-1"), format!("{booking}-2")]);
    assert!(started.iter().all(|(_, input)| input.reason == FailureReason::PaymentDeclined));
}

#[tokio::test]
async fn a_stopped_execution_is_compensated_as_a_timeout() {
    let compensations = Started::default();
    let name = BOOKING.to_string();
    let input = json!({
        "bookingId": BOOKING, "slotId": SLOT, "customer": "ann", "token": "tok_visa", "correlationId": BOOKING,
    });
    assert_eq!(deliver(&compensations, &[ended(&name, &input)]).await, NOTHING);
    // The execution of a compensation knows the reason.
    let input = json!({
        "bookingId": BOOKING, "slotId": SLOT, "correlationId": BOOKING, "reason": "slot_unavailable",
    });
    assert_eq!(deliver(&compensations, &[ended(&format!("{name}-1"), &input)]).await, NOTHING);
    let started = compensations.0.into_inner().unwrap();
    let reasons: Vec<FailureReason> = started.iter().map(|(_, input)| input.reason).collect();
    assert_eq!(reasons, [FailureReason::SagaTimeout, FailureReason::SlotUnavailable]);
    assert!(!serde_json::to_string(&started[0].1).unwrap().contains("tok_visa"));
}

#[tokio::test]
async fn a_workflow_service_that_does_not_respond_is_retried() {
    let compensations = Started(Mutex::default(), true);
    let (failed, dead_letters) =
        deliver(&compensations, &[letter(&BOOKING.to_string(), "cancelled")]).await;
    assert_eq!(
        (failed.as_slice(), dead_letters.as_slice()),
        (&["message-0".to_owned()][..], &[][..])
    );
}

#[tokio::test]
async fn an_invalid_message_is_dead_lettered() {
    let compensations = Started::default();
    let other = "0191f7a4-0000-7000-8000-00000000dead";
    for body in [
        "{}".to_owned(),
        letter(other, "cancelled"),
        letter(&format!("{BOOKING}-x"), "cancelled"),
        letter(&format!("{BOOKING}-4294967295"), "cancelled"),
        letter(&BOOKING.to_string(), "unknown_reason"),
        ended(&BOOKING.to_string(), &json!("no object")),
    ] {
        let (failed, dead_letters) = deliver(&compensations, std::slice::from_ref(&body)).await;
        assert_eq!((failed.len(), dead_letters.len()), (0, 1), "{body}");
    }
    assert_eq!(compensations.0.into_inner().unwrap(), []);
}

#[test]
fn the_example_is_a_dead_letter_of_a_saga() {
    let example = include_str!("../../../events/booking-resume.json");
    let batch: aws_lambda_events::sqs::SqsEvent = serde_json::from_str(example).unwrap();
    let body = batch.records[0].body.as_deref().unwrap();
    let letter: Value = serde_json::from_str(body).unwrap();
    assert_eq!(letter["execution"], letter["bookingId"]);
}
