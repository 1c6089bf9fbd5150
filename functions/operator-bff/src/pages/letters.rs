//! Dead-letter messages, queue by queue: why they are there, how to redrive them, and how to discard one.

use std::collections::BTreeMap;

use bff::compose::Report;
use bff::pages::words::{badge, time};
use bff::pages::{Confirmation, Page, Place, confirmation, encoded, hidden};
use maud::{Markup, html};

use super::{Told, again_after, told, troubles};
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
    Page { place, title: "Dead letters", again_after: again_after(word, AGAIN_AFTER), main }
        .render()
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
            @if let Some(place) = discard { (self::discard(place, letter)) }
        }
    }
}

fn discard(place: &Place, letter: &LetterShown) -> Markup {
    let id = &letter.message_id;
    let field = format!("reason-{id}");
    let (to, id_of_form) =
        (format!("room/dead-letters/{}/discard", encoded(&letter.queue)), format!("discard-{id}"));
    confirmation(
        place,
        &Confirmation {
            id: &id_of_form,
            to: &to,
            label: "Discard…",
            is_destructive: true,
            question: html! {
                (hidden("message", id))
                p { "The message is deleted and will never be processed. The log keeps its content, your name and the reason." }
                label for=(field) { "Reason" }
                input #(field) name="reason" required maxlength=(Discard::REASON_LENGTH_MAX) autocomplete="off";
            },
            confirm: "Discard",
        },
    )
}

fn redriven(times: u32) -> String {
    if times == 1 { "redriven once".to_owned() } else { format!("redriven {times} times") }
}

/// JSON in lines, if it is JSON.
fn pretty(body: &str) -> String {
    let read: Result<serde_json::Value, _> = serde_json::from_str(body);
    read.and_then(|it| serde_json::to_string_pretty(&it)).unwrap_or_else(|_| body.to_owned())
}
