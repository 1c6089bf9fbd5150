//! What is shown when a page can't be: in words that help, with a way on.

use maud::html;

use super::{Page, Place};
use crate::problem::{Problem, ProblemKind};

/// How soon a page looks again that could not be had.
const AGAIN_AFTER: u32 = 3;

/// The page of a problem. The id is for whoever is asked for help.
pub(super) fn render(
    place: &Place,
    problem: &Problem,
    correlation_id: &str,
    may_repeat: bool,
) -> String {
    let (title, text) = (place.site.problem)(problem.kind());
    let is_passing = problem.kind() == ProblemKind::ServiceUnavailable;
    let main = html! {
        div .narrow {
            h1 { (title) }
            p { (text) }
            @if is_passing && may_repeat {
                p { a .button href="" { "Try again" } }
            }
            p {
                @for (at, (link, text)) in place.site.nav.iter().enumerate() {
                    @if at > 0 { " · " }
                    a href=(place.link(link)) { (text) }
                }
            }
            p .hint { "If you ask for help, say this: " code { (correlation_id) } }
        }
    };
    let again_after = (is_passing && may_repeat).then_some(AGAIN_AFTER);
    Page { place, title, again_after, main }.render()
}
