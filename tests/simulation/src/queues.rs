//! The bus and its queues: at least once, in no order, and to the dead letters what fails too often.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lambda_events::sqs::SqsBatchResponse;
use outbox::publish::{Entry, Parked};
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use crate::lambda;
use crate::wiring::Wiring;
use crate::world::World;

/// Queues and what is in them.
#[derive(Debug)]
pub(crate) struct Queues {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ready: BTreeMap<String, Vec<Message>>,
    dead: Vec<Dead>,
    parked: Vec<Parked>,
    /// The ids of events that the bus has taken.
    published: BTreeSet<Uuid>,
    number: u64,
}

#[derive(Clone, Debug)]
struct Message {
    id: String,
    body: String,
    receives: u32,
    /// How often it failed though no fault was near.
    unexplained: u32,
}

/// A message that nobody could handle.
#[derive(Clone, Debug)]
pub(crate) struct Dead {
    pub(crate) queue: String,
    pub(crate) body: String,
    /// Whether each of its failures had a fault beside it.
    pub(crate) is_explained: bool,
}

impl Queues {
    pub(crate) fn new(wiring: &Wiring) -> Self {
        let ready = wiring.queue_sources.iter().map(|it| (it.queue.clone(), Vec::new())).collect();
        Self { inner: Mutex::new(Inner { ready, ..Inner::default() }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `PutEvents`, one entry of it; a later release says more than this one reads.
    pub(crate) fn publish(&self, world: &World, entry: &Entry, is_later: bool) {
        let mut detail: Value = serde_json::from_str(&entry.detail).expect("an envelope is JSON");
        if let Some(id) = detail["id"].as_str().and_then(|id| id.parse().ok()) {
            self.lock().published.insert(id);
        }
        if is_later {
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
        if is_later && world.dice.below(10) == 0 {
            // And events that this one has never heard of, should a rule let them through.
            event["detail"]["type"] = json!("BookingPraised");
            for queue in self.names() {
                self.send(world, &queue, event.to_string(), Duration::ZERO);
            }
        }
    }

    fn names(&self) -> Vec<String> {
        self.lock().ready.keys().cloned().collect()
    }

    fn route(&self, world: &World, event: &Value) {
        for rule in world.platform.wiring.rules_for(event) {
            self.send(world, &rule.queue, event.to_string(), Duration::ZERO);
            if world.befalls(world.plan.twice) {
                // A copy comes at once, or when nobody thinks of it any more.
                let after = world.dice.millis(0..=*world.dice.one_of(&[50, 2_000, 60_000]));
                self.send(world, &rule.queue, event.to_string(), after);
            }
        }
    }

    /// `SendMessage`, visible after a while.
    pub(crate) fn send(&self, world: &World, queue: &str, body: String, after: Duration) {
        let id = {
            let mut inner = self.lock();
            inner.number += 1;
            format!("message-{}", inner.number)
        };
        let delay = if world.befalls(world.plan.delayed) {
            world.dice.millis(100..=*world.dice.one_of(&[2_000, 60_000]))
        } else {
            world.latency()
        };
        let message = Message { id, body, receives: 0, unexplained: 0 };
        self.appear(world, queue.to_owned(), message, after + delay);
    }

    fn appear(&self, world: &World, queue: String, message: Message, after: Duration) {
        let world_of = world.arc();
        world.spawn(async move {
            sleep(after).await;
            world_of.queues.lock().ready.entry(queue.clone()).or_default().push(message);
            // Others may appear meanwhile, and be received together with it.
            sleep(world_of.dice.millis(0..=20)).await;
            world_of.queues.receive(&world_of, &queue).await;
        });
    }

    /// Receives a batch and hands it to the function that reads the queue.
    async fn receive(&self, world: &World, queue: &str) {
        let sources = &world.platform.wiring.queue_sources;
        let Some(source) = sources.iter().find(|it| it.queue == queue) else { return };
        let settings = &world.platform.wiring.queues[queue];
        let batch = self.take(world, queue, source.batch_max);
        if batch.is_empty() {
            return;
        }
        let records: Vec<Value> = batch.iter().map(|it| record(queue, it)).collect();
        let payload = json!({ "Records": records }).to_string();
        let (answer, had_faults) =
            lambda::invoke_observed(world, &source.function, payload.into_bytes()).await;
        let failed: Option<Vec<String>> = answer.ok().and_then(|answer| {
            let response: SqsBatchResponse = serde_json::from_slice(&answer).ok()?;
            Some(response.batch_item_failures.into_iter().map(|it| it.item_identifier).collect())
        });
        let is_copied = world.befalls(world.plan.twice);
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
                self.lock().dead.push(Dead {
                    queue: queue.to_owned(),
                    body: message.body,
                    is_explained: message.unexplained == 0,
                });
                continue;
            }
            self.appear(world, queue.to_owned(), message, settings.visibility);
        }
    }

    /// Some of what is visible, in any order.
    fn take(&self, world: &World, queue: &str, most: usize) -> Vec<Message> {
        let mut inner = self.lock();
        let ready = inner.ready.entry(queue.to_owned()).or_default();
        let size = if ready.is_empty() { 0 } else { 1 + world.dice.place(ready.len().min(most)) };
        (0..size).map(|_| ready.swap_remove(world.dice.place(ready.len()))).collect()
    }

    /// Moves what is dead back to where it came from, as an operator does who knows that the cause is gone.
    ///
    /// Answers how many there were.
    pub(crate) fn redrive(&self, world: &World) -> usize {
        let dead = std::mem::take(&mut self.lock().dead);
        for letter in &dead {
            world.laws.hold(letter.is_explained, || {
                format!("{} gave up without a fault on {}", letter.queue, letter.body)
            });
            self.send(world, &letter.queue, letter.body.clone(), Duration::ZERO);
        }
        world.laws.brought_back(dead.len());
        dead.len()
    }

    pub(crate) fn park(&self, parked: Parked) {
        self.lock().parked.push(parked);
    }

    pub(crate) fn parked(&self) -> Vec<Parked> {
        self.lock().parked.clone()
    }

    pub(crate) fn dead(&self) -> Vec<Dead> {
        self.lock().dead.clone()
    }

    pub(crate) fn has_published(&self, event: Uuid) -> bool {
        self.lock().published.contains(&event)
    }

    /// What lies in the queues, and is received by nobody.
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
