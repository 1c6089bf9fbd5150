//! What a consumer can't handle: put aside with its reason, so that it never blocks the others, until a person has
//! looked at it and has it come back.
//!
//! Every queue of dead letters belongs to a queue, that of the consumer, and the body of a letter is a message of that
//! queue. So all of them are brought back in one way: by moving them there.

use std::error::Error as StdError;

use aws_lambda_events::dynamodb::EventRecord;
use serde::{Deserialize, Serialize};

use crate::publish::BusError;

tokio::task_local! {
    /// How often an operator has redriven the message that is being handled. A stream's consumer dead-letters a record from
    /// deep within its handler, which knows nothing of the message that has brought the record back.
    static REDRIVES: u32;
}

/// A larger record would not fit into a message of 256 KB, and never leave the stream.
const RECORD_BYTES_MAX: usize = 200_000;

/// What is put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Why, for a person.
    pub reason: String,
    /// What the consumer is to be given once the cause is gone.
    pub body: String,
    /// How often an operator has redriven it already: each time it came back.
    pub redrives: u32,
}

/// Keeps what a consumer can't handle, until a person has looked at it.
pub trait DeadLetters {
    /// Stores one letter.
    ///
    /// # Errors
    ///
    /// If it may not have been stored; what it is about must then come back.
    fn park(&self, letter: Letter) -> impl Future<Output = Result<(), BusError>> + Send;
}

/// A record that could not be handled, with all that is needed to look into it: the body of a stream consumer's letter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parked {
    /// Why.
    pub reason: String,
    /// The aggregate that it belongs to, as far as it can be read.
    pub key: String,
    /// Its place in the stream.
    pub sequence_number: String,
    /// The record itself, unless no queue would take it: then its key leads to what is left of it.
    pub record: Option<EventRecord>,
}

impl Parked {
    /// What there is to say about a record that can't be handled.
    #[must_use]
    pub fn new(record: &EventRecord, cause: &dyn StdError) -> Self {
        let key: serde_json::Value =
            serde_dynamo::from_item(record.change.keys.clone()).unwrap_or_default();
        let fits =
            serde_json::to_vec(record).is_ok_and(|written| written.len() <= RECORD_BYTES_MAX);
        Self {
            reason: told(cause),
            key: key.to_string(),
            sequence_number: record.change.sequence_number.clone().unwrap_or_default(),
            record: fits.then(|| record.clone()),
        }
    }

    /// The letter that holds it.
    ///
    /// # Errors
    ///
    /// If the record can't be written as JSON.
    pub fn letter(&self) -> Result<Letter, BusError> {
        let body = serde_json::to_string(self).map_err(|error| BusError(Box::new(error)))?;
        let redrives = REDRIVES.try_with(|it| *it).unwrap_or(0);
        Ok(Letter { reason: self.reason.clone(), body, redrives })
    }
}

/// Puts a record aside; whether it may be passed over from now on.
pub async fn park_record(
    dead_letters: &impl DeadLetters,
    record: &EventRecord,
    cause: &(dyn StdError + 'static),
) -> bool {
    tracing::error!(reason = cause, "record parked");
    let parked = match Parked::new(record, cause).letter() {
        Ok(letter) => dead_letters.park(letter).await,
        Err(error) => Err(error),
    };
    if let Err(error) = &parked {
        tracing::error!(error = error as &dyn StdError, "record not parked");
    }
    parked.is_ok()
}

/// Handles a message that was redriven this often: what it dead-letters is known to have come back.
pub(crate) async fn redriven<T>(redrives: u32, handle: impl Future<Output = T>) -> T {
    REDRIVES.scope(redrives, handle).await
}

/// An error with all its causes.
pub(crate) fn told(error: &dyn StdError) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
