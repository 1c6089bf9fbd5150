//! A composition in which every subset of the parts is slow, failing or unresponsive: its response is in time, as complete
//! as possible, and correct.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bff::compose::{Composition, Part, Reason, Status};
use bff::invoke::Deadline;
use bff::stale_cache::Cached;
use serde_json::json;
use service_error::ServiceError;
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(2);
/// The time that the response may take beyond its deadline.
const MARGIN: Duration = Duration::from_millis(50);
/// The age of the cached value of a part.
const AGE: Duration = Duration::from_millis(90_500);

/// The behavior of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behavior {
    Well,
    Slow,
    Late,
    Failing,
    FailingSlowly,
    Refusing,
    Broken,
    Gone,
}

const BEHAVIORS: [Behavior; 8] = [
    Behavior::Well,
    Behavior::Slow,
    Behavior::Late,
    Behavior::Failing,
    Behavior::FailingSlowly,
    Behavior::Refusing,
    Behavior::Broken,
    Behavior::Gone,
];

impl Behavior {
    /// The result of the part: a number, or a failure.
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

    /// The time until the result or the deadline.
    fn took(self) -> Duration {
        Duration::from_millis(match self {
            Self::Well | Self::Failing | Self::Refusing | Self::Broken => 0,
            Self::Slow => 1_900,
            Self::FailingSlowly => 1_800,
            Self::Late | Self::Gone => 2_000,
        })
    }
}

/// All combinations of the behaviors of four services.
fn all() -> impl Iterator<Item = [Behavior; 4]> {
    let one = || BEHAVIORS.into_iter();
    one().flat_map(move |a| {
        one().flat_map(move |b| one().flat_map(move |c| one().map(move |d| [a, b, c, d])))
    })
}

type Parts = (u32, Part<u32>, Part<u32>, Part<u32>);

/// One required part, two optional ones, and one with a cached value.
async fn compose(
    composition: &Composition,
    behaviors: [Behavior; 4],
) -> Result<Parts, ServiceError> {
    let earlier = || Some(Cached { value: 7, age: AGE });
    tokio::try_join!(
        composition.required("a", behaviors[0].part(1)),
        composition.optional("b", behaviors[1].part(2)),
        composition.optional("c", behaviors[2].part(3)),
        composition.optional_or("d", behaviors[3].part(4), earlier),
    )
}

#[tokio::test(start_paused = true)]
async fn for_all_behaviors_of_the_parts_the_response_is_in_time_and_correct() {
    let mut seen = 0;
    for behaviors in all() {
        let started_at = Instant::now();
        let composition = Composition::partial(Deadline::after(LIMIT));
        let response = compose(&composition, behaviors).await;
        let took = started_at.elapsed();
        assert!(took <= LIMIT + MARGIN, "{behaviors:?} took {took:?}");
        seen += 1;
        let Ok((a, b, c, d)) = response else {
            assert!(!behaviors[0].comes(), "{behaviors:?}: only optional parts are missing");
            assert!(
                took <= behaviors[0].took() + MARGIN,
                "{behaviors:?}: it was known after {took:?}"
            );
            continue;
        };
        assert!(behaviors[0].comes(), "{behaviors:?}: a required part is missing");
        assert_eq!(a, 1);
        // In parallel: as long as the slowest, and no longer.
        let slowest = behaviors.map(Behavior::took).into_iter().max().unwrap();
        assert!(took <= slowest + MARGIN, "{behaviors:?} took {took:?}");
        let report = composition.report();
        assert_eq!(report.status("a"), Some(Status::Fresh));
        for (name, part, behavior, number) in [("b", b, behaviors[1], 2), ("c", c, behaviors[2], 3)]
        {
            let reported = (part, report.status(name).unwrap());
            if behavior.comes() {
                assert_eq!(reported, (Part::Fresh(number), Status::Fresh), "{behaviors:?}");
            } else {
                let status = Status::Missing { reason: behavior.reason() };
                assert_eq!(reported, (Part::Missing, status), "{behaviors:?}");
            }
        }
        if behaviors[3].comes() {
            assert_eq!(
                (d, report.status("d")),
                (Part::Fresh(4), Some(Status::Fresh)),
                "{behaviors:?}"
            );
        } else {
            assert_eq!(d, Part::Stale(7), "{behaviors:?}");
            let Some(Status::Stale { age_seconds, reason }) = report.status("d") else {
                unreachable!("{behaviors:?}: it is reported with another status");
            };
            assert_eq!(reason, behaviors[3].reason(), "{behaviors:?}");
            // Never reported younger than it is; the timer may be a millisecond late.
            let age = Duration::from_secs(age_seconds);
            let true_age = AGE + behaviors[3].took();
            assert!(true_age <= age && age <= true_age + Duration::from_secs(1), "{behaviors:?}");
        }
    }
    assert_eq!(seen, 8 * 8 * 8 * 8);
}

#[tokio::test(start_paused = true)]
async fn a_composition_that_is_whole_or_nothing_is_complete_or_fails() {
    for behaviors in all() {
        let started_at = Instant::now();
        let composition = Composition::whole_or_nothing(Deadline::after(LIMIT));
        let response = compose(&composition, behaviors).await;
        let took = started_at.elapsed();
        assert!(took <= LIMIT + MARGIN, "{behaviors:?} took {took:?}");
        if behaviors.into_iter().all(Behavior::comes) {
            let whole = (1, Part::Fresh(2), Part::Fresh(3), Part::Fresh(4));
            assert_eq!(response.unwrap(), whole, "{behaviors:?}");
            assert_eq!(composition.report().degraded().count(), 0);
        } else {
            assert!(response.is_err(), "{behaviors:?}");
            let missing = behaviors.into_iter().filter(|it| !it.comes()).map(Behavior::took).min();
            assert!(
                took <= missing.unwrap() + MARGIN,
                "{behaviors:?}: it was known after {took:?}"
            );
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
async fn a_call_that_is_not_awaited_any_more_is_cancelled() {
    for behaviors in all() {
        let running = AtomicUsize::new(0);
        let composition = Composition::partial(Deadline::after(LIMIT));
        let part = async |behavior: Behavior| {
            let _running = Running::new(&running);
            behavior.part(0).await
        };
        let response = tokio::try_join!(
            composition.required("a", part(behaviors[0])),
            composition.optional("b", part(behaviors[1])),
            composition.optional("c", part(behaviors[2])),
            composition.optional("d", part(behaviors[3])),
        );
        assert_eq!(response.is_ok(), behaviors[0].comes());
        assert_eq!(running.load(Ordering::Relaxed), 0, "{behaviors:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_may_have_a_shorter_deadline_than_the_whole_but_no_longer_one() {
    let composition = Composition::partial(Deadline::after(LIMIT));
    let started_at = Instant::now();
    let short =
        composition.optional_within("a", Duration::from_millis(300), Behavior::Gone.part(1));
    assert_eq!(short.await.unwrap(), Part::Missing);
    assert_eq!(started_at.elapsed().as_millis() / 10, 30);
    let long = composition.optional_within("b", Duration::from_secs(60), Behavior::Gone.part(1));
    assert_eq!(long.await.unwrap(), Part::Missing);
    assert_eq!(started_at.elapsed().as_millis() / 10, 200);
}

#[tokio::test]
async fn the_report_names_the_degraded_parts_with_their_reasons() {
    let composition = Composition::partial(Deadline::after(LIMIT));
    compose(&composition, [Behavior::Well, Behavior::Broken, Behavior::Well, Behavior::Refusing])
        .await
        .unwrap();
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
    let brief = serde_json::to_value(composition.report().only_degraded()).unwrap();
    assert_eq!(brief["parts"].as_object().unwrap().len(), 2);
    let nothing = Composition::partial(Deadline::after(LIMIT)).report();
    assert_eq!(serde_json::to_value(nothing).unwrap(), json!({}));
}

#[tokio::test]
async fn for_a_name_that_is_used_twice_the_worse_status_is_reported() {
    let composition = Composition::partial(Deadline::after(LIMIT));
    for behavior in [Behavior::Well, Behavior::Failing, Behavior::Well] {
        drop(composition.optional("a", behavior.part(1)).await);
    }
    let status = Status::Missing { reason: Reason::Unavailable };
    assert_eq!(composition.report().status("a"), Some(status));
}

#[tokio::test(start_paused = true)]
async fn a_response_reports_the_duration_of_each_of_its_parts() {
    let composition = Composition::partial(Deadline::after(LIMIT));
    let parts = tokio::try_join!(
        composition.required("book", Behavior::Slow.part(1)),
        composition.optional("latest reviews", Behavior::FailingSlowly.part(2)),
        composition.optional("shop/", Behavior::Gone.part(3)),
    );
    assert!(parts.is_ok());
    // In the order of completion; names as a header may contain them.
    let header = composition.server_timing();
    let metrics: Vec<_> = header.split(", ").map(|it| it.split_once(";dur=").unwrap()).collect();
    let milliseconds = |text: &str| text.split_once('.').unwrap().0.parse::<u64>().unwrap();
    let metrics: Vec<_> =
        metrics.into_iter().map(|(name, dur)| (name, milliseconds(dur))).collect();
    let names: Vec<_> = metrics.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["latest-reviews", "book", "shop-", "all"]);
    for ((name, duration), expected) in metrics.into_iter().zip([1_800, 1_900, 2_000, 2_000]) {
        assert!(
            (expected..expected + 5).contains(&duration),
            "{name}: {duration}, and not {expected}"
        );
    }
}
