//! The window against a list of calls that is counted anew each time.

use circuit_breaker::window::{Tally, Window};
use proptest::prelude::*;

const WINDOW_MS: i64 = 1_000;
const BUCKET_MS: i64 = 100;

#[derive(Clone, Debug)]
enum Step {
    Pass(i64),
    Call { is_failure: bool, is_slow: bool },
    Clear,
    ForgetUntilNow,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..400_i64).prop_map(Step::Pass),
        1 => (900..3_000_i64).prop_map(Step::Pass),
        8 => any::<(bool, bool)>().prop_map(|(is_failure, is_slow)| Step::Call { is_failure, is_slow }),
        1 => Just(Step::Clear),
        1 => Just(Step::ForgetUntilNow),
    ]
}

proptest! {
    #[test]
    fn it_holds_the_calls_of_the_last_ten_buckets_and_no_others(
        // Around zero the clock would go back a little from where a new window begins.
        begin in prop_oneof![-50_000..-2_000_i64, 2_000..50_000_i64],
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut window = Window::new(WINDOW_MS.unsigned_abs());
        let (mut now, mut calls) = (begin, Vec::new());
        // A new window begins at no time at all.
        window.tally(now);
        for step in steps {
            match step {
                Step::Pass(ms) => now += ms,
                Step::Call { is_failure, is_slow } => {
                    window.count(now, is_failure, is_slow);
                    calls.push((now.div_euclid(BUCKET_MS), is_failure, is_slow));
                }
                Step::Clear => {
                    window.clear();
                    calls.clear();
                }
                Step::ForgetUntilNow => {
                    window.tally(now);
                    window.forget_until(now);
                    calls.clear();
                }
            }
            let oldest = now.div_euclid(BUCKET_MS) - WINDOW_MS / BUCKET_MS;
            let kept = || calls.iter().filter(|(bucket, ..)| *bucket > oldest);
            let count = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
            let expected = Tally {
                calls: count(kept().count()),
                failures: count(kept().filter(|it| it.1).count()),
                slow: count(kept().filter(|it| it.2).count()),
            };
            prop_assert_eq!(window.tally(now), expected);
        }
    }

    #[test]
    fn a_clock_that_jumps_never_makes_it_hold_more_than_was_counted(
        times in prop::collection::vec(any::<i32>(), 1..40),
    ) {
        let mut window = Window::new(WINDOW_MS.unsigned_abs());
        for (counted, time) in (1..).zip(times) {
            window.count(i64::from(time), true, false);
            let tally = window.tally(i64::from(time));
            prop_assert!((1..=counted).contains(&tally.calls), "{:?}", tally);
            prop_assert_eq!(tally.failures_permille(), 1000);
        }
    }
}
