//! The settings of a breaker, which must be the same for all instances of a fleet.

use serde::Deserialize;

/// The settings of a breaker. Times are in milliseconds, rates in permille. In JSON, a missing field has its default.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The length of the window over which an instance counts its own calls.
    pub window_ms: u64,
    /// The minimum number of calls in the window for an instance to trip or to veto.
    pub calls_min: u32,
    /// An instance trips at this failure rate.
    pub failures_permille: u32,
    /// A call that takes at least this long is slow, whatever its outcome.
    pub slow_call_ms: u64,
    /// An instance trips at this rate of slow calls; never if it is above 1000.
    pub slow_permille: u32,
    /// The number of instances that must vote within a window to open the circuit for all.
    pub quorum: usize,
    /// A smaller number of votes opens the circuit if no instance vetoes them for this long. Should exceed `cache_ms`.
    pub open_without_quorum_after_ms: u64,
    /// The first open period. Each consecutive open doubles it.
    pub open_ms: u64,
    /// The maximum open period.
    pub open_max_ms: u64,
    /// The number of consecutive opens is reset after the circuit was closed for this long.
    pub reset_after_ms: u64,
    /// The lease of a probe: another probe replaces it after that. Must exceed the call's own deadline.
    pub lease_ms: u64,
    /// The number of consecutive successful probes that close the circuit.
    pub probes_to_close: u32,
    /// The maximum age of the known state when a decision depends on it. With [`Refresh::Concurrent`] every call does.
    pub cache_ms: u64,
    /// When an instance reads the shared state.
    pub refresh: Refresh,
    /// The deadline of a request to the store. After it, the instance decides by its own window.
    pub store_deadline_ms: u64,
    /// The first back-off of the store after a failed request. Each consecutive failure doubles it.
    pub store_backoff_ms: u64,
    /// The maximum back-off of the store.
    pub store_backoff_max_ms: u64,
}

/// When an instance reads the shared state while its circuit is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refresh {
    /// After a failed or slow call of its own, so a healthy instance makes no request at all.
    ///
    /// An instance whose calls succeed notices neither an open circuit nor an operator's override.
    OnFailure,
    /// Concurrently with a call once the known state is older than half of `cache_ms`, and before the call once it is older
    /// than `cache_ms`. So no call is admitted or rejected on a state that is older than `cache_ms`.
    ///
    /// An instance with a call in every half of `cache_ms` never waits, and reads twice in that time. The first call after a
    /// pause waits for one read, at most `store_deadline_ms`.
    Concurrent,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window_ms: 10_000,
            calls_min: 5,
            failures_permille: 500,
            slow_call_ms: 5_000,
            slow_permille: 800,
            quorum: 2,
            open_without_quorum_after_ms: 2_000,
            open_ms: 10_000,
            open_max_ms: 120_000,
            reset_after_ms: 300_000,
            lease_ms: 15_000,
            probes_to_close: 1,
            cache_ms: 1_000,
            refresh: Refresh::OnFailure,
            store_deadline_ms: 25,
            store_backoff_ms: 200,
            store_backoff_max_ms: 30_000,
        }
    }
}

impl Settings {
    /// The open period in milliseconds after this number of consecutive opens, shortened by up to a fifth at random.
    ///
    /// Without jitter, breakers that opened at the same time would probe at the same time.
    #[must_use]
    pub fn open_for_ms(&self, consecutive_opens: u32, jitter: u64) -> u64 {
        let full = doubled(self.open_ms, consecutive_opens, self.open_max_ms);
        full - jitter % (full / 5 + 1)
    }

    /// The back-off of the store in milliseconds after this number of consecutive earlier failures.
    pub(crate) fn store_backoff_for_ms(&self, failures: u32, jitter: u64) -> u64 {
        let full = doubled(self.store_backoff_ms, failures, self.store_backoff_max_ms);
        full - jitter % (full / 5 + 1)
    }
}

/// `first`, doubled `times` times, at most `max`.
fn doubled(first: u64, times: u32, max: u64) -> u64 {
    let factor = 1_u64.checked_shl(times).unwrap_or(u64::MAX);
    first.saturating_mul(factor).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_open_period_doubles_up_to_its_limit_and_jitter_only_shortens_it() {
        let settings = Settings { open_ms: 1_000, open_max_ms: 5_000, ..Settings::default() };
        let full: Vec<_> =
            (0..5).map(|consecutive_opens| settings.open_for_ms(consecutive_opens, 0)).collect();
        assert_eq!(full, [1_000, 2_000, 4_000, 5_000, 5_000]);
        assert_eq!(settings.open_for_ms(u32::MAX, 0), 5_000);
        for jitter in [1, 77, 200, u64::MAX] {
            assert!((800..=1_000).contains(&settings.open_for_ms(0, jitter)), "{jitter}");
        }
        assert_eq!(settings.open_for_ms(0, 200), 800);
    }
}
