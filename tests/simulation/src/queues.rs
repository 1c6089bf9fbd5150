//! The bus and its queues: at-least-once delivery in any order, and dead-letter queues for messages that fail
//! repeatedly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lambda_events::sqs::SqsBatchResponse;
use outbox::bus::Entry;
use outbox::consume::MAX_RECEIVES;
use outbox::dead_letters::{self, DeadLetterRecord};
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use crate::lambda;
use crate::wiring::Wiring;
use crate::world::World;

/// The queues and their messages.
#[derive(Debug)]
pub(crate) struct Queues {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ready: BTreeMap<String, Vec<Message>>,
    dead: Vec<DeadLetter>,
    /// The bodies of messages that may be dead-lettered.
    explained: BTreeSet<String>,
    /// The ids of events that the bus has accepted.
    published: BTreeSet<Uuid>,
    number: u64,
}

#[derive(Clone, Debug)]
struct Message {
    id: String,
    body: String,
    receives: u32,
    /// How many times it failed without an injected fault.
    unexplained: u32,
}

/// A dead-letter message.
#[derive(Clone, Debug)]
pub(crate) struct DeadLetter {
    pub(crate) id: String,
    /// The queue to which it is redriven.
    pub(crate) queue: String,
    pub(crate) body: String,
    /// The reason, if the consumer gave one.
    pub(crate) reason: Option<String>,
    /// Whether a fault was injected into each of its failed attempts; `None` if the consumer dead-lettered it: see
    /// `explained`.
    is_explained: Option<bool>,
}

impl Queues {
    pub(crate) fn new(wiring: &Wiring) -> Self {
        let ready = wiring.queue_sources.iter().map(|it| (it.queue.clone(), Vec::new())).collect();
        Self { inner: Mutex::new(Inner { ready, ..Inner::default() }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `PutEvents`, one entry of it; a later release adds members that this one does not know.
    pub(crate) fn publish(&self, world: &World, entry: &Entry, is_later_release: bool) {
        world.count("event");
        let mut detail: Value = serde_json::from_str(&entry.detail).expect("an envelope is JSON");
        if let Some(id) = detail["id"].as_str().and_then(|id| id.parse().ok()) {
            self.lock().published.insert(id);
        }
        if is_later_release {
            detail["sinceLater"] = json!({ "release": 2 });
            detail["data"]["sinceLater"] = json!("a later release");
        }
        let mut event = json!({
            "version": "0",
            "id": world.new_id(),
            "detail-type": entry.detail_type,
            "source": entry.source,
            "account": "000000000000",
            "time": world.now(),
            "region": "us-east-1",
            "resources": [],
            "detail": detail,
        });
        self.route(world, &event);
        if is_later_release && world.rng.below(10) == 0 {
            // And event types that this release does not know, in case a rule lets them through.
            event["detail"]["type"] = json!("BookingPraised");
            let queues: BTreeSet<_> =
                world.platform.wiring.rules.iter().map(|rule| &rule.queue).collect();
            for queue in queues {
                self.send(world, queue, event.to_string(), Duration::ZERO);
            }
        }
    }

    fn route(&self, world: &World, event: &Value) {
        for rule in world.platform.wiring.rules_for(event) {
            self.send(world, &rule.queue, event.to_string(), Duration::ZERO);
            if world.injects(world.plan.duplicated) {
                // A duplicate arrives immediately, or much later.
                let after = world.rng.millis(0..=*world.rng.one_of(&[50, 2_000, 60_000]));
                self.send(world, &rule.queue, event.to_string(), after);
            }
        }
    }

    /// `SendMessage`, visible after a delay.
    pub(crate) fn send(&self, world: &World, queue: &str, body: String, after: Duration) {
        world.count("message");
        let id = {
            let mut inner = self.lock();
            inner.number += 1;
            format!("message-{}", inner.number)
        };
        let delay = if world.injects(world.plan.delayed) {
            world.rng.millis(100..=*world.rng.one_of(&[2_000, 60_000]))
        } else {
            world.latency()
        };
        let message = Message { id, body, receives: 0, unexplained: 0 };
        self.make_visible(world, queue.to_owned(), message, after + delay);
    }

    fn make_visible(&self, world: &World, queue: String, message: Message, after: Duration) {
        let world_of = world.arc();
        world.spawn(async move {
            sleep(after).await;
            world_of.queues.lock().ready.entry(queue.clone()).or_default().push(message);
            // Others may become visible meanwhile, and be received in the same batch.
            sleep(world_of.rng.millis(0..=20)).await;
            world_of.queues.receive(&world_of, &queue).await;
        });
    }

    /// Receives a batch and invokes the function that reads the queue.
    async fn receive(&self, world: &World, queue: &str) {
        let sources = &world.platform.wiring.queue_sources;
        let Some(source) = sources.iter().find(|it| it.queue == queue) else { return };
        let settings = &world.platform.wiring.queues[queue];
        let batch = self.take(world, queue, source.batch_max);
        if batch.is_empty() {
            return;
        }
        world.count("batch");
        let records: Vec<Value> = batch.iter().map(|it| record(queue, it)).collect();
        let payload = json!({ "Records": records }).to_string();
        let (response, had_faults) =
            lambda::invoke_observed(world, &source.function, payload.into_bytes()).await;
        self.explain(&batch, had_faults);
        let failed: Option<Vec<String>> = response.ok().and_then(|response| {
            let response: SqsBatchResponse = serde_json::from_slice(&response).ok()?;
            Some(response.batch_item_failures.into_iter().map(|it| it.item_identifier).collect())
        });
        let is_copied = world.injects(world.plan.duplicated);
        for mut message in batch {
            let is_done = failed.as_ref().is_some_and(|failed| !failed.contains(&message.id));
            if is_done && !is_copied {
                continue;
            }
            message.receives += 1;
            if !is_done && !had_faults {
                message.unexplained += 1;
            }
            let receives_max = settings.redrive.as_ref().map_or(u32::MAX, |it| it.receives_max);
            if message.receives >= receives_max && !is_done {
                let is_explained = Some(message.unexplained == 0);
                self.add_dead_letter(queue.to_owned(), message.body, None, is_explained);
                continue;
            }
            self.make_visible(world, queue.to_owned(), message, settings.visibility);
        }
    }

    /// Some of the visible messages, in any order.
    fn take(&self, world: &World, queue: &str, most: usize) -> Vec<Message> {
        let mut inner = self.lock();
        let ready = inner.ready.entry(queue.to_owned()).or_default();
        let size = if ready.is_empty() { 0 } else { 1 + world.rng.index(ready.len().min(most)) };
        (0..size).map(|_| ready.swap_remove(world.rng.index(ready.len()))).collect()
    }

    /// `StartMessageMoveTask`: redrives the dead letters of a queue; returns their number.
    pub(crate) fn redrive(&self, world: &World, queue: &str) -> usize {
        let moved: Vec<DeadLetter> =
            self.lock().dead.extract_if(.., |it| it.queue == queue).collect();
        for message in &moved {
            // Before quiescence, the consumer that dead-lettered the message may still be running.
            let is_explained = message.is_explained.unwrap_or_else(|| {
                !world.was_quiescent() || self.lock().explained.contains(&message.body)
            });
            world.invariants.check(is_explained, || {
                let DeadLetter { queue, reason, body, .. } = message;
                format!("{queue} dead-lettered a message without a fault: {reason:?}: {body}")
            });
            self.send(world, &message.queue, message.body.clone(), Duration::ZERO);
        }
        world.invariants.count_redriven(moved.len());
        moved.len()
    }

    /// Puts a message aside, for a consumer that has given it up.
    pub(crate) fn add(&self, queue: String, letter: dead_letters::DeadLetter) {
        let dead_letters::DeadLetter { reason, body, .. } = letter;
        // No stream record is poison, whatever faults occur: everything in it was written by this platform.
        let is_record = serde_json::from_str::<DeadLetterRecord>(&body).is_ok();
        self.add_dead_letter(queue, body, Some(reason), is_record.then_some(false));
    }

    /// Adds a dead-letter message.
    pub(crate) fn add_dead_letter(
        &self,
        queue: String,
        body: String,
        reason: Option<String>,
        is_explained: Option<bool>,
    ) {
        let mut inner = self.lock();
        inner.number += 1;
        let id = format!("message-{}", inner.number);
        inner.dead.push(DeadLetter { id, queue, body, reason, is_explained });
    }

    /// Records which messages may be dead-lettered: those that failed often enough, each time with an injected fault.
    /// The dead letter itself may arrive after the consumer's response.
    fn explain(&self, batch: &[Message], had_faults: bool) {
        let is_explained =
            |it: &&Message| it.receives + 1 >= MAX_RECEIVES && had_faults && it.unexplained == 0;
        let explained = batch.iter().filter(is_explained).map(|it| it.body.clone());
        self.lock().explained.extend(explained);
    }

    /// The number of messages in a queue, and in its dead-letter queue.
    pub(crate) fn depth(&self, queue: &str) -> (usize, usize) {
        let inner = self.lock();
        let waiting = inner.ready.get(queue).map_or(0, Vec::len);
        (waiting, inner.dead.iter().filter(|it| it.queue == queue).count())
    }

    pub(crate) fn dead(&self) -> Vec<DeadLetter> {
        self.lock().dead.clone()
    }

    pub(crate) fn has_published(&self, event: Uuid) -> bool {
        self.lock().published.contains(&event)
    }

    /// The number of messages in the queues that no function has received.
    pub(crate) fn left(&self) -> usize {
        self.lock().ready.values().map(Vec::len).sum()
    }
}

fn record(queue: &str, message: &Message) -> Value {
    json!({
        "messageId": message.id,
        "receiptHandle": "AQEB",
        "body": message.body,
        "attributes": { "ApproximateReceiveCount": (message.receives + 1).to_string() },
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{queue}"),
        "awsRegion": "us-east-1",
    })
}
