//! The pages: what a person sees, and the words for it. Pure: all that they show is handed to them.

pub mod booking;
pub mod bookings;
pub mod slots;
pub mod words;

use std::sync::LazyLock;

use bff::ProblemKind;
use bff::compose::{Report, Status};
use bff::pages::assets::Asset;
use bff::pages::{Anybody, Site};
use contracts::id::BookingId;
use maud::{Markup, html};

pub(crate) use bff::pages::{Page, Place, encoded, hidden, notice};

/// A customer's pages.
pub static SITE: Site = Site {
    base: "/web",
    scope: "customer",
    session: "parkade-session",
    signing_in: "parkade-signing-in",
    name: "Parkade",
    nav: &[("", "Slots"), ("bookings", "My bookings")],
    links: &[("../operator/", "Operator console"), ("../docs", "API documentation")],
    footer: "Parkade, a reference platform. No real money moves.",
    style: &STYLE,
    is_page,
    forms: &[
        "/bookings/{bookingId}/payments",
        "/bookings/{bookingId}/cancel",
        "/bookings/{bookingId}/check-out",
    ],
    refillable,
    problem,
    anybody: Anybody {
        text: "This is a local cloud: choose any name, and you are that customer. Bookings belong to the name.",
        label: "Customer",
        sample: "ada",
    },
};

/// How they look.
pub static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::style(include_str!("../assets/style.css")));

fn is_page(it: &str) -> bool {
    let is_booking = |id: &str| id.parse::<BookingId>().is_ok();
    it == "bookings" || it.strip_prefix("bookings/").is_some_and(is_booking)
}

/// The page that fills in a form again: a booking is made on the first page, a payment on the booking's.
fn refillable(it: &str) -> Option<&str> {
    match it {
        "bookings" => Some(""),
        _ => it.strip_suffix("/payments").filter(|it| is_page(it)),
    }
}

fn problem(kind: ProblemKind) -> (&'static str, &'static str) {
    match kind {
        ProblemKind::NotFound => (
            "There is nothing here",
            "This page does not exist, or it is somebody else’s. Bookings are only shown to who made them.",
        ),
        ProblemKind::Unauthenticated => {
            ("Please sign in", "This page is for people who are signed in.")
        }
        ProblemKind::Forbidden => (
            "This is not for you",
            "You are signed in as somebody who does not book slots, or the form came from another site and was not sent on.",
        ),
        ProblemKind::ServiceUnavailable => (
            "Not available just now",
            "A part of the platform does not answer. Nothing is lost: wait a moment, and try again.",
        ),
        ProblemKind::PaymentDeclined => {
            ("The card was declined", "Nothing is charged; try another card.")
        }
        ProblemKind::Conflict => (
            "This is not possible any more",
            "Something has changed in the meantime. Go back and have another look.",
        ),
        ProblemKind::IdempotencyKeyReused => (
            "This form was used before",
            "It was sent once already, for something else. Go back, and start afresh.",
        ),
        ProblemKind::PayloadTooLarge | ProblemKind::Validation => (
            "This can’t be understood",
            "The address or the form holds something that does not belong there. Go back, and start afresh.",
        ),
    }
}

/// What is not as it should be on this page, for people.
pub(crate) fn troubles(report: &Report) -> Markup {
    let sentence = |name: &str| match report.status(name) {
        Some(Status::Stale { age_seconds, .. }) => html! {
            (words::part(name)) " can’t be asked just now. You see what it said "
            strong { (words::duration(age_seconds)) " ago" } "."
        },
        Some(Status::Missing { .. }) => html! {
            (words::part(name)) " can’t be asked just now, so " (words::what_is_missing(name)) "."
        },
        Some(Status::Fresh) | None => html! {},
    };
    if report.degraded().next().is_none() {
        return html! {};
    }
    let text = html! {
        @for name in report.degraded() { p { (sentence(name)) } }
        p { "The rest of this page is as it should be." }
    };
    notice("warning", &text)
}
