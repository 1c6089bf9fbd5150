//! Dead letters on SQS: looked at without being taken, and moved back by the cloud, or by hand where it can't.

use std::sync::{Arc, Mutex};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use operator_bff::adapters::sqs::Sqs;
use operator_bff::queues::{Queues, Watched};
use serde_json::{Value, json};
use service_error::ErrorKind;

const DEAD: &str = "https://sqs.us-east-1.amazonaws.com/1/parkade-local-booking-dead-letters";
const ARN: &str = "arn:aws:sqs:us-east-1:1:parkade-local-booking";

/// Two queues: dead letters, some of them in somebody's hand, and what has been moved.
#[derive(Clone, Debug, Default)]
struct Cloud(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    letters: Vec<(String, bool)>,
    moved: Vec<String>,
    calls: Vec<String>,
    /// What it says to `StartMessageMoveTask`.
    refuses_tasks: Option<&'static str>,
    /// A letter that the queue does not take.
    refuses: Option<&'static str>,
}

impl Inner {
    fn answer(&mut self, operation: &str, asked: &Value) -> (u16, Value) {
        self.calls.push(operation.to_owned());
        let entries = || asked["Entries"].as_array().cloned().unwrap_or_default();
        match operation {
            "GetQueueAttributes" => (
                200,
                json!({ "Attributes": {
                "ApproximateNumberOfMessages": self.letters.len().to_string(),
                "ApproximateNumberOfMessagesNotVisible": "0",
                "QueueArn": format!("{ARN}-dead-letters"),
            } }),
            ),
            "ReceiveMessage" => {
                let visible = self.letters.iter_mut().filter(|(_, is_hidden)| !is_hidden).take(10);
                let messages = visible.map(|(body, is_hidden)| {
                    *is_hidden = true;
                    json!({
                        "MessageId": body, "ReceiptHandle": body, "Body": body,
                        "Attributes": { "SentTimestamp": "1767268800000" },
                        "MessageAttributes": { "reason": { "DataType": "String", "StringValue": "why" } },
                    })
                });
                (200, json!({ "Messages": messages.collect::<Vec<_>>() }))
            }
            "ChangeMessageVisibilityBatch" => {
                for entry in entries() {
                    assert_eq!(entry["VisibilityTimeout"], 0);
                    for (body, is_hidden) in &mut self.letters {
                        *is_hidden &= entry["ReceiptHandle"] != body.as_str();
                    }
                }
                (200, json!({ "Successful": [], "Failed": [] }))
            }
            "StartMessageMoveTask" => match self.refuses_tasks {
                Some(code) => (400, json!({ "__type": code, "message": "no" })),
                None => {
                    assert_eq!(asked["DestinationArn"], ARN);
                    (200, json!({ "TaskHandle": "task" }))
                }
            },
            "SendMessageBatch" => {
                let (mut taken, mut refused) = (Vec::new(), Vec::new());
                for entry in entries() {
                    let body = entry["MessageBody"].as_str().expect("a body").to_owned();
                    if self.refuses == Some(body.as_str()) {
                        refused.push(
                            json!({ "Id": entry["Id"], "SenderFault": false, "Code": "Throttled" }),
                        );
                    } else {
                        taken.push(
                            json!({ "Id": entry["Id"], "MessageId": body, "MD5OfMessageBody": "" }),
                        );
                        self.moved.push(body);
                    }
                }
                (200, json!({ "Successful": taken, "Failed": refused }))
            }
            "DeleteMessageBatch" => {
                for entry in entries() {
                    self.letters.retain(|(body, _)| entry["ReceiptHandle"] != body.as_str());
                }
                (200, json!({ "Successful": [], "Failed": [] }))
            }
            other => unreachable!("nobody should ask for {other}"),
        }
    }
}

impl HttpConnector for Cloud {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").expect("an operation");
        let operation = operation.rsplit('.').next().expect("it has a name").to_owned();
        let body = request.body().bytes().expect("a body in memory");
        let asked = serde_json::from_slice(body).expect("JSON");
        let (status, answer) = self.0.lock().expect("no panic").answer(&operation, &asked);
        let status = status.try_into().expect("a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(answer.to_string()))))
    }
}

impl HttpClient for Cloud {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl Cloud {
    fn with(letters: usize) -> Self {
        let letters = (0..letters).map(|number| (format!("letter {number}"), false)).collect();
        Self(Arc::new(Mutex::new(Inner { letters, ..Inner::default() })))
    }

    fn queues(&self) -> Sqs {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .http_client(self.clone())
            .build();
        Sqs::new(Client::from_conf(config))
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().expect("no panic")
    }
}

fn booking() -> Watched {
    Watched::from_dead_letters(DEAD, "parkade-local-").expect("it is one")
}

#[tokio::test]
async fn letters_are_looked_at_and_given_back() {
    let cloud = Cloud::with(23);
    for _ in 0..2 {
        let letters = cloud.queues().letters(&booking()).await.expect("reachable");
        assert_eq!(letters.len(), 23);
        assert_eq!(letters[0].reason.as_deref(), Some("why"));
        assert_eq!(letters[0].received_at.as_second(), 1_767_268_800);
        assert!(cloud.inner().letters.iter().all(|(_, is_hidden)| !is_hidden));
    }
}

#[tokio::test]
async fn an_empty_queue_costs_one_call_and_a_full_one_shows_some() {
    let cloud = Cloud::with(0);
    assert!(cloud.queues().letters(&booking()).await.expect("reachable").is_empty());
    assert_eq!(cloud.inner().calls, ["GetQueueAttributes"]);
    let letters = Cloud::with(200).queues().letters(&booking()).await.expect("reachable");
    assert_eq!(letters.len(), 50);
}

#[tokio::test]
async fn the_cloud_moves_letters_itself_where_it_can() {
    let cloud = Cloud::with(3);
    assert_eq!(cloud.queues().redrive(&booking()).await.expect("reachable"), 3);
    assert_eq!(cloud.inner().calls, ["GetQueueAttributes", "StartMessageMoveTask"]);
    let empty = Cloud::with(0);
    assert_eq!(empty.queues().redrive(&booking()).await.expect("reachable"), 0);
    assert_eq!(empty.inner().calls, ["GetQueueAttributes"]);
}

#[tokio::test]
async fn letters_are_moved_by_hand_where_the_cloud_cannot_or_already_does() {
    for code in [
        "com.amazonaws.sqs#UnsupportedOperation",
        "AWS.SimpleQueueService.UnsupportedOperation",
        "UnknownOperationException",
        "InvalidAction",
    ] {
        let cloud = Cloud::with(23);
        cloud.inner().refuses_tasks = Some(code);
        assert_eq!(cloud.queues().redrive(&booking()).await.expect("reachable"), 23, "{code}");
        assert_eq!(cloud.inner().moved.len(), 23, "{code}");
        assert!(cloud.inner().letters.is_empty(), "{code}");
    }
}

#[tokio::test]
async fn a_letter_that_does_not_arrive_does_not_leave() {
    let cloud = Cloud::with(5);
    cloud.inner().refuses_tasks = Some("UnsupportedOperation");
    cloud.inner().refuses = Some("letter 3");
    cloud.queues().redrive(&booking()).await.expect("reachable");
    let left: Vec<String> = cloud.inner().letters.iter().map(|(body, _)| body.clone()).collect();
    assert_eq!(left, ["letter 3"]);
    assert_eq!(cloud.inner().moved.len(), 4);
}

#[tokio::test]
async fn another_refusal_is_no_reason_to_move_anything() {
    let cloud = Cloud::with(5);
    cloud.inner().refuses_tasks = Some("AccessDeniedException");
    let failure = cloud.queues().redrive(&booking()).await.expect_err("it is refused");
    assert_eq!(failure.kind(), ErrorKind::Transient);
    assert!(cloud.inner().moved.is_empty());
}
