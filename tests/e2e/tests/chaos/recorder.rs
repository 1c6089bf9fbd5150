//! Records every event of the bus, through a rule and a queue of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_eventbridge::types::Target;
use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use platform::Platform;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::BUS;

const TARGET: &str = "queue";
/// More events than can be in flight at once.
const CAPACITY: usize = 10_000;

/// An event of the bus.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) source: String,
    pub(crate) kind: String,
    pub(crate) detail: Value,
}

impl Recorded {
    fn read(body: &str) -> Self {
        let mut event: Value = serde_json::from_str(body).unwrap();
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        let (source, kind) = (text("source"), text("detail-type"));
        Self { source, kind, detail: event["detail"].take() }
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.detail[name].as_str().unwrap()
    }
}

/// The recorded events by id; duplicates are recorded once.
type RecordedEvents = Arc<Mutex<BTreeMap<String, Recorded>>>;

/// A rule, a queue, and a task that empties it.
#[derive(Debug)]
pub(crate) struct Recorder {
    platform: Platform,
    name: String,
    url: String,
    events: RecordedEvents,
    new_events: broadcast::Sender<Recorded>,
    task: JoinSet<()>,
}

impl Recorder {
    /// Starts recording: no event published after this call is missed.
    pub(crate) async fn start(platform: &Platform) -> Self {
        let (queues, rules) = (platform.sqs(), platform.eventbridge());
        let name = format!("chaos-{}", Uuid::new_v4());
        let made = queues.create_queue().queue_name(&name).send().await.unwrap();
        let sources = ["parkade.booking", "parkade.parking", "parkade.billing"];
        let pattern = json!({ "source": sources }).to_string();
        let rule = rules.put_rule().name(&name).event_bus_name(BUS).event_pattern(pattern);
        rule.send().await.unwrap();
        let target = Target::builder().id(TARGET);
        let target = target.arn(format!("arn:aws:sqs:us-east-1:000000000000:{name}")).build();
        let targets = rules.put_targets().rule(&name).event_bus_name(BUS);
        let put = targets.targets(target.unwrap()).send().await.unwrap();
        assert_eq!(put.failed_entry_count, 0, "{put:?}");
        let (events, new_events) = (RecordedEvents::default(), broadcast::Sender::new(CAPACITY));
        let url = made.queue_url.unwrap();
        let mut task = JoinSet::new();
        task.spawn(record(queues, url.clone(), Arc::clone(&events), new_events.clone()));
        Self { platform: platform.clone(), name, url, events, new_events, task }
    }

    /// Every event from now on, once.
    pub(crate) fn new_events(&self) -> broadcast::Receiver<Recorded> {
        self.new_events.subscribe()
    }

    /// The events recorded so far, by id.
    pub(crate) fn events(&self) -> BTreeMap<String, Recorded> {
        self.events.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.events.lock().unwrap().len()
    }

    /// Stops, and deletes the rule and the queue.
    pub(crate) async fn end(self) {
        drop(self.task);
        let (queues, rules) = (self.platform.sqs(), self.platform.eventbridge());
        let targets = rules.remove_targets().rule(&self.name).event_bus_name(BUS).ids(TARGET);
        targets.send().await.unwrap();
        rules.delete_rule().name(&self.name).event_bus_name(BUS).send().await.unwrap();
        queues.delete_queue().queue_url(&self.url).send().await.unwrap();
    }
}

async fn record(
    queues: aws_sdk_sqs::Client,
    url: String,
    events: RecordedEvents,
    new_events: broadcast::Sender<Recorded>,
) {
    loop {
        let receive = queues.receive_message().queue_url(&url).max_number_of_messages(10);
        let received = receive.wait_time_seconds(2).send().await.unwrap();
        let messages = received.messages.unwrap_or_default();
        if messages.is_empty() {
            continue;
        }
        let entries = messages.iter().enumerate().map(|(index, message)| {
            let handle = message.receipt_handle.as_deref().unwrap();
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
            entry.receipt_handle(handle).build().unwrap()
        });
        let delete = queues.delete_message_batch().queue_url(&url);
        delete.set_entries(Some(entries.collect())).send().await.unwrap();
        for message in messages {
            let event = Recorded::read(message.body.as_deref().unwrap());
            let id = event.text("id").to_owned();
            if events.lock().unwrap().insert(id, event.clone()).is_none() {
                // There may be no subscriber before and after the fault injection.
                drop(new_events.send(event));
            }
        }
    }
}
