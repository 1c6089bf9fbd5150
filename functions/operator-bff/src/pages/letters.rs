//! Dead-letter messages, queue by queue: why they are there, how to redrive them, and how to discard one.

use std::collections::BTreeMap;

use bff::compose::Report;
use bff::pages::words::{badge, time};
use bff::pages::{Page, Place, encoded, hidden};
use maud::{Markup, html};

use super::confirm::{Confirmation, Field, confirm};
use super::{Told, told, troubles};
use crate::queues::LetterShown;
use crate::shape::Discard;

const AGAIN_AFTER: u32 = 3;

/// The page.
#[must_use]
pub fn render(
    place: &Place,
    letters: &[LetterShown],
    report: &Report,
    word: Option<&Told>,
) -> String {
    let mut queues: BTreeMap<&str, Vec<&LetterShown>> = BTreeMap::new();
    for letter in letters {
        queues.entry(&letter.queue).or_default().push(letter);
    }
    let main = html! {
        h1 { "Dead letters" }
        p .hint {
            "Messages that no consumer could process. Redrive them once the cause is fixed: redriving a message that was already "
            "processed has no effect. Discard a message that can never be processed."
        }
        (told(word))
        (troubles(report))
        @if queues.is_empty() && report.degraded().next().is_none() {
            div .empty { p { strong { "No dead letters." } } p { "Every message was processed." } }
        }
        @for (queue, letters) in queues { (of_queue(place, queue, &letters)) }
    };
    Page { place, title: "Dead letters", again_after: Some(AGAIN_AFTER), main }.render()
}

fn of_queue(place: &Place, queue: &str, letters: &[&LetterShown]) -> Markup {
    let action = place.link(&format!("room/dead-letters/{}/redrive", encoded(queue)));
    html! {
        section aria-label=(queue) {
            div .head {
                h2 { (queue) " · " (letters.len()) }
                form method="post" action=(action) {
                    (hidden("proof", &place.proof))
                    button type="submit" { "Redrive" span .sr { " " (queue) } }
                }
            }
            @for letter in letters { (self::letter(letter, Some(place))) }
        }
    }
}

/// A message: its reason and its content; with a way to discard it, if it is on a page of messages.
pub(super) fn letter(letter: &LetterShown, discard: Option<&Place>) -> Markup {
    html! {
        div .card.letter {
            p {
                strong { (letter.reason) }
                @if letter.redrives > 0 { " " (badge((&redriven(letter.redrives), "bad"))) }
            }
            p .hint { (letter.queue) " · " (time(letter.received_at)) " · " code { (letter.message_id) } }
            details { summary { "Content" } pre tabindex="0" { (pretty(&letter.body)) } }
            @if let Some(place) = discard {
                form method="post" action=(discard_of(place, &letter.queue)) {
                    (hidden("proof", &place.proof))
                    (hidden("message", &letter.message_id))
                    button .quiet type="submit" { "Discard…" span .sr { " " (letter.message_id) } }
                }
            }
        }
    }
}

fn redriven(times: u32) -> String {
    if times == 1 { "redriven once".to_owned() } else { format!("redriven {times} times") }
}

/// Asks whether a message is to be deleted, and why; `error` says what was wrong with the reason given.
#[must_use]
pub fn confirm_discard(
    place: &Place,
    queue: &str,
    message_id: &str,
    given: Option<(&str, &str)>,
) -> String {
    let (value, error) = given.map_or(("", None), |(value, error)| (value, Some(error)));
    confirm(
        place,
        &Confirmation {
            title: "Discard this message?",
            text: html! {
                p { "Message " code { (message_id) } " of " strong { (queue) } " is deleted and will never be processed." }
                p .hint { "The log keeps its content, your name and the reason." }
            },
            action: &discard_of(place, queue),
            hidden: &[("message", message_id)],
            field: Some(Field {
                name: "reason",
                label: "Reason",
                length_max: Discard::REASON_LENGTH_MAX,
                value,
                error,
            }),
            button: "Discard",
            back: "room/dead-letters",
        },
    )
}

fn discard_of(place: &Place, queue: &str) -> String {
    place.link(&format!("room/dead-letters/{}/discard", encoded(queue)))
}

/// JSON in lines, if it is JSON.
fn pretty(body: &str) -> String {
    let read: Result<serde_json::Value, _> = serde_json::from_str(body);
    read.and_then(|it| serde_json::to_string_pretty(&it)).unwrap_or_else(|_| body.to_owned())
}
