//! One booking's story: what each source says, put in one order, with the cause of each thing.

pub(crate) mod gather;
pub(crate) mod mermaid;
pub(crate) mod terminal;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use gather::{Found, HistoryEvent, Line};

use crate::clock;
use crate::story::visitor::{LedgerEntry, Saga, SagaStep};

/// The story, in the order of time.
#[derive(Debug)]
pub(crate) struct Timeline {
    pub(crate) booking: Uuid,
    /// How the booking stands: its last event.
    pub(crate) ends_with: String,
    /// How the saga stands, if it has one.
    pub(crate) saga: Option<String>,
    pub(crate) moments: Vec<Moment>,
    /// How many lines of logs were found: without any, only what is kept for longer is told.
    pub(crate) lines: usize,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) at: Timestamp,
    /// The function, or what else it happened in.
    pub(crate) place: String,
    pub(crate) kind: Kind,
    pub(crate) what: String,
    pub(crate) mood: Mood,
    pub(crate) cause: Cause,
}

/// What a moment is to the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A step of the saga begins.
    StepBegun,
    /// It has ended.
    StepEnded,
    /// Money has moved, or was not to be had.
    Money,
    /// Whatever else a service has done.
    Deed,
}

/// How good it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Good,
    Undone,
    Bad,
    Plain,
}

/// Who wanted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Somebody at the front door, by the request's correlation id.
    Request(Uuid),
    /// An event of this service.
    Event { of: Service, name: String },
    /// The saga, in this step.
    Step(String),
    /// The saga's execution itself.
    Saga,
    /// Billing has asked the provider.
    Charge,
    /// Nothing but time.
    Clock,
}

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Service {
    FrontDoor,
    Booking,
    Saga,
    Parking,
    Billing,
    Provider,
}

impl Service {
    /// Whose a place is: functions are named after their services.
    pub(crate) fn of(place: &str) -> Self {
        match place.split('-').next().unwrap_or_default() {
            "saga" => Self::Saga,
            "parking" => Self::Parking,
            "billing" => Self::Billing,
            "payment" => Self::Provider,
            "mobile" | "operator" | "gateway" => Self::FrontDoor,
            _ => Self::Booking,
        }
    }
}

/// Where the saga's steps stand in the timeline.
const SAGA: &str = "saga";
/// What booking does to have one.
pub(crate) const START_SAGA: &str = "StartSaga";
const PROVIDER: &str = "payment-provider";

impl Timeline {
    /// Puts together what was found.
    pub(crate) fn of(found: Found) -> Self {
        let Found { booking, history, saga, ledger, lines } = found;
        let steps = saga.as_ref().map_or(&[][..], |it| &it.steps);
        let causes = Causes::new(booking, &history, steps, &lines);
        let mut moments: Vec<_> = history.iter().map(|it| causes.own_event(it, &lines)).collect();
        moments.extend(steps.iter().flat_map(step));
        moments.extend(ledger.iter().map(money));
        moments.extend(lines.iter().filter_map(|it| causes.line(it, &history, &ledger)));
        in_order(&mut moments);
        let ends_with = history.last().map_or_else(String::new, told);
        let saga = saga.map(|Saga { status, .. }| status);
        Self { booking, ends_with, saga, moments, lines: lines.len() }
    }

    /// How long after the first moment.
    pub(crate) fn offset(&self, moment: &Moment) -> Duration {
        let first = self.moments.first().map_or(moment.at, |it| it.at);
        moment.at.duration_since(first).unsigned_abs()
    }
}

/// Knows what an id stands for.
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
        // The saga's steps, and what nobody has asked for, are said to be caused by the booking.
        let step = self.steps.iter().rev().find(|it| it.started_at <= at);
        match step {
            _ if place.ends_with("-react") => Cause::Clock,
            Some(step) => Cause::Step(step.name.clone()),
            None => Cause::Saga,
        }
    }

    /// An event of the booking; a line of the same version says which function has stored it.
    fn own_event(&self, event: &HistoryEvent, lines: &[Line]) -> Moment {
        // A commit of several events is one line, of the last one's version.
        let line = lines.iter().filter(|it| is_of(it, event)).min_by_key(|it| it.version);
        let place = line.map_or("booking", |it| it.function.as_str()).to_owned();
        let cause = self.cause(Some(event.causation_id), &place, event.occurred_at);
        let mood = mood(&event.kind);
        let (at, what) = (event.occurred_at, told(event));
        Moment { at, place, kind: Kind::Deed, what, mood, cause }
    }

    /// What a line adds to what the other sources say; often nothing.
    fn line(
        &self,
        line: &Line,
        history: &[HistoryEvent],
        ledger: &[LedgerEntry],
    ) -> Option<Moment> {
        let Line { function, message, .. } = line;
        let at = &line.happened_at();
        let cause = self.cause(line.causation_id, function, *at);
        let moment = |kind, mood, what: String, cause| {
            Some(Moment { at: *at, place: function.clone(), kind, what, mood, cause })
        };
        if line.level != "INFO" {
            let why = line.reason.as_ref().or(line.error.as_ref());
            let why = why.map(|it| format!(": {it}")).unwrap_or_default();
            let cause = if line.causation_id.is_some() { cause } else { Cause::Saga };
            return moment(Kind::Deed, Mood::Bad, format!("{message}{why}"), cause);
        }
        if let Some(event) = &line.event {
            return moment(Kind::Deed, mood(event), event.clone(), cause);
        }
        if let (Some(kind), Some(outcome), Some(key)) = (&line.kind, &line.outcome, &line.key) {
            let is_in_ledger = ledger.iter().any(|it| it.kind == *kind && it.key == *key);
            let repeated = line.repeated == Some(true);
            if outcome == "done" && is_in_ledger && !repeated {
                return None;
            }
            let again = if repeated { ", once more" } else { "" };
            let mood = if outcome == "done" { Mood::Plain } else { Mood::Bad };
            let outcome =
                if outcome == "done" && !is_in_ledger { "nothing to do" } else { outcome };
            return moment(Kind::Money, mood, format!("{kind}: {outcome}{again}"), Cause::Charge);
        }
        let command = line.command.as_deref();
        if let Some(reason) = &line.reason {
            let command = command.unwrap_or("request");
            return moment(Kind::Deed, Mood::Bad, format!("{command} rejected: {reason}"), cause);
        }
        let stored = history.iter().any(|it| is_of(line, it));
        match (command, &line.outcome) {
            // The event says so itself.
            (Some(_), Some(_)) if stored => None,
            (Some(command), Some(outcome)) if line.version.is_some() => {
                let what = format!("{command}: nothing to do, still {outcome}");
                moment(Kind::Deed, Mood::Plain, what, cause)
            }
            (Some(command), Some(outcome)) => {
                moment(Kind::Deed, Mood::Plain, format!("{command}: {outcome}"), cause)
            }
            (Some(command), None) => {
                moment(Kind::Deed, Mood::Plain, format!("{command}: {message}"), cause)
            }
            (None, _) => moment(Kind::Deed, Mood::Plain, message.clone(), Cause::Saga),
        }
    }
}

/// By time; but some times are those of lines, which are written a moment after what they tell: so an effect that would
/// come before its cause is put right behind it.
fn in_order(moments: &mut [Moment]) {
    moments.sort_by_key(|it| it.at);
    for place in 0..moments.len() {
        let cause = |it: &Moment| is_cause(it, &moments[place]);
        if !moments[..place].iter().any(cause)
            && let Some(later) = moments[place..].iter().position(cause)
        {
            moments[place..=place + later].rotate_right(1);
        }
    }
}

/// Whether an effect can't come before this one.
fn is_cause(moment: &Moment, effect: &Moment) -> bool {
    match (&effect.cause, effect.kind) {
        (Cause::Event { name, .. }, _) => event_of(&moment.what) == name,
        (Cause::Step(_), Kind::StepBegun) => moment.what.starts_with(START_SAGA),
        (
            Cause::Request(_) | Cause::Step(_) | Cause::Saga | Cause::Charge | Cause::Clock,
            Kind::StepBegun | Kind::StepEnded | Kind::Money | Kind::Deed,
        ) => false,
    }
}

/// `BookingFailed` of `BookingFailed: payment_declined`.
fn event_of(what: &str) -> &str {
    what.split(':').next().unwrap_or_default()
}

/// Whether a line is that of the command which stored the event.
fn is_of(line: &Line, event: &HistoryEvent) -> bool {
    line.version >= Some(event.version)
        && line.causation_id == Some(event.causation_id)
        && line.command.is_some()
}

/// An event with what matters of it: of what it holds, nothing is shown that is not named here.
fn told(event: &HistoryEvent) -> String {
    let detail = event.data["reason"].as_str().or_else(|| event.data["payment"]["mode"].as_str());
    match detail {
        Some(detail) => format!("{}: {detail}", event.kind),
        None => event.kind.clone(),
    }
}

fn step(step: &SagaStep) -> Vec<Moment> {
    let SagaStep { name, started_at, ended_at, error, attempts, .. } = step;
    let begun = Moment {
        at: *started_at,
        place: SAGA.to_owned(),
        kind: Kind::StepBegun,
        what: name.clone(),
        mood: Mood::Plain,
        cause: Cause::Step(name.clone()),
    };
    let Some(ended_at) = *ended_at else { return vec![begun] };
    let took = clock::human(step.took().unwrap_or_default());
    let times = if *attempts > 1 { format!(", attempt {attempts}") } else { String::new() };
    let (mood, what) = match error {
        Some(error) => (Mood::Bad, format!("{name} failed: {error} ({took}{times})")),
        None => (mood(name), format!("{name} is done ({took}{times})")),
    };
    let cause = Cause::Step(name.clone());
    let kind = Kind::StepEnded;
    vec![begun, Moment { at: ended_at, place: SAGA.to_owned(), kind, what, mood, cause }]
}

fn money(entry: &LedgerEntry) -> Moment {
    let LedgerEntry { kind, amount, at, .. } = entry;
    let mood = if kind == "charge" { Mood::Good } else { Mood::Undone };
    let (kind, what) = (Kind::Money, format!("{kind} of {amount}"));
    Moment { at: *at, place: PROVIDER.to_owned(), kind, what, mood, cause: Cause::Charge }
}

/// Names are chosen with care, so they tell.
fn mood(name: &str) -> Mood {
    let has = |words: &[&str]| words.iter().any(|it| name.contains(it));
    if has(&["Refund", "Unblock", "Released", "FailBooking"]) {
        Mood::Undone
    } else if has(&["Failed", "Declined", "Unavailable", "Expired", "Cancelled", "Operator"]) {
        Mood::Bad
    } else {
        Mood::Good
    }
}
