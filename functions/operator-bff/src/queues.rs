//! Queues and their dead-letter queues, as an operator sees them.
//!
//! The name of a dead-letter queue is that of its queue with the suffix `-dead-letters`.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_error::ServiceError;

const SUFFIX: &str = "-dead-letters";
/// Replaces a payment token.
const MASK: &str = "***";

/// A queue and its dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitoredQueue {
    /// The queue's name for operators, such as `booking-publish`.
    pub name: String,
    /// The URL of the queue.
    pub url: String,
    /// The URL of its dead-letter queue.
    pub dead_letters_url: String,
}

/// Reaches queues.
///
/// An implementation must
/// - leave the messages that it reads in their queue, so that they can be read and moved again at once;
/// - never lose a message that is moved: at worst it is moved twice;
/// - delete the message that is discarded, and no other.
#[async_trait]
pub trait Queues: Send + Sync {
    /// Reads the dead-letter messages of a queue, or some of very many.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    async fn dead_letters(&self, queue: &MonitoredQueue) -> Result<Vec<DeadLetter>, ServiceError>;

    /// Starts to move the dead-letter messages of a queue back to it, and counts the redrive on each of them. Returns their
    /// approximate number.
    ///
    /// # Errors
    ///
    /// If the move may not have started.
    async fn redrive(&self, queue: &MonitoredQueue) -> Result<u64, ServiceError>;

    /// Deletes one dead-letter message. Returns it; nothing if it is not there, or another operator is looking at it.
    ///
    /// # Errors
    ///
    /// If it may not have been deleted.
    async fn discard(
        &self,
        queue: &MonitoredQueue,
        message_id: &str,
    ) -> Result<Option<DeadLetter>, ServiceError>;

    /// Counts the messages of a queue and of its dead-letter queue.
    ///
    /// # Errors
    ///
    /// If they cannot be counted.
    async fn depth(&self, queue: &MonitoredQueue) -> Result<QueueDepth, ServiceError>;

    /// Sends a message to a queue.
    ///
    /// # Errors
    ///
    /// If it may not have been sent.
    async fn send(&self, queue: &MonitoredQueue, message: String) -> Result<(), ServiceError>;
}

/// A dead-letter message, as its queue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its id within its queue.
    pub message_id: String,
    /// Why it was dead-lettered, if the message says so.
    pub reason: Option<String>,
    /// The body of the message.
    pub body: String,
    /// When the original message was sent, or this one.
    pub received_at: Timestamp,
    /// How often it was redriven and dead-lettered again.
    pub redrives: u32,
}

/// About how many messages there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueDepth {
    /// Waiting or in flight.
    pub messages: u64,
    /// In the dead-letter queue.
    pub dead_letters: u64,
}

/// A dead-letter message, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterDto {
    pub(crate) queue: String,
    pub(crate) message_id: String,
    pub(crate) reason: String,
    pub(crate) body: String,
    pub(crate) received_at: Timestamp,
    /// The number of redrives after which it was dead-lettered again.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) redrives: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl MonitoredQueue {
    /// Reads the URL of a dead-letter queue; `prefix` is the beginning of every queue's name.
    #[must_use]
    pub fn from_dead_letters(url: &str, prefix: &str) -> Option<Self> {
        let queue = url.strip_suffix(SUFFIX)?;
        let (_, name) = queue.rsplit_once('/')?;
        let name = name.strip_prefix(prefix).filter(|name| !name.is_empty())?;
        Some(Self {
            name: name.to_owned(),
            url: queue.to_owned(),
            dead_letters_url: url.to_owned(),
        })
    }
}

impl DeadLetterDto {
    /// The message with payment tokens masked.
    #[must_use]
    pub fn new(queue: &MonitoredQueue, message: DeadLetter) -> Self {
        let DeadLetter { message_id, reason, body, received_at, redrives } = message;
        let reason = reason.unwrap_or_else(|| reason_of(&body));
        let redrives = redrives.max(recoveries(&body));
        let (queue, body) = (queue.name.clone(), masked(&body));
        Self { queue, message_id, reason, body, received_at, redrives }
    }
}

/// Why a message was dead-lettered, as far as its body says so.
fn reason_of(body: &str) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct SagaFailure {
        error: String,
        cause: Option<String>,
    }
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    // The dead-letter message of a saga.
    if let Ok(SagaFailure { error, cause }) = SagaFailure::deserialize(&body["failure"]) {
        return format!("a compensation keeps failing: {error}: {}", cause.unwrap_or_default());
    }
    // A stream record.
    if let Some(reason) = body["reason"].as_str() {
        return reason.to_owned();
    }
    // Lambda's failure record of an invocation or of a stream batch.
    if let Some(condition) = body["requestContext"]["condition"].as_str() {
        let error = body["responsePayload"]["errorMessage"].as_str();
        return format!("Lambda stopped retrying: {condition}: {}", error.unwrap_or("no response"));
    }
    "its consumer crashed or timed out at every attempt".to_owned()
}

/// How often a saga was recovered before it left this message. Each redrive of its messages starts an execution that is
/// named after its booking and counted: `<booking>-1` is the first, so what that one leaves was redriven once.
fn recoveries(body: &str) -> u32 {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let (Some(execution), Some(booking)) = (body["execution"].as_str(), body["bookingId"].as_str())
    else {
        return 0;
    };
    let number = execution.strip_prefix(booking).and_then(|rest| rest.strip_prefix('-'));
    number.and_then(|it| it.parse().ok()).unwrap_or(0)
}

/// A text without payment tokens, at any depth of JSON within JSON.
fn masked(text: &str) -> String {
    const NAME: &str = "token";
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(NAME) {
        let (before, after) = rest.split_at(at + NAME.len());
        masked.push_str(before);
        rest = after;
        // `":"`, its quotes behind any number of backslashes.
        let begin = after.find(|it| !matches!(it, '\\' | '"' | ':' | ' ')).unwrap_or(after.len());
        let (quoted, value) = after.split_at(begin);
        if quoted.contains(':') && quoted.ends_with('"') {
            let end = value.find(['\\', '"']).unwrap_or(value.len());
            masked.push_str(quoted);
            masked.push_str(MASK);
            rest = &value[end..];
        }
    }
    masked.push_str(rest);
    masked
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_queue_is_found_by_its_dead_letter_queue() {
        let url =
            "https://sqs.eu-west-1.amazonaws.com/123456789012/parkade-prod-booking-dead-letters";
        let watched = MonitoredQueue::from_dead_letters(url, "parkade-prod-").unwrap();
        assert_eq!(watched.name, "booking");
        assert!(watched.url.ends_with("/parkade-prod-booking"), "{}", watched.url);
        for other in ["", "https://host/1/parkade-prod-booking", "parkade-prod-x-dead-letters"] {
            assert_eq!(MonitoredQueue::from_dead_letters(other, "parkade-prod-"), None, "{other}");
        }
    }

    #[test]
    fn a_token_is_masked_at_any_depth() {
        let inner = json!({ "payment": { "mode": "instant", "token": "tok_secret" } });
        let once = json!({ "state": inner.to_string() });
        let twice = json!({ "record": once.to_string(), "tokens": 2 });
        for body in [inner, once, twice] {
            let shown = masked(&body.to_string());
            assert!(!shown.contains("tok_secret"), "{shown}");
            let read: Value = serde_json::from_str(&shown).unwrap();
            assert_eq!(read.as_object().unwrap().len(), body.as_object().unwrap().len());
        }
    }

    #[test]
    fn other_text_is_not_changed() {
        for text in ["", "token", "a token: it", r#"{"token":1}"#, r#"{"a":"token","b":"c"}"#] {
            assert_eq!(masked(text), text);
        }
        assert_eq!(masked(r#"{"token": "tok_visa", "b": "c"}"#), r#"{"token": "***", "b": "c"}"#);
    }

    #[test]
    fn a_message_of_a_saga_tells_how_often_it_was_recovered() {
        let booking = "0191f7a4-0000-8000-8000-000000000002";
        for (execution, count) in [
            (booking.to_owned(), 0),
            (format!("{booking}-1"), 1),
            (format!("{booking}-12"), 12),
            ("another-1".to_owned(), 0),
        ] {
            let body = json!({ "execution": execution, "bookingId": booking }).to_string();
            assert_eq!(recoveries(&body), count, "{execution}");
        }
        assert_eq!(recoveries("no JSON"), 0);
    }

    #[test]
    fn the_reason_of_a_message_is_read_from_its_body() {
        let cases = [
            (
                json!({ "failure": { "Error": "States.Timeout", "Cause": "" }, "reason": "x" }),
                "States.Timeout",
            ),
            (json!({ "reason": "record is unreadable" }), "record is unreadable"),
            (json!({ "requestContext": { "condition": "RetriesExhausted" } }), "RetriesExhausted"),
            (json!({ "source": "parkade.booking" }), "crashed"),
            (json!(null), "crashed"),
        ];
        for (body, expected) in cases {
            let reason = reason_of(&body.to_string());
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
