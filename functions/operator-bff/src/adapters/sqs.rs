//! Queues on SQS.

use std::collections::BTreeSet;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::operation::start_message_move_task::StartMessageMoveTaskError;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};
use jiff::Timestamp;
use outbox::sqs::REASON;
use service_error::ServiceError;

use crate::queues::{Depth, FoundLetter, Queues, Watched};

/// More are not shown: they are too many to be read, and an answer has to end somewhere.
const LETTERS_MAX: usize = 50;
/// More are not moved by hand in one call.
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

    /// Moves letters one by one, for clouds that do not do it themselves. A letter leaves only when it has arrived.
    async fn move_by_hand(&self, queue: &Watched) -> Result<(), ServiceError> {
        let mut moved = 0;
        while moved < MOVED_MAX {
            let messages = self.receive(&queue.dead_letters_url, MOVE_SECONDS).await?;
            if messages.is_empty() {
                return Ok(());
            }
            let entries = messages.iter().enumerate().filter_map(|(number, message)| {
                SendMessageBatchRequestEntry::builder()
                    .id(number.to_string())
                    .message_body(message.body.as_ref()?)
                    .build()
                    .ok()
            });
            let sent = self.client.send_message_batch().queue_url(&queue.url);
            let sent = sent.set_entries(Some(entries.collect())).send().await;
            let arrived: BTreeSet<String> =
                sent.map_err(unavailable)?.successful.into_iter().map(|it| it.id).collect();
            let entries = messages.iter().enumerate().filter_map(|(number, message)| {
                let number = number.to_string();
                let handle =
                    arrived.contains(&number).then_some(message.receipt_handle.as_ref()?)?;
                DeleteMessageBatchRequestEntry::builder()
                    .id(number)
                    .receipt_handle(handle)
                    .build()
                    .ok()
            });
            let entries: Vec<_> = entries.collect();
            if entries.is_empty() {
                return Err(ServiceError::transient(
                    "no letter could be moved",
                    "SendMessageBatch refuses",
                ));
            }
            let left = self.client.delete_message_batch().queue_url(&queue.dead_letters_url);
            left.set_entries(Some(entries)).send().await.map_err(unavailable)?;
            moved += messages.len();
        }
        Ok(())
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
        if count == 0 {
            return Ok(0);
        }
        // Said in so many words: where it is left out, letters that were not put there by the queue stay.
        let destination = arn.strip_suffix("-dead-letters").unwrap_or_default();
        let task = self.client.start_message_move_task().source_arn(&arn);
        match task.destination_arn(destination).send().await {
            Ok(_) => Ok(count),
            Err(error) if is_unsupported(&error) => {
                self.move_by_hand(queue).await?;
                Ok(count)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn depth(&self, queue: &Watched) -> Result<Depth, ServiceError> {
        let (waiting, dead) = tokio::try_join!(
            self.attributes(&queue.url),
            self.attributes(&queue.dead_letters_url)
        )?;
        Ok(Depth { messages: waiting.0, dead_letters: dead.0 })
    }

    async fn send(&self, queue: &Watched, message: String) -> Result<(), ServiceError> {
        let sent = self.client.send_message().queue_url(&queue.url).message_body(message);
        sent.send().await.map(drop).map_err(unavailable)
    }
}

/// A cloud that can't do it, or that has begun to: to move by hand is right in both cases.
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

fn letter(message: Message) -> FoundLetter {
    let attributes = message.attributes.unwrap_or_default();
    let sent = attributes.get(&MessageSystemAttributeName::SentTimestamp);
    let sent = sent.and_then(|it| Timestamp::from_millisecond(it.parse().ok()?).ok());
    let reason = message.message_attributes.unwrap_or_default().remove(REASON);
    FoundLetter {
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
