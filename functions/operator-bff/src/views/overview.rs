//! The first page: the platform in short.

use bff::compose::{Part, Report};
use circuit_breaker::control::{PublicState, Status};
use contracts::booking::Booking;
use contracts::message::Page as PageOf;
use contracts::projection::Overview as Held;
use maud::{Markup, html};
use pages::format::clock;
use pages::{Page, PageContext};

use super::labels::{self, State};
use super::{bookings, degraded_notice};
use crate::dto::{BreakerDto, QueueDto};

/// Short enough to follow bookings.
const REFRESH_AFTER: u32 = 2;

/// What the page shows.
#[derive(Debug)]
pub struct Overview<'a> {
    /// How many bookings there are in each state.
    pub bookings: &'a Part<Held>,
    /// How many slots.
    pub slots: &'a Part<Held>,
    /// The latest bookings.
    pub latest: &'a Part<PageOf<Booking>>,
    /// About how much is in each queue.
    pub queues: &'a Part<Vec<QueueDto>>,
    /// The circuit breakers that can be reached.
    pub breakers: &'a [BreakerDto],
    /// Which parts are missing.
    pub report: &'a Report,
}

/// The page.
#[must_use]
pub fn render(context: &PageContext, shown: &Overview<'_>) -> String {
    let main = html! {
        h1 { "Overview" }
        (degraded_notice(shown.report))
        (counts(context, "Bookings", "room/bookings", shown.bookings, &labels::BOOKINGS.map(labels::booking)))
        (counts(context, "Slots", "room/slots", shown.slots, &labels::SLOTS.map(labels::slot)))
        div .columns {
            section aria-labelledby="latest" {
                h2 #latest { "Latest bookings" }
                @if let Some(list) = shown.latest.value() {
                    @if list.items.is_empty() {
                        div .empty { p { "There are no bookings yet." } }
                    } @else {
                        (bookings::table(context, &list.items, clock))
                    }
                }
            }
            div {
                (health(context, shown))
                (queues(context, shown.queues))
            }
        }
    };
    Page { context, title: "Overview", refresh_after: Some(REFRESH_AFTER), main }.render()
}

fn counts(
    context: &PageContext,
    title: &str,
    link: &str,
    held: &Part<Held>,
    states: &[State],
) -> Markup {
    let Some(held) = held.value() else { return html! {} };
    let count = |name| held.counts.get(name).copied().unwrap_or_default();
    html! {
        section aria-label=(title) {
            h2 { (title) }
            ul .tiles {
                @for (name, word, kind) in states {
                    li {
                        a .tile.(kind) href=(context.link(&format!("{link}?status={name}"))) {
                            // Counting ends somewhere: so many, or more.
                            strong { (count(*name)) @if count(*name) >= held.counted_up_to { "+" } }
                            " " (word)
                        }
                    }
                }
            }
        }
    }
}

fn health(context: &PageContext, shown: &Overview<'_>) -> Markup {
    let views = [("Bookings", shown.bookings), ("Slots", shown.slots)];
    let is_healthy =
        |status: &Status| status.state == PublicState::Closed && status.local_trips.is_empty();
    let unhealthy: Vec<_> = shown.breakers.iter().filter(|it| !is_healthy(&it.status)).collect();
    html! {
        section aria-labelledby="health" {
            h2 #health { "Health" }
            table .list {
                thead { tr { th scope="col" { "What" } th scope="col" { "State" } th scope="col" { "More" } } }
                tbody {
                    @for (name, held) in views {
                        @if let Some(held) = held.value() {
                            tr {
                                td { a href=(context.link("room/projections")) { "View of " (name.to_lowercase()) } }
                                td { (pages::format::badge(labels::projection(held.projection.status))) }
                                td { (held.projection.lag_seconds) " s behind" }
                            }
                        }
                    }
                    @for it in &unhealthy {
                        tr {
                            td { a href=(context.link("room/circuit-breakers")) { "Circuit of " (it.status.name) } }
                            td { (pages::format::badge(labels::breaker(it.status.state))) }
                            td {
                                @match (it.status.active_override, it.status.local_trips.len()) {
                                    (Some(_), _) => "an operator’s override",
                                    (None, 0) => "by itself",
                                    (None, 1) => "1 instance rejects its calls",
                                    (None, count) => { (count) " instances reject their calls" }
                                }
                            }
                        }
                    }
                    @if unhealthy.is_empty() && !shown.breakers.is_empty() {
                        tr {
                            td { a href=(context.link("room/circuit-breakers")) { "Circuits" } }
                            td { (pages::format::badge(("Closed", "good"))) }
                            td { "all " (shown.breakers.len()) }
                        }
                    }
                }
            }
        }
    }
}

fn queues(context: &PageContext, queues: &Part<Vec<QueueDto>>) -> Markup {
    let Some(queues) = queues.value() else { return html! {} };
    html! {
        section aria-labelledby="queues" {
            h2 #queues { "Queues" }
            table .list {
                thead { tr { th scope="col" { "Queue" } th scope="col" { "Waiting" } th scope="col" { "Dead letters" } } }
                tbody {
                    @for queue in queues {
                        tr {
                            td { (queue.name) }
                            td { (queue.messages) span .narrow-only { " waiting" } }
                            td {
                                @if queue.dead_letters > 0 {
                                    a href=(context.link("room/dead-letters")) { strong { (queue.dead_letters) " dead letters" } }
                                } @else { "0" span .narrow-only { " dead letters" } }
                            }
                        }
                    }
                }
            }
        }
    }
}
