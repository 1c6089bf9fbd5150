//! Dead letters: what a consumer can't process, stored with the reason, so that it never blocks the rest.
//!
//! Every dead-letter queue belongs to one consumer's queue, and the body of a dead letter is a message of that queue. So
//! every dead letter is redriven in the same way: by moving it to the consumer's queue.

use std::error::Error as StdError;

use aws_lambda_events::dynamodb::EventRecord;
use serde::{Deserialize, Serialize};

use crate::bus::SendError;

tokio::task_local! {
    /// How often an operator has redriven the message that is being handled. A stream's consumer dead-letters a record from
    /// deep within its handler, which does not know the message that has brought the record back.
    static REDRIVES: u32;
}

/// The largest record that is stored whole, in bytes. A larger one would not fit into an SQS message of 256 KB.
const MAX_RECORD_BYTES: usize = 200_000;

/// One message of a dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Why it was dead-lettered, for the operator.
    pub reason: String,
    /// The message that the consumer receives when the dead letter is redriven.
    pub body: String,
    /// How often an operator has redriven it already; each time, processing failed again.
    pub redrives: u32,
}

/// A dead-letter queue.
pub trait DeadLetters {
    /// Stores one dead letter.
    ///
    /// # Errors
    ///
    /// If it may not have been stored. The caller must then report the message as failed, so that it is delivered again.
    fn add(&self, letter: DeadLetter) -> impl Future<Output = Result<(), SendError>> + Send;
}

/// The body of a stream consumer's dead letter: the record, with what an operator needs to investigate it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterRecord {
    /// Why the record can't be processed.
    pub reason: String,
    /// The key of the item that the record shows, as JSON.
    pub key: String,
    /// The sequence number of the record in its stream.
    pub sequence_number: String,
    /// The record itself. Absent if it was too large to store; then `key` leads to the current item.
    pub record: Option<EventRecord>,
}

impl DeadLetterRecord {
    /// Describes a record that can't be processed.
    #[must_use]
    pub fn new(record: &EventRecord, cause: &dyn StdError) -> Self {
        let key: serde_json::Value =
            serde_dynamo::from_item(record.change.keys.clone()).unwrap_or_default();
        let fits =
            serde_json::to_vec(record).is_ok_and(|written| written.len() <= MAX_RECORD_BYTES);
        Self {
            reason: error_chain(cause),
            key: key.to_string(),
            sequence_number: record.change.sequence_number.clone().unwrap_or_default(),
            record: fits.then(|| record.clone()),
        }
    }

    /// The dead letter that carries this record.
    ///
    /// # Errors
    ///
    /// If the record can't be serialised as JSON.
    pub fn letter(&self) -> Result<DeadLetter, SendError> {
        let body = serde_json::to_string(self).map_err(|error| SendError(Box::new(error)))?;
        let redrives = REDRIVES.try_with(|it| *it).unwrap_or(0);
        Ok(DeadLetter { reason: self.reason.clone(), body, redrives })
    }
}

/// Dead-letters a record; returns whether it was stored, so that the consumer may skip it.
pub async fn dead_letter_record(
    dead_letters: &impl DeadLetters,
    record: &EventRecord,
    cause: &(dyn StdError + 'static),
) -> bool {
    tracing::error!(reason = cause, "record dead-lettered");
    let stored = match DeadLetterRecord::new(record, cause).letter() {
        Ok(letter) => dead_letters.add(letter).await,
        Err(error) => Err(error),
    };
    if let Err(error) = &stored {
        tracing::error!(error = error as &dyn StdError, "record could not be dead-lettered");
    }
    stored.is_ok()
}

/// Handles a message that was redriven this often: what it dead-letters has been dead-lettered before.
pub(crate) async fn redriven<T>(redrives: u32, handle: impl Future<Output = T>) -> T {
    REDRIVES.scope(redrives, handle).await
}

/// The message of an error, followed by the messages of all its causes.
pub(crate) fn error_chain(error: &dyn StdError) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
