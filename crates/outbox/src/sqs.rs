//! Dead letters and delayed messages on SQS.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;
use serde::Serialize;

use crate::bus::SendError;
use crate::dead_letters::{DeadLetter, DeadLetters};
use crate::republish::{Republish, RepublishQueue};

/// The attribute of a dead letter that says why it is one.
pub const REASON: &str = "reason";
/// Whoever wants to know more finds it in the logs.
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

    /// Sends a message that shows itself after `delay`, which SQS limits to 15 minutes.
    ///
    /// # Errors
    ///
    /// If it may not have been taken.
    pub async fn send(&self, message: &impl Serialize, delay: Duration) -> Result<(), SendError> {
        let body = serde_json::to_string(message).map_err(|error| SendError(Box::new(error)))?;
        let seconds = i32::try_from(delay.as_secs().min(900)).unwrap_or(900);
        let sent = self.client.send_message().queue_url(&self.url).message_body(body);
        let sent = sent.delay_seconds(seconds).send().await;
        sent.map(drop).map_err(|error| SendError(Box::new(error)))
    }
}

impl DeadLetters for Queue {
    async fn add(&self, letter: DeadLetter) -> Result<(), SendError> {
        let DeadLetter { reason, body } = letter;
        let reason = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(readable(&reason))
            .build()
            .map_err(|error| SendError(Box::new(error)))?;
        let sent = self.client.send_message().queue_url(&self.url).message_body(body);
        let sent = sent.message_attributes(REASON, reason).send().await;
        sent.map(drop).map_err(|error| SendError(Box::new(error)))
    }
}

impl RepublishQueue for Queue {
    async fn send(&self, wish: &Republish) -> Result<(), SendError> {
        Self::send(self, wish, Duration::ZERO).await
    }
}

/// A reason that SQS takes: of some length, and without characters that are none in XML.
fn readable(reason: &str) -> String {
    let plain = reason.chars().map(|it| if it.is_control() { ' ' } else { it });
    let plain: String = plain.filter(|it| !matches!(it, '\u{fffe}' | '\u{ffff}')).collect();
    let plain: String = plain.trim().chars().take(MAX_REASON_LENGTH).collect();
    if plain.is_empty() { "no reason is given".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_what_a_queue_takes() {
        assert_eq!(readable("line 1\nat\u{0}column\u{ffff} 2 "), "line 1 at column 2");
        assert_eq!(readable(&"ü".repeat(5_000)).chars().count(), MAX_REASON_LENGTH);
        for nothing in ["", " \n"] {
            assert!(!readable(nothing).is_empty(), "an empty attribute is refused");
        }
    }
}
