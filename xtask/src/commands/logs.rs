//! `logs`: what functions print.

use std::collections::HashSet;
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;

use crate::cli::LogsArgs;
use crate::clock;
use crate::cloud;
use crate::deploy::function_name;
use crate::failure::{Failure, Outcome};
use crate::layout::Layout;
use crate::ui::Ui;

const POLL: Duration = Duration::from_millis(500);
/// Lines arrive up to half a second late: look again at the last seconds, and show what is new.
const OVERLAP_MS: i64 = 5_000;

pub(crate) async fn run(layout: &Layout, ui: Ui, arguments: &LogsArgs) -> Outcome<ExitCode> {
    let cloud = cloud::require(layout)?;
    let functions = cloud.aws.functions(&function_name("")).await?;
    let mut names: Vec<_> = functions
        .iter()
        .map(|it| it.function_name.trim_start_matches(&function_name("")).to_owned())
        .collect();
    if let Some(wanted) = &arguments.function {
        if !names.contains(wanted) {
            return Err(Failure::new(format!("there is no function {wanted}"))
                .advise(format!("one of {}", names.join(", "))));
        }
        names.retain(|it| it == wanted);
    }
    let booking = arguments.booking.map(|it| it.to_string());
    let mut since = clock::epoch_ms().saturating_sub(arguments.since);
    let mut shown = HashSet::new();
    loop {
        let mut events = Vec::new();
        for name in &names {
            let group = format!("/aws/lambda/{}", function_name(name));
            for event in cloud.aws.log_events(&group, since, booking.as_deref()).await? {
                events.push((event, name));
            }
        }
        events.sort_by_key(|(event, _)| event.timestamp);
        for (event, name) in events {
            if shown.insert((name.clone(), event.event_id, event.timestamp, event.message.clone()))
            {
                let time = ui.paint_out.faint(time_of_day(event.timestamp));
                let name = ui.paint_out.name(format!("{name:<17}"));
                ui.print(format!("{time} {name} {}", event.message.trim_end()))?;
            }
        }
        if !arguments.follow {
            return Ok(ExitCode::SUCCESS);
        }
        since = since.max(clock::epoch_ms().saturating_sub(OVERLAP_MS));
        shown.retain(|(_, _, timestamp, _)| *timestamp >= since);
        tokio::time::sleep(POLL).await;
    }
}

fn time_of_day(epoch_ms: i64) -> String {
    let time = Timestamp::from_millisecond(epoch_ms).unwrap_or_default();
    time.strftime("%H:%M:%S%.3f").to_string()
}

/// Reads `30s`, `10m` or `2h` as milliseconds.
pub(crate) fn parse_since(text: &str) -> Result<i64, String> {
    let wrong = || "write it as 30s, 10m or 2h".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let unit_ms = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|error| format!("{}: {error}", wrong()))?;
    Ok(i64::from(number).saturating_mul(unit_ms))
}

#[cfg(test)]
mod tests {
    use super::{parse_since, time_of_day};

    #[test]
    fn how_far_back_is_read_with_its_unit() {
        assert_eq!(parse_since("30s"), Ok(30_000));
        assert_eq!(parse_since("2h"), Ok(7_200_000));
        for wrong in ["", "m", "10", "-1m", "1d", "1µ"] {
            assert!(parse_since(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_time_of_day_has_milliseconds() {
        assert_eq!(time_of_day(1_000), "00:00:01.000");
    }
}
