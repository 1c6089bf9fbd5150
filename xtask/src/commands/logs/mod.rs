//! `logs`: the functions' log records.

mod record;

use std::collections::HashSet;
use std::process::ExitCode;
use std::time::Duration;

use crate::api_client::ApiClient;
use crate::cli::LogsArgs;
use crate::clock;
use crate::cloud;
use crate::deploy::function_name;
use crate::failure::{Failure, Result};
use crate::layout::Layout;
use crate::token::Scope;
use crate::ui::Ui;

use record::Record;

const POLL: Duration = Duration::from_millis(500);
/// Lines arrive up to half a second late: read the last seconds again, and show what is new.
const OVERLAP_MS: i64 = 5_000;

pub(crate) async fn run(layout: &Layout, ui: Ui, arguments: &LogsArgs) -> Result<ExitCode> {
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
    let booking = match &arguments.booking {
        Some(id) => {
            let operator = ApiClient::at(layout, &cloud, Scope::Operator, "logs")?;
            Some(id.resolve(&operator).await?.to_string())
        }
        None => None,
    };
    let back = i64::try_from(arguments.since.as_millis()).unwrap_or(i64::MAX);
    let mut since = clock::epoch_ms().saturating_sub(back);
    let mut seen = HashSet::new();
    let mut is_first = true;
    loop {
        let mut events = Vec::new();
        for name in &names {
            let group = format!("/aws/lambda/{}", function_name(name));
            for event in cloud.aws.log_events(&group, since, booking.as_deref()).await? {
                events.push((event, name));
            }
        }
        events.sort_by_key(|(event, _)| event.timestamp);
        let mut shown = 0;
        for (event, name) in events {
            let key = (name.clone(), event.event_id, event.timestamp, event.message.clone());
            if !seen.insert(key) {
                continue;
            }
            let record = Record::read(name, event.timestamp, &event.message);
            if !record.is_shown(arguments.level, arguments.json) {
                continue;
            }
            shown += 1;
            ui.print(if arguments.json { record.json() } else { record.line(ui.paint_out) })?;
        }
        if is_first && shown == 0 {
            ui.say(nothing(arguments, booking.as_deref()));
        }
        is_first = false;
        if !arguments.follow {
            return Ok(ExitCode::SUCCESS);
        }
        since = since.max(clock::epoch_ms().saturating_sub(OVERLAP_MS));
        seen.retain(|(_, _, timestamp, _)| *timestamp >= since);
        tokio::time::sleep(POLL).await;
    }
}

/// The sentence for an empty result.
fn nothing(arguments: &LogsArgs, booking: Option<&str>) -> String {
    let of = arguments.function.as_deref().unwrap_or("any function");
    let about = booking.map(|it| format!(" about booking {it}")).unwrap_or_default();
    let at = match arguments.level {
        Some(level) => format!(" at level {level:?} or above").to_lowercase(),
        None => String::new(),
    };
    let back = clock::human(arguments.since);
    let next = if arguments.follow {
        "waiting for new ones, until Ctrl-C"
    } else {
        "`--since 2h` looks further back"
    };
    format!("No log records of {of}{about}{at} in the last {back}; {next}.")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::nothing;
    use crate::cli::{Cli, Command, LogsArgs};

    fn arguments(line: &[&str]) -> LogsArgs {
        let cli = Cli::try_parse_from([&["xtask", "logs"], line].concat()).expect("parsed");
        let Command::Logs(arguments) = cli.command else { unreachable!("it is `logs`") };
        arguments
    }

    #[test]
    fn an_empty_result_is_a_sentence_that_says_what_to_do() {
        assert_eq!(
            nothing(&arguments(&[]), None),
            "No log records of any function in the last 10 min 00 s; `--since 2h` looks further back."
        );
        assert_eq!(
            nothing(&arguments(&["parking-react", "--level", "warn", "--follow"]), Some("b1")),
            "No log records of parking-react about booking b1 at level warn or above in the last \
             10 min 00 s; waiting for new ones, until Ctrl-C."
        );
    }
}
