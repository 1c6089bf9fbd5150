//! The timeline of one booking: the entries of all sources in the order of time, each with its cause.

pub(crate) mod gather;
pub(crate) mod json;
pub(crate) mod mermaid;
pub(crate) mod terminal;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use gather::{Found, HistoryEvent, Line};

use crate::api_client::{LedgerEntry, Saga, SagaStep};
use crate::clock;

/// Everything known about one booking, in the order of time.
#[derive(Debug)]
pub(crate) struct Timeline {
    pub(crate) booking: Uuid,
    /// The booking's last event.
    pub(crate) ends_with: String,
    /// The status of the saga's execution, if there is one.
    pub(crate) saga: Option<String>,
    pub(crate) entries: Vec<TraceEntry>,
    /// How many log lines were found. Without any, the timeline holds only what services have stored.
    pub(crate) lines: usize,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TraceEntry {
    pub(crate) at: Timestamp,
    /// The function, or `saga` or `payment-provider`.
    pub(crate) place: String,
    pub(crate) kind: Kind,
    pub(crate) what: String,
    pub(crate) severity: Severity,
    pub(crate) cause: Cause,
}

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    /// A step of the saga has started.
    StepStarted,
    /// It has ended.
    StepEnded,
    /// The payment provider was called.
    Money,
    /// Anything else that a service has done.
    Other,
}

/// How an entry is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Severity {
    /// A forward step or a fact that the customer wants.
    Good,
    /// A compensation.
    Compensated,
    /// A failure or a rejection.
    Bad,
    /// Neither.
    Plain,
}

/// What caused an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Cause {
    /// A request to the API, by its correlation id.
    Request(Uuid),
    /// An event of this service.
    Event { of: Service, name: String },
    /// The saga, in this step.
    Step(String),
    /// The saga's execution itself.
    Saga,
    /// Billing called the payment provider.
    Charge,
    /// A timer.
    Clock,
}

/// The participants of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Service {
    Api,
    Booking,
    Saga,
    Parking,
    Billing,
    Provider,
}

impl Service {
    /// The service of a place: functions are named after their services.
    pub(crate) fn of(place: &str) -> Self {
        match place.split('-').next().unwrap_or_default() {
            "saga" => Self::Saga,
            "parking" => Self::Parking,
            "billing" => Self::Billing,
            "payment" => Self::Provider,
            "mobile" | "operator" | "gateway" => Self::Api,
            _ => Self::Booking,
        }
    }
}

/// The place of the saga's own entries.
const SAGA: &str = "saga";
/// The command that starts the saga.
pub(crate) const START_SAGA: &str = "StartSaga";
const PROVIDER: &str = "payment-provider";

impl Timeline {
    /// Builds the timeline from what the sources hold.
    pub(crate) fn of(found: Found) -> Self {
        let Found { booking, history, saga, ledger, lines } = found;
        let steps = saga.as_ref().map_or(&[][..], |it| &it.steps);
        let causes = Causes::new(booking, &history, steps, &lines);
        let mut entries: Vec<_> = history.iter().map(|it| causes.own_event(it, &lines)).collect();
        entries.extend(steps.iter().flat_map(step));
        entries.extend(ledger.iter().map(money));
        entries.extend(lines.iter().filter_map(|it| causes.line(it, &history, &ledger)));
        in_order(&mut entries);
        let ends_with = history.last().map_or_else(String::new, describe);
        let saga = saga.map(|Saga { status, .. }| status);
        Self { booking, ends_with, saga, entries, lines: lines.len() }
    }

    /// Time since the first entry.
    pub(crate) fn offset(&self, entry: &TraceEntry) -> Duration {
        let first = self.entries.first().map_or(entry.at, |it| it.at);
        entry.at.duration_since(first).unsigned_abs()
    }
}

/// Maps causation ids to what they identify.
struct Causes<'a> {
    booking: Uuid,
    events: HashMap<Uuid, (Service, &'a str)>,
    steps: &'a [SagaStep],
}

impl<'a> Causes<'a> {
    fn new(
        booking: Uuid,
        history: &'a [HistoryEvent],
        steps: &'a [SagaStep],
        lines: &'a [Line],
    ) -> Self {
        let own = history.iter().map(|it| (it.id, (Service::Booking, it.kind.as_str())));
        let others = lines.iter().filter_map(|it| {
            Some((it.event_id?, (Service::of(&it.function), it.event.as_deref()?)))
        });
        Self { booking, events: own.chain(others).collect(), steps }
    }

    fn cause(&self, id: Option<Uuid>, place: &str, at: Timestamp) -> Cause {
        let Some(id) = id else { return Cause::Clock };
        if let Some((of, name)) = self.events.get(&id) {
            return Cause::Event { of: *of, name: (*name).to_owned() };
        }
        if id != self.booking {
            return Cause::Request(id);
        }
        // The saga's steps and timers carry the booking's id as their causation id.
        let step = self.steps.iter().rev().find(|it| it.started_at <= at);
        match step {
            _ if place.ends_with("-react") => Cause::Clock,
            Some(step) => Cause::Step(step.name.clone()),
            None => Cause::Saga,
        }
    }

    /// An event of the booking; a log line of the same version names the function that stored it.
    fn own_event(&self, event: &HistoryEvent, lines: &[Line]) -> TraceEntry {
        // A commit of several events is one line, of the last one's version.
        let line = lines.iter().filter(|it| is_of(it, event)).min_by_key(|it| it.version);
        let place = line.map_or("booking", |it| it.function.as_str()).to_owned();
        let cause = self.cause(Some(event.causation_id), &place, event.occurred_at);
        let severity = severity(&event.kind);
        let (at, what) = (event.occurred_at, describe(event));
        TraceEntry { at, place, kind: Kind::Other, what, severity, cause }
    }

    /// What a log line adds to the other sources; often nothing.
    fn line(
        &self,
        line: &Line,
        history: &[HistoryEvent],
        ledger: &[LedgerEntry],
    ) -> Option<TraceEntry> {
        let Line { function, message, .. } = line;
        let at = &line.happened_at();
        let cause = self.cause(line.causation_id, function, *at);
        let entry = |kind, severity, what: String, cause| {
            Some(TraceEntry { at: *at, place: function.clone(), kind, what, severity, cause })
        };
        if line.level != "INFO" {
            let why = line.reason.as_ref().or(line.error.as_ref());
            let why = why.map(|it| format!(": {it}")).unwrap_or_default();
            let cause = if line.causation_id.is_some() { cause } else { Cause::Saga };
            return entry(Kind::Other, Severity::Bad, format!("{message}{why}"), cause);
        }
        if let Some(event) = &line.event {
            return entry(Kind::Other, severity(event), event.clone(), cause);
        }
        if let (Some(kind), Some(outcome), Some(key)) = (&line.kind, &line.outcome, &line.key) {
            let is_in_ledger = ledger.iter().any(|it| it.kind == *kind && it.key == *key);
            let repeated = line.repeated == Some(true);
            if outcome == "done" && is_in_ledger && !repeated {
                return None;
            }
            let again = if repeated { ", repeated" } else { "" };
            let severity = if outcome == "done" { Severity::Plain } else { Severity::Bad };
            let outcome =
                if outcome == "done" && !is_in_ledger { "nothing to do" } else { outcome };
            return entry(
                Kind::Money,
                severity,
                format!("{kind}: {outcome}{again}"),
                Cause::Charge,
            );
        }
        let command = line.command.as_deref();
        if let Some(reason) = &line.reason {
            let command = command.unwrap_or("request");
            return entry(
                Kind::Other,
                Severity::Bad,
                format!("{command} rejected: {reason}"),
                cause,
            );
        }
        let stored = history.iter().any(|it| is_of(line, it));
        match (command, &line.outcome) {
            // The event is an entry itself.
            (Some(_), Some(_)) if stored => None,
            (Some(command), Some(outcome)) if line.version.is_some() => {
                let what = format!("{command}: nothing to do, still {outcome}");
                entry(Kind::Other, Severity::Plain, what, cause)
            }
            (Some(command), Some(outcome)) => {
                entry(Kind::Other, Severity::Plain, format!("{command}: {outcome}"), cause)
            }
            (Some(command), None) => {
                entry(Kind::Other, Severity::Plain, format!("{command}: {message}"), cause)
            }
            (None, _) => entry(Kind::Other, Severity::Plain, message.clone(), Cause::Saga),
        }
    }
}

/// Sorts by time. Log lines are written a moment after what they report, so an effect that would precede its cause is
/// moved right behind it.
fn in_order(entries: &mut [TraceEntry]) {
    entries.sort_by_key(|it| it.at);
    for place in 0..entries.len() {
        let cause = |it: &TraceEntry| is_cause(it, &entries[place]);
        if !entries[..place].iter().any(cause)
            && let Some(later) = entries[place..].iter().position(cause)
        {
            entries[place..=place + later].rotate_right(1);
        }
    }
}

/// Whether `entry` must precede `effect`.
fn is_cause(entry: &TraceEntry, effect: &TraceEntry) -> bool {
    match (&effect.cause, effect.kind) {
        (Cause::Event { name, .. }, _) => event_of(&entry.what) == name,
        (Cause::Step(_), Kind::StepStarted) => entry.what.starts_with(START_SAGA),
        (
            Cause::Request(_) | Cause::Step(_) | Cause::Saga | Cause::Charge | Cause::Clock,
            Kind::StepStarted | Kind::StepEnded | Kind::Money | Kind::Other,
        ) => false,
    }
}

/// `BookingFailed` of `BookingFailed: payment_declined`.
fn event_of(what: &str) -> &str {
    what.split(':').next().unwrap_or_default()
}

/// Whether a log line is from the command that stored the event.
fn is_of(line: &Line, event: &HistoryEvent) -> bool {
    line.version >= Some(event.version)
        && line.causation_id == Some(event.causation_id)
        && line.command.is_some()
}

/// An event with its detail. Nothing else of its data is shown, so no payment token can be.
fn describe(event: &HistoryEvent) -> String {
    let detail = event.data["reason"].as_str().or_else(|| event.data["payment"]["mode"].as_str());
    match detail {
        Some(detail) => format!("{}: {detail}", event.kind),
        None => event.kind.clone(),
    }
}

fn step(step: &SagaStep) -> Vec<TraceEntry> {
    let SagaStep { name, started_at, ended_at, error, attempts, .. } = step;
    let started = TraceEntry {
        at: *started_at,
        place: SAGA.to_owned(),
        kind: Kind::StepStarted,
        what: name.clone(),
        severity: Severity::Plain,
        cause: Cause::Step(name.clone()),
    };
    let Some(ended_at) = *ended_at else { return vec![started] };
    let took = clock::human(step.took().unwrap_or_default());
    let times = if *attempts > 1 { format!(", attempt {attempts}") } else { String::new() };
    let (severity, what) = match error {
        Some(error) => (Severity::Bad, format!("{name} failed: {error} ({took}{times})")),
        None => (severity(name), format!("{name} succeeded ({took}{times})")),
    };
    let cause = Cause::Step(name.clone());
    let kind = Kind::StepEnded;
    vec![started, TraceEntry { at: ended_at, place: SAGA.to_owned(), kind, what, severity, cause }]
}

fn money(entry: &LedgerEntry) -> TraceEntry {
    let LedgerEntry { kind, amount, at, .. } = entry;
    let severity = if kind == "charge" { Severity::Good } else { Severity::Compensated };
    let (kind, what) = (Kind::Money, format!("{kind} of {amount}"));
    TraceEntry { at: *at, place: PROVIDER.to_owned(), kind, what, severity, cause: Cause::Charge }
}

/// Derives the severity from the name of an event or step.
fn severity(name: &str) -> Severity {
    let has = |words: &[&str]| words.iter().any(|it| name.contains(it));
    if has(&["Refund", "Unblock", "Released", "FailBooking"]) {
        Severity::Compensated
    } else if has(&["Failed", "Declined", "Unavailable", "Expired", "Cancelled", "Operator"]) {
        Severity::Bad
    } else {
        Severity::Good
    }
}
