//! Stream to view: one loop over the records of a batch and the generations of the view, and a measure of the lag.
//!
//! A service adds one function: the row that a record leads to. This module reads which generations to write, calls the
//! function for each record and generation, upserts the row, and reports how far the view is behind.

use std::error::Error as StdError;

use aws_lambda_events::dynamodb::EventRecord;
use jiff::Timestamp;

use crate::generation::{Generations, ProjectionStateStore};
use crate::lag::{Lag, LagReport, ReportThrottle, seconds_between};
use crate::view::{Row, View, ViewError};

/// The row that a record leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowUpdate<R> {
    /// The id of the aggregate.
    pub id: String,
    /// The version of the aggregate that the row shows.
    pub version: u64,
    /// The row.
    pub row: R,
}

/// Why a record was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The view or the source did not respond: the stream must deliver the record again.
    #[error("record was not applied")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// No attempt can apply the record: it is dead-lettered.
    #[error(transparent)]
    Poison(Box<dyn StdError + Send + Sync>),
}

impl ProjectError {
    /// An error that no retry can resolve.
    pub fn poison(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Poison(cause.into())
    }
}

impl From<ViewError> for ProjectError {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Unavailable(cause) => Self::Unavailable(cause),
            ViewError::Corrupt(_) => Self::poison(error),
        }
    }
}

/// The result of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projected {
    /// The index of the first record that was not applied, from which the stream must deliver again.
    pub failed: Option<usize>,
    /// How far the view is behind after the batch; absent for an empty batch.
    pub measured: Option<Measured>,
}

/// How far a batch was behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Seconds from the oldest change of the batch until it was visible, or until now if it is not visible yet.
    pub lag_seconds: u64,
    /// Milliseconds from the latest change of the batch until its delivery.
    pub iterator_age_ms: u64,
    /// Whether a record could not be applied and blocks those behind it.
    pub is_blocked: bool,
}

/// Applies a batch of records to every retained generation of a view, and reports the lag.
///
/// The generations are read once for the batch; [`generation`](crate::generation) explains why that is enough. `row_of`
/// and `dead_letter` are those of [`apply_records`].
pub async fn project<R: Row, G: Generations<R>>(
    views: &G,
    throttle: &ReportThrottle,
    clock: impl Fn() -> Timestamp,
    records: &[EventRecord],
    row_of: impl AsyncFn(&G::View, &EventRecord) -> Result<Option<RowUpdate<R>>, ProjectError>,
    dead_letter: impl AsyncFn(&EventRecord, &ProjectError) -> bool,
) -> Projected {
    let began = clock();
    let times: Vec<(String, Option<Timestamp>)> =
        records.iter().map(|it| (it.event_id.clone(), written_at(it))).collect();
    let (state, lag) = match views.state().await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(error = &error as &dyn StdError, "batch will be retried");
            let failed = (!records.is_empty()).then_some(0);
            return Projected { failed, measured: measure(&times, failed, began, clock()) };
        }
    };
    let targets: Vec<G::View> =
        state.write_targets(began).into_iter().map(|it| views.generation(it)).collect();
    let failed = apply_records(&targets, records, row_of, dead_letter).await;
    let now = clock();
    let measured = measure(&times, failed, began, now);
    if let Some(measured) = measured {
        let report = lag_report(&lag, &times, failed, measured, now);
        send_report(views, throttle, &report, measured, now).await;
    }
    Projected { failed, measured }
}

/// Applies each record to each view; returns the index of the first record that was not applied, if any.
///
/// `row_of` returns the row that a record leads to, given a view as it is, or nothing if the record changes no row. A
/// record that no attempt can apply goes to `dead_letter`, which returns whether it stored the record; the others are
/// applied. At the first record that can't be applied now the batch ends. The stream delivers again from there, and a
/// row that was written before is recognised by its version.
pub async fn apply_records<R: Row, V: View<R>>(
    views: &[V],
    records: &[EventRecord],
    row_of: impl AsyncFn(&V, &EventRecord) -> Result<Option<RowUpdate<R>>, ProjectError>,
    dead_letter: impl AsyncFn(&EventRecord, &ProjectError) -> bool,
) -> Option<usize> {
    for (index, record) in records.iter().enumerate() {
        let mut poison = None;
        for view in views {
            let applied = match row_of(view, record).await {
                Ok(Some(update)) => upsert(view, &update).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            match applied {
                Ok(()) => {}
                // Another generation may accept the record, for example if only the old one has a corrupt row.
                Err(error @ ProjectError::Poison(_)) => poison = Some(error),
                Err(error @ ProjectError::Unavailable(_)) => {
                    tracing::warn!(error = &error as &dyn StdError, "record will be retried");
                    return Some(index);
                }
            }
        }
        if let Some(error) = poison
            && !dead_letter(record, &error).await
        {
            return Some(index);
        }
    }
    None
}

async fn upsert<R: Row>(
    view: &impl View<R>,
    RowUpdate { id, version, row }: &RowUpdate<R>,
) -> Result<(), ProjectError> {
    let written = view.upsert_if_newer(id, *version, row).await?;
    tracing::debug!(id, version, written, "projected");
    Ok(())
}

/// When a record was written. The stream rounds it to a second.
fn written_at(record: &EventRecord) -> Option<Timestamp> {
    let millis = record.change.approximate_creation_date_time.timestamp_millis();
    Timestamp::from_millisecond(millis).ok().filter(|_| millis > 0)
}

fn measure(
    times: &[(String, Option<Timestamp>)],
    failed: Option<usize>,
    began: Timestamp,
    now: Timestamp,
) -> Option<Measured> {
    let oldest = match failed {
        Some(failed) => times.get(failed)?.1,
        None => times.iter().find_map(|it| it.1),
    };
    let latest = times.iter().rev().find_map(|it| it.1)?;
    let age = began.duration_since(latest).as_millis();
    Some(Measured {
        lag_seconds: oldest.map_or(0, |oldest| seconds_between(oldest, now)),
        iterator_age_ms: u64::try_from(age).unwrap_or(0),
        is_blocked: failed.is_some(),
    })
}

fn lag_report(
    lag: &Lag,
    times: &[(String, Option<Timestamp>)],
    failed: Option<usize>,
    measured: Measured,
    now: Timestamp,
) -> LagReport {
    let applied = times.iter().take(failed.unwrap_or(times.len())).map(|it| &it.0);
    let blocked = failed.and_then(|failed| times.get(failed));
    LagReport {
        // A batch that fails contains no information about the lag of the other shards.
        measured: failed.is_none().then_some((now, measured.lag_seconds)),
        blocked: blocked.map(|(record, since)| (record.clone(), since.unwrap_or(now))),
        unblocked: applied.filter(|it| lag.blocked.contains_key(*it)).cloned().collect(),
    }
}

/// Stores a report: at once if a record is blocked or was unblocked, otherwise as often as the throttle allows.
async fn send_report(
    views: &impl ProjectionStateStore,
    throttle: &ReportThrottle,
    report: &LagReport,
    measured: Measured,
    now: Timestamp,
) {
    let is_urgent = report.blocked.is_some() || !report.unblocked.is_empty();
    if !is_urgent && !throttle.should_report(now, measured.lag_seconds) {
        return;
    }
    if let Err(error) = views.report_lag(report).await {
        // Only the operator's page depends on it, and the next batch reports again.
        tracing::warn!(error = &error as &dyn StdError, "lag was not reported");
        throttle.reset();
    }
}
