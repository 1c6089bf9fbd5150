//! Records events of the bus.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::Platform;

/// Recorded events of the bus.
#[derive(Debug)]
pub struct Caught {
    queues: aws_sdk_sqs::Client,
    url: String,
    names: tokio::sync::Mutex<Vec<String>>,
}

impl Platform {
    /// Starts recording the events of a booking.
    pub async fn catch_events(&self, booking: &str) -> Caught {
        let (queues, name) = (self.sqs(), format!("caught-{}", Uuid::new_v4()));
        let made = queues.create_queue().queue_name(&name).send().await.unwrap();
        let (rules, bus) = (self.eventbridge(), "parkade-local");
        let pattern = json!({ "detail": { "correlationId": [booking] } }).to_string();
        let rule = rules.put_rule().name(&name).event_bus_name(bus).event_pattern(pattern);
        rule.send().await.unwrap();
        let target = aws_sdk_eventbridge::types::Target::builder().id("queue");
        let target = target.arn(format!("arn:aws:sqs:us-east-1:000000000000:{name}")).build();
        let targets = rules.put_targets().rule(&name).event_bus_name(bus);
        targets.targets(target.unwrap()).send().await.unwrap();
        Caught { queues, url: made.queue_url.unwrap(), names: tokio::sync::Mutex::default() }
    }
}

impl Caught {
    /// The types of all events so far, in the order in which the queue returned them.
    pub async fn names(&self) -> Vec<String> {
        let mut names = self.names.lock().await;
        let received =
            self.queues.receive_message().queue_url(&self.url).max_number_of_messages(10);
        for message in received.send().await.unwrap().messages.unwrap_or_default() {
            let event: Value = serde_json::from_str(message.body.as_deref().unwrap()).unwrap();
            names.push(event["detail-type"].as_str().unwrap().to_owned());
            let handle = message.receipt_handle.unwrap();
            let delete = self.queues.delete_message().queue_url(&self.url).receipt_handle(handle);
            delete.send().await.unwrap();
        }
        names.clone()
    }
}
