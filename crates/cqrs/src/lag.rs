//! How far a view is behind its source, as its projectors measure it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// A projector that is well says so no more often than this: each mark is a write that somebody pays for.
const REPORT_INTERVAL: SignedDuration = SignedDuration::from_secs(5);
/// Further behind than this, a view is behind; a stream needs a second for itself.
const BEHIND_SECONDS: u64 = 2;
/// A measure that nobody has renewed tells of a stream that has since come to rest, and not of today.
const MEASURE_HOLDS: SignedDuration = SignedDuration::from_secs(60);
/// A stream forgets a record after a day, and with it what was stuck.
const RECORD_LIVES: SignedDuration = SignedDuration::from_hours(24);

/// What a projector says of itself after a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LagReport {
    /// When it was measured, and how old the oldest change of the batch was when it became visible.
    pub measured: Option<(Timestamp, u64)>,
    /// A record that can't be applied now and holds up those behind it, and when it was written.
    pub blocked: Option<(String, Timestamp)>,
    /// Records that were stuck and are not any more.
    pub unblocked: Vec<String>,
}

/// What is known of all projectors of a view: each shard of a stream has one, and one may be stuck while others move.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// When a projector has last said that it moves.
    pub measured_at: Option<Timestamp>,
    /// How far it was behind then.
    pub behind_seconds: u64,
    /// Records that can't be applied, with the times when they were written.
    pub blocked: BTreeMap<String, Timestamp>,
}

impl Lag {
    /// Seconds by which the view is behind; this grows while a projector is stuck.
    ///
    /// A projector that is not called at all says nothing: for that, watch the stream's own iterator age.
    #[must_use]
    pub fn seconds(&self, now: Timestamp) -> u64 {
        let blocked =
            self.blocked.values().filter(|since| now.duration_since(**since) < RECORD_LIVES);
        let blocked = blocked.map(|since| seconds_between(*since, now)).max().unwrap_or(0);
        let is_fresh = |at| now.duration_since(at) < MEASURE_HOLDS;
        blocked.max(if self.measured_at.is_some_and(is_fresh) { self.behind_seconds } else { 0 })
    }

    /// Takes a mark in.
    pub fn merge(&mut self, mark: &LagReport) {
        if let Some((at, behind_seconds)) = mark.measured {
            self.measured_at = Some(at);
            self.behind_seconds = behind_seconds;
        }
        self.blocked.retain(|record, _| !mark.unblocked.contains(record));
        self.blocked.extend(mark.blocked.clone());
    }
}

/// Whole seconds from one time to another; none if that is the earlier one, since clocks differ.
#[must_use]
pub fn seconds_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_secs()).unwrap_or(0)
}

/// Remembers what this instance has last said, and so keeps it from saying everything twice.
#[derive(Debug, Default)]
pub struct ReportThrottle {
    last: Mutex<Option<(Timestamp, u64)>>,
}

impl ReportThrottle {
    /// Whether this measure is worth a mark: the first, one after a while, and the one that says that all is well again.
    pub(crate) fn should_report(&self, at: Timestamp, behind_seconds: u64) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_worth = last.is_none_or(|(marked_at, said)| {
            at.duration_since(marked_at) >= REPORT_INTERVAL
                || (said > BEHIND_SECONDS) != (behind_seconds > BEHIND_SECONDS)
        });
        if is_worth {
            *last = Some((at, behind_seconds));
        }
        is_worth
    }

    /// Whatever comes next is worth a mark.
    pub(crate) fn reset(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_767_268_800 + seconds).unwrap()
    }

    fn moving(seconds: i64, behind_seconds: u64) -> LagReport {
        LagReport { measured: Some((at(seconds), behind_seconds)), ..LagReport::default() }
    }

    fn stuck() -> LagReport {
        LagReport { blocked: Some(("a".to_owned(), at(0))), ..LagReport::default() }
    }

    #[test]
    fn lag_grows_while_a_record_is_blocked_though_others_move() {
        let mut lag = Lag::default();
        lag.merge(&stuck());
        for now in [10, 20, 3_600] {
            lag.merge(&moving(now, 0));
            assert_eq!(lag.seconds(at(now)), u64::try_from(now).unwrap());
        }
        lag.merge(&LagReport { unblocked: vec!["a".to_owned()], ..moving(3_700, 1) });
        assert_eq!(lag.seconds(at(3_701)), 1);
    }

    #[test]
    fn a_stream_at_rest_is_not_behind_and_a_record_that_is_gone_not_stuck() {
        let mut lag = Lag::default();
        lag.merge(&moving(0, 30));
        assert_eq!(lag.seconds(at(10)), 30);
        assert_eq!(lag.seconds(at(100)), 0);
        lag.merge(&stuck());
        assert_eq!(lag.seconds(at(24 * 3_600)), 0);
    }

    #[test]
    fn a_projector_that_is_well_says_so_now_and_then() {
        let throttle = ReportThrottle::default();
        let worth = |now, behind| throttle.should_report(at(now), behind);
        assert!(worth(0, 0));
        assert!(!worth(1, 0));
        assert!(!worth(4, 1));
        assert!(worth(5, 0));
        assert!(worth(6, 30), "that it is behind is news");
        assert!(!worth(7, 40));
        assert!(worth(8, 0), "that it no longer is, too");
    }
}
