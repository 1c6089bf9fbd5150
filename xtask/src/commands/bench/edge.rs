//! `bench edge`: the response times of every screen.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use uuid::Uuid;

use crate::api_client::ApiClient;
use crate::cloud;
use crate::failure::{Context as _, Failure, Result};
use crate::layout::Layout;
use crate::token::Scope;
use crate::ui::Ui;

/// The user of a screen.
#[derive(Debug, Clone, Copy)]
enum Reader {
    Customer,
    Operator,
}

/// The measurement of one request.
#[derive(Debug)]
struct Sample {
    /// From the request to the last byte, through the gateway.
    waited: Duration,
    /// As the backend has measured it, if it calls several services.
    inside: Option<Inside>,
}

/// The times of a composed response, measured in its backend.
#[derive(Debug, PartialEq, Eq)]
struct Inside {
    all: Duration,
    slowest: Duration,
}

pub(super) async fn run(layout: &Layout, ui: Ui, kept: &Path, rounds: u32) -> Result {
    let cloud = cloud::require(layout)?;
    let name = format!("bench-{}", Uuid::new_v4());
    let customer = ApiClient::at(layout, &cloud, Scope::Customer, &name)?;
    let operator = ApiClient::at(layout, &cloud, Scope::Operator, "bench")?;

    let step = ui.step("Book a slot to look at");
    let slot = operator.create_slot("Bench").await?;
    let booking = customer.book_with_card(&slot, "tok_visa").await?;
    let status = customer.finished(&booking).await?.status;
    step.done(status);

    let screens = [
        ("mobile: slots", Reader::Customer, "/mobile/slots".to_owned()),
        ("mobile: a booking", Reader::Customer, format!("/mobile/bookings/{booking}")),
        ("web: slots", Reader::Customer, "/web".to_owned()),
        ("web: a booking", Reader::Customer, format!("/web/bookings/{booking}")),
        ("operator console", Reader::Operator, "/operator".to_owned()),
        ("a booking in detail", Reader::Operator, format!("/operator/room/bookings/{booking}")),
        ("docs", Reader::Customer, "/docs".to_owned()),
    ];
    let step = ui.step(format!("Request each of {} screens {rounds} times", screens.len()));
    let mut samples: Vec<Vec<Sample>> = screens.iter().map(|_| Vec::new()).collect();
    // In turns, so that whatever else the machine does is every screen's burden; the first round starts what is not warm.
    for round in 0..=rounds {
        for ((_, reader, path), samples) in screens.iter().zip(&mut samples) {
            let reader = match reader {
                Reader::Customer => &customer,
                Reader::Operator => &operator,
            };
            let (waited, timing) = reader.look(path).await?;
            if round > 0 {
                let inside = timing.as_deref().map(inside).transpose()?;
                samples.push(Sample { waited, inside });
            }
        }
    }
    step.done("");

    let csv = kept.join("edge.csv");
    let names = screens.iter().map(|(name, ..)| *name);
    std::fs::write(&csv, every_single(names.clone().zip(&samples)))
        .context(|| format!("cannot write {}", layout.shown(&csv)))?;
    ui.print(ui.paint_out.strong(format!(
        "{:<18} {:>9} {:>9}   {:>11} {:>12} {:>6}",
        "screen", "p50", "p90", "in backend", "slowest part", "ratio"
    )))?;
    for (name, samples) in names.zip(&samples) {
        ui.print(row(name, samples))?;
    }
    ui.say(format!(
        "Times through the gateway, the p50 within the backend, and the p50 of their ratio.\n\
         Every single time is in {}",
        layout.shown(&csv)
    ));
    Ok(())
}

/// The time for all of it and for the slowest of its parts, out of a `Server-Timing` header of our backends.
fn inside(timing: &str) -> Result<Inside> {
    let read = |metric: &str| {
        let (name, duration) = metric.split_once(";dur=")?;
        let (milliseconds, places) = duration.split_once('.')?;
        // Three places: the digits are microseconds.
        let is_read = places.len() == 3;
        let microseconds = format!("{milliseconds}{places}").parse().ok().filter(|_| is_read)?;
        Some((name.to_owned(), Duration::from_micros(microseconds)))
    };
    let metrics: Option<Vec<_>> = timing.split(", ").map(read).collect();
    let read = metrics.and_then(|metrics| {
        let all = metrics.iter().find(|(name, _)| name == "all")?.1;
        let parts = metrics.iter().filter(|(name, _)| name != "all").map(|(_, took)| *took);
        Some(Inside { all, slowest: parts.max()? })
    });
    read.ok_or_else(|| Failure::new("cannot understand a Server-Timing header").because(timing))
}

fn row(name: &str, samples: &[Sample]) -> String {
    let waited = |percent| percentile(samples.iter().map(|it| it.waited), percent);
    let mut row = format!("{name:<18} {:>9} {:>9}", shown(waited(50)), shown(waited(90)));
    let inside: Vec<_> = samples.iter().filter_map(|it| it.inside.as_ref()).collect();
    if !inside.is_empty() {
        let all = percentile(inside.iter().map(|it| it.all), 50);
        let slowest = percentile(inside.iter().map(|it| it.slowest), 50);
        let ratio = percentile(inside.iter().map(|it| it.hundredths()), 50);
        let ratio = format!("{}.{:02}", ratio / 100, ratio % 100);
        let cells = format!("   {:>11} {:>12} {ratio:>6}", shown(all), shown(slowest));
        row.push_str(&cells);
    }
    row
}

impl Inside {
    /// All of it in hundredths of its slowest part.
    fn hundredths(&self) -> u128 {
        self.all.as_micros() * 100 / self.slowest.as_micros().max(1)
    }
}

fn percentile<T: Ord + Copy + Default>(values: impl Iterator<Item = T>, percent: usize) -> T {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    let last = values.len().saturating_sub(1);
    values.get(last * percent / 100).copied().unwrap_or_default()
}

fn shown(duration: Duration) -> String {
    let microseconds = duration.as_micros();
    format!("{}.{} ms", microseconds / 1_000, microseconds % 1_000 / 100)
}

fn every_single<'a>(screens: impl Iterator<Item = (&'a str, &'a Vec<Sample>)>) -> String {
    let mut csv = String::from("screen,waited_us,backend_us,slowest_part_us\n");
    for (name, samples) in screens {
        for Sample { waited, inside } in samples {
            let micros = |it: Option<Duration>| it.map(|it| it.as_micros().to_string());
            let all = micros(inside.as_ref().map(|it| it.all)).unwrap_or_default();
            let slowest = micros(inside.as_ref().map(|it| it.slowest)).unwrap_or_default();
            let written = writeln!(csv, "{name},{},{all},{slowest}", waited.as_micros());
            written.expect("a string takes all");
        }
    }
    csv
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Inside, inside, percentile};

    #[test]
    fn the_slowest_part_is_separate_from_the_total() {
        let read = inside("booking;dur=3.104, parking;dur=12.050, all;dur=12.391").expect("read");
        let us = Duration::from_micros;
        assert_eq!(read, Inside { all: us(12_391), slowest: us(12_050) });
        assert_eq!(read.hundredths(), 102);
    }

    #[test]
    fn a_header_in_another_format_is_an_error() {
        for odd in ["", "all;dur=1.000", "a;dur=1, all;dur=1.000", "a;dur=1.000", "a"] {
            assert!(inside(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        assert_eq!(percentile([5, 1, 3].into_iter(), 50), 3);
        assert_eq!(percentile([1, 2].into_iter(), 90), 1);
        assert_eq!(percentile(1..=100, 90), 90);
        assert_eq!(percentile([0; 0].into_iter(), 50), 0);
    }
}
