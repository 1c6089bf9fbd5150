//! The window counts the same calls as a list of all calls, and is exact to a tenth of its length.

use circuit_breaker::window::{Tally, Window};
use proptest::prelude::*;

/// A counted call: its time, whether it failed, whether it was slow.
type Call = (i64, bool, bool);

fn tally<'a>(calls: impl Iterator<Item = &'a Call>) -> Tally {
    calls.fold(Tally::default(), |tally, (_, is_failure, is_slow)| Tally {
        calls: tally.calls + 1,
        failures: tally.failures + u32::from(*is_failure),
        slow: tally.slow + u32::from(*is_slow),
    })
}

/// A list of all calls, which is counted again each time.
struct ListOfCalls {
    bucket_ms: i64,
    newest: i64,
    /// With the index of the bucket instead of the time.
    calls: Vec<Call>,
}

impl ListOfCalls {
    fn advance(&mut self, now_ms: i64) {
        let now = now_ms.div_euclid(self.bucket_ms);
        if now <= self.newest - 10 {
            self.calls.clear();
            self.newest = now;
        }
        self.newest = self.newest.max(now);
    }

    fn tally(&mut self, now_ms: i64) -> Tally {
        self.advance(now_ms);
        tally(self.calls.iter().filter(|(bucket, ..)| *bucket > self.newest - 10))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Count { later_ms: i64, is_failure: bool, is_slow: bool },
    Wait { later_ms: i64 },
    ForgetUntil { ago_ms: i64 },
    Clear,
}

/// Mostly a little later, sometimes much later or earlier.
fn later() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0..40_i64, 2 => 0..400_i64, 1 => -60..0_i64, 1 => -5_000..5_000_i64]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (later(), any::<bool>(), any::<bool>())
            .prop_map(|(later_ms, is_failure, is_slow)| Step::Count { later_ms, is_failure, is_slow }),
        4 => later().prop_map(|later_ms| Step::Wait { later_ms }),
        2 => (-50..400_i64).prop_map(|ago_ms| Step::ForgetUntil { ago_ms }),
        1 => Just(Step::Clear),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #[test]
    fn a_window_counts_what_a_list_of_all_calls_would(
        steps in steps(),
        window_ms in 1..300_u64,
        begin_ms in -1_000..2_000_000_000_000_i64,
    ) {
        let mut window = Window::new(window_ms);
        let bucket_ms = i64::try_from(window_ms / 10).unwrap_or(i64::MAX).max(1);
        let mut list = ListOfCalls { bucket_ms, newest: 0, calls: Vec::new() };
        let mut now_ms = begin_ms;
        for step in steps {
            match step {
                Step::Count { later_ms, is_failure, is_slow } => {
                    now_ms += later_ms;
                    window.count(now_ms, is_failure, is_slow);
                    list.advance(now_ms);
                    list.calls.push((list.newest, is_failure, is_slow));
                }
                Step::Wait { later_ms } => now_ms += later_ms,
                Step::ForgetUntil { ago_ms } => {
                    let last = (now_ms - ago_ms).div_euclid(bucket_ms);
                    window.forget_until(now_ms - ago_ms);
                    list.calls.retain(|(bucket, ..)| *bucket > last);
                }
                Step::Clear => {
                    window.clear();
                    list.calls.clear();
                }
            }
            prop_assert_eq!(window.tally(now_ms), list.tally(now_ms));
        }
    }

    #[test]
    fn while_time_advances_a_window_is_exact_to_a_tenth(
        calls in prop::collection::vec((0..300_i64, any::<bool>(), any::<bool>()), 1..200),
        begin_ms in 0..2_000_000_000_000_i64,
    ) {
        let mut window = Window::new(1_000);
        let mut all: Vec<Call> = Vec::new();
        let mut now_ms = begin_ms;
        for (later_ms, is_failure, is_slow) in calls {
            now_ms += later_ms;
            window.count(now_ms, is_failure, is_slow);
            all.push((now_ms, is_failure, is_slow));
            let seen = window.tally(now_ms);
            let within = |ms: i64| tally(all.iter().filter(|(at, ..)| now_ms - at < ms));
            let (least, most) = (within(900), within(1_000));
            prop_assert!((least.calls..=most.calls).contains(&seen.calls));
            prop_assert!((least.failures..=most.failures).contains(&seen.failures));
            prop_assert!((least.slow..=most.slow).contains(&seen.slow));
        }
    }

    #[test]
    fn a_clock_that_jumps_never_makes_a_window_count_too_many_calls(
        times in prop::collection::vec(any::<i32>(), 1..40),
    ) {
        let mut window = Window::new(1_000);
        for (counted, time) in (1..).zip(times) {
            window.count(i64::from(time), true, false);
            let tally = window.tally(i64::from(time));
            prop_assert!((1..=counted).contains(&tally.calls), "{:?}", tally);
            prop_assert_eq!(tally.failures_permille(), 1000);
        }
    }
}

#[test]
fn a_rate_of_no_calls_is_zero_and_large_counts_do_not_overflow() {
    assert_eq!(Tally::default().failures_permille(), 0);
    let many = Tally { calls: u32::MAX, failures: u32::MAX, slow: u32::MAX / 2 };
    assert_eq!((many.failures_permille(), many.slow_permille()), (1_000, 499));
}
