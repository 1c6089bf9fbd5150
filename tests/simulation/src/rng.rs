//! All randomness of a run, from one seed.

use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use uuid::Uuid;

/// A seeded generator: the same seed gives the same draws in the same order.
#[derive(Debug)]
pub(crate) struct SeededRng(Mutex<Rng>);

impl SeededRng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(Rng::with_seed(seed)))
    }

    fn with<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A number below `end`, and 0 if `end` is 0.
    pub(crate) fn below(&self, end: u64) -> u64 {
        self.with(|rng| if end == 0 { 0 } else { rng.u64(..end) })
    }

    pub(crate) fn within(&self, range: RangeInclusive<u64>) -> u64 {
        self.with(|rng| rng.u64(range))
    }

    /// True with a probability of this many per mille.
    pub(crate) fn per_mille(&self, mille: u64) -> bool {
        mille > 0 && self.below(1_000) < mille
    }

    pub(crate) fn index(&self, length: usize) -> usize {
        self.with(|rng| if length == 0 { 0 } else { rng.usize(..length) })
    }

    pub(crate) fn one_of<'a, T>(&self, choices: &'a [T]) -> &'a T {
        &choices[self.index(choices.len())]
    }

    pub(crate) fn millis(&self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }

    /// A UUIDv7 of this millisecond.
    pub(crate) fn id(&self, millis: u64) -> Uuid {
        let mut bytes = [0; 10];
        self.with(|rng| rng.fill(&mut bytes));
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }

    /// The state of the generator; two runs with the same draws have the same.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.with(|rng| rng.get_seed())
    }
}
