//! The timeline as a table on a terminal.

use super::{Cause, Kind, Service, Severity, Timeline, TraceEntry};
use crate::clock;
use crate::ui::Paint;

/// One line for each entry: when, where, what, and its cause.
pub(crate) fn table(timeline: &Timeline, paint: Paint) -> String {
    let Timeline { booking, ends_with, saga, entries, lines } = timeline;
    let saga = saga.as_ref().map(|it| format!(", saga {it}")).unwrap_or_default();
    let mut text = format!("{} {booking}: {ends_with}{saga}\n\n", paint.strong("Booking"));
    let rows: Vec<_> =
        entries.iter().map(|it| (place(it), it.what.clone(), caused_by(it))).collect();
    let width = |of: fn(&(String, String, String)) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (places, whats) = (width(|it| it.0.chars().count()), width(|it| it.1.chars().count()));
    text +=
        &paint.faint(format!("{:>9}  {:places$}  {:whats$}  caused by", "after", "where", "what"));
    text.push('\n');
    for (entry, (place, what, caused_by)) in entries.iter().zip(rows) {
        let after = paint.faint(format!("{:>9}", clock::human(timeline.offset(entry))));
        let place = paint.name(format!("{place:places$}"));
        let what = coloured(paint, entry.severity, &format!("{what:whats$}"));
        text += format!("{after}  {place}  {what}  {}", paint.faint(caused_by)).trim_end();
        text.push('\n');
    }
    if *lines == 0 {
        text += "\nThere are no logs of this booking any more; the table shows only what services have stored.\n";
    }
    text
}

/// What a step of the saga has caused is indented below the step.
fn place(entry: &TraceEntry) -> String {
    let is_within =
        matches!(entry.cause, Cause::Step(_)) && Service::of(&entry.place) != Service::Saga;
    if is_within { format!("  {}", entry.place) } else { entry.place.clone() }
}

fn caused_by(entry: &TraceEntry) -> String {
    match (&entry.cause, entry.kind) {
        (Cause::Step(_), Kind::StepStarted | Kind::StepEnded) | (Cause::Saga, _) => String::new(),
        (Cause::Request(id), _) => format!("request {id}"),
        (Cause::Event { name, .. }, _) => name.clone(),
        (Cause::Step(name), _) => format!("step {name}"),
        (Cause::Charge, _) => "billing".to_owned(),
        (Cause::Clock, _) => "a timer".to_owned(),
    }
}

fn coloured(paint: Paint, severity: Severity, text: &str) -> String {
    match severity {
        Severity::Good => paint.good(text),
        Severity::Compensated => paint.note(text),
        Severity::Bad => paint.bad(text),
        Severity::Plain => text.to_owned(),
    }
}
