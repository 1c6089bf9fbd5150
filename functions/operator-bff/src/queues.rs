//! Queues and their dead letters, as an operator sees them.
//!
//! Every queue of dead letters bears the name of the queue that they are moved back to, and `-dead-letters` after it.

use std::future::Future;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_error::ServiceError;

const SUFFIX: &str = "-dead-letters";
/// What stands in the place of a payment token.
const MASK: &str = "***";

/// A queue and that of its dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// What operators call it, such as `booking-publish`.
    pub name: String,
    /// The address of the queue.
    pub url: String,
    /// The address of its dead letters.
    pub dead_letters_url: String,
}

/// Reaches queues.
///
/// An implementation must
/// - leave what it shows where it is, so that it can be shown and moved again at once;
/// - never lose a message that is to be moved: at worst it is moved twice;
/// - delete the message that is to be discarded, and no other.
pub trait Queues: Sync {
    /// Looks at the dead letters of a queue, or at some of very many.
    ///
    /// # Errors
    ///
    /// If they can't be read.
    fn letters(
        &self,
        queue: &Watched,
    ) -> impl Future<Output = Result<Vec<FoundLetter>, ServiceError>> + Send;

    /// Begins to move the dead-letter messages of a queue back to it, and counts that on each of them. Returns about how many
    /// there are.
    ///
    /// # Errors
    ///
    /// If it may not have begun.
    fn redrive(&self, queue: &Watched) -> impl Future<Output = Result<u64, ServiceError>> + Send;

    /// Deletes one dead-letter message. Returns it; nothing if it is not there, or another operator is looking at it.
    ///
    /// # Errors
    ///
    /// If it may not have been deleted.
    fn discard(
        &self,
        queue: &Watched,
        message_id: &str,
    ) -> impl Future<Output = Result<Option<FoundLetter>, ServiceError>> + Send;

    /// Counts what is in a queue.
    ///
    /// # Errors
    ///
    /// If nobody can tell.
    fn depth(&self, queue: &Watched) -> impl Future<Output = Result<Depth, ServiceError>> + Send;

    /// Sends a message to a queue.
    ///
    /// # Errors
    ///
    /// If it may not have been taken.
    fn send(
        &self,
        queue: &Watched,
        message: String,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// A dead letter, as the queue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLetter {
    /// Names it among the letters of its queue.
    pub message_id: String,
    /// Why it is there, if whoever put it there has said so.
    pub reason: Option<String>,
    /// The message.
    pub body: String,
    /// When it came, or when the message came that it was.
    pub received_at: Timestamp,
    /// How often it was redriven: each time it came back.
    pub redrives: u32,
}

/// About how many messages there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// That wait or are being handled.
    pub messages: u64,
    /// Among the dead letters.
    pub dead_letters: u64,
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LetterShown {
    pub(crate) queue: String,
    pub(crate) message_id: String,
    pub(crate) reason: String,
    pub(crate) body: String,
    pub(crate) received_at: Timestamp,
    /// How often it was redriven and came back.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) redrives: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Watched {
    /// Reads the address of a queue of dead letters; `prefix` is what the names of all queues begin with.
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

impl LetterShown {
    /// What of a letter is to be seen: all but what pays.
    #[must_use]
    pub fn new(queue: &Watched, letter: FoundLetter) -> Self {
        let FoundLetter { message_id, reason, body, received_at, redrives } = letter;
        let reason = reason.unwrap_or_else(|| told_by(&body));
        let redrives = redrives.max(recoveries(&body));
        let (queue, body) = (queue.name.clone(), masked(&body));
        Self { queue, message_id, reason, body, received_at, redrives }
    }
}

/// What an operator can be told of a letter by its body alone.
fn told_by(body: &str) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Caught {
        error: String,
        cause: Option<String>,
    }
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    // A saga's letter.
    if let Ok(Caught { error, cause }) = Caught::deserialize(&body["failure"]) {
        return format!("an undo keeps failing: {error}: {}", cause.unwrap_or_default());
    }
    // A record that was put aside.
    if let Some(reason) = body["reason"].as_str() {
        return reason.to_owned();
    }
    // What Lambda leaves of a call, or of a part of a stream.
    if let Some(condition) = body["requestContext"]["condition"].as_str() {
        let error = body["responsePayload"]["errorMessage"].as_str();
        return format!("Lambda has given up: {condition}: {}", error.unwrap_or("no answer"));
    }
    "whoever received it died of it or ran out of time, each time".to_owned()
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

/// A text without payment tokens, at whatever depth of JSON within JSON they stand.
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
    fn a_queue_is_known_by_its_dead_letters() {
        let url =
            "https://sqs.eu-west-1.amazonaws.com/123456789012/parkade-prod-booking-dead-letters";
        let watched = Watched::from_dead_letters(url, "parkade-prod-").unwrap();
        assert_eq!(watched.name, "booking");
        assert!(watched.url.ends_with("/parkade-prod-booking"), "{}", watched.url);
        for other in ["", "https://host/1/parkade-prod-booking", "parkade-prod-x-dead-letters"] {
            assert_eq!(Watched::from_dead_letters(other, "parkade-prod-"), None, "{other}");
        }
    }

    #[test]
    fn a_token_is_not_shown_however_deep_it_stands() {
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
    fn what_is_no_token_stays_as_it_is() {
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
    fn a_letter_without_a_reason_tells_what_its_body_does() {
        let cases = [
            (
                json!({ "failure": { "Error": "States.Timeout", "Cause": "" }, "reason": "x" }),
                "States.Timeout",
            ),
            (json!({ "reason": "record is unreadable" }), "record is unreadable"),
            (json!({ "requestContext": { "condition": "RetriesExhausted" } }), "RetriesExhausted"),
            (json!({ "source": "parkade.booking" }), "died"),
            (json!(null), "died"),
        ];
        for (body, expected) in cases {
            let told = told_by(&body.to_string());
            assert!(told.contains(expected), "{told}");
        }
    }
}
