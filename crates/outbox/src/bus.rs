//! The event bus: what a publisher sends, and the port that takes it.

use std::error::Error as StdError;

use trace_context::Origin;

use crate::envelope::{Envelope, RawEvent};

/// The most entries that one call of a bus may carry; the limit of `PutEvents`.
pub const MAX_ENTRIES: usize = 10;
/// The most bytes that one call of a bus may carry, over all entries. AWS allows 256 KB; the rest is a reserve.
pub(crate) const MAX_BYTES: usize = 250_000;
/// The longest event name that EventBridge accepts, in bytes.
const MAX_NAME: usize = 128;

/// One event as the bus takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The service that publishes the event.
    pub source: &'static str,
    /// The name of the event.
    pub detail_type: String,
    /// The envelope as JSON.
    pub detail: String,
    /// The trace and the correlation id of the event, which are in the envelope too.
    pub origin: Origin,
}

impl Entry {
    /// Serialises an envelope for the bus.
    ///
    /// # Errors
    ///
    /// If the envelope can't be serialised as JSON.
    pub fn new(
        source: &'static str,
        envelope: &Envelope<RawEvent>,
    ) -> Result<Self, serde_json::Error> {
        let detail = serde_json::to_string(envelope)?;
        let (detail_type, origin) = (envelope.event.kind.clone(), envelope.origin());
        Ok(Self { source, detail_type, detail, origin })
    }

    /// Whether EventBridge accepts the entry at all. It rejects a larger one, or one without a valid name, every time.
    pub(crate) fn is_within_limits(&self) -> bool {
        self.bytes() <= MAX_BYTES && (1..=MAX_NAME).contains(&self.detail_type.len())
    }

    /// The size of the entry as `PutEvents` measures it.
    pub(crate) fn bytes(&self) -> usize {
        self.source.len() + self.detail_type.len() + self.detail.len()
    }
}

/// Delivers events to their subscribers.
///
/// An implementation must report for each entry whether it was accepted, in the order of the entries. A caller passes at
/// most [`MAX_ENTRIES`] entries.
pub trait Bus {
    /// Publishes entries; the result holds `true` for each entry that was accepted, `false` for one that was rejected.
    ///
    /// # Errors
    ///
    /// If it is unknown whether any entry was accepted.
    fn put(&self, entries: &[Entry]) -> impl Future<Output = Result<Vec<bool>, SendError>> + Send;
}

/// The bus or a queue did not respond. It is unknown whether it accepted anything.
#[derive(Debug, thiserror::Error)]
#[error("the bus or queue did not respond")]
pub struct SendError(#[source] pub Box<dyn StdError + Send + Sync>);
