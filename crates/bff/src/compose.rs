//! One response composed of several parts, and its degradation when some of them fail.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderName;
use serde::{Serialize, Serializer};
use service_error::{ErrorKind, ServiceError};
use tokio::time::{Instant, timeout_at};

use crate::invoke::Deadline;
use crate::stale_cache::Cached;

/// The name of a part: a service, or the content that it returns.
pub type Name = Cow<'static, str>;

/// The parts of one response: awaited together, with one deadline, each with its status.
///
/// Await the parts in one `try_join!`: they run in parallel, and the first required part that fails cancels all others. A
/// part that is not there at the deadline is dropped, and its call is cancelled.
#[derive(Debug)]
pub struct Composition {
    deadline: Deadline,
    started_at: Instant,
    whole_or_nothing: bool,
    report: Mutex<Report>,
    took: Mutex<Vec<(Name, Duration)>>,
}

/// An optional part of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<T> {
    /// The current value.
    Fresh(T),
    /// A cached value; the report says how old it is.
    Stale(T),
    /// Unknown. A part of which the service responds that there is nothing is not missing.
    Missing,
}

/// The status of a part, for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Status {
    /// The value is current.
    Fresh,
    /// The value is an earlier response.
    Stale {
        /// Its age in seconds, rounded up.
        age_seconds: u64,
        /// Why there is no fresh value.
        reason: Reason,
    },
    /// There is no value.
    Missing {
        /// Why there is no value.
        reason: Reason,
    },
}

/// Why a part is not fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The service did not respond in time.
    Late,
    /// The service is unavailable.
    Unavailable,
    /// The service rejected the request.
    Refused,
    /// A permanent failure that requires operator intervention.
    Broken,
}

/// The status of every part, and the names of the degraded ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    parts: BTreeMap<Name, Status>,
}

impl Composition {
    /// A response in which optional parts may be missing or stale.
    #[must_use]
    pub fn partial(deadline: Deadline) -> Self {
        Self::new(deadline, false)
    }

    /// A response that is complete or fails: optional parts are required too.
    #[must_use]
    pub fn whole_or_nothing(deadline: Deadline) -> Self {
        Self::new(deadline, true)
    }

    fn new(deadline: Deadline, whole_or_nothing: bool) -> Self {
        let started_at = Instant::now();
        let (report, took) = (Mutex::default(), Mutex::default());
        Self { deadline, started_at, whole_or_nothing, report, took }
    }

    /// The time by which all parts have to be there.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Awaits a part without which the response fails.
    ///
    /// # Errors
    ///
    /// The part's own failure; `Transient` after the deadline.
    pub async fn required<T>(
        &self,
        name: impl Into<Name>,
        part: impl Future<Output = Result<T, ServiceError>>,
    ) -> Result<T, ServiceError> {
        let name = name.into();
        let value = self.timed(&name, self.deadline, part).await?;
        self.note(name, Status::Fresh);
        Ok(value)
    }

    /// Awaits a part without which the response is degraded.
    ///
    /// # Errors
    ///
    /// None, unless the composition is [`Composition::whole_or_nothing`]: then those of a required part.
    pub async fn optional<T>(
        &self,
        name: impl Into<Name>,
        part: impl Future<Output = Result<T, ServiceError>>,
    ) -> Result<Part<T>, ServiceError> {
        self.substituted(name, self.deadline, part, || None).await
    }

    /// Awaits an optional part for at most this long.
    ///
    /// # Errors
    ///
    /// As [`Composition::optional`].
    pub async fn optional_within<T>(
        &self,
        name: impl Into<Name>,
        limit: Duration,
        part: impl Future<Output = Result<T, ServiceError>>,
    ) -> Result<Part<T>, ServiceError> {
        self.substituted(name, self.deadline.within(limit), part, || None).await
    }

    /// Awaits an optional part, and replaces it by an earlier response, if there is one, when it fails.
    ///
    /// # Errors
    ///
    /// As [`Composition::optional`]. A composition that is whole or nothing has no stale parts.
    pub async fn optional_or<T>(
        &self,
        name: impl Into<Name>,
        part: impl Future<Output = Result<T, ServiceError>>,
        earlier: impl FnOnce() -> Option<Cached<T>>,
    ) -> Result<Part<T>, ServiceError> {
        self.substituted(name, self.deadline, part, earlier).await
    }

    async fn substituted<T>(
        &self,
        name: impl Into<Name>,
        until: Deadline,
        part: impl Future<Output = Result<T, ServiceError>>,
        earlier: impl FnOnce() -> Option<Cached<T>>,
    ) -> Result<Part<T>, ServiceError> {
        let name = name.into();
        let failure = match self.timed(&name, until, part).await {
            Ok(value) => {
                self.note(name, Status::Fresh);
                return Ok(Part::Fresh(value));
            }
            Err(failure) if self.whole_or_nothing => return Err(failure),
            Err(failure) => failure,
        };
        let reason = Reason::of(&failure, until);
        log(&name, reason, &failure);
        match earlier() {
            Some(Cached { value, age }) => {
                // Rounded up, and including the time spent waiting for a fresh value.
                let age = age + self.started_at.elapsed();
                let age_seconds = age.as_secs() + u64::from(age.subsec_nanos() > 0);
                self.note(name, Status::Stale { age_seconds, reason });
                Ok(Part::Stale(value))
            }
            None => {
                self.note(name, Status::Missing { reason });
                Ok(Part::Missing)
            }
        }
    }

    /// The status of every part that was awaited; for a name that was used twice, the worse status.
    #[must_use]
    pub fn report(&self) -> Report {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The duration of each part that has completed, and the total so far, in milliseconds: the value of a
    /// [`Server-Timing`](https://www.w3.org/TR/server-timing/) header, such as `book;dur=3.104, all;dur=3.391`.
    #[must_use]
    pub fn server_timing(&self) -> String {
        let took = self.took.lock().unwrap_or_else(PoisonError::into_inner);
        let mut metrics: Vec<_> = took.iter().map(|(name, took)| metric(name, *took)).collect();
        metrics.push(metric("all", self.started_at.elapsed()));
        metrics.join(", ")
    }

    /// The header `Server-Timing`, as a part of a response.
    #[must_use]
    pub fn timing(&self) -> [(HeaderName, String); 1] {
        [(HeaderName::from_static("server-timing"), self.server_timing())]
    }

    async fn timed<T>(
        &self,
        name: &Name,
        until: Deadline,
        part: impl Future<Output = Result<T, ServiceError>>,
    ) -> Result<T, ServiceError> {
        let started_at = Instant::now();
        let result = in_time(until, part).await;
        let mut took = self.took.lock().unwrap_or_else(PoisonError::into_inner);
        took.push((name.clone(), started_at.elapsed()));
        result
    }

    fn note(&self, name: Name, status: Status) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = report.parts.entry(name).or_insert(status);
        if status.badness() > noted.badness() {
            *noted = status;
        }
    }
}

async fn in_time<T>(
    until: Deadline,
    part: impl Future<Output = Result<T, ServiceError>>,
) -> Result<T, ServiceError> {
    timeout_at(until.instant(), part).await.map_err(|elapsed| {
        ServiceError::transient("the service did not respond in time", elapsed)
    })?
}

/// Names may have spaces, and those of metrics may not.
fn metric(name: &str, took: Duration) -> String {
    let is_token = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
    let name = name.replace(|it| !is_token(it), "-");
    let microseconds = took.as_micros();
    format!("{name};dur={}.{:03}", microseconds / 1_000, microseconds % 1_000)
}

/// A missing optional part fails no request, so only this line reports it.
fn log(part: &str, reason: Reason, failure: &ServiceError) {
    let cause = failure.source().map(ToString::to_string).unwrap_or_default();
    let detail = failure.detail();
    tracing::warn!(part, reason = reason.slug(), detail, cause, "part degraded");
}

impl<T> Part<T> {
    /// The value, fresh or stale.
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Fresh(value) | Self::Stale(value) => Some(value),
            Self::Missing => None,
        }
    }

    /// The value, fresh or stale, without the part.
    #[must_use]
    pub fn into_value(self) -> Option<T> {
        match self {
            Self::Fresh(value) | Self::Stale(value) => Some(value),
            Self::Missing => None,
        }
    }

    /// Converts the value; a stale part stays stale.
    pub fn map<S>(self, make: impl FnOnce(T) -> S) -> Part<S> {
        match self {
            Self::Fresh(value) => Part::Fresh(make(value)),
            Self::Stale(value) => Part::Stale(make(value)),
            Self::Missing => Part::Missing,
        }
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

impl Status {
    fn badness(self) -> u8 {
        match self {
            Self::Fresh => 0,
            Self::Stale { .. } => 1,
            Self::Missing { .. } => 2,
        }
    }
}

impl Reason {
    fn of(failure: &ServiceError, until: Deadline) -> Self {
        match failure.kind() {
            ErrorKind::Rejected => Self::Refused,
            ErrorKind::Permanent => Self::Broken,
            // A call within the part has the same deadline, and may have been the first to report that it passed.
            ErrorKind::Transient if until.is_over() => Self::Late,
            ErrorKind::Transient => Self::Unavailable,
        }
    }

    /// Its name, as in the response.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Unavailable => "unavailable",
            Self::Refused => "refused",
            Self::Broken => "broken",
        }
    }
}

impl Report {
    /// The status of a part, if it was awaited.
    #[must_use]
    pub fn status(&self, name: &str) -> Option<Status> {
        self.parts.get(name).copied()
    }

    /// The parts that are missing or stale, in the order of their names.
    pub fn degraded(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter(|(_, it)| **it != Status::Fresh).map(|(name, _)| name.as_ref())
    }

    /// Whether at least one part is neither missing nor stale.
    #[must_use]
    pub fn is_partly_fresh(&self) -> bool {
        self.parts.values().any(|it| *it == Status::Fresh)
    }

    /// The report without the fresh parts, for a client that needs small responses.
    #[must_use]
    pub fn only_degraded(mut self) -> Self {
        self.parts.retain(|_, status| *status != Status::Fresh);
        self
    }
}

/// Serializes as members of a response: `degraded`, the names, and `parts`, the statuses. An empty one is left out.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct ReportDto<'a> {
            #[serde(skip_serializing_if = "Vec::is_empty")]
            degraded: Vec<&'a str>,
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            parts: &'a BTreeMap<Name, Status>,
        }
        ReportDto { degraded: self.degraded().collect(), parts: &self.parts }.serialize(serializer)
    }
}
