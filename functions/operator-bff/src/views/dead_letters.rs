//! Dead-letter messages, queue by queue: why they are there, how to redrive them, and how to discard one.

use std::collections::BTreeMap;

use bff::compose::Report;
use maud::{Markup, html};
use pages::format::{badge, time};
use pages::{Confirmation, Page, PageContext, confirmation, encoded, hidden};

use super::{FlashMessage, degraded_notice, flash_message, refresh_after};
use crate::dto::Discard;
use crate::queues::DeadLetterDto;

const REFRESH_AFTER: u32 = 3;

/// A reason that was entered for discarding a message, shown again.
#[derive(Clone, Copy, Debug)]
pub struct EnteredReason<'a> {
    /// The message.
    pub message_id: &'a str,
    /// What was entered.
    pub reason: &'a str,
}

/// The page.
#[must_use]
pub fn render(
    context: &PageContext,
    messages: &[DeadLetterDto],
    report: &Report,
    flash: Option<&FlashMessage>,
    entered: Option<EnteredReason<'_>>,
) -> String {
    let mut queues: BTreeMap<&str, Vec<&DeadLetterDto>> = BTreeMap::new();
    for message in messages {
        queues.entry(&message.queue).or_default().push(message);
    }
    let main = html! {
        h1 { "Dead letters" }
        p .hint {
            "Messages that no consumer could process. Redrive them once the cause is fixed: redriving a message that was already "
            "processed has no effect. Discard a message that can never be processed."
        }
        (flash_message(flash))
        (degraded_notice(report))
        @if queues.is_empty() && report.degraded().next().is_none() {
            div .empty { p { strong { "No dead letters." } } p { "Every message was processed." } }
        }
        @for (queue, messages) in queues { (of_queue(context, queue, &messages, entered)) }
    };
    Page {
        context,
        title: "Dead letters",
        refresh_after: refresh_after(flash, REFRESH_AFTER),
        main,
    }
    .render()
}

fn of_queue(
    context: &PageContext,
    queue: &str,
    messages: &[&DeadLetterDto],
    entered: Option<EnteredReason<'_>>,
) -> Markup {
    let action = context.link(&format!("room/dead-letters/{}/redrive", encoded(queue)));
    html! {
        section aria-label=(queue) {
            div .head {
                h2 { (queue) " · " (messages.len()) }
                form method="post" action=(action) {
                    (context.csrf_field())
                    button type="submit" { "Redrive" span .sr { " " (queue) } }
                }
            }
            @for message in messages {
                (card(message, html! { (discard(context, message, entered)) }))
            }
        }
    }
}

/// A message: its reason, its content, and what can be done about it.
pub(super) fn card(message: &DeadLetterDto, actions: Markup) -> Markup {
    html! {
        div .card.letter {
            p {
                strong { (message.reason) }
                @if message.redrives > 0 { " " (badge((&redriven(message.redrives), "bad"))) }
            }
            p .hint { (message.queue) " · " (time(message.received_at)) " · " code { (message.message_id) } }
            details { summary { "Content" } pre tabindex="0" { (pretty(&message.body)) } }
            (actions)
        }
    }
}

fn discard(
    context: &PageContext,
    message: &DeadLetterDto,
    entered: Option<EnteredReason<'_>>,
) -> Markup {
    let id = &message.message_id;
    let entered = entered.filter(|it| it.message_id == id);
    let field = format!("reason-{id}");
    let (to, id_of_form) =
        (format!("room/dead-letters/{}/discard", encoded(&message.queue)), format!("discard-{id}"));
    confirmation(
        context,
        &Confirmation {
            id: &id_of_form,
            to: &to,
            label: "Discard…",
            is_destructive: true,
            is_open: entered.is_some(),
            question: html! {
                (hidden("message", id))
                p { "The message is deleted and will never be processed. The log keeps its content, your name and the reason." }
                label for=(field) { "Reason" }
                input #(field) name="reason" required maxlength=(Discard::MAX_REASON_LENGTH) autocomplete="off"
                    value=[entered.map(|it| it.reason)];
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
