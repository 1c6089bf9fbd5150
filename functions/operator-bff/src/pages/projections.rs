//! Projections: how far behind, and made anew beside the live one.

use bff::compose::Report;
use bff::pages::words::{badge, until};
use bff::pages::{Page, Place, hidden};
use contracts::projection::{Projection, ProjectionStatus};
use jiff::Timestamp;
use maud::{Markup, html};

use super::{Told, again_after, told, troubles, words};
use crate::shape::ProjectionShown;

const AGAIN_AFTER: u32 = 2;

/// The page.
#[must_use]
pub fn render(
    place: &Place,
    projections: &[ProjectionShown],
    report: &Report,
    now: Timestamp,
    word: Option<&Told>,
) -> String {
    let main = html! {
        h1 { "Projections" }
        p .hint { "Views that follow the events of their service. Made anew from the source while the live one is read; the one before can be gone back to." }
        (told(word))
        (troubles(report))
        ul .cards { @for it in projections { (entry(place, it, now)) } }
    };
    Page { place, title: "Projections", again_after: again_after(word, AGAIN_AFTER), main }.render()
}

fn entry(place: &Place, shown: &ProjectionShown, now: Timestamp) -> Markup {
    let ProjectionShown { name, projection } = shown;
    let action = |what: &str| place.link(&format!("room/projections/{name}/{what}"));
    html! {
        li .card {
            div .row { h2 { (name) } (badge(words::projection(projection.status))) }
            (figures(projection, now))
            @if let Some(failure) = &projection.failure { p { "Came to a halt: " (failure) } }
            form method="post" action=(action("rebuild")) {
                (hidden("proof", &place.proof))
                button type="submit" {
                    @if projection.status == ProjectionStatus::Failed { "Go on with the rebuild" } @else { "Rebuild" }
                    span .sr { " " (name) }
                }
            }
            @if let Some(previous) = projection.previous {
                form method="post" action=(action("rollback")) {
                    (hidden("proof", &place.proof))
                    (hidden("generation", &previous.to_string()))
                    button .quiet type="submit" { "Back to generation " (previous) span .sr { " of " (name) } }
                }
            }
        }
    }
}

fn figures(projection: &Projection, now: Timestamp) -> Markup {
    html! {
        dl {
            dt { "Behind" } dd { (projection.lag_seconds) " s" }
            dt { "Live generation" } dd { (projection.generation) }
            @if let Some(building) = projection.building { dt { "In the making" } dd { (building) } }
            dt { "Rows made" } dd { (projection.applied) }
            dt { "Compared" }
            dd { (projection.compared) ", of which " (projection.backfilled) " made again, " (projection.different) " different" }
            @if let Some(at) = projection.switched_at { dt { "Live since" } dd { (until(at, now)) } }
        }
    }
}
