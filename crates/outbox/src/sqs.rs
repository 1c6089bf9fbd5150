//! Dead letters and delayed messages on SQS.

use std::time::Duration;

use aws_sdk_sqs::Client;
use serde::Serialize;

use crate::publish::{BusError, DeadLetters, Parked};

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
    pub async fn send(&self, message: &impl Serialize, delay: Duration) -> Result<(), BusError> {
        let body = serde_json::to_string(message).map_err(|error| BusError(Box::new(error)))?;
        let seconds = i32::try_from(delay.as_secs().min(900)).unwrap_or(900);
        let sent = self.client.send_message().queue_url(&self.url).message_body(body);
        let sent = sent.delay_seconds(seconds).send().await;
        sent.map(drop).map_err(|error| BusError(Box::new(error)))
    }
}

impl DeadLetters for Queue {
    async fn park(&self, parked: Parked) -> Result<(), BusError> {
        self.send(&parked, Duration::ZERO).await
    }
}
