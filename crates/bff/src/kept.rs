//! The last answers, to stand in for those that do not come.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Something as it was a while ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aged<T> {
    /// What it was.
    pub value: T,
    /// How long ago.
    pub age: Duration,
}

/// The last answers of one kind, by what was asked: few of them, and none that is too old.
///
/// It is one instance's own, so it helps the many who ask for the same thing, or one who asks again and again. What it
/// keeps is not for everybody: the key must tell apart those who may see different things.
#[derive(Debug)]
pub struct Kept<K, V> {
    most: usize,
    for_at_most: SignedDuration,
    entries: Mutex<BTreeMap<K, (Timestamp, V)>>,
}

impl<K: Ord + Clone, V: Clone> Kept<K, V> {
    /// Keeps so many answers, each for so long.
    #[must_use]
    pub fn new(most: usize, for_at_most: SignedDuration) -> Self {
        Self { most, for_at_most, entries: Mutex::default() }
    }

    /// Keeps an answer to a question that was asked at `asked_at`.
    pub fn keep(&self, key: K, value: V, asked_at: Timestamp) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.get(&key).is_some_and(|(known, _)| *known > asked_at) {
            return;
        }
        entries.insert(key, (asked_at, value));
        while entries.len() > self.most {
            let oldest = entries.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { return };
            entries.remove(&oldest);
        }
    }

    /// The last answer, if it is not too old.
    pub fn last(&self, key: &K, now: Timestamp) -> Option<Aged<V>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked_at, value) = entries.get(key)?;
        let age = now.duration_since(*asked_at);
        // A clock that was set back makes nothing younger than it is.
        let age = age.max(SignedDuration::ZERO);
        (age <= self.for_at_most).then(|| Aged { value: value.clone(), age: age.unsigned_abs() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_answer_is_as_old_as_its_question_and_ends() {
        let kept = Kept::new(2, SignedDuration::from_secs(60));
        kept.keep("a", 1, at(100));
        assert_eq!(kept.last(&"a", at(103)), Some(Aged { value: 1, age: Duration::from_secs(3) }));
        assert_eq!(kept.last(&"a", at(99)), Some(Aged { value: 1, age: Duration::ZERO }));
        assert_eq!(kept.last(&"a", at(161)), None);
        assert_eq!(kept.last(&"b", at(100)), None);
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many_and_an_older_answer_replaces_none() {
        let kept = Kept::new(2, SignedDuration::from_secs(60));
        kept.keep("a", 1, at(102));
        kept.keep("b", 2, at(101));
        kept.keep("a", 0, at(100));
        kept.keep("c", 3, at(103));
        let values = ["a", "b", "c"].map(|it| kept.last(&it, at(103)).map(|it| it.value));
        assert_eq!(values, [Some(1), None, Some(3)]);
    }
}
