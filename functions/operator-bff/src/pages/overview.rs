//! The first page: the platform at one glance.

use bff::compose::{Part, Report};
use bff::pages::words::clock;
use bff::pages::{Page, Place};
use circuit_breaker::control::{PublicState, Status};
use contracts::booking::Booking;
use contracts::message::Page as PageOf;
use contracts::projection::Overview as Held;
use maud::{Markup, html};

use super::words::{self, State};
use super::{bookings, troubles};
use crate::shape::{BreakerShown, QueueShown};

/// Live enough to watch bookings go by.
const AGAIN_AFTER: u32 = 2;

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
    pub queues: &'a Part<Vec<QueueShown>>,
    /// The circuit breakers that can be reached.
    pub breakers: &'a [BreakerShown],
    /// How all of these have come.
    pub report: &'a Report,
}

/// The page.
#[must_use]
pub fn render(place: &Place, shown: &Overview<'_>) -> String {
    let main = html! {
        h1 { "Overview" }
        (troubles(shown.report))
        (counts(place, "Bookings", "room/bookings", shown.bookings, &words::BOOKINGS.map(words::booking)))
        (counts(place, "Slots", "room/slots", shown.slots, &words::SLOTS.map(words::slot)))
        div .columns {
            section aria-labelledby="latest" {
                h2 #latest { "Latest bookings" }
                @if let Some(list) = shown.latest.value() {
                    @if list.items.is_empty() {
                        div .empty { p { "There are no bookings yet." } }
                    } @else {
                        (bookings::table(place, &list.items, clock))
                    }
                }
            }
            div {
                (health(place, shown))
                (queues(place, shown.queues))
            }
        }
    };
    Page { place, title: "Overview", again_after: Some(AGAIN_AFTER), main }.render()
}

fn counts(place: &Place, title: &str, link: &str, held: &Part<Held>, states: &[State]) -> Markup {
    let Some(held) = held.value() else { return html! {} };
    let count = |name| held.counts.get(name).copied().unwrap_or_default();
    html! {
        section aria-label=(title) {
            h2 { (title) }
            ul .tiles {
                @for (name, word, kind) in states {
                    li {
                        a .tile.(kind) href=(place.link(&format!("{link}?status={name}"))) {
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

fn health(place: &Place, shown: &Overview<'_>) -> Markup {
    let views = [("Bookings", shown.bookings), ("Slots", shown.slots)];
    let is_well =
        |status: &Status| status.state == PublicState::Closed && status.local_trips.is_empty();
    let troubled: Vec<_> = shown.breakers.iter().filter(|it| !is_well(&it.status)).collect();
    html! {
        section aria-labelledby="health" {
            h2 #health { "Health" }
            table .list {
                thead { tr { th scope="col" { "What" } th scope="col" { "State" } th scope="col" { "More" } } }
                tbody {
                    @for (name, held) in views {
                        @if let Some(held) = held.value() {
                            tr {
                                td { a href=(place.link("room/projections")) { "View of " (name.to_lowercase()) } }
                                td { (bff::pages::words::badge(words::projection(held.projection.status))) }
                                td { (held.projection.lag_seconds) " s behind" }
                            }
                        }
                    }
                    @for it in &troubled {
                        tr {
                            td { a href=(place.link("room/circuit-breakers")) { "Circuit of " (it.status.name) } }
                            td { (bff::pages::words::badge(words::breaker(it.status.state))) }
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
                    @if troubled.is_empty() && !shown.breakers.is_empty() {
                        tr {
                            td { a href=(place.link("room/circuit-breakers")) { "Circuits" } }
                            td { (bff::pages::words::badge(("Closed", "good"))) }
                            td { "all " (shown.breakers.len()) }
                        }
                    }
                }
            }
        }
    }
}

fn queues(place: &Place, queues: &Part<Vec<QueueShown>>) -> Markup {
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
                                    a href=(place.link("room/dead-letters")) { strong { (queue.dead_letters) " dead letters" } }
                                } @else { "0" span .narrow-only { " dead letters" } }
                            }
                        }
                    }
                }
            }
        }
    }
}
