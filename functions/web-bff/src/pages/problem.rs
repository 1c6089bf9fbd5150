//! What is shown when a page can't be: in words that help, with a way on.

use bff::{Problem, ProblemKind};
use maud::html;

use super::{Page, Place};

/// How soon a page looks again that could not be had.
const AGAIN_AFTER: u32 = 3;

/// The page of a problem. The id is for whoever is asked for help.
#[must_use]
pub fn render(place: &Place, problem: &Problem, correlation_id: &str, may_repeat: bool) -> String {
    let (title, text) = words(problem);
    let is_passing = problem.kind() == ProblemKind::ServiceUnavailable;
    let main = html! {
        div .narrow {
            h1 { (title) }
            p { (text) }
            @if is_passing && may_repeat {
                p { a .button href="" { "Try again" } }
            }
            p { a href=(place.link("")) { "To the slots" } " · " a href=(place.link("bookings")) { "To my bookings" } }
            p .hint { "If you ask for help, say this: " code { (correlation_id) } }
        }
    };
    let again_after = (is_passing && may_repeat).then_some(AGAIN_AFTER);
    Page { place, title, again_after, main }.render()
}

fn words(problem: &Problem) -> (&'static str, &'static str) {
    match problem.kind() {
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
