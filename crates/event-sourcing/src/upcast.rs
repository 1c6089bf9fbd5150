//! Old documents in today's words: what is stored stays as it was written, the types move on.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What is kept as JSON for longer than its type stays as it is: an event, the state in a snapshot.
///
/// Each document is stored with the `VERSION` of its day and read through `upcast`, one version after the other.
/// When names or fields change, raise `VERSION` by one and teach `upcast` the step; what the steps before it do is never
/// touched again. For the state of a snapshot, what `evolve` makes of an event is part of the version too.
///
/// ```
/// use event_sourcing::upcast::Upcast;
/// use serde::{Deserialize, Serialize};
/// use serde_json::Value;
///
/// #[derive(Serialize, Deserialize)]
/// struct Deposited { cents: u64 }
///
/// impl Upcast for Deposited {
///     // Version 1 counted whole euros.
///     const VERSION: u32 = 2;
///
///     fn upcast(version: u32, mut document: Value) -> Option<Value> {
///         if version == 1 {
///             let euros = document.as_object_mut()?.remove("euros")?.as_u64()?;
///             document["cents"] = Value::from(euros.checked_mul(100)?);
///         }
///         Some(document)
///     }
/// }
/// ```
pub trait Upcast: Serialize + DeserializeOwned {
    /// The version that is written now; the first is 1.
    const VERSION: u32 = 1;

    /// Turns a document of `version` into one of the next; nothing if it can't be read any more.
    ///
    /// One document becomes one: versions of a stream count events, so none may vanish or split.
    #[must_use]
    fn upcast(version: u32, document: Value) -> Option<Value> {
        let (_, _) = (version, document);
        None
    }
}

/// Why a document can't be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableError {
    /// It is no document of its version.
    #[error("document does not have the shape of its version")]
    Shape(#[from] serde_json::Error),
    /// Nobody says what became of its version.
    #[error("there is no way from version {0}")]
    NoUpcaster(u32),
    /// A later release has written it; this one must not guess.
    #[error("document is of version {0}, which this program does not know")]
    NewerVersion(u32),
}

/// Reads a document of any version up to today's.
pub(crate) fn read<S: Upcast>(version: u32, mut document: Value) -> Result<S, UnreadableError> {
    if version > S::VERSION {
        return Err(UnreadableError::NewerVersion(version));
    }
    for version in version..S::VERSION {
        document = S::upcast(version, document).ok_or(UnreadableError::NoUpcaster(version))?;
    }
    Ok(serde_json::from_value(document)?)
}
