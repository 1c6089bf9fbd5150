//! Metrics in CloudWatch's embedded metric format: log lines that CloudWatch reads as numbers.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use serde::Serialize;

/// The namespace of all metrics.
const NAMESPACE: &str = "Parkade";

/// Whether metrics are printed. Tests and simulations print none.
static ENABLED: AtomicBool = AtomicBool::new(false);

/// Enables the metrics.
pub(crate) fn enable() {
    ENABLED.store(true, Ordering::Relaxed);
}

#[derive(Serialize)]
struct Lag<'a> {
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
struct Ignored<'a> {
    #[serde(rename = "_aws")]
    aws: Directive,
    #[serde(rename = "Consumer")]
    consumer: &'a str,
    #[serde(rename = "Ignored")]
    ignored: u64,
}

#[derive(Serialize)]
struct Counted<'a> {
    #[serde(rename = "_aws")]
    aws: Directive,
    #[serde(rename = "Breaker")]
    breaker: &'a str,
    #[serde(flatten)]
    counts: BTreeMap<&'static str, u64>,
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
    metrics: &'static [Metric],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

impl Directive {
    fn new(dimension: &'static str, metrics: &'static [Metric], now: Timestamp) -> Self {
        let metrics = Metrics { namespace: NAMESPACE, dimensions: [[dimension]], metrics };
        Self { timestamp: now.as_millisecond(), cloud_watch_metrics: [metrics] }
    }
}

/// Reports the lag of a projection, once [`telemetry`](crate::telemetry) has been called. One short line, because logs are
/// billed by size.
pub fn projection(name: &str, lag_seconds: u64, iterator_age_ms: u64, now: Timestamp) {
    print(|| lag_line(name, lag_seconds, iterator_age_ms, now));
}

/// Counts an event that a consumer ignored, once [`telemetry`](crate::telemetry) has been called.
///
/// A few are events of a newer kind than the consumer. A steady stream means that an EventBridge rule is too broad.
pub fn ignored(consumer: &str, now: Timestamp) {
    print(|| ignored_line(consumer, now));
}

/// An event of a circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    /// The circuit opened: calls are rejected from now on.
    Opened,
    /// The circuit half-opened: one probe call was elected.
    HalfOpened,
    /// The circuit closed: calls pass again.
    Closed,
    /// One instance has opened its own circuit, whether or not it can report that to the others.
    Tripped,
    /// A call was rejected because the circuit is open.
    Refused,
    /// A probe call was made.
    Probing,
}

/// Counts an event of a breaker, once [`telemetry`](crate::telemetry) has been called.
pub fn circuit(breaker: &str, what: Circuit, now: Timestamp) {
    print(|| circuit_line(breaker, what, now));
}

fn print(line: impl FnOnce() -> String) {
    if ENABLED.load(Ordering::Relaxed) {
        // A lost metric must not fail the function.
        drop(writeln!(std::io::stdout(), "{}", line()));
    }
}

fn lag_line(name: &str, lag_seconds: u64, iterator_age_ms: u64, now: Timestamp) -> String {
    const METRICS: &[Metric] = &[
        Metric { name: "LagSeconds", unit: "Seconds" },
        Metric { name: "IteratorAgeMs", unit: "Milliseconds" },
    ];
    let aws = Directive::new("Projection", METRICS, now);
    json(&Lag { aws, projection: name, lag_seconds, iterator_age_ms })
}

fn ignored_line(consumer: &str, now: Timestamp) -> String {
    const METRICS: &[Metric] = &[Metric { name: "Ignored", unit: "Count" }];
    json(&Ignored { aws: Directive::new("Consumer", METRICS, now), consumer, ignored: 1 })
}

fn circuit_line(breaker: &str, what: Circuit, now: Timestamp) -> String {
    const fn count(name: &'static str) -> Metric {
        Metric { name, unit: "Count" }
    }
    const OPENED: &[Metric] = &[count("Opened")];
    const HALF_OPENED: &[Metric] = &[count("HalfOpened")];
    const CLOSED: &[Metric] = &[count("Closed")];
    const TRIPPED: &[Metric] = &[count("Tripped")];
    const REFUSED: &[Metric] = &[count("Refused")];
    const PROBING: &[Metric] = &[count("Probing")];
    let metrics = match what {
        Circuit::Opened => OPENED,
        Circuit::HalfOpened => HALF_OPENED,
        Circuit::Closed => CLOSED,
        Circuit::Tripped => TRIPPED,
        Circuit::Refused => REFUSED,
        Circuit::Probing => PROBING,
    };
    let aws = Directive::new("Breaker", metrics, now);
    let counts = metrics.iter().map(|it| (it.name, 1)).collect();
    json(&Counted { aws, breaker, counts })
}

fn json(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("texts and numbers are always JSON")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_line_names_every_number_that_it_holds() {
        let now = Timestamp::from_second(1_767_268_800).unwrap();
        let line = lag_line("orders", 3, 250, now);
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
    #[test]
    fn an_ignored_event_counts_as_one_of_its_consumer() {
        let now = Timestamp::from_second(1_767_268_800).unwrap();
        let line = ignored_line("orders-react", now);
        assert!(!line.contains('\n'));
        let line: Value = serde_json::from_str(&line).unwrap();
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "Parkade");
        assert_eq!(directive["Dimensions"], json!([["Consumer"]]));
        assert_eq!(directive["Metrics"], json!([{"Name": "Ignored", "Unit": "Count"}]));
        assert_eq!((&line["Consumer"], &line["Ignored"]), (&json!("orders-react"), &json!(1)));
    }

    #[test]
    fn what_happens_to_a_breaker_counts_as_one_of_its_kind() {
        let now = Timestamp::from_second(1_767_268_800).unwrap();
        for (what, name) in [
            (Circuit::Opened, "Opened"),
            (Circuit::HalfOpened, "HalfOpened"),
            (Circuit::Closed, "Closed"),
            (Circuit::Tripped, "Tripped"),
            (Circuit::Refused, "Refused"),
            (Circuit::Probing, "Probing"),
        ] {
            let line: Value =
                serde_json::from_str(&circuit_line("payment-provider", what, now)).unwrap();
            let directive = &line["_aws"]["CloudWatchMetrics"][0];
            assert_eq!(directive["Dimensions"], json!([["Breaker"]]));
            assert_eq!(directive["Metrics"], json!([{"Name": name, "Unit": "Count"}]));
            assert_eq!((&line["Breaker"], &line[name]), (&json!("payment-provider"), &json!(1)));
        }
    }
}
