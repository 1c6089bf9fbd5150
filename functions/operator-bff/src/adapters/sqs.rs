//! Queues on SQS.

use std::collections::{BTreeSet, HashMap};

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

use crate::queues::{Depth, FoundLetter, Queues, Watched};

/// More are not shown: they are too many to be read, and an answer has to end somewhere.
const LETTERS_MAX: usize = 50;
/// More are not moved one by one in a call, nor searched for one: that would take longer than an operator waits.
const MOVED_MAX: usize = 200;
/// How long a letter is kept from others, who look or move it. It is given back as soon as all are found.
const LOOK_SECONDS: i32 = 3;
/// How long it takes to move ten.
const MOVE_SECONDS: i32 = 30;
/// SQS hands out and takes ten messages at once.
const BATCH: i32 = 10;

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
            // Long enough to ask all servers that hold a part of the queue, not only some.
            .wait_time_seconds(1)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_attribute_names("All")
            .send();
        Ok(received.await.map_err(unavailable)?.messages.unwrap_or_default())
    }

    /// Lets others see at once what was only looked at; if that fails, they see it a moment later.
    async fn give_back(&self, url: &str, messages: &[Message]) {
        for batch in messages.chunks(10) {
            let entries = batch.iter().enumerate().filter_map(|(number, message)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(number.to_string())
                    .receipt_handle(message.receipt_handle.as_ref()?)
                    .visibility_timeout(0)
                    .build()
                    .ok()
            });
            let back = self.client.change_message_visibility_batch().queue_url(url);
            drop(back.set_entries(Some(entries.collect())).send().await);
        }
    }

    /// Moves up to this many messages, and counts on each that it was redriven: SQS itself moves them as they are. A message
    /// leaves only when it has arrived.
    async fn move_counted(&self, queue: &Watched, count: usize) -> Result<(), ServiceError> {
        let mut moved = 0;
        // What comes back meanwhile is for another time.
        while moved < count {
            let messages = self.receive(&queue.dead_letters_url, MOVE_SECONDS).await?;
            if messages.is_empty() {
                return Ok(());
            }
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
            if handles.is_empty() {
                return Err(ServiceError::transient(
                    "no dead-letter message could be moved",
                    "SendMessageBatch refuses",
                ));
            }
            self.delete(&queue.dead_letters_url, &handles).await?;
            moved += messages.len();
        }
        Ok(())
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
        let asked = self.client.get_queue_attributes().queue_url(url);
        let asked = asked.attribute_names(ApproximateNumberOfMessages);
        let asked = asked.attribute_names(ApproximateNumberOfMessagesNotVisible);
        let told = asked.attribute_names(QueueArn).send().await.map_err(unavailable)?;
        let told = told.attributes.unwrap_or_default();
        let number = |name| told.get(&name).and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
        let count =
            number(ApproximateNumberOfMessages) + number(ApproximateNumberOfMessagesNotVisible);
        Ok((count, told.get(&QueueArn).cloned().unwrap_or_default()))
    }
}

impl Queues for Sqs {
    async fn letters(&self, queue: &Watched) -> Result<Vec<FoundLetter>, ServiceError> {
        // To ask first is one call for the many queues that are empty; and to find that there are no more takes a second.
        let (count, _) = self.attributes(&queue.dead_letters_url).await?;
        let count = usize::try_from(count).unwrap_or(LETTERS_MAX).min(LETTERS_MAX);
        let mut found = Vec::new();
        let mut last = Ok(Vec::new());
        while found.len() < count {
            last = self.receive(&queue.dead_letters_url, LOOK_SECONDS).await;
            match &last {
                Ok(more) if !more.is_empty() => found.extend(more.iter().cloned()),
                Ok(_) | Err(_) => break,
            }
        }
        self.give_back(&queue.dead_letters_url, &found).await;
        last?;
        let mut seen = BTreeSet::new();
        found.retain(|message| seen.insert(message.message_id.clone()));
        Ok(found.into_iter().map(letter).collect())
    }

    async fn redrive(&self, queue: &Watched) -> Result<u64, ServiceError> {
        let (count, arn) = self.attributes(&queue.dead_letters_url).await?;
        let here = usize::try_from(count).unwrap_or(MOVED_MAX).min(MOVED_MAX);
        self.move_counted(queue, here).await?;
        if count <= here as u64 {
            return Ok(count);
        }
        // Said in so many words: where it is left out, letters that were not put there by the queue stay.
        let destination = arn.strip_suffix("-dead-letters").unwrap_or_default();
        let task = self.client.start_message_move_task().source_arn(&arn);
        match task.destination_arn(destination).send().await {
            Ok(_) => Ok(count),
            // The rest stays for the operator's next call.
            Err(error) if is_unsupported(&error) => Ok(here as u64),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn discard(
        &self,
        queue: &Watched,
        message_id: &str,
    ) -> Result<Option<FoundLetter>, ServiceError> {
        let url = &queue.dead_letters_url;
        let (count, _) = self.attributes(url).await?;
        let count = usize::try_from(count).unwrap_or(MOVED_MAX).min(MOVED_MAX);
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
                found = self.delete(url, &[&handle]).await.map(|()| Some(letter(this)));
                break;
            }
        }
        self.give_back(url, &others).await;
        found
    }

    async fn depth(&self, queue: &Watched) -> Result<Depth, ServiceError> {
        let (waiting, dead) = tokio::try_join!(
            self.attributes(&queue.url),
            self.attributes(&queue.dead_letters_url)
        )?;
        Ok(Depth { messages: waiting.0, dead_letters: dead.0 })
    }

    async fn send(&self, queue: &Watched, message: String) -> Result<(), ServiceError> {
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

fn letter(message: Message) -> FoundLetter {
    let attributes = message.attributes.as_ref();
    let sent = attributes.and_then(|it| it.get(&MessageSystemAttributeName::SentTimestamp));
    let sent = sent.and_then(|it| Timestamp::from_millisecond(it.parse().ok()?).ok());
    let redrives = redrives(&message);
    let reason = message.message_attributes.unwrap_or_default().remove(REASON);
    FoundLetter {
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
