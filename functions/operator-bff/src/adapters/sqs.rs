//! Queues on SQS.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::operation::start_message_move_task::StartMessageMoveTaskError;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use jiff::Timestamp;
use outbox::consume::REDRIVES;
use outbox::sqs::REASON;
use service_error::ServiceError;
use trace_context::{TraceFields, call};

use crate::queues::{DeadLetter, MonitoredQueue, QueueDepth, Queues};

/// The response contains no more messages than this: more are too many to read, and its size must be limited.
const MAX_MESSAGES_SHOWN: usize = 50;
/// One call moves or searches no more messages than this: more would take longer than an operator waits.
const MAX_MESSAGES_MOVED: usize = 200;
/// The visibility timeout of a message while it is read. It ends early, when all messages have been received.
const LOOK_SECONDS: i32 = 3;
/// The visibility timeout of messages while they are moved: enough for a batch of ten.
const MOVE_SECONDS: i32 = 30;
/// SQS hands out and takes ten messages at once.
const BATCH: i32 = 10;
/// The messages of a batch together, in bytes. SQS takes 1 MiB today and took 256 KiB until 2025, as some clouds still do.
/// A larger message is sent alone.
const BATCH_BYTES_MAX: usize = 256 * 1024;

/// The port over SQS.
#[derive(Clone, Debug)]
pub struct Sqs {
    client: Client,
}

impl Sqs {
    /// Reaches queues by their addresses.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    async fn receive(&self, url: &str, hidden: i32) -> Result<Vec<Message>, ServiceError> {
        let received = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(BATCH)
            .visibility_timeout(hidden)
            // Long polling queries all servers that hold a part of the queue, short polling only some.
            .wait_time_seconds(1)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_attribute_names("All")
            .send();
        Ok(received.await.map_err(unavailable)?.messages.unwrap_or_default())
    }

    /// Makes messages that were only read visible again. If that fails, they are visible after their timeout.
    async fn make_visible(&self, url: &str, messages: &[Message]) {
        for batch in messages.chunks(10) {
            let entries = batch.iter().enumerate().filter_map(|(number, message)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(number.to_string())
                    .receipt_handle(message.receipt_handle.as_ref()?)
                    .visibility_timeout(0)
                    .build()
                    .ok()
            });
            let request = self.client.change_message_visibility_batch().queue_url(url);
            drop(request.set_entries(Some(entries.collect())).send().await);
        }
    }

    /// Moves up to this many messages, and counts the redrive on each, which a move task of SQS does not. A message is deleted
    /// only after it was sent to the queue.
    async fn move_counted(&self, queue: &MonitoredQueue, count: usize) -> Result<(), ServiceError> {
        let mut moved = 0;
        // A message that is dead-lettered again meanwhile waits for the next redrive.
        while moved < count {
            let messages = self.receive(&queue.dead_letters_url, MOVE_SECONDS).await?;
            if messages.is_empty() {
                return Ok(());
            }
            let mut arrived = 0;
            for batch in batches(&messages) {
                arrived += self.move_batch(queue, batch).await?;
            }
            if arrived == 0 {
                return Err(ServiceError::transient(
                    "no dead-letter message could be moved",
                    "SendMessageBatch rejected all messages",
                ));
            }
            moved += messages.len();
        }
        Ok(())
    }

    /// Moves messages that SQS takes at once. Returns how many have arrived: those are deleted where they were.
    async fn move_batch(
        &self,
        queue: &MonitoredQueue,
        messages: &[Message],
    ) -> Result<usize, ServiceError> {
        let entries = messages.iter().enumerate().filter_map(|(number, message)| {
            SendMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .message_body(message.body.as_ref()?)
                .set_message_attributes(Some(counted(message)))
                .build()
                .ok()
        });
        let sent = self.client.send_message_batch().queue_url(&queue.url);
        let sent = sent.set_entries(Some(entries.collect())).send().await;
        let arrived: BTreeSet<String> =
            sent.map_err(unavailable)?.successful.into_iter().map(|it| it.id).collect();
        let handles = messages.iter().enumerate().filter_map(|(number, message)| {
            arrived.contains(&number.to_string()).then_some(message.receipt_handle.as_deref()?)
        });
        let handles: Vec<_> = handles.collect();
        if !handles.is_empty() {
            self.delete(&queue.dead_letters_url, &handles).await?;
        }
        Ok(handles.len())
    }

    async fn delete(&self, url: &str, receipt_handles: &[&str]) -> Result<(), ServiceError> {
        let entries = receipt_handles.iter().enumerate().filter_map(|(number, handle)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .receipt_handle(*handle)
                .build()
                .ok()
        });
        let deleted = self.client.delete_message_batch().queue_url(url);
        let deleted = deleted.set_entries(Some(entries.collect())).send().await;
        match deleted.map_err(unavailable)?.failed.first() {
            None => Ok(()),
            Some(failed) => Err(ServiceError::transient(
                "a dead-letter message could not be deleted",
                failed.code.clone(),
            )),
        }
    }

    async fn attributes(&self, url: &str) -> Result<(u64, String), ServiceError> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible, QueueArn,
        };
        let request = self.client.get_queue_attributes().queue_url(url);
        let request = request.attribute_names(ApproximateNumberOfMessages);
        let request = request.attribute_names(ApproximateNumberOfMessagesNotVisible);
        let response = request.attribute_names(QueueArn).send().await.map_err(unavailable)?;
        let attributes = response.attributes.unwrap_or_default();
        let number =
            |name| attributes.get(&name).and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
        let count =
            number(ApproximateNumberOfMessages) + number(ApproximateNumberOfMessagesNotVisible);
        Ok((count, attributes.get(&QueueArn).cloned().unwrap_or_default()))
    }
}

#[async_trait]
impl Queues for Sqs {
    async fn dead_letters(&self, queue: &MonitoredQueue) -> Result<Vec<DeadLetter>, ServiceError> {
        // The count saves receive calls: most queues are empty, and a receive call that finds nothing takes a second.
        let (count, _) = self.attributes(&queue.dead_letters_url).await?;
        let count = usize::try_from(count).unwrap_or(MAX_MESSAGES_SHOWN).min(MAX_MESSAGES_SHOWN);
        let mut found = Vec::new();
        let mut last = Ok(Vec::new());
        while found.len() < count {
            last = self.receive(&queue.dead_letters_url, LOOK_SECONDS).await;
            match &last {
                Ok(more) if !more.is_empty() => found.extend(more.iter().cloned()),
                Ok(_) | Err(_) => break,
            }
        }
        self.make_visible(&queue.dead_letters_url, &found).await;
        last?;
        let mut seen = BTreeSet::new();
        found.retain(|message| seen.insert(message.message_id.clone()));
        Ok(found.into_iter().map(dead_letter).collect())
    }

    async fn redrive(&self, queue: &MonitoredQueue) -> Result<u64, ServiceError> {
        let (count, arn) = self.attributes(&queue.dead_letters_url).await?;
        let here = usize::try_from(count).unwrap_or(MAX_MESSAGES_MOVED).min(MAX_MESSAGES_MOVED);
        self.move_counted(queue, here).await?;
        if count <= here as u64 {
            return Ok(count);
        }
        // The destination must be explicit: without one, SQS moves only messages that the queue itself dead-lettered.
        let destination = arn.strip_suffix("-dead-letters").unwrap_or_default();
        let task = self.client.start_message_move_task().source_arn(&arn);
        match task.destination_arn(destination).send().await {
            Ok(_) => Ok(count),
            // The other messages stay for the operator's next redrive.
            Err(error) if is_unsupported(&error) => Ok(here as u64),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn discard(
        &self,
        queue: &MonitoredQueue,
        message_id: &str,
    ) -> Result<Option<DeadLetter>, ServiceError> {
        let url = &queue.dead_letters_url;
        let (count, _) = self.attributes(url).await?;
        let count = usize::try_from(count).unwrap_or(MAX_MESSAGES_MOVED).min(MAX_MESSAGES_MOVED);
        let (mut others, mut found) = (Vec::new(), Ok(None));
        while others.len() < count {
            let messages = match self.receive(url, MOVE_SECONDS).await {
                Ok(messages) if messages.is_empty() => break,
                Ok(messages) => messages,
                Err(failure) => {
                    found = Err(failure);
                    break;
                }
            };
            let (mut these, more): (Vec<_>, Vec<_>) =
                messages.into_iter().partition(|it| it.message_id.as_deref() == Some(message_id));
            others.extend(more);
            if let Some(this) = these.pop() {
                let handle = this.receipt_handle.clone().unwrap_or_default();
                found = self.delete(url, &[&handle]).await.map(|()| Some(dead_letter(this)));
                break;
            }
        }
        self.make_visible(url, &others).await;
        found
    }

    async fn depth(&self, queue: &MonitoredQueue) -> Result<QueueDepth, ServiceError> {
        let (waiting, dead) = tokio::try_join!(
            self.attributes(&queue.url),
            self.attributes(&queue.dead_letters_url)
        )?;
        Ok(QueueDepth { messages: waiting.0, dead_letters: dead.0 })
    }

    async fn send(&self, queue: &MonitoredQueue, message: String) -> Result<(), ServiceError> {
        let mut sent = self.client.send_message().queue_url(&queue.url).message_body(message);
        for (name, value) in TraceFields::current().iter() {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value);
            sent = sent.message_attributes(name, value.build().map_err(ServiceError::permanent)?);
        }
        call("sqs:SendMessage", &queue.url, sent.send()).await.map(drop).map_err(unavailable)
    }
}

/// A cloud that can't do it, or that is doing it.
fn is_unsupported(error: &SdkError<StartMessageMoveTaskError>) -> bool {
    let refused = error.as_service_error().is_some();
    let code = error.code().unwrap_or_default();
    let status = error.raw_response().map_or(0, |it| it.status().as_u16());
    refused
        && (status == 501
            || ["Unsupported", "Unknown", "InvalidAction", "NotImplemented"]
                .iter()
                .any(|it| code.contains(it)))
}

/// How often it was redriven.
fn redrives(message: &Message) -> u32 {
    let attribute = message.message_attributes.as_ref().and_then(|it| it.get(REDRIVES));
    attribute.and_then(|it| it.string_value()?.parse().ok()).unwrap_or(0)
}

/// Splits messages, in their order, into batches that SQS takes.
fn batches(messages: &[Message]) -> Vec<&[Message]> {
    let mut batches = Vec::new();
    let (mut rest, mut count, mut bytes) = (messages, 0, 0);
    for message in messages {
        let more = sent_bytes(message);
        if count > 0 && bytes + more > BATCH_BYTES_MAX {
            let (batch, left) = rest.split_at(count);
            batches.push(batch);
            (rest, count, bytes) = (left, 0, 0);
        }
        count += 1;
        bytes += more;
    }
    batches.push(rest);
    batches
}

/// What a redriven message counts towards the limit: its body, and the name, type and value of each attribute.
fn sent_bytes(message: &Message) -> usize {
    let attribute = |(name, it): (&String, &MessageAttributeValue)| {
        let text = it.string_value().map_or(0, str::len);
        let binary = it.binary_value().map_or(0, |value| value.as_ref().len());
        name.len() + it.data_type().len() + text + binary
    };
    let attributes: usize = counted(message).iter().map(attribute).sum();
    message.body.as_ref().map_or(0, String::len) + attributes
}

/// The attributes of a message that is redriven now: as they are, with that counted.
fn counted(message: &Message) -> HashMap<String, MessageAttributeValue> {
    let mut attributes = message.message_attributes.clone().unwrap_or_default();
    let count = redrives(message).saturating_add(1).to_string();
    let count = MessageAttributeValue::builder().data_type("Number").string_value(count);
    if let Ok(count) = count.build() {
        attributes.insert(REDRIVES.to_owned(), count);
    }
    attributes
}

fn dead_letter(message: Message) -> DeadLetter {
    let attributes = message.attributes.as_ref();
    let sent = attributes.and_then(|it| it.get(&MessageSystemAttributeName::SentTimestamp));
    let sent = sent.and_then(|it| Timestamp::from_millisecond(it.parse().ok()?).ok());
    let redrives = redrives(&message);
    let reason = message.message_attributes.unwrap_or_default().remove(REASON);
    DeadLetter {
        redrives,
        message_id: message.message_id.unwrap_or_default(),
        reason: reason.and_then(|it| it.string_value),
        body: message.body.unwrap_or_default(),
        received_at: sent.unwrap_or(Timestamp::UNIX_EPOCH),
    }
}

fn unavailable<E>(error: SdkError<E>) -> ServiceError
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    ServiceError::transient("the queue can't be reached", DisplayErrorContext(&error).to_string())
}
