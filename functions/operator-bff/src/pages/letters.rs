//! Dead letters, queue by queue: why they are there, and the way back.

use std::collections::BTreeMap;

use bff::compose::Report;
use bff::pages::words::time;
use bff::pages::{Page, Place, encoded, hidden};
use maud::{Markup, html};

use super::{Told, told, troubles};
use crate::queues::LetterShown;

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
        p .hint { "What could not be handled, and waits here until its cause is gone. To handle a letter once more that was handled changes nothing." }
        (told(word))
        (troubles(report))
        @if queues.is_empty() && report.degraded().next().is_none() {
            div .empty { p { strong { "No dead letters." } } p { "All that was sent was handled." } }
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
            @for letter in letters { (self::letter(letter)) }
        }
    }
}

/// A letter: its reason, and what is in it.
pub(super) fn letter(letter: &LetterShown) -> Markup {
    html! {
        div .card.letter {
            p { strong { (letter.reason) } }
            p .hint { (letter.queue) " · " (time(letter.received_at)) " · " code { (letter.message_id) } }
            details { summary { "What is in it" } pre tabindex="0" { (pretty(&letter.body)) } }
        }
    }
}

/// JSON in lines, if it is JSON.
fn pretty(body: &str) -> String {
    let read: Result<serde_json::Value, _> = serde_json::from_str(body);
    read.and_then(|it| serde_json::to_string_pretty(&it)).unwrap_or_else(|_| body.to_owned())
}
