//! Circuit breakers: their state, how they got there, what single instances decide, and an operator's override.

use bff::compose::Report;
use bff::pages::words::{badge, time, until};
use bff::pages::{Confirmation, Page, Place, confirmation, encoded, hidden};
use circuit_breaker::control::{LocalTripDto, PublicState, Status};
use circuit_breaker::shared_state::{Override, Reason};
use jiff::Timestamp;
use maud::{Markup, html};

use super::{Told, again_after, told, troubles, words};
use crate::shape::{BreakerOwner, BreakerShown};

const AGAIN_AFTER: u32 = 2;

/// The page.
#[must_use]
pub fn render(
    place: &Place,
    breakers: &[BreakerShown],
    report: &Report,
    now: Timestamp,
    word: Option<&Told>,
) -> String {
    let main = html! {
        h1 { "Circuit breakers" }
        p .hint {
            "Each breaker has one state for all instances. After repeated failures all of them stop calling the dependency, "
            "and a single probe call finds out when it is back. An instance whose own calls fail stops first, by itself."
        }
        (told(word))
        (troubles(report))
        ul .cards { @for breaker in breakers { (entry(place, breaker, now)) } }
    };
    Page { place, title: "Circuit breakers", again_after: again_after(word, AGAIN_AFTER), main }
        .render()
}

fn entry(place: &Place, breaker: &BreakerShown, now: Timestamp) -> Markup {
    let BreakerShown { owner, status } = breaker;
    let owner = match owner {
        BreakerOwner::Billing => "Around billing’s calls",
        BreakerOwner::Edge => "Around the backends’ calls",
    };
    html! {
        li .card {
            div .row {
                h2 { (status.name) }
                (badge(words::breaker(status.state)))
            }
            p .hint { (owner) }
            (standing(status, now))
            @for trip in &status.local_trips { (local(trip, now)) }
            (forms(place, status))
            @if !status.history.is_empty() { (history(status)) }
        }
    }
}

fn standing(status: &Status, now: Timestamp) -> Markup {
    html! {
        dl {
            @if let Some(word) = status.active_override {
                dt { "Override" }
                dd { strong { (words::override_of(word)) } }
            }
            @if let Some(at) = status.opened_at { dt { "Opened" } dd { (until(at, now)) } }
            @if status.failures_permille > 0 {
                dt { "Failures when it opened" } dd { (percent(status.failures_permille)) }
            }
            @if status.active_override.is_none() {
                @match status.state {
                    PublicState::Closed => {}
                    PublicState::Open => { dt { "Next probe" } dd { (next_probe(status.open_until, now)) } }
                    PublicState::HalfOpen => { dt { "Probe" } dd { (probe(status.open_until, now)) } }
                }
            }
            @if status.votes > 0 {
                dt { "Votes to open" }
                dd {
                    (status.votes)
                    @if let Some(at) = status.vetoed_at { ", vetoed by a healthy instance " (until(at, now)) }
                }
            }
        }
    }
}

/// When a probe may go out. No timer sends one: the first call after that time is the probe.
fn next_probe(due: Option<Timestamp>, now: Timestamp) -> String {
    match due {
        Some(due) if now < due => format!("with the first call {}", until(due, now)),
        Some(_) | None => "with the next call".to_owned(),
    }
}

fn probe(until_then: Option<Timestamp>, now: Timestamp) -> String {
    match until_then {
        Some(then) if now < then => format!("in progress, times out {}", until(then, now)),
        Some(_) => "no response; the next call probes again".to_owned(),
        None => "with the next call".to_owned(),
    }
}

/// What one instance has decided alone.
fn local(trip: &LocalTripDto, now: Timestamp) -> Markup {
    html! {
        div .notice.warning {
            p {
                "Instance " code { (trip.instance) } " rejects its own calls since " (time(trip.since)) ": "
                (percent(trip.failures_permille)) " of them failed"
                @if trip.slow_permille > 0 { ", " (percent(trip.slow_permille)) " were slow" }
                "."
            }
            p .hint { "It tries again with the first call " (until(trip.until, now)) ". Other instances are not affected." }
        }
    }
}

fn percent(permille: u32) -> String {
    format!("{} %", permille / 10)
}

/// What an operator can do. Nothing is chosen beforehand, and a stray click stops no calls: forcing open is confirmed.
fn forms(place: &Place, status: &Status) -> Markup {
    let name = &status.name;
    let to = format!("room/circuit-breakers/{}", encoded(name));
    html! {
        (confirmation(place, &Confirmation {
            id: &format!("open-{name}"),
            to: &to,
            label: "Force open…",
            is_destructive: true,
            question: html! {
                (hidden("word", "open"))
                p { "All instances reject every call to " strong { (name) } " until you reset the breaker." }
            },
            confirm: "Force open",
        }))
        div .row.actions {
            @for (_, value, text) in words::WORDS.iter().filter(|it| it.0 != Override::Open) {
                form method="post" action=(place.link(&to)) {
                    (hidden("proof", &place.proof))
                    (hidden("word", value))
                    button .quiet type="submit" { (text) span .sr { ": " (name) } }
                }
            }
            form method="post" action=(place.link(&format!("{to}/reset"))) {
                (hidden("proof", &place.proof))
                button .quiet type="submit" { "Reset" span .sr { " " (name) } }
            }
        }
    }
}

fn history(status: &Status) -> Markup {
    html! {
        h3 { "History" }
        ol .history {
            @for step in status.history.iter().rev() {
                li {
                    (time(step.at)) ": " (words::stand(step.from)) " → " strong { (words::stand(step.to)) }
                    span .hint { " " (reason(step.reason)) ", by " (step.by) }
                }
            }
        }
    }
}

fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Quorum => "enough instances voted for it",
        Reason::WithoutQuorum => "one instance voted for it, and none vetoed",
        Reason::Probing => "a probe was due",
        Reason::ProbeLost => "the probe got no response",
        Reason::ProbePassed => "the probe succeeded",
        Reason::ProbeFailed => "the probe failed",
        Reason::Operator => "an operator",
    }
}
