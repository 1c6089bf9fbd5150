//! The pages of the operator console. Pure: all that they show is passed in.

pub mod booking_detail;
pub mod bookings;
pub mod circuit_breakers;
pub mod dead_letters;
pub mod overview;
pub mod projections;
pub mod slots;

mod labels;

use std::sync::LazyLock;

use bff::compose::Report;
use bff::{Problem, ProblemKind};
use contracts::id::BookingId;
use maud::{Markup, html};
use pages::assets::Asset;
use pages::{LocalSignIn, Site, notice};

/// The operator console.
pub static SITE: Site = Site {
    base: "/operator",
    scope: "operator",
    cookie: "parkade-operator",
    name: "Parkade operator console",
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
    page_of_form,
    problem,
    local_sign_in: LocalSignIn {
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

/// The page of a form that can be filled in again: one in which an operator has written something.
fn page_of_form(it: &str) -> Option<&str> {
    match it.split('/').collect::<Vec<_>>().as_slice() {
        ["room", "slots"] => Some("room/slots"),
        ["room", "dead-letters", _, "discard"] => Some("room/dead-letters"),
        _ => None,
    }
}

fn problem(kind: ProblemKind) -> (&'static str, &'static str) {
    match kind {
        ProblemKind::NotFound => {
            ("Page not found", "There is no such page, booking, queue or slot.")
        }
        ProblemKind::Unauthenticated => {
            ("Please sign in", "The operator console is for operators who are signed in.")
        }
        ProblemKind::Forbidden => (
            "Not allowed",
            "Your account is not an operator’s, or the form came from another site or from a page that is too old. Nothing was changed.",
        ),
        ProblemKind::ServiceUnavailable => (
            "Currently unavailable",
            "A part of the platform does not respond. If you have sent a form, the outcome is unknown: look again before you send it again.",
        ),
        ProblemKind::Conflict
        | ProblemKind::IdempotencyKeyReused
        | ProblemKind::PaymentDeclined => {
            ("No longer possible", "Something has changed in the meantime. Go back and look again.")
        }
        ProblemKind::PayloadTooLarge => (
            "Too much text",
            "The form contains more than this site accepts. Go back, and send less.",
        ),
        ProblemKind::Validation => {
            ("Bad link or form", "The address or the form contains something that is not valid.")
        }
    }
}

/// What a form has done, or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlashMessage {
    kind: &'static str,
    text: String,
}

impl FlashMessage {
    /// The message for the parameter `done` of the page that a form redirects to.
    ///
    /// # Errors
    ///
    /// 400 for a value that no form redirects to.
    pub fn done(done: &str) -> Result<Self, Problem> {
        let text = match done {
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

    /// A form was sent after the session had expired, and is shown again.
    #[must_use]
    pub fn kept_form() -> Self {
        Self::error("Your session had expired, so nothing was sent. Check the form, and send it.")
    }

    /// Why the form was not carried out.
    #[must_use]
    pub fn error(text: impl Into<String>) -> Self {
        Self { kind: "error", text: text.into() }
    }

    /// Why the form was not carried out, by the problem that a service reports.
    #[must_use]
    pub fn of(problem: &Problem) -> Self {
        if problem.kind() == ProblemKind::ServiceUnavailable {
            return Self::error(
                "There was no response, so the outcome is unknown. Look again; sending it a second time has no further effect.",
            );
        }
        Self::error(format!("This was not done: {}.", problem.detail()))
    }
}

/// How soon a page is refreshed. One with an error stays as it is, until its reader has read it.
fn refresh_after(flash: Option<&FlashMessage>, seconds: u32) -> Option<u32> {
    flash.is_none_or(|it| it.kind != "error").then_some(seconds)
}

fn flash_message(flash: Option<&FlashMessage>) -> Markup {
    html! { @if let Some(flash) = flash { (notice(flash.kind, &html! { (flash.text) })) } }
}

/// Which parts of this page are missing.
fn degraded_notice(report: &Report) -> Markup {
    let missing: Vec<_> = report.degraded().collect();
    if missing.is_empty() {
        return html! {};
    }
    let text = html! {
        p { "Currently unavailable: " strong { (missing.join(", ")) } "." }
        @if report.is_partly_fresh() { p { "The rest of this page is complete." } }
    };
    notice("warning", &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_may_return_to_every_page() {
        for (link, _) in SITE.nav.iter().skip(1) {
            assert!(is_page(link), "{link}");
        }
        assert!(is_page("room/bookings/0191f7a4-0000-8000-8000-000000000002"));
        for other in ["", "sign-out", "room/bookings/x", "bookings", "overview", "//evil.example"] {
            assert!(!is_page(other), "{other}");
        }
    }
}
