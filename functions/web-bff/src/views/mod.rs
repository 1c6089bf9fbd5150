//! The pages: what a person sees, and its texts. Pure: all that they show is passed in.

pub mod booking;
pub mod bookings;
pub mod labels;
pub mod slots;

use std::sync::LazyLock;

use bff::ProblemKind;
use bff::compose::{Report, Status};
use contracts::id::BookingId;
use maud::{Markup, html};
use pages::assets::Asset;
use pages::{LocalSignIn, Site};

pub(crate) use pages::{Confirmation, Page, PageContext, confirmation, encoded, hidden, notice};

/// A customer's pages.
pub static SITE: Site = Site {
    base: "/web",
    scope: "customer",
    cookie: "parkade-session",
    name: "Parkade",
    nav: &[("", "Slots"), ("bookings", "My bookings")],
    links: &[("../operator/", "Operator console"), ("../docs", "API documentation")],
    footer: "Parkade, a reference platform. No real money moves.",
    style: &STYLE,
    is_page,
    page_of_form,
    problem,
    local_sign_in: LocalSignIn {
        text: "This is a local cloud: choose any name to sign in as that customer. Bookings belong to the name.",
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

/// The page of a form that can be filled in again: a booking is made on the first page, a payment on the booking's page.
fn page_of_form(it: &str) -> Option<&str> {
    match it {
        "bookings" => Some(""),
        _ => it.strip_suffix("/payments").filter(|it| is_page(it)),
    }
}

fn problem(kind: ProblemKind) -> (&'static str, &'static str) {
    match kind {
        ProblemKind::NotFound => {
            ("Page not found", "This page does not exist, or it belongs to another customer.")
        }
        ProblemKind::Unauthenticated => {
            ("Please sign in", "This page is for people who are signed in.")
        }
        ProblemKind::Forbidden => (
            "Not allowed",
            "You are signed in with an account that does not book slots, or the form came from another site or from a page that is too old. Nothing was sent.",
        ),
        ProblemKind::ServiceUnavailable => (
            "Currently unavailable",
            "A part of the platform does not respond. Nothing is lost: wait a moment, and try again.",
        ),
        ProblemKind::PaymentDeclined => {
            ("The card was declined", "Nothing was charged; try another card.")
        }
        ProblemKind::Conflict => {
            ("No longer possible", "Something has changed in the meantime. Go back and look again.")
        }
        ProblemKind::IdempotencyKeyReused => (
            "This form was already sent",
            "It was sent once before, with other entries. Go back, and start again.",
        ),
        ProblemKind::PayloadTooLarge => (
            "Too much text",
            "The form contains more than this site accepts. Go back, and send less.",
        ),
        ProblemKind::Validation => (
            "Bad link or form",
            "The address or the form contains something that is not valid. Go back, and start again.",
        ),
    }
}

/// Which parts of this page are missing or old.
pub(crate) fn degraded_notice(report: &Report) -> Markup {
    let sentence = |name: &str| match report.status(name) {
        Some(Status::Stale { age_seconds, .. }) => html! {
            (labels::part(name)) " is currently unavailable. You see its data as of "
            strong { (labels::duration(age_seconds)) " ago" } "."
        },
        Some(Status::Missing { .. }) => html! {
            (labels::part(name)) " is currently unavailable, so " (labels::what_is_missing(name)) "."
        },
        Some(Status::Fresh) | None => html! {},
    };
    if report.degraded().next().is_none() {
        return html! {};
    }
    let text = html! {
        @for name in report.degraded() { p { (sentence(name)) } }
        @if report.is_partly_fresh() { p { "The rest of this page is up to date." } }
    };
    notice("warning", &text)
}
