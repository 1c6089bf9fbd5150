//! Dead-letter messages on SQS: shown without being taken, redriven with a count, and discarded one by one.

use std::collections::BTreeMap;
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
use operator_bff::queues::{MonitoredQueue, Queues};
use serde_json::{Value, json};
use service_error::ErrorKind;

const DEAD: &str = "https://sqs.us-east-1.amazonaws.com/1/parkade-local-booking-dead-letters";
const ARN: &str = "arn:aws:sqs:us-east-1:1:parkade-local-booking";
/// The bodies and attributes of a batch together, in bytes.
const BATCH_BYTES_MAX: usize = 262_144;

/// A dead-letter queue, in which some messages are invisible because they were received, and the queue that they are moved to.
#[derive(Clone, Debug, Default)]
struct Cloud(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    letters: Vec<(String, bool)>,
    /// The number of redrives of each message that was redriven.
    redrives: BTreeMap<String, String>,
    moved: Vec<(String, Value)>,
    calls: Vec<String>,
    /// The error of `StartMessageMoveTask`.
    refuses_tasks: Option<&'static str>,
    /// A message that the queue rejects.
    refuses: Option<&'static str>,
}

impl Inner {
    fn response(&mut self, operation: &str, request: &Value) -> (u16, Value) {
        self.calls.push(operation.to_owned());
        let entries = || request["Entries"].as_array().cloned().unwrap_or_default();
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
                let redrives = &self.redrives;
                let messages = visible.map(|(body, is_hidden)| {
                    *is_hidden = true;
                    let mut message = json!({
                        "MessageId": body, "ReceiptHandle": body, "Body": body,
                        "Attributes": { "SentTimestamp": "1767268800000" },
                        "MessageAttributes": { "reason": { "DataType": "String", "StringValue": "why" } },
                    });
                    if let Some(count) = redrives.get(body) {
                        message["MessageAttributes"]["redrives"] =
                            json!({ "DataType": "Number", "StringValue": count });
                    }
                    message
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
                    assert_eq!(request["DestinationArn"], ARN);
                    (200, json!({ "TaskHandle": "task" }))
                }
            },
            "SendMessageBatch" if bytes(&entries()) > BATCH_BYTES_MAX && entries().len() > 1 => {
                let code = "com.amazonaws.sqs#BatchRequestTooLong";
                (400, json!({ "__type": code, "message": "the batch is too long" }))
            }
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
                        self.moved.push((body, entry["MessageAttributes"].clone()));
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
            other => unreachable!("unexpected operation: {other}"),
        }
    }
}

/// What SQS counts of the entries of a batch.
fn bytes(entries: &[Value]) -> usize {
    let length = |it: &Value| it.as_str().map_or(0, str::len);
    let attributes = |entry: &Value| -> usize {
        let all = entry["MessageAttributes"].as_object().cloned().unwrap_or_default();
        let one = |(name, it): (&String, &Value)| {
            name.len() + length(&it["DataType"]) + length(&it["StringValue"])
        };
        all.iter().map(one).sum()
    };
    entries.iter().map(|it| length(&it["MessageBody"]) + attributes(it)).sum()
}

impl HttpConnector for Cloud {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").expect("an operation");
        let operation = operation.rsplit('.').next().expect("it has a name").to_owned();
        let body = request.body().bytes().expect("a body in memory");
        let request = serde_json::from_slice(body).expect("JSON");
        let (status, response) = self.0.lock().expect("no panic").response(&operation, &request);
        let status = status.try_into().expect("a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(
            status,
            SdkBody::from(response.to_string()),
        )))
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

fn booking() -> MonitoredQueue {
    MonitoredQueue::from_dead_letters(DEAD, "parkade-local-").expect("it is one")
}

#[tokio::test]
async fn letters_are_looked_at_and_given_back() {
    let cloud = Cloud::with(23);
    for _ in 0..2 {
        let letters = cloud.queues().dead_letters(&booking()).await.expect("reachable");
        assert_eq!(letters.len(), 23);
        assert_eq!(letters[0].reason.as_deref(), Some("why"));
        assert_eq!(letters[0].received_at.as_second(), 1_767_268_800);
        assert!(cloud.inner().letters.iter().all(|(_, is_hidden)| !is_hidden));
    }
}

#[tokio::test]
async fn an_empty_queue_costs_one_call_and_a_full_one_shows_some() {
    let cloud = Cloud::with(0);
    assert!(cloud.queues().dead_letters(&booking()).await.expect("reachable").is_empty());
    assert_eq!(cloud.inner().calls, ["GetQueueAttributes"]);
    let letters = Cloud::with(200).queues().dead_letters(&booking()).await.expect("reachable");
    assert_eq!(letters.len(), 50);
}

#[tokio::test]
async fn each_redriven_message_carries_its_reason_and_how_often_it_was_redriven() {
    let cloud = Cloud::with(23);
    cloud.inner().redrives.insert("letter 7".to_owned(), "4".to_owned());
    assert_eq!(cloud.queues().redrive(&booking()).await.expect("reachable"), 23);
    {
        let inner = cloud.inner();
        assert!(inner.letters.is_empty());
        assert_eq!(inner.moved.len(), 23);
        for (body, attributes) in &inner.moved {
            let count = if body == "letter 7" { "5" } else { "1" };
            assert_eq!(attributes["redrives"]["StringValue"], count, "{body}");
            assert_eq!(attributes["redrives"]["DataType"], "Number", "{body}");
            assert_eq!(attributes["reason"]["StringValue"], "why", "{body}");
        }
    }
    let empty = Cloud::with(0);
    assert_eq!(empty.queues().redrive(&booking()).await.expect("reachable"), 0);
    assert_eq!(empty.inner().calls, ["GetQueueAttributes"]);
}

#[tokio::test]
async fn a_message_says_how_often_it_was_redriven() {
    let cloud = Cloud::with(2);
    cloud.inner().redrives.insert("letter 1".to_owned(), "4".to_owned());
    let letters = cloud.queues().dead_letters(&booking()).await.expect("reachable");
    assert_eq!(letters.iter().map(|it| it.redrives).collect::<Vec<_>>(), [0, 4]);
}

#[tokio::test]
async fn of_very_many_messages_the_cloud_moves_the_rest_itself_where_it_can() {
    for (refuses, count) in [
        (None, 250),
        (Some("com.amazonaws.sqs#UnsupportedOperation"), 200),
        (Some("UnknownOperationException"), 200),
        (Some("InvalidAction"), 200),
    ] {
        let cloud = Cloud::with(250);
        cloud.inner().refuses_tasks = refuses;
        let moved = cloud.queues().redrive(&booking()).await.expect("reachable");
        assert_eq!((moved, cloud.inner().moved.len()), (count, 200), "{refuses:?}");
        assert_eq!(cloud.inner().calls.last().unwrap(), "StartMessageMoveTask");
    }
    let cloud = Cloud::with(250);
    cloud.inner().refuses_tasks = Some("AccessDeniedException");
    let failure = cloud.queues().redrive(&booking()).await.expect_err("it is refused");
    assert_eq!(failure.kind(), ErrorKind::Transient);
}

#[tokio::test]
async fn one_message_is_discarded_and_all_others_stay_in_sight() {
    let cloud = Cloud::with(23);
    let found = cloud.queues().discard(&booking(), "letter 17").await.expect("reachable");
    assert_eq!(found.expect("it is there").body, "letter 17");
    {
        let letters = &cloud.inner().letters;
        assert_eq!(letters.len(), 22);
        assert!(letters.iter().all(|(body, is_hidden)| body != "letter 17" && !is_hidden));
    }
    let gone = cloud.queues().discard(&booking(), "letter 17").await.expect("reachable");
    assert_eq!(gone, None);
    assert!(cloud.inner().letters.iter().all(|(_, is_hidden)| !is_hidden));
}

#[tokio::test]
async fn a_letter_that_does_not_arrive_does_not_leave() {
    let cloud = Cloud::with(5);
    cloud.inner().refuses = Some("letter 3");
    cloud.queues().redrive(&booking()).await.expect("reachable");
    let left: Vec<String> = cloud.inner().letters.iter().map(|(body, _)| body.clone()).collect();
    assert_eq!(left, ["letter 3"]);
    assert_eq!(cloud.inner().moved.len(), 4);
}

#[tokio::test]
async fn large_messages_are_moved_in_batches_that_the_queue_takes() {
    let cloud = Cloud::with(0);
    // One more byte in a body, and two of them no longer fit into a batch.
    let attributes = "reason".len() + "String".len() + "why".len();
    let attributes = attributes + "redrives".len() + "Number".len() + "1".len();
    let half = BATCH_BYTES_MAX / 2 - attributes;
    let lengths =
        [half, half, half + 1, half, 10, 20, BATCH_BYTES_MAX - attributes, 30, 1_000_000, 40];
    let letter =
        |(number, length): (usize, &usize)| (format!("{number}{}", "x".repeat(length - 1)), false);
    cloud.inner().letters = lengths.iter().enumerate().map(letter).collect();
    assert_eq!(cloud.queues().redrive(&booking()).await.expect("reachable"), 10);
    let inner = cloud.inner();
    assert_eq!((inner.letters.len(), inner.moved.len()), (0, 10));
    let batches = inner.calls.iter().filter(|it| *it == "SendMessageBatch").count();
    assert_eq!(batches, 7, "0 1 | 2 | 3 4 5 | 6 | 7 | 8 | 9");
}
