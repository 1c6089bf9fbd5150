//! Histories of Step Functions, folded into steps. They were recorded on the local cloud.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use operator_bff::adapters::sfn::{StateMachineArn, StepFunctions};
use operator_bff::workflow::{self, SagaDto, Workflow};
use serde_json::{Value, json};

const MACHINE: &str =
    "arn:aws:states:us-east-1:000000000000:stateMachine:parkade-local-booking-saga";

/// Returns recorded responses, with at most three events on a page.
#[derive(Clone, Debug)]
struct Recorded(Value);

const PAGE: usize = 3;

impl Recorded {
    fn response(&self, operation: &str, request: &Value) -> (u16, Value) {
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
        let mut response = json!({"events": page});
        if from + PAGE < events.len() {
            response["nextToken"] = json!((from + PAGE).to_string());
        }
        (200, response)
    }
}

impl HttpConnector for Recorded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").expect("an operation");
        let body = request.body().bytes().expect("a body in memory");
        let (status, response) =
            self.response(operation, &serde_json::from_slice(body).expect("JSON"));
        let status = status.try_into().expect("a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(
            status,
            SdkBody::from(response.to_string()),
        )))
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

async fn saga(recorded: &str, booking: &str) -> Option<Value> {
    let config = aws_sdk_sfn::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::for_tests())
        .http_client(Recorded(serde_json::from_str(recorded).expect("JSON")))
        .build();
    let machine: StateMachineArn = MACHINE.parse().expect("an ARN");
    let workflow = StepFunctions::new(Client::from_conf(config), [&machine; 2]);
    let execution =
        workflow.execution(workflow::StateMachine::Saga, booking).await.expect("reachable");
    execution.map(|it| serde_json::to_value(SagaDto::from(it)).expect("JSON"))
}

/// Name, status, attempts and error of each step.
fn steps(saga: &Value) -> Vec<(&str, &str, u64, &str)> {
    let steps = saga["steps"].as_array().expect("steps").iter();
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
async fn a_completed_booking_took_four_steps() {
    let recorded = include_str!("histories/completed.json");
    let saga = saga(recorded, "0191f7a4-0000-8000-8000-000000000000").await.expect("known");
    assert_eq!(saga["status"], "succeeded");
    assert_eq!(
        steps(&saga),
        [
            ("BlockSlot", "succeeded", 1, ""),
            ("AuthorisePayment", "succeeded", 1, ""),
            ("ReserveSlot", "succeeded", 1, ""),
            ("CompleteBooking", "succeeded", 1, ""),
        ]
    );
    assert!(saga.get("error").is_none());
}

#[tokio::test]
async fn a_retried_step_counts_its_attempts() {
    let recorded = include_str!("histories/retried.json");
    let saga = saga(recorded, "0191f7a4-0000-8000-8000-000000000005").await.expect("known");
    assert_eq!(steps(&saga)[1], ("AuthorisePayment", "succeeded", 2, ""));
}

#[tokio::test]
async fn completed_steps_are_compensated_in_reverse_and_each_compensation_is_a_step() {
    let recorded = include_str!("histories/card_declined.json");
    let saga = saga(recorded, "0191f7a4-0000-8000-8000-000000000003").await.expect("known");
    assert_eq!(
        (&saga["status"], &saga["error"], &saga["cause"]),
        (&json!("failed"), &json!("BookingFailed"), &json!("payment_declined"))
    );
    assert_eq!(
        steps(&saga),
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
async fn a_failed_step_shows_its_number_of_attempts() {
    let recorded = include_str!("histories/provider_down.json");
    let saga = saga(recorded, "0191f7a4-0000-8000-8000-000000000004").await.expect("known");
    let expected = ("AuthorisePayment", "failed", 2, "Transient: service-unavailable");
    assert_eq!(steps(&saga)[1], expected);
}

#[tokio::test]
async fn a_running_saga_has_a_running_step() {
    let recorded = include_str!("histories/slot_taken.json");
    let mut recorded: Value = serde_json::from_str(recorded).expect("JSON");
    recorded["describe"]["status"] = json!("RUNNING");
    let events = recorded["history"]["events"].as_array_mut().expect("events");
    events.truncate(8);
    let booking = "0191f7a4-0000-8000-8000-000000000001";
    let saga = saga(&recorded.to_string(), booking).await.expect("known");
    assert_eq!(saga["status"], "running");
    assert_eq!(saga["steps"][0]["error"], "Rejected: slot-unavailable");
    assert_eq!(saga["steps"][1]["status"], "running");
    assert_eq!(saga["steps"][1]["attempts"], 1);
    assert!(saga["steps"][1].get("endedAt").is_none());
}

#[tokio::test]
async fn a_booking_without_an_execution_has_no_saga() {
    assert_eq!(saga(include_str!("histories/completed.json"), "unknown").await, None);
}

#[test]
fn a_machine_is_named_by_its_arn() {
    use operator_bff::adapters::sfn::StateMachineArn;

    for arn in [
        "",
        "x",
        "arn:aws:states:us-east-1:0:execution:m:e",
        "arn:aws:states:us-east-1:0:stateMachine:",
    ] {
        assert!(arn.parse::<StateMachineArn>().is_err(), "{arn}");
    }
}
