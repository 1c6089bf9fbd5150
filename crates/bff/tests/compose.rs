//! A composition under every subset of its parts slow, failing and gone: in time, never worse than it must be, never a lie.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bff::compose::{Composition, Part, Reason, Status};
use bff::invoke::Deadline;
use bff::kept::Aged;
use serde_json::json;
use service_error::ServiceError;
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(2);
/// What the answer may take beyond its deadline.
const MARGIN: Duration = Duration::from_millis(50);
/// How old what stands in for a part is.
const AGE: Duration = Duration::from_millis(90_500);

/// How a service fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Well,
    Slow,
    Late,
    Failing,
    FailingSlowly,
    Refusing,
    Broken,
    Gone,
}

const FATES: [Fate; 8] = [
    Fate::Well,
    Fate::Slow,
    Fate::Late,
    Fate::Failing,
    Fate::FailingSlowly,
    Fate::Refusing,
    Fate::Broken,
    Fate::Gone,
];

impl Fate {
    /// The part: a number, or what happens to it instead.
    async fn part(self, number: u32) -> Result<u32, ServiceError> {
        let wait = |milliseconds| tokio::time::sleep(Duration::from_millis(milliseconds));
        match self {
            Self::Well => Ok(number),
            Self::Slow => {
                wait(1_900).await;
                Ok(number)
            }
            Self::Late => {
                wait(2_100).await;
                Ok(number)
            }
            Self::Failing => Err(ServiceError::transient("not now", "connection refused")),
            Self::FailingSlowly => {
                wait(1_800).await;
                Err(ServiceError::transient("not now", "connection reset"))
            }
            Self::Refusing => Err(ServiceError::rejected("conflict", "no")),
            Self::Broken => Err(ServiceError::permanent("no JSON")),
            Self::Gone => pending().await,
        }
    }

    fn comes(self) -> bool {
        matches!(self, Self::Well | Self::Slow)
    }

    fn reason(self) -> Reason {
        match self {
            Self::Well | Self::Slow => unreachable!("it comes"),
            Self::Late | Self::Gone => Reason::Late,
            Self::Failing | Self::FailingSlowly => Reason::Unavailable,
            Self::Refusing => Reason::Refused,
            Self::Broken => Reason::Broken,
        }
    }

    /// How long it takes, if it is not given up before.
    fn took(self) -> Duration {
        Duration::from_millis(match self {
            Self::Well | Self::Failing | Self::Refusing | Self::Broken => 0,
            Self::Slow => 1_900,
            Self::FailingSlowly => 1_800,
            Self::Late | Self::Gone => 2_000,
        })
    }
}

/// Every way in which four services may fare.
fn all() -> impl Iterator<Item = [Fate; 4]> {
    let one = || FATES.into_iter();
    one().flat_map(move |a| {
        one().flat_map(move |b| one().flat_map(move |c| one().map(move |d| [a, b, c, d])))
    })
}

type Answer = (u32, Part<u32>, Part<u32>, Part<u32>);

/// One required part, two optional ones, and one for which an earlier answer stands in.
async fn compose(composition: &Composition, fates: [Fate; 4]) -> Result<Answer, ServiceError> {
    let earlier = || Some(Aged { value: 7, age: AGE });
    tokio::try_join!(
        composition.required("a", fates[0].part(1)),
        composition.optional("b", fates[1].part(2)),
        composition.optional("c", fates[2].part(3)),
        composition.optional_or("d", fates[3].part(4), earlier),
    )
}

#[tokio::test(start_paused = true)]
async fn whatever_becomes_of_the_parts_the_answer_is_in_time_and_true() {
    let mut seen = 0;
    for fates in all() {
        let begun = Instant::now();
        let composition = Composition::partial(Deadline::after(LIMIT));
        let answer = compose(&composition, fates).await;
        let took = begun.elapsed();
        assert!(took <= LIMIT + MARGIN, "{fates:?} took {took:?}");
        seen += 1;
        let Ok((a, b, c, d)) = answer else {
            assert!(!fates[0].comes(), "{fates:?}: a part that is optional was missed");
            assert!(took <= fates[0].took() + MARGIN, "{fates:?}: it was known after {took:?}");
            continue;
        };
        assert!(fates[0].comes(), "{fates:?}: it cannot be known");
        assert_eq!(a, 1);
        // In parallel: as long as the slowest, and no longer.
        let slowest = fates.map(Fate::took).into_iter().max().unwrap();
        assert!(took <= slowest + MARGIN, "{fates:?} took {took:?}");
        let report = composition.report();
        assert_eq!(report.status("a"), Some(Status::Fresh));
        for (name, part, fate, number) in [("b", b, fates[1], 2), ("c", c, fates[2], 3)] {
            let told = (part, report.status(name).unwrap());
            if fate.comes() {
                assert_eq!(told, (Part::Fresh(number), Status::Fresh), "{fates:?}");
            } else {
                let status = Status::Missing { reason: fate.reason() };
                assert_eq!(told, (Part::Missing, status), "{fates:?}");
            }
        }
        if fates[3].comes() {
            assert_eq!((d, report.status("d")), (Part::Fresh(4), Some(Status::Fresh)), "{fates:?}");
        } else {
            assert_eq!(d, Part::Stale(7), "{fates:?}");
            let Some(Status::Stale { age_seconds, reason }) = report.status("d") else {
                unreachable!("{fates:?}: it is told to be something else");
            };
            assert_eq!(reason, fates[3].reason(), "{fates:?}");
            // Never younger than it is; the timer may be a millisecond late.
            let age = Duration::from_secs(age_seconds);
            let true_age = AGE + fates[3].took();
            assert!(true_age <= age && age <= true_age + Duration::from_secs(1), "{fates:?}");
        }
    }
    assert_eq!(seen, 8 * 8 * 8 * 8);
}

#[tokio::test(start_paused = true)]
async fn what_is_to_come_whole_comes_whole_or_not_at_all() {
    for fates in all() {
        let begun = Instant::now();
        let composition = Composition::whole_or_nothing(Deadline::after(LIMIT));
        let answer = compose(&composition, fates).await;
        let took = begun.elapsed();
        assert!(took <= LIMIT + MARGIN, "{fates:?} took {took:?}");
        if fates.into_iter().all(Fate::comes) {
            let whole = (1, Part::Fresh(2), Part::Fresh(3), Part::Fresh(4));
            assert_eq!(answer.unwrap(), whole, "{fates:?}");
            assert_eq!(composition.report().degraded().count(), 0);
        } else {
            assert!(answer.is_err(), "{fates:?}");
            let missing = fates.into_iter().filter(|it| !it.comes()).map(Fate::took).min();
            assert!(took <= missing.unwrap() + MARGIN, "{fates:?}: it was known after {took:?}");
        }
    }
}

/// Counts the calls that run.
struct Running<'a>(&'a AtomicUsize);

impl<'a> Running<'a> {
    fn new(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_waited_for_is_not_left_running() {
    for fates in all() {
        let running = AtomicUsize::new(0);
        let composition = Composition::partial(Deadline::after(LIMIT));
        let part = async |fate: Fate| {
            let _running = Running::new(&running);
            fate.part(0).await
        };
        let answer = tokio::try_join!(
            composition.required("a", part(fates[0])),
            composition.optional("b", part(fates[1])),
            composition.optional("c", part(fates[2])),
            composition.optional("d", part(fates[3])),
        );
        assert_eq!(answer.is_ok(), fates[0].comes());
        assert_eq!(running.load(Ordering::Relaxed), 0, "{fates:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_may_be_given_less_time_than_the_whole_and_never_more() {
    let composition = Composition::partial(Deadline::after(LIMIT));
    let begun = Instant::now();
    let short = composition.optional_within("a", Duration::from_millis(300), Fate::Gone.part(1));
    assert_eq!(short.await.unwrap(), Part::Missing);
    assert_eq!(begun.elapsed().as_millis() / 10, 30);
    let long = composition.optional_within("b", Duration::from_secs(60), Fate::Gone.part(1));
    assert_eq!(long.await.unwrap(), Part::Missing);
    assert_eq!(begun.elapsed().as_millis() / 10, 200);
}

#[tokio::test]
async fn the_report_names_what_is_missing_and_says_why() {
    let composition = Composition::partial(Deadline::after(LIMIT));
    compose(&composition, [Fate::Well, Fate::Broken, Fate::Well, Fate::Refusing]).await.unwrap();
    assert_eq!(
        serde_json::to_value(composition.report()).unwrap(),
        json!({
            "degraded": ["b", "d"],
            "parts": {
                "a": {"status": "fresh"},
                "b": {"status": "missing", "reason": "broken"},
                "c": {"status": "fresh"},
                "d": {"status": "stale", "ageSeconds": 91, "reason": "refused"},
            },
        })
    );
    let brief = serde_json::to_value(composition.report().troubles()).unwrap();
    assert_eq!(brief["parts"].as_object().unwrap().len(), 2);
    let nothing = Composition::partial(Deadline::after(LIMIT)).report();
    assert_eq!(serde_json::to_value(nothing).unwrap(), json!({}));
}

#[tokio::test]
async fn of_a_name_that_is_given_twice_the_worse_is_told() {
    let composition = Composition::partial(Deadline::after(LIMIT));
    for fate in [Fate::Well, Fate::Failing, Fate::Well] {
        drop(composition.optional("a", fate.part(1)).await);
    }
    let status = Status::Missing { reason: Reason::Unavailable };
    assert_eq!(composition.report().status("a"), Some(status));
}

#[tokio::test(start_paused = true)]
async fn an_answer_tells_how_long_each_of_its_parts_has_taken() {
    let composition = Composition::partial(Deadline::after(LIMIT));
    let parts = tokio::try_join!(
        composition.required("book", Fate::Slow.part(1)),
        composition.optional("latest reviews", Fate::FailingSlowly.part(2)),
        composition.optional("shop/", Fate::Gone.part(3)),
    );
    assert!(parts.is_ok());
    // In the order in which they came; names as a header may have them.
    let told = composition.server_timing();
    let told: Vec<_> = told.split(", ").map(|it| it.split_once(";dur=").unwrap()).collect();
    let milliseconds = |text: &str| text.split_once('.').unwrap().0.parse::<u64>().unwrap();
    let told: Vec<_> = told.into_iter().map(|(name, dur)| (name, milliseconds(dur))).collect();
    let names: Vec<_> = told.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["latest-reviews", "book", "shop-", "all"]);
    for ((name, told), expected) in told.into_iter().zip([1_800, 1_900, 2_000, 2_000]) {
        assert!((expected..expected + 5).contains(&told), "{name}: {told}, and not {expected}");
    }
}
