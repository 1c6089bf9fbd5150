//! Circuit breakers: how they stand, how they came to, and an operator's word.

use bff::compose::Report;
use bff::pages::words::{badge, time, until};
use bff::pages::{Page, Place, encoded, hidden};
use circuit_breaker::breaker::Reason;
use circuit_breaker::control::Status;
use jiff::Timestamp;
use maud::{Markup, html};

use super::{Told, told, troubles, words};
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
        p .hint { "Each is one state for all instances. Who does not answer is left alone for a while, then asked by one probe." }
        (told(word))
        (troubles(report))
        ul .cards { @for breaker in breakers { (entry(place, breaker, now)) } }
    };
    Page { place, title: "Circuit breakers", again_after: Some(AGAIN_AFTER), main }.render()
}

fn entry(place: &Place, breaker: &BreakerShown, now: Timestamp) -> Markup {
    let BreakerShown { owner, status } = breaker;
    let owner = match owner {
        BreakerOwner::Billing => "Around billing’s calls",
        BreakerOwner::Edge => "Around the backends’ calls",
    };
    html! {
        li .card {
            div .row { h2 { (status.name) } (badge(words::breaker(status.state))) }
            p .hint { (owner) }
            (standing(status, now))
            (forms(place, status))
            @if !status.history.is_empty() { (history(status)) }
        }
    }
}

fn standing(status: &Status, now: Timestamp) -> Markup {
    html! {
        dl {
            @if let Some(word) = status.forced {
                dt { "Word" }
                dd { strong { (words::WORDS.iter().find(|it| it.0 == word).map_or("", |it| it.2)) } }
            }
            @if status.failures_permille > 0 {
                dt { "Failures" } dd { (status.failures_permille / 10) " %" }
            }
            @if let Some(at) = status.opened_at { dt { "Opened" } dd { (until(at, now)) } }
            @if let Some(at) = status.open_until { dt { "Next probe" } dd { (until(at, now)) } }
        }
    }
}

fn forms(place: &Place, status: &Status) -> Markup {
    let action = place.link(&format!("room/circuit-breakers/{}", encoded(&status.name)));
    let field = format!("word-{}", status.name);
    html! {
        form .inline method="post" action=(action) {
            (hidden("proof", &place.proof))
            div {
                label for=(field) { "A word for the fleet" }
                select #(field) name="word" {
                    @for (_, value, text) in words::WORDS { option value=(value) { (text) } }
                }
            }
            button .quiet type="submit" { "Say it" span .sr { " to " (status.name) } }
        }
        form method="post" action=(format!("{action}/reset")) {
            (hidden("proof", &place.proof))
            button .quiet type="submit" { "Reset" span .sr { " " (status.name) } }
        }
    }
}

fn history(status: &Status) -> Markup {
    html! {
        h3 { "What happened" }
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
        Reason::Quorum => "enough instances had trouble",
        Reason::Undisputed => "one had trouble, and none doubted it",
        Reason::Probing => "a probe was due",
        Reason::ProbeLost => "the probe was lost",
        Reason::ProbePassed => "the probe went well",
        Reason::ProbeFailed => "the probe failed",
        Reason::Operator => "an operator’s word",
    }
}
