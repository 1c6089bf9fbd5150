//! What a breaker can be told; the same for all instances of a fleet.

use serde::Deserialize;

/// How a breaker behaves. Times are in milliseconds, rates in thousandths.
///
/// As JSON, what is not said is as by default.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How far back an instance looks at its own calls.
    pub window_ms: u64,
    /// With fewer calls than this in its window an instance says nothing.
    pub calls_min: u32,
    /// From this share of failures on, an instance trips.
    pub failures_permille: u32,
    /// A call that takes at least this long is slow, whatever its outcome.
    pub slow_call_ms: u64,
    /// From this share of slow calls on, an instance trips; above 1000 never.
    pub slow_permille: u32,
    /// So many instances must trip within a window to open the circuit for all.
    pub quorum: usize,
    /// Fewer open it as well, if nobody has doubted them for this long. Should exceed `cache_ms`.
    pub alone_after_ms: u64,
    /// How long it stays open the first time; twice as long each time after that.
    pub open_ms: u64,
    /// It never stays open longer than this without a probe.
    pub open_max_ms: u64,
    /// Closed for this long, it forgets how often it was open before.
    pub forget_ms: u64,
    /// A probe that has not answered within this is replaced. Must exceed the call's own deadline.
    pub lease_ms: u64,
    /// So many probes must succeed, one after the other, to close it.
    pub probes_to_close: u32,
    /// How old the known state may be when something depends on it. With [`Watch::Beside`] that is every call.
    pub cache_ms: u64,
    /// When an instance looks at the shared state.
    pub watch: Watch,
    /// The store has this long to answer; then the instance decides by itself.
    pub store_deadline_ms: u64,
    /// After a failure the store is left alone for this long; twice as long after each further one.
    pub rest_ms: u64,
    /// It is never left alone longer than this.
    pub rest_max_ms: u64,
}

/// When an instance looks at the shared state while its circuit is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watch {
    /// After a failed or slow call of its own: nothing at all while healthy.
    ///
    /// Whose calls succeed does not hear that others have opened the circuit, nor an operator's word.
    OnTrouble,
    /// So that no call passes or is rejected on a state that is older than `cache_ms`: concurrently with a call once the state
    /// is half that old, and before the call once it is older.
    ///
    /// An instance with a call in every half of `cache_ms` never waits, and reads twice in that time; the first call after a
    /// pause waits for one read, `store_deadline_ms` at most.
    Beside,
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
            alone_after_ms: 2_000,
            open_ms: 10_000,
            open_max_ms: 120_000,
            forget_ms: 300_000,
            lease_ms: 15_000,
            probes_to_close: 1,
            cache_ms: 1_000,
            watch: Watch::OnTrouble,
            store_deadline_ms: 25,
            rest_ms: 200,
            rest_max_ms: 30_000,
        }
    }
}

impl Settings {
    /// How long a circuit stays open that was opened so often before, shortened by up to a fifth by chance.
    ///
    /// Without chance all breakers of a fleet that were opened at once would probe at once.
    #[must_use]
    pub fn open_for_ms(&self, openings: u32, luck: u64) -> u64 {
        let full = doubled(self.open_ms, openings, self.open_max_ms);
        full - luck % (full / 5 + 1)
    }

    /// How long a store is left alone that has failed so often in a row.
    pub(crate) fn rest_for_ms(&self, failures: u32, luck: u64) -> u64 {
        let full = doubled(self.rest_ms, failures, self.rest_max_ms);
        full - luck % (full / 5 + 1)
    }
}

/// Twice as much for each time, up to a limit.
fn doubled(first: u64, times: u32, max: u64) -> u64 {
    let factor = 1_u64.checked_shl(times).unwrap_or(u64::MAX);
    first.saturating_mul(factor).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_time_doubles_up_to_its_limit_and_chance_only_shortens_it() {
        let settings = Settings { open_ms: 1_000, open_max_ms: 5_000, ..Settings::default() };
        let full: Vec<_> = (0..5).map(|openings| settings.open_for_ms(openings, 0)).collect();
        assert_eq!(full, [1_000, 2_000, 4_000, 5_000, 5_000]);
        assert_eq!(settings.open_for_ms(u32::MAX, 0), 5_000);
        for luck in [1, 77, 200, u64::MAX] {
            assert!((800..=1_000).contains(&settings.open_for_ms(0, luck)), "{luck}");
        }
        assert_eq!(settings.open_for_ms(0, 200), 800);
    }
}
