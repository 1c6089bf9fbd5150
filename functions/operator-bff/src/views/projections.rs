//! The projections: their lag, rebuilds and rollbacks.

use bff::compose::Report;
use contracts::projection::{Projection, ProjectionStatus};
use jiff::Timestamp;
use maud::{Markup, html};
use pages::format::{badge, until};
use pages::{Page, PageContext, hidden};

use super::{FlashMessage, degraded_notice, flash_message, labels, refresh_after};
use crate::dto::ProjectionDto;

const REFRESH_AFTER: u32 = 2;

/// The page.
#[must_use]
pub fn render(
    context: &PageContext,
    projections: &[ProjectionDto],
    report: &Report,
    now: Timestamp,
    flash: Option<&FlashMessage>,
) -> String {
    let main = html! {
        h1 { "Projections" }
        p .hint { "Views that follow the events of their service. A rebuild reads the source while the live generation stays in use; you can roll back to the previous generation." }
        (flash_message(flash))
        (degraded_notice(report))
        ul .cards { @for it in projections { (entry(context, it, now)) } }
    };
    Page { context, title: "Projections", refresh_after: refresh_after(flash, REFRESH_AFTER), main }
        .render()
}

fn entry(context: &PageContext, shown: &ProjectionDto, now: Timestamp) -> Markup {
    let ProjectionDto { name, projection } = shown;
    let action = |what: &str| context.link(&format!("room/projections/{name}/{what}"));
    html! {
        li .card {
            div .row { h2 { (name) } (badge(labels::projection(projection.status))) }
            (figures(projection, now))
            @if let Some(failure) = &projection.failure { p { "Came to a halt: " (failure) } }
            form method="post" action=(action("rebuild")) {
                (context.csrf_field())
                button type="submit" {
                    @if projection.status == ProjectionStatus::Failed { "Go on with the rebuild" } @else { "Rebuild" }
                    span .sr { " " (name) }
                }
            }
            @if let Some(previous) = projection.previous {
                form method="post" action=(action("rollback")) {
                    (context.csrf_field())
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
