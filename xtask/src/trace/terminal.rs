//! The story as a table on a terminal.

use super::{Cause, Kind, Moment, Mood, Service, Timeline};
use crate::clock;
use crate::ui::Paint;

/// One line for each moment: when, where, what, and because of what.
pub(crate) fn table(timeline: &Timeline, paint: Paint) -> String {
    let Timeline { booking, ends_with, saga, moments, lines } = timeline;
    let saga = saga.as_ref().map(|it| format!(", its saga {it}")).unwrap_or_default();
    let mut text = format!("{} {booking}: {ends_with}{saga}\n\n", paint.strong("Booking"));
    let rows: Vec<_> = moments.iter().map(|it| (place(it), it.what.clone(), because(it))).collect();
    let width = |of: fn(&(String, String, String)) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (places, whats) = (width(|it| it.0.chars().count()), width(|it| it.1.chars().count()));
    text +=
        &paint.faint(format!("{:>9}  {:places$}  {:whats$}  because of", "after", "where", "what"));
    text.push('\n');
    for (moment, (place, what, because)) in moments.iter().zip(rows) {
        let after = paint.faint(format!("{:>9}", clock::human(timeline.offset(moment))));
        let place = paint.name(format!("{place:places$}"));
        let what = coloured(paint, moment.mood, &format!("{what:whats$}"));
        text += format!("{after}  {place}  {what}  {}", paint.faint(because)).trim_end();
        text.push('\n');
    }
    if *lines == 0 {
        text += "\nThere are no logs of it any more: what is told is what services have stored.\n";
    }
    text
}

/// What the saga has done stands under its step.
fn place(moment: &Moment) -> String {
    let is_within =
        matches!(moment.cause, Cause::Step(_)) && Service::of(&moment.place) != Service::Saga;
    if is_within { format!("  {}", moment.place) } else { moment.place.clone() }
}

fn because(moment: &Moment) -> String {
    match (&moment.cause, moment.kind) {
        (Cause::Step(_), Kind::StepBegun | Kind::StepEnded) | (Cause::Saga, _) => String::new(),
        (Cause::Request(id), _) => format!("request {id}"),
        (Cause::Event { name, .. }, _) => name.clone(),
        (Cause::Step(name), _) => format!("step {name}"),
        (Cause::Charge, _) => "billing".to_owned(),
        (Cause::Clock, _) => "the clock".to_owned(),
    }
}

fn coloured(paint: Paint, mood: Mood, text: &str) -> String {
    match mood {
        Mood::Good => paint.good(text),
        Mood::Undone => paint.note(text),
        Mood::Bad => paint.bad(text),
        Mood::Plain => text.to_owned(),
    }
}
