//! The timeline as a sequence diagram in Mermaid's language.

use std::collections::BTreeSet;

use super::{Cause, Kind, START_SAGA, Service, Severity, Timeline, TraceEntry};
use crate::clock;

/// Solid arrows are calls, dashed arrows their responses, open arrows events from the bus.
pub(crate) fn diagram(timeline: &Timeline) -> String {
    let mut arrows = Vec::new();
    let mut last = None;
    for (place, entry) in timeline.entries.iter().enumerate() {
        // Billing logs a charge after it was made: its trigger is drawn before the charge.
        let later = &timeline.entries[place..];
        let requested = (entry.kind == Kind::Money)
            .then(|| later.iter().find(|it| Service::of(&it.place) == Service::Billing))
            .flatten()
            .and_then(arrival);
        for arrow in requested.into_iter().chain(arrival(entry)) {
            // One call or event that has two effects is drawn once.
            let is_call_of_money =
                entry.kind == Kind::Money && arrow.to() == Some(Service::Provider);
            if is_call_of_money || last.as_ref() != Some(&arrow) {
                arrows.push(arrow.clone());
            }
            if !is_call_of_money {
                last = Some(arrow);
            }
        }
        arrows.push(outcome(entry, &clock::human(timeline.offset(entry))));
    }
    let mut text = "sequenceDiagram\n".to_owned();
    for service in arrows.iter().flat_map(Arrow::ends).collect::<BTreeSet<_>>() {
        text += &format!("    participant {} as {}\n", id(service), name(service));
    }
    for arrow in arrows {
        text += &format!("    {}\n", arrow.line());
    }
    text
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Arrow {
    Between { from: Service, line: &'static str, to: Service, text: String },
    Note { over: Service, text: String },
}

impl Arrow {
    fn ends(&self) -> Vec<Service> {
        match self {
            Self::Between { from, to, .. } => vec![*from, *to],
            Self::Note { over, .. } => vec![*over],
        }
    }

    fn to(&self) -> Option<Service> {
        match self {
            Self::Between { to, .. } => Some(*to),
            Self::Note { .. } => None,
        }
    }

    fn line(&self) -> String {
        match self {
            Self::Between { from, line, to, text } => {
                format!("{}{line}{}: {}", id(*from), id(*to), plain(text))
            }
            Self::Note { over, text } => format!("Note over {}: {}", id(*over), plain(text)),
        }
    }
}

/// The call or event that reached the service before the entry, if there is one.
fn arrival(entry: &TraceEntry) -> Option<Arrow> {
    let to = Service::of(&entry.place);
    let between = |from, line, text: &str| {
        (from != to).then(|| Arrow::Between { from, line, to, text: text.to_owned() })
    };
    match (&entry.cause, entry.kind) {
        (Cause::Request(_), _) => between(Service::Api, "->>", "request"),
        (Cause::Event { of, name }, _) => between(*of, "-)", name),
        (Cause::Charge, _) => between(
            Service::Billing,
            "->>",
            entry.what.split([' ', ':']).next().unwrap_or_default(),
        ),
        (Cause::Step(_) | Cause::Saga | Cause::Clock, _) => None,
    }
}

fn outcome(entry: &TraceEntry, after: &str) -> Arrow {
    let place = Service::of(&entry.place);
    let text = entry.what.clone();
    match (entry.kind, &entry.cause) {
        (Kind::StepStarted, Cause::Step(step)) if works_for(step) != Service::Saga => {
            Arrow::Between { from: Service::Saga, line: "->>", to: works_for(step), text }
        }
        (Kind::StepEnded, Cause::Step(step)) if works_for(step) != Service::Saga => {
            let line = if entry.severity == Severity::Bad { "--x" } else { "-->>" };
            Arrow::Between { from: works_for(step), line, to: Service::Saga, text }
        }
        (Kind::Other, _) if entry.what.starts_with(START_SAGA) => {
            Arrow::Between { from: place, line: "->>", to: Service::Saga, text }
        }
        (Kind::Money, _) => {
            let line = if entry.severity == Severity::Bad { "--x" } else { "-->>" };
            Arrow::Between { from: Service::Provider, line, to: Service::Billing, text }
        }
        (Kind::StepStarted | Kind::StepEnded | Kind::Other, _) => {
            Arrow::Note { over: place, text: format!("{text} (after {after})") }
        }
    }
}

/// The service that a step of the saga calls.
fn works_for(step: &str) -> Service {
    if step.ends_with("Slot") {
        Service::Parking
    } else if step.ends_with("Payment") {
        Service::Billing
    } else if step.ends_with("Booking") {
        Service::Booking
    } else {
        Service::Saga
    }
}

fn id(service: Service) -> &'static str {
    match service {
        Service::Api => "api",
        Service::Booking => "booking",
        Service::Saga => "saga",
        Service::Parking => "parking",
        Service::Billing => "billing",
        Service::Provider => "provider",
    }
}

fn name(service: Service) -> &'static str {
    match service {
        Service::Api => "API",
        Service::Provider => "payment provider",
        Service::Booking | Service::Saga | Service::Parking | Service::Billing => id(service),
    }
}

/// A semicolon or a hash would end the line for Mermaid.
fn plain(text: &str) -> String {
    text.replace([';', '#', '\n'], ",")
}
