//! Circuit breakers: their state, how they got there, what single instances decide, and an operator's override.

use bff::compose::Report;
use circuit_breaker::control::{LocalTripDto, PublicState, Status};
use circuit_breaker::shared_state::{Override, Reason};
use jiff::Timestamp;
use maud::{Markup, html};
use pages::format::{badge, time, until};
use pages::{Confirmation, Page, PageContext, confirmation, encoded, hidden};

use super::{FlashMessage, degraded_notice, flash_message, labels, refresh_after};
use crate::dto::{BreakerDto, BreakerOwner};

const REFRESH_AFTER: u32 = 2;

/// The page.
#[must_use]
pub fn render(
    context: &PageContext,
    breakers: &[BreakerDto],
    report: &Report,
    now: Timestamp,
    flash: Option<&FlashMessage>,
) -> String {
    let main = html! {
        h1 { "Circuit breakers" }
        p .hint {
            "Each breaker has one state for all instances. After repeated failures all of them stop calling the dependency, "
            "and a single probe call finds out when it is back. An instance whose own calls fail stops first, by itself."
        }
        (flash_message(flash))
        (degraded_notice(report))
        ul .cards { @for breaker in breakers { (entry(context, breaker, now)) } }
    };
    Page {
        context,
        title: "Circuit breakers",
        refresh_after: refresh_after(flash, REFRESH_AFTER),
        main,
    }
    .render()
}

fn entry(context: &PageContext, breaker: &BreakerDto, now: Timestamp) -> Markup {
    let BreakerDto { owner, status } = breaker;
    let owner = match owner {
        BreakerOwner::Billing => "Around billing’s calls",
        BreakerOwner::Edge => "Around the backends’ calls",
    };
    html! {
        li .card {
            div .row {
                h2 { (status.name) }
                (badge(labels::breaker(status.state)))
            }
            p .hint { (owner) }
            (state(status, now))
            @for trip in &status.local_trips { (local(trip, now)) }
            (forms(context, status))
            @if !status.history.is_empty() { (history(status)) }
        }
    }
}

fn state(status: &Status, now: Timestamp) -> Markup {
    html! {
        dl {
            @if let Some(word) = status.active_override {
                dt { "Override" }
                dd { strong { (labels::override_of(word)) } }
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
fn forms(context: &PageContext, status: &Status) -> Markup {
    let name = &status.name;
    let to = format!("room/circuit-breakers/{}", encoded(name));
    html! {
        (confirmation(context, &Confirmation {
            id: &format!("open-{name}"),
            to: &to,
            label: "Force open…",
            is_destructive: true,
            is_open: false,
            question: html! {
                (hidden("word", "open"))
                p { "All instances reject every call to " strong { (name) } " until you reset the breaker." }
            },
            confirm: "Force open",
        }))
        div .row.actions {
            @for (_, value, text) in labels::OVERRIDES.iter().filter(|it| it.0 != Override::Open) {
                form method="post" action=(context.link(&to)) {
                    (context.csrf_field())
                    (hidden("word", value))
                    button .quiet type="submit" { (text) span .sr { ": " (name) } }
                }
            }
            form method="post" action=(context.link(&format!("{to}/reset"))) {
                (context.csrf_field())
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
                    (time(step.at)) ": " (labels::effective_state(step.from)) " → " strong { (labels::effective_state(step.to)) }
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
