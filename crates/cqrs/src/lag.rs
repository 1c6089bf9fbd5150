//! How far a view is behind its source, as its projectors report it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// A healthy projector reports at most this often, because each report costs a write.
const REPORT_INTERVAL: SignedDuration = SignedDuration::from_secs(5);
/// A view counts as behind above this lag. A stream alone takes up to a second.
const BEHIND_SECONDS: u64 = 2;
/// After this time a reported lag is out of date: no record has arrived since, so the view is not behind.
const MEASURE_HOLDS: SignedDuration = SignedDuration::from_secs(60);
/// How long a stream keeps a record. A blocked record is lost after that, so it no longer counts.
const RECORD_LIVES: SignedDuration = SignedDuration::from_hours(24);

/// What a projector reports after a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LagReport {
    /// The time of the report, and the lag in seconds of the batch's oldest change when it became visible.
    pub measured: Option<(Timestamp, u64)>,
    /// The record that can't be applied now and blocks those behind it, with the time when it was written.
    pub blocked: Option<(String, Timestamp)>,
    /// Records that were blocked, and have been applied since.
    pub unblocked: Vec<String>,
}

/// The reports of all projectors of a view. Each shard of a stream has one, and one may be blocked while others are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// When a projector last reported a lag.
    pub measured_at: Option<Timestamp>,
    /// The lag of that report, in seconds.
    pub behind_seconds: u64,
    /// The blocked records, with the times when they were written.
    pub blocked: BTreeMap<String, Timestamp>,
}

impl Lag {
    /// The lag of the view in seconds. It grows while a record is blocked.
    ///
    /// A projector that is not invoked at all reports nothing; the stream's iterator age shows that case.
    #[must_use]
    pub fn seconds(&self, now: Timestamp) -> u64 {
        let blocked =
            self.blocked.values().filter(|since| now.duration_since(**since) < RECORD_LIVES);
        let blocked = blocked.map(|since| seconds_between(*since, now)).max().unwrap_or(0);
        let is_fresh = |at| now.duration_since(at) < MEASURE_HOLDS;
        blocked.max(if self.measured_at.is_some_and(is_fresh) { self.behind_seconds } else { 0 })
    }

    /// Applies a report.
    pub fn merge(&mut self, report: &LagReport) {
        if let Some((at, behind_seconds)) = report.measured {
            self.measured_at = Some(at);
            self.behind_seconds = behind_seconds;
        }
        self.blocked.retain(|record, _| !report.unblocked.contains(record));
        self.blocked.extend(report.blocked.clone());
    }
}

/// Whole seconds from one time to another; 0 if the second one is earlier, because clocks differ.
#[must_use]
pub fn seconds_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_secs()).unwrap_or(0)
}

/// Limits the reports of one function instance. It remembers the last report.
#[derive(Debug, Default)]
pub struct ReportThrottle {
    last: Mutex<Option<(Timestamp, u64)>>,
}

impl ReportThrottle {
    /// Whether to send this report: the first one, one after [`REPORT_INTERVAL`], or one that crosses the threshold of "behind".
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

    /// Lets the next report through.
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

    fn blocked() -> LagReport {
        LagReport { blocked: Some(("a".to_owned(), at(0))), ..LagReport::default() }
    }

    #[test]
    fn lag_grows_while_a_record_is_blocked_although_others_are_applied() {
        let mut lag = Lag::default();
        lag.merge(&blocked());
        for now in [10, 20, 3_600] {
            lag.merge(&moving(now, 0));
            assert_eq!(lag.seconds(at(now)), u64::try_from(now).unwrap());
        }
        lag.merge(&LagReport { unblocked: vec!["a".to_owned()], ..moving(3_700, 1) });
        assert_eq!(lag.seconds(at(3_701)), 1);
    }

    #[test]
    fn an_idle_stream_is_not_behind_and_an_expired_record_not_blocked() {
        let mut lag = Lag::default();
        lag.merge(&moving(0, 30));
        assert_eq!(lag.seconds(at(10)), 30);
        assert_eq!(lag.seconds(at(100)), 0);
        lag.merge(&blocked());
        assert_eq!(lag.seconds(at(24 * 3_600)), 0);
    }

    #[test]
    fn a_healthy_projector_reports_at_an_interval() {
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
