//! Stream to view, for every generation that is kept, with a measure of how far behind that is.

use std::error::Error as StdError;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::DynamoDbEventResponse;
use jiff::Timestamp;
use outbox::dead_letters::DeadLetters;
use outbox::publish::response;

use crate::follow::{ProjectError, follow};
use crate::generation::{Controls, Generations};
use crate::lag::{Gauge, Lag, Mark, seconds_between};
use crate::view::Row;

/// What became of a batch.
#[derive(Debug)]
pub struct Projected {
    /// From where on the stream is to deliver again.
    pub response: DynamoDbEventResponse,
    /// How far behind that leaves the view; nothing if the batch was empty.
    pub measured: Option<Measured>,
}

/// How far behind a batch was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Seconds from the oldest change of the batch until it could be seen; or until now, if it can't be.
    pub lag_seconds: u64,
    /// Milliseconds from the latest change of the batch until it was delivered.
    pub iterator_age_ms: u64,
    /// Whether a record is stuck.
    pub is_stuck: bool,
}

/// Applies each record of a batch to each generation that is kept.
///
/// Which these are is read once for the batch: see [`generation`](crate::generation) for why that is enough.
pub async fn project<R: Row, G: Generations<R>>(
    views: &G,
    gauge: &Gauge,
    clock: impl Fn() -> Timestamp,
    batch: Event,
    apply: impl AsyncFn(&G::View, &EventRecord) -> Result<(), ProjectError>,
    dead_letters: &impl DeadLetters,
) -> Projected {
    let began = clock();
    let times: Vec<(String, Option<Timestamp>)> =
        batch.records.iter().map(|it| (it.event_id.clone(), written_at(it))).collect();
    let (control, lag) = match views.control().await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(error = &error as &dyn StdError, "batch comes back");
            let response = response(batch.records.first());
            let measured = measure(&times, 0, began, clock(), !times.is_empty());
            return Projected { response, measured };
        }
    };
    let written: Vec<G::View> =
        control.written(began).into_iter().map(|it| views.generation(it)).collect();
    let tried = AtomicUsize::new(0);
    let to_all = async |record: &EventRecord| {
        tried.fetch_add(1, Ordering::Relaxed);
        let mut poison = None;
        for view in &written {
            match apply(view, record).await {
                Ok(()) => {}
                // What one generation can't take, another may: a row of the old one that can't be read, say.
                Err(error @ ProjectError::Poison(_)) => poison = Some(error),
                Err(error @ ProjectError::Unavailable(_)) => return Err(error),
            }
        }
        poison.map_or(Ok(()), Err)
    };
    let response = follow(batch, to_all, dead_letters).await;
    let tried = tried.into_inner();
    let is_stuck = !response.batch_item_failures.is_empty();
    // What was tried last is what failed.
    let passed = if is_stuck { tried.saturating_sub(1) } else { tried };
    let now = clock();
    let measured = measure(&times, passed, began, now, is_stuck);
    if let Some(measured) = measured {
        let mark = mark(&lag, &times, passed, measured, now);
        note(views, gauge, &mark, measured, now).await;
    }
    Projected { response, measured }
}

/// When a record was written, as far as the stream says so: to the second.
fn written_at(record: &EventRecord) -> Option<Timestamp> {
    let millis = record.change.approximate_creation_date_time.timestamp_millis();
    Timestamp::from_millisecond(millis).ok().filter(|_| millis > 0)
}

fn measure(
    times: &[(String, Option<Timestamp>)],
    passed: usize,
    began: Timestamp,
    now: Timestamp,
    is_stuck: bool,
) -> Option<Measured> {
    let oldest = if is_stuck { times.get(passed)?.1 } else { times.iter().find_map(|it| it.1) };
    let latest = times.iter().rev().find_map(|it| it.1)?;
    let age = began.duration_since(latest).as_millis();
    Some(Measured {
        lag_seconds: oldest.map_or(0, |oldest| seconds_between(oldest, now)),
        iterator_age_ms: u64::try_from(age).unwrap_or(0),
        is_stuck,
    })
}

fn mark(
    lag: &Lag,
    times: &[(String, Option<Timestamp>)],
    passed: usize,
    measured: Measured,
    now: Timestamp,
) -> Mark {
    let freed = times.iter().take(passed).map(|it| &it.0);
    let stuck = times.get(passed).filter(|_| measured.is_stuck);
    Mark {
        // A batch that fails tells nothing of how well the others fare.
        measured: (!measured.is_stuck).then_some((now, measured.lag_seconds)),
        stuck: stuck.map(|(record, since)| (record.clone(), since.unwrap_or(now))),
        freed: freed.filter(|it| lag.stuck.contains_key(*it)).cloned().collect(),
    }
}

/// At once if something is stuck or is not any more; else now and then.
async fn note(
    views: &impl Controls,
    gauge: &Gauge,
    mark: &Mark,
    measured: Measured,
    now: Timestamp,
) {
    let is_news = mark.stuck.is_some() || !mark.freed.is_empty();
    if !is_news && !gauge.is_worth_a_mark(now, measured.lag_seconds) {
        return;
    }
    if let Err(error) = views.mark(mark).await {
        // The next one will do: nothing depends on it but what an operator sees.
        tracing::warn!(error = &error as &dyn StdError, "lag not noted");
        gauge.reset();
    }
}
