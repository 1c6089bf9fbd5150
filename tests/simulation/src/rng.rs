//! All chance of a run, from one number.

use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use uuid::Uuid;

/// The same seed, the same throws in the same order.
#[derive(Debug)]
pub(crate) struct Dice(Mutex<Rng>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(Rng::with_seed(seed)))
    }

    fn with<T>(&self, throw: impl FnOnce(&mut Rng) -> T) -> T {
        throw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A number below `end`, and 0 below 0.
    pub(crate) fn below(&self, end: u64) -> u64 {
        self.with(|rng| if end == 0 { 0 } else { rng.u64(..end) })
    }

    pub(crate) fn within(&self, range: RangeInclusive<u64>) -> u64 {
        self.with(|rng| rng.u64(range))
    }

    /// Whether one of these many thousandths came up.
    pub(crate) fn per_mille(&self, mille: u64) -> bool {
        mille > 0 && self.below(1_000) < mille
    }

    pub(crate) fn place(&self, length: usize) -> usize {
        self.with(|rng| if length == 0 { 0 } else { rng.usize(..length) })
    }

    pub(crate) fn one_of<'a, T>(&self, choices: &'a [T]) -> &'a T {
        &choices[self.place(choices.len())]
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

    /// What comes next; two runs that have thrown alike agree on it.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.with(|rng| rng.get_seed())
    }
}
