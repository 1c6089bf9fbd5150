//! The control room's pages: what an operator sees. Pure: all that they show is handed to them.

pub mod bookings;
pub mod breakers;
pub mod letters;
pub mod overview;
pub mod projections;
pub mod slots;
pub mod story;

mod words;

use std::sync::LazyLock;

use bff::compose::Report;
use bff::pages::assets::Asset;
use bff::pages::{Anybody, Site, notice};
use bff::{Problem, ProblemKind};
use contracts::id::BookingId;
use maud::{Markup, html};

/// The control room.
pub static SITE: Site = Site {
    base: "/operator",
    scope: "operator",
    session: "parkade-operator",
    signing_in: "parkade-operator-signing-in",
    name: "Parkade control room",
    nav: &[
        ("", "Overview"),
        ("room/bookings", "Bookings"),
        ("room/slots", "Slots"),
        ("room/dead-letters", "Dead letters"),
        ("room/circuit-breakers", "Breakers"),
        ("room/projections", "Projections"),
    ],
    links: &[("../web/", "Customer pages"), ("../docs", "API documentation")],
    footer: "Parkade, a reference platform. No real money moves.",
    style: &STYLE,
    is_page,
    forms: &[
        "/room/slots/{slotId}/close",
        "/room/slots/{slotId}/reopen",
        "/room/dead-letters/{queue}/redrive",
        "/room/dead-letters/{queue}/discard",
        "/room/circuit-breakers/{name}",
        "/room/circuit-breakers/{name}/reset",
        "/room/projections/{name}/rebuild",
        "/room/projections/{name}/rollback",
    ],
    refillable: |_| None,
    problem,
    anybody: Anybody {
        text: "This is a local cloud: choose any name, and you are that operator. What you change is kept under it.",
        label: "Operator",
        sample: "olga",
    },
};

/// How they look.
pub static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::style(include_str!("../assets/style.css")));

fn is_page(it: &str) -> bool {
    let is_booking = |id: &str| id.parse::<BookingId>().is_ok();
    let in_nav = SITE.nav.iter().any(|(link, _)| !link.is_empty() && *link == it);
    in_nav || it.strip_prefix("room/bookings/").is_some_and(is_booking)
}

fn problem(kind: ProblemKind) -> (&'static str, &'static str) {
    match kind {
        ProblemKind::NotFound => {
            ("There is nothing here", "No such page, booking, queue or slot is known.")
        }
        ProblemKind::Unauthenticated => {
            ("Please sign in", "The control room is for operators who are signed in.")
        }
        ProblemKind::Forbidden => (
            "This is not for you",
            "You are signed in as somebody who is no operator, or the form came from another site and was not carried out.",
        ),
        ProblemKind::ServiceUnavailable => (
            "Not available just now",
            "A part of the platform does not answer. If you have sent a form, it may have been carried out or not: look again before you send it once more.",
        ),
        ProblemKind::Conflict
        | ProblemKind::IdempotencyKeyReused
        | ProblemKind::PaymentDeclined => (
            "This is not possible any more",
            "Something has changed in the meantime. Go back and have another look.",
        ),
        ProblemKind::PayloadTooLarge | ProblemKind::Validation => (
            "This can’t be understood",
            "The address or the form holds something that does not belong there.",
        ),
    }
}

/// What has become of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    kind: &'static str,
    text: String,
}

impl Told {
    /// By the word in the address that a form leads to.
    ///
    /// # Errors
    ///
    /// 400 for a word that no form leads to.
    pub fn done(word: &str) -> Result<Self, Problem> {
        let text = match word {
            "created" => "The slot is there.",
            "closed" => "The slot is closed.",
            "reopened" => "The slot is open again.",
            "redriven" => "The messages are on their way back to their queue.",
            "discarded" => "The message is deleted.",
            "rebuilding" => "A new generation is being built next to the live one.",
            "rolled-back" => "The earlier generation is live again.",
            "set" => {
                "The override applies to every call that starts at least one second later, in all instances. Only an instance that cannot reach the breaker’s table decides by itself."
            }
            "reset" => "The circuit is closed, and no override is set.",
            _ => return Err(Problem::validation("done is not what our pages send")),
        };
        Ok(Self { kind: "info", text: text.to_owned() })
    }

    /// Why nothing has come of it.
    #[must_use]
    pub fn trouble(text: impl Into<String>) -> Self {
        Self { kind: "error", text: text.into() }
    }

    /// Likewise, by what the services say.
    #[must_use]
    pub fn of(problem: &Problem) -> Self {
        if problem.kind() == ProblemKind::ServiceUnavailable {
            return Self::trouble(
                "There was no response, so the outcome is unknown. Look again; sending it a second time has no further effect.",
            );
        }
        Self::trouble(format!("This was not done: {}.", problem.detail()))
    }
}

/// How soon a page is refreshed. One with an error stays as it is, until its reader has read it.
fn again_after(told: Option<&Told>, seconds: u32) -> Option<u32> {
    told.is_none_or(|it| it.kind != "error").then_some(seconds)
}

fn told(told: Option<&Told>) -> Markup {
    html! { @if let Some(told) = told { (notice(told.kind, &html! { (told.text) })) } }
}

/// What is not as it should be on this page.
fn troubles(report: &Report) -> Markup {
    let missing: Vec<_> = report.degraded().collect();
    if missing.is_empty() {
        return html! {};
    }
    let text = html! {
        p { "Currently unavailable: " strong { (missing.join(", ")) } "." }
        p { "The rest of this page is complete." }
    };
    notice("warning", &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_can_be_come_back_to() {
        for (link, _) in SITE.nav.iter().skip(1) {
            assert!(is_page(link), "{link}");
        }
        assert!(is_page("room/bookings/0191f7a4-0000-8000-8000-000000000002"));
        for other in ["", "sign-out", "room/bookings/x", "bookings", "overview", "//evil.example"] {
            assert!(!is_page(other), "{other}");
        }
    }
}
