//! Schema versions: reads documents that were stored with an older schema.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A type that is stored as JSON for longer than its schema stays the same: an event, or the state in a snapshot.
///
/// Each document is stored with the schema `VERSION` of its time, and read through `upcast`, one version after the other.
/// When names or fields change, increment `VERSION` and add the step to `upcast`; never change an earlier step. For the
/// state in a snapshot, the behaviour of `evolve` is part of the schema too.
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
    /// The schema version that is written now. The first version is 1.
    const VERSION: u32 = 1;

    /// Converts a document of `version` to the next version; returns nothing if there is no conversion.
    ///
    /// One document becomes exactly one, because the version of a stream counts its events.
    #[must_use]
    fn upcast(version: u32, document: Value) -> Option<Value> {
        let (_, _) = (version, document);
        None
    }
}

/// Why a document can't be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableError {
    /// It does not match the schema of its version.
    #[error("document does not match the schema of its version")]
    Shape(#[from] serde_json::Error),
    /// `upcast` does not convert its version.
    #[error("no upcaster from schema version {0}")]
    NoUpcaster(u32),
    /// A newer release has written it, and this one does not know its schema.
    #[error("document has schema version {0}, which a newer release has written")]
    NewerVersion(u32),
}

/// Reads a document of any version up to the current one.
pub(crate) fn read<S: Upcast>(version: u32, mut document: Value) -> Result<S, UnreadableError> {
    if version > S::VERSION {
        return Err(UnreadableError::NewerVersion(version));
    }
    for version in version..S::VERSION {
        document = S::upcast(version, document).ok_or(UnreadableError::NoUpcaster(version))?;
    }
    Ok(serde_json::from_value(document)?)
}
