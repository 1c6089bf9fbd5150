//! One answer made of several parts, and what becomes of it when some of them do not come.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Serialize, Serializer};
use service_error::{ErrorKind, ServiceError};
use tokio::time::{Instant, timeout_at};

use crate::invoke::Deadline;
use crate::kept::Aged;

/// What a part is called: a service, or what it tells.
pub type Name = Cow<'static, str>;

/// The parts of one answer: awaited together, with one deadline, each with its status.
///
/// Await the parts in one `try_join!`: then they run in parallel, and the first that the answer cannot do without ends all
/// others. Whatever is not there at the deadline is dropped, and the call behind it with it.
#[derive(Debug)]
pub struct Composition {
    deadline: Deadline,
    begun: Instant,
    whole_or_nothing: bool,
    report: Mutex<Report>,
    took: Mutex<Vec<(Name, Duration)>>,
}

/// A part that the answer can do without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<T> {
    /// As it is now.
    Fresh(T),
    /// As it was; the report says how long ago.
    Stale(T),
    /// Nobody knows. This is not the same as a service's word that there is nothing.
    Missing,
}

/// How a part came, for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Status {
    /// As it is now.
    Fresh,
    /// An earlier answer stands in.
    Stale {
        /// How old it is at least; rounded up, for it is older than that by the time it is read.
        age_seconds: u64,
        /// Why it had to.
        reason: Reason,
    },
    /// It is not there.
    Missing {
        /// Why.
        reason: Reason,
    },
}

/// Why a part did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Not in time.
    Late,
    /// The service is not to be had now.
    Unavailable,
    /// The service does not want to tell.
    Refused,
    /// Something is broken that needs a person.
    Broken,
}

/// The status of every part, and the names of those that are not as they should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    parts: BTreeMap<Name, Status>,
}

impl Composition {
    /// An answer that does without what is optional.
    #[must_use]
    pub fn partial(deadline: Deadline) -> Self {
        Self::new(deadline, false)
    }

    /// An answer that comes whole or not at all: what is declared optional is required too.
    #[must_use]
    pub fn whole_or_nothing(deadline: Deadline) -> Self {
        Self::new(deadline, true)
    }

    fn new(deadline: Deadline, whole_or_nothing: bool) -> Self {
        let begun = Instant::now();
        let (report, took) = (Mutex::default(), Mutex::default());
        Self { deadline, begun, whole_or_nothing, report, took }
    }

    /// When all parts have to be there.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// A part without which there is no answer.
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

    /// A part without which the answer is a poorer one.
    ///
    /// # Errors
    ///
    /// None, unless the answer is to be whole: then as a required part.
    pub async fn optional<T>(
        &self,
        name: impl Into<Name>,
        part: impl Future<Output = Result<T, ServiceError>>,
    ) -> Result<Part<T>, ServiceError> {
        self.substituted(name, self.deadline, part, || None).await
    }

    /// Likewise, but not waited for longer than this.
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

    /// Likewise, and an earlier answer stands in for it if there is one.
    ///
    /// # Errors
    ///
    /// As [`Composition::optional`]. Of a whole answer no part is stale.
    pub async fn optional_or<T>(
        &self,
        name: impl Into<Name>,
        part: impl Future<Output = Result<T, ServiceError>>,
        earlier: impl FnOnce() -> Option<Aged<T>>,
    ) -> Result<Part<T>, ServiceError> {
        self.substituted(name, self.deadline, part, earlier).await
    }

    async fn substituted<T>(
        &self,
        name: impl Into<Name>,
        until: Deadline,
        part: impl Future<Output = Result<T, ServiceError>>,
        earlier: impl FnOnce() -> Option<Aged<T>>,
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
            Some(Aged { value, age }) => {
                // Rounded up, and with the time that was spent waiting for something better.
                let age = age + self.begun.elapsed();
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

    /// How every part has come that was awaited; of a name that was given twice, the worse.
    #[must_use]
    pub fn report(&self) -> Report {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long each part has taken that came or failed, and all of it so far, in milliseconds: the value of a
    /// [`Server-Timing`](https://www.w3.org/TR/server-timing/) header, such as `book;dur=3.104, all;dur=3.391`.
    #[must_use]
    pub fn server_timing(&self) -> String {
        let took = self.took.lock().unwrap_or_else(PoisonError::into_inner);
        let mut told: Vec<_> = took.iter().map(|(name, took)| metric(name, *took)).collect();
        told.push(metric("all", self.begun.elapsed()));
        told.join(", ")
    }

    async fn timed<T>(
        &self,
        name: &Name,
        until: Deadline,
        part: impl Future<Output = Result<T, ServiceError>>,
    ) -> Result<T, ServiceError> {
        let begun = Instant::now();
        let come = in_time(until, part).await;
        let mut took = self.took.lock().unwrap_or_else(PoisonError::into_inner);
        took.push((name.clone(), begun.elapsed()));
        come
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
    timeout_at(until.instant(), part)
        .await
        .map_err(|elapsed| ServiceError::transient("the service did not answer in time", elapsed))?
}

/// Names may have spaces, and those of metrics may not.
fn metric(name: &str, took: Duration) -> String {
    let is_token = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
    let name = name.replace(|it| !is_token(it), "-");
    let microseconds = took.as_micros();
    format!("{name};dur={}.{:03}", microseconds / 1_000, microseconds % 1_000)
}

/// What is left out is nobody's error, so this line is all that tells of it.
fn log(part: &str, reason: Reason, failure: &ServiceError) {
    let cause = failure.source().map(ToString::to_string).unwrap_or_default();
    let detail = failure.detail();
    tracing::warn!(part, reason = reason.slug(), detail, cause, "left out");
}

impl<T> Part<T> {
    /// What there is of it.
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Fresh(value) | Self::Stale(value) => Some(value),
            Self::Missing => None,
        }
    }

    /// What there is of it, for good.
    #[must_use]
    pub fn into_value(self) -> Option<T> {
        match self {
            Self::Fresh(value) | Self::Stale(value) => Some(value),
            Self::Missing => None,
        }
    }

    /// Something made of it, that is as old.
    pub fn map<S>(self, make: impl FnOnce(T) -> S) -> Part<S> {
        match self {
            Self::Fresh(value) => Part::Fresh(make(value)),
            Self::Stale(value) => Part::Stale(make(value)),
            Self::Missing => Part::Missing,
        }
    }

    /// Whether nobody knows.
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
            // Whoever asks within the part keeps the same deadline, and may have been the first to see it go by.
            ErrorKind::Transient if until.is_over() => Self::Late,
            ErrorKind::Transient => Self::Unavailable,
        }
    }

    /// Its name, as in the answer.
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
    /// How a part has come.
    #[must_use]
    pub fn status(&self, name: &str) -> Option<Status> {
        self.parts.get(name).copied()
    }

    /// The parts that are missing or stale, in the order of their names.
    pub fn degraded(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter(|(_, it)| **it != Status::Fresh).map(|(name, _)| name.as_ref())
    }

    /// Only what is not as it should be, for a client that counts its bytes.
    #[must_use]
    pub fn troubles(mut self) -> Self {
        self.parts.retain(|_, status| *status != Status::Fresh);
        self
    }
}

/// As members of an answer: `degraded`, the names, and `parts`, the statuses; neither if it has nothing to say.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            #[serde(skip_serializing_if = "Vec::is_empty")]
            degraded: Vec<&'a str>,
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            parts: &'a BTreeMap<Name, Status>,
        }
        Shown { degraded: self.degraded().collect(), parts: &self.parts }.serialize(serializer)
    }
}
