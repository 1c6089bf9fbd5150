//! The story as a sequence diagram, in Mermaid's language.

use std::collections::BTreeSet;

use super::{Cause, Kind, Moment, Mood, START_SAGA, Service, Timeline};
use crate::clock;

/// Solid arrows are calls, dashed ones their answers; open ones are events that came over the bus.
pub(crate) fn diagram(timeline: &Timeline) -> String {
    let mut arrows = Vec::new();
    let mut last = None;
    for (place, moment) in timeline.moments.iter().enumerate() {
        // Billing charges first and says so afterwards: whatever made it do so has come before the charge.
        let later = &timeline.moments[place..];
        let asked = (moment.kind == Kind::Money)
            .then(|| later.iter().find(|it| Service::of(&it.place) == Service::Billing))
            .flatten()
            .and_then(arrival);
        for arrow in asked.into_iter().chain(arrival(moment)) {
            // What one call or event has led to twice came once.
            let is_call_of_money =
                moment.kind == Kind::Money && arrow.to() == Some(Service::Provider);
            if is_call_of_money || last.as_ref() != Some(&arrow) {
                arrows.push(arrow.clone());
            }
            if !is_call_of_money {
                last = Some(arrow);
            }
        }
        arrows.push(outcome(moment, &clock::human(timeline.offset(moment))));
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

/// What has come to the service before the moment, if anything has.
fn arrival(moment: &Moment) -> Option<Arrow> {
    let to = Service::of(&moment.place);
    let between = |from, line, text: &str| {
        (from != to).then(|| Arrow::Between { from, line, to, text: text.to_owned() })
    };
    match (&moment.cause, moment.kind) {
        (Cause::Request(_), _) => between(Service::FrontDoor, "->>", "request"),
        (Cause::Event { of, name }, _) => between(*of, "-)", name),
        (Cause::Charge, _) => between(
            Service::Billing,
            "->>",
            moment.what.split([' ', ':']).next().unwrap_or_default(),
        ),
        (Cause::Step(_) | Cause::Saga | Cause::Clock, _) => None,
    }
}

fn outcome(moment: &Moment, after: &str) -> Arrow {
    let place = Service::of(&moment.place);
    let text = moment.what.clone();
    match (moment.kind, &moment.cause) {
        (Kind::StepBegun, Cause::Step(step)) if works_for(step) != Service::Saga => {
            Arrow::Between { from: Service::Saga, line: "->>", to: works_for(step), text }
        }
        (Kind::StepEnded, Cause::Step(step)) if works_for(step) != Service::Saga => {
            let line = if moment.mood == Mood::Bad { "--x" } else { "-->>" };
            Arrow::Between { from: works_for(step), line, to: Service::Saga, text }
        }
        (Kind::Deed, _) if moment.what.starts_with(START_SAGA) => {
            Arrow::Between { from: place, line: "->>", to: Service::Saga, text }
        }
        (Kind::Money, _) => {
            let line = if moment.mood == Mood::Bad { "--x" } else { "-->>" };
            Arrow::Between { from: Service::Provider, line, to: Service::Billing, text }
        }
        (Kind::StepBegun | Kind::StepEnded | Kind::Deed, _) => {
            Arrow::Note { over: place, text: format!("{text} (after {after})") }
        }
    }
}

/// Whom a step of the saga calls.
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
        Service::FrontDoor => "door",
        Service::Booking => "booking",
        Service::Saga => "saga",
        Service::Parking => "parking",
        Service::Billing => "billing",
        Service::Provider => "provider",
    }
}

fn name(service: Service) -> &'static str {
    match service {
        Service::FrontDoor => "front door",
        Service::Provider => "payment provider",
        Service::Booking | Service::Saga | Service::Parking | Service::Billing => id(service),
    }
}

/// A semicolon or a hash would end the line for Mermaid.
fn plain(text: &str) -> String {
    text.replace([';', '#', '\n'], ",")
}
