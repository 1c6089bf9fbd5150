//! Metrics: a line of the log that CloudWatch reads as numbers (embedded metric format).

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use serde::Serialize;

/// What the metrics of all functions stand under.
const NAMESPACE: &str = "Parkade";

/// Numbers are for whoever reads the log of a function; a test or a simulation has none.
static TOLD: AtomicBool = AtomicBool::new(false);

/// From now on metrics are printed.
pub(crate) fn tell() {
    TOLD.store(true, Ordering::Relaxed);
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "_aws")]
    aws: Directive,
    #[serde(rename = "Projection")]
    projection: &'a str,
    #[serde(rename = "LagSeconds")]
    lag_seconds: u64,
    #[serde(rename = "IteratorAgeMs")]
    iterator_age_ms: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    timestamp: i64,
    cloud_watch_metrics: [Metrics; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metrics {
    namespace: &'static str,
    dimensions: [[&'static str; 1]; 1],
    metrics: [Metric; 2],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

/// Tells how far a projection is behind, once [`telemetry`](crate::telemetry) has been called. One short line, since
/// lines are paid for by length.
pub fn projection(name: &str, lag_seconds: u64, iterator_age_ms: u64, now: Timestamp) {
    if !TOLD.load(Ordering::Relaxed) {
        return;
    }
    let line = line(name, lag_seconds, iterator_age_ms, now);
    // A number that is lost is no reason to fail.
    drop(writeln!(std::io::stdout(), "{line}"));
}

fn line(name: &str, lag_seconds: u64, iterator_age_ms: u64, now: Timestamp) -> String {
    let metrics = Metrics {
        namespace: NAMESPACE,
        dimensions: [["Projection"]],
        metrics: [
            Metric { name: "LagSeconds", unit: "Seconds" },
            Metric { name: "IteratorAgeMs", unit: "Milliseconds" },
        ],
    };
    let aws = Directive { timestamp: now.as_millisecond(), cloud_watch_metrics: [metrics] };
    let line = Line { aws, projection: name, lag_seconds, iterator_age_ms };
    serde_json::to_string(&line).expect("texts and numbers are always JSON")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_line_names_every_number_that_it_holds() {
        let now = Timestamp::from_second(1_767_268_800).unwrap();
        let line = line("orders", 3, 250, now);
        assert!(!line.contains('\n'));
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["_aws"]["Timestamp"], 1_767_268_800_000_i64);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "Parkade");
        assert_eq!(directive["Dimensions"], json!([["Projection"]]));
        assert_eq!(line["Projection"], "orders");
        for (place, value) in [3, 250].into_iter().enumerate() {
            let name = directive["Metrics"][place]["Name"].as_str().unwrap();
            assert_eq!(line[name], value, "{name}");
        }
    }
}
