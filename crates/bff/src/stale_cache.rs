//! A stale-if-error cache: earlier responses, used while a service is unavailable.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// An earlier response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached<T> {
    /// The response.
    pub value: T,
    /// The time since it was requested.
    pub age: Duration,
}

/// The last responses of one kind, by what was requested. Their number and their age are limited.
///
/// Each instance has its own. The key must tell apart callers who may see different responses.
#[derive(Debug)]
pub struct StaleCache<K, V> {
    capacity: usize,
    max_age: SignedDuration,
    entries: Mutex<BTreeMap<K, (Timestamp, V)>>,
}

impl<K: Ord + Clone, V: Clone> StaleCache<K, V> {
    /// Caches at most this many responses, each for at most this long.
    #[must_use]
    pub fn new(capacity: usize, max_age: SignedDuration) -> Self {
        Self { capacity, max_age, entries: Mutex::default() }
    }

    /// Caches the response to a request of this time.
    pub fn keep(&self, key: K, value: V, requested_at: Timestamp) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.get(&key).is_some_and(|(known, _)| *known > requested_at) {
            return;
        }
        entries.insert(key, (requested_at, value));
        while entries.len() > self.capacity {
            let oldest = entries.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { return };
            entries.remove(&oldest);
        }
    }

    /// The last response, if it is not too old.
    pub fn last(&self, key: &K, now: Timestamp) -> Option<Cached<V>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (requested_at, value) = entries.get(key)?;
        let age = now.duration_since(*requested_at);
        // A clock that was set back makes nothing younger than it is.
        let age = age.max(SignedDuration::ZERO);
        (age <= self.max_age).then(|| Cached { value: value.clone(), age: age.unsigned_abs() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_response_is_as_old_as_its_request_and_expires() {
        let cache = StaleCache::new(2, SignedDuration::from_secs(60));
        cache.keep("a", 1, at(100));
        assert_eq!(
            cache.last(&"a", at(103)),
            Some(Cached { value: 1, age: Duration::from_secs(3) })
        );
        assert_eq!(cache.last(&"a", at(99)), Some(Cached { value: 1, age: Duration::ZERO }));
        assert_eq!(cache.last(&"a", at(161)), None);
        assert_eq!(cache.last(&"b", at(100)), None);
    }

    #[test]
    fn the_oldest_response_is_dropped_first_and_an_older_one_replaces_none() {
        let cache = StaleCache::new(2, SignedDuration::from_secs(60));
        cache.keep("a", 1, at(102));
        cache.keep("b", 2, at(101));
        cache.keep("a", 0, at(100));
        cache.keep("c", 3, at(103));
        let values = ["a", "b", "c"].map(|it| cache.last(&it, at(103)).map(|it| it.value));
        assert_eq!(values, [Some(1), None, Some(3)]);
    }
}
