//! Idempotency keys: the same request twice has the effect of one request.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The header that carries the key.
pub(crate) const HEADER: &str = "Idempotency-Key";
const LENGTH_MAX: usize = 255;

/// The client's name for a request, the same in every retry: 1 to 255 visible ASCII characters.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// The text is not a valid key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidKey;

impl FromStr for IdempotencyKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let good =
            (1..=LENGTH_MAX).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic());
        good.then(|| Self(text.to_owned())).ok_or(InvalidKey)
    }
}

/// Leaves the key out: logs must not reveal it.
impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey")
    }
}

impl IdempotencyKey {
    /// The id of the request that this caller identifies by this key: the same for every retry, different for every caller.
    ///
    /// A UUIDv8 of a hash. `scope` separates requests that may have the same key, such as payments of different bills.
    #[must_use]
    pub fn id(&self, scope: &str, caller: &str) -> Uuid {
        let mut hash = Sha256::new();
        for part in [scope, caller, &self.0] {
            // The length keeps `ab`, `c` apart from `a`, `bc`.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let bytes = hash.finalize();
        let first = bytes.first_chunk().expect("SHA-256 has 32 bytes");
        uuid::Builder::from_custom_bytes(*first).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> IdempotencyKey {
        text.parse().unwrap()
    }

    #[test]
    fn the_same_request_has_the_same_id() {
        let id = key("k").id("booking", "alice");
        assert_eq!(id, key("k").id("booking", "alice"));
        assert_eq!(id.get_version_num(), 8);
        // Frozen: clients retry across deployments.
        assert_eq!(id.to_string(), "95b94788-a948-808f-8e2a-faed6e02ee0b");
    }

    #[test]
    fn another_caller_scope_or_key_is_another_request() {
        let ids = [
            key("k").id("booking", "alice"),
            key("k").id("booking", "bob"),
            key("k").id("payment", "alice"),
            key("l").id("booking", "alice"),
            key("ek").id("booking", "alic"),
        ];
        for (at, id) in ids.iter().enumerate() {
            assert!(!ids[..at].contains(id));
        }
    }

    #[test]
    fn a_key_is_visible_ascii_of_at_most_255_characters() {
        assert!("a".repeat(255).parse::<IdempotencyKey>().is_ok());
        for text in [String::new(), "a".repeat(256), "a b".into(), "é".into(), "a\n".into()] {
            assert!(text.parse::<IdempotencyKey>().is_err(), "{text:?}");
        }
    }
}
