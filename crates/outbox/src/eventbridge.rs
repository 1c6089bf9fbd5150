//! The event bus on EventBridge.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use trace_context::call_for_all;

use crate::bus::{Bus, Entry, SendError};

/// Publishes to one event bus.
#[derive(Clone, Debug)]
pub struct EventBridge {
    client: Client,
    bus: String,
}

impl EventBridge {
    /// Uses an existing event bus.
    #[must_use]
    pub fn new(client: Client, bus: String) -> Self {
        Self { client, bus }
    }
}

impl Bus for EventBridge {
    async fn put(&self, entries: &[Entry]) -> Result<Vec<bool>, SendError> {
        let origins = entries.iter().map(|entry| &entry.origin);
        let entries = entries.iter().map(|entry| {
            PutEventsRequestEntry::builder()
                .event_bus_name(&self.bus)
                .source(entry.source)
                .detail_type(&entry.detail_type)
                .detail(&entry.detail)
                .build()
        });
        let put = self.client.put_events().set_entries(Some(entries.collect())).send();
        let sent = call_for_all("events:PutEvents", &self.bus, origins, put).await;
        let results = sent.map_err(|error| SendError(Box::new(error)))?.entries.unwrap_or_default();
        Ok(results.iter().map(|result| result.error_code().is_none()).collect())
    }
}
