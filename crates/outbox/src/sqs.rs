//! Dead letters and delayed messages on SQS.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::operation::send_message::builders::SendMessageFluentBuilder;
use aws_sdk_sqs::types::MessageAttributeValue;
use serde::Serialize;
use trace_context::{TraceFields, call};

use crate::bus::SendError;
use crate::consume::REDRIVES;
use crate::dead_letters::{DeadLetter, DeadLetters};
use crate::republish::{Republish, RepublishQueue};

/// The message attribute of a dead letter that contains its reason.
pub const REASON: &str = "reason";
/// The longest reason that is stored, in characters. The log contains the whole error.
const MAX_REASON_LENGTH: usize = 1_000;

/// Sends to one queue.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// Uses an existing queue.
    #[must_use]
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Sends a message that becomes visible after `delay`; SQS limits the delay to 15 minutes.
    ///
    /// # Errors
    ///
    /// If the queue may not have accepted the message.
    pub async fn send(&self, message: &impl Serialize, delay: Duration) -> Result<(), SendError> {
        let body = serde_json::to_string(message).map_err(|error| SendError(Box::new(error)))?;
        let seconds = i32::try_from(delay.as_secs().min(900)).unwrap_or(900);
        let message = self.client.send_message().queue_url(&self.url).message_body(body);
        self.send_traced(message.delay_seconds(seconds)).await
    }

    /// Sends a message with the trace context as message attributes.
    async fn send_traced(&self, mut message: SendMessageFluentBuilder) -> Result<(), SendError> {
        for (name, value) in TraceFields::current().iter() {
            message = message.message_attributes(name, attribute("String", value.to_owned())?);
        }
        let sent = call("sqs:SendMessage", &self.url, message.send()).await;
        sent.map(drop).map_err(|error| SendError(Box::new(error)))
    }
}

impl DeadLetters for Queue {
    async fn add(&self, letter: DeadLetter) -> Result<(), SendError> {
        let DeadLetter { reason, body, redrives } = letter;
        let reason = attribute("String", valid_reason(&reason))?;
        let sent = self.client.send_message().queue_url(&self.url).message_body(body);
        let mut sent = sent.message_attributes(REASON, reason);
        if redrives > 0 {
            sent = sent.message_attributes(REDRIVES, attribute("Number", redrives.to_string())?);
        }
        self.send_traced(sent).await
    }
}

impl RepublishQueue for Queue {
    async fn send(&self, request: &Republish) -> Result<(), SendError> {
        Self::send(self, request, Duration::ZERO).await
    }
}

fn attribute(data_type: &str, value: String) -> Result<MessageAttributeValue, SendError> {
    let attribute = MessageAttributeValue::builder().data_type(data_type).string_value(value);
    attribute.build().map_err(|error| SendError(Box::new(error)))
}

/// A reason that SQS accepts: limited in length, and without characters that XML forbids.
fn valid_reason(reason: &str) -> String {
    let plain = reason.chars().map(|it| if it.is_control() { ' ' } else { it });
    let plain: String = plain.filter(|it| !matches!(it, '\u{fffe}' | '\u{ffff}')).collect();
    let plain: String = plain.trim().chars().take(MAX_REASON_LENGTH).collect();
    if plain.is_empty() { "no reason given".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_that_a_queue_accepts() {
        assert_eq!(valid_reason("line 1\nat\u{0}column\u{ffff} 2 "), "line 1 at column 2");
        assert_eq!(valid_reason(&"ü".repeat(5_000)).chars().count(), MAX_REASON_LENGTH);
        for empty in ["", " \n"] {
            assert!(!valid_reason(empty).is_empty(), "SQS rejects an empty attribute");
        }
    }
}
