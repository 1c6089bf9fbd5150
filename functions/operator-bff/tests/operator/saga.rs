//! Histories as Step Functions has told them, read as steps. They were recorded on the local cloud.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use operator_bff::adapters::sfn::{Machine, StepFunctions};
use operator_bff::workflow::{self, SagaShown, Workflow};
use serde_json::{Value, json};

const MACHINE: &str =
    "arn:aws:states:us-east-1:000000000000:stateMachine:parkade-local-booking-saga";

/// Answers as recorded, with at most three events on a page.
#[derive(Clone, Debug)]
struct Recorded(Value);

const PAGE: usize = 3;

impl Recorded {
    fn answer(&self, operation: &str, request: &Value) -> (u16, Value) {
        let known = self.0["describe"]["executionArn"] == request["executionArn"];
        if !known {
            return (400, json!({"__type": "ExecutionDoesNotExist", "message": "no"}));
        }
        if operation == "AWSStepFunctions.DescribeExecution" {
            return (200, self.0["describe"].clone());
        }
        assert_eq!(operation, "AWSStepFunctions.GetExecutionHistory");
        assert_eq!(request["includeExecutionData"], false, "inputs hold payment tokens");
        let events = self.0["history"]["events"].as_array().expect("events");
        let from: usize = request["nextToken"].as_str().map_or(0, |it| it.parse().expect("ours"));
        let page = events.iter().skip(from).take(PAGE).collect::<Vec<_>>();
        let mut answer = json!({"events": page});
        if from + PAGE < events.len() {
            answer["nextToken"] = json!((from + PAGE).to_string());
        }
        (200, answer)
    }
}

impl HttpConnector for Recorded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").expect("an operation");
        let body = request.body().bytes().expect("a body in memory");
        let (status, answer) = self.answer(operation, &serde_json::from_slice(body).expect("JSON"));
        let status = status.try_into().expect("a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(answer.to_string()))))
    }
}

impl HttpClient for Recorded {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

async fn told(recorded: &str, booking: &str) -> Option<Value> {
    let config = aws_sdk_sfn::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::for_tests())
        .http_client(Recorded(serde_json::from_str(recorded).expect("JSON")))
        .build();
    let machine: Machine = MACHINE.parse().expect("an ARN");
    let workflow = StepFunctions::new(Client::from_conf(config), [&machine; 2]);
    let execution = workflow.execution(workflow::Machine::Saga, booking).await.expect("reachable");
    execution.map(|it| serde_json::to_value(SagaShown::from(it)).expect("JSON"))
}

/// Name, status, attempts and error of each step.
fn steps(told: &Value) -> Vec<(&str, &str, u64, &str)> {
    let steps = told["steps"].as_array().expect("steps").iter();
    steps
        .map(|step| {
            assert!(step["startedAt"].as_str() <= step["endedAt"].as_str());
            (
                step["name"].as_str().expect("a name"),
                step["status"].as_str().expect("a status"),
                step["attempts"].as_u64().expect("a number"),
                step["error"].as_str().unwrap_or_default(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_booking_that_went_well_took_four_steps() {
    let recorded = include_str!("histories/completed.json");
    let told = told(recorded, "0191f7a4-0000-8000-8000-000000000000").await.expect("known");
    assert_eq!(told["status"], "succeeded");
    assert_eq!(
        steps(&told),
        [
            ("BlockSlot", "succeeded", 1, ""),
            ("AuthorisePayment", "succeeded", 1, ""),
            ("ReserveSlot", "succeeded", 1, ""),
            ("CompleteBooking", "succeeded", 1, ""),
        ]
    );
    assert!(told.get("error").is_none());
}

#[tokio::test]
async fn a_step_that_was_tried_again_counts_its_attempts() {
    let recorded = include_str!("histories/retried.json");
    let told = told(recorded, "0191f7a4-0000-8000-8000-000000000005").await.expect("known");
    assert_eq!(steps(&told)[1], ("AuthorisePayment", "succeeded", 2, ""));
}

#[tokio::test]
async fn what_was_done_is_undone_in_reverse_and_the_undos_are_steps() {
    let recorded = include_str!("histories/card_declined.json");
    let told = told(recorded, "0191f7a4-0000-8000-8000-000000000003").await.expect("known");
    assert_eq!(
        (&told["status"], &told["error"], &told["cause"]),
        (&json!("failed"), &json!("BookingFailed"), &json!("payment_declined"))
    );
    assert_eq!(
        steps(&told),
        [
            ("BlockSlot", "succeeded", 1, ""),
            ("AuthorisePayment", "failed", 1, "Rejected: payment-declined"),
            ("RefundPayment", "succeeded", 1, ""),
            ("UnblockSlot", "succeeded", 1, ""),
            ("FailBooking", "succeeded", 1, ""),
        ]
    );
}

#[tokio::test]
async fn a_step_that_was_given_up_says_how_often_it_was_tried() {
    let recorded = include_str!("histories/provider_down.json");
    let told = told(recorded, "0191f7a4-0000-8000-8000-000000000004").await.expect("known");
    let expected = ("AuthorisePayment", "failed", 2, "Transient: service-unavailable");
    assert_eq!(steps(&told)[1], expected);
}

#[tokio::test]
async fn a_saga_that_is_under_way_has_a_step_that_is() {
    let recorded = include_str!("histories/slot_taken.json");
    let mut recorded: Value = serde_json::from_str(recorded).expect("JSON");
    recorded["describe"]["status"] = json!("RUNNING");
    let events = recorded["history"]["events"].as_array_mut().expect("events");
    events.truncate(8);
    let booking = "0191f7a4-0000-8000-8000-000000000001";
    let told = told(&recorded.to_string(), booking).await.expect("known");
    assert_eq!(told["status"], "running");
    assert_eq!(told["steps"][0]["error"], "Rejected: slot-unavailable");
    assert_eq!(told["steps"][1]["status"], "running");
    assert_eq!(told["steps"][1]["attempts"], 1);
    assert!(told["steps"][1].get("endedAt").is_none());
}

#[tokio::test]
async fn a_booking_without_an_execution_has_no_saga() {
    assert_eq!(told(include_str!("histories/completed.json"), "unknown").await, None);
}

#[test]
fn a_machine_is_named_by_its_arn() {
    use operator_bff::adapters::sfn::Machine;

    for arn in [
        "",
        "x",
        "arn:aws:states:us-east-1:0:execution:m:e",
        "arn:aws:states:us-east-1:0:stateMachine:",
    ] {
        assert!(arn.parse::<Machine>().is_err(), "{arn}");
    }
}
