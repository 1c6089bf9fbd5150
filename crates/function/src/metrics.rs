//! Metrics, by the `metrics` facade. Its recorder writes them to the log in CloudWatch's embedded metric format, from which
//! CloudWatch extracts them.
//!
//! A metric is recorded when it is measured, and written at the end of the invocation: one line for each set of dimensions.
//! Every metric has the dimension `Stage`, so that several stages can share an account.

use std::io::Write;
use std::sync::OnceLock;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use metrics_cloudwatch_embedded::{Builder, Collector};

/// The namespace of all metrics.
const NAMESPACE: &str = "Parkade";
/// The dimension of all metrics.
const STAGE: &str = "Stage";
/// Seconds from a change until a projection shows it.
const LAG_SECONDS: &str = "LagSeconds";
/// Milliseconds from a change until its projection begins.
const ITERATOR_AGE_MS: &str = "IteratorAgeMs";
/// Events that a consumer ignored.
const IGNORED: &str = "Ignored";

/// The recorder of this process. Tests and simulations have none, and the facade then discards all metrics.
static RECORDER: OnceLock<&'static Collector> = OnceLock::new();

/// Installs the recorder. A second call has no effect.
pub(crate) fn enable(stage: String) {
    let recorder = Builder::new().cloudwatch_namespace(NAMESPACE).with_dimension(STAGE, stage);
    if let Ok(recorder) = recorder.init() {
        describe();
        RECORDER.get_or_init(|| recorder);
    }
}

fn describe() {
    describe_histogram!(LAG_SECONDS, Unit::Seconds, "");
    describe_histogram!(ITERATOR_AGE_MS, Unit::Milliseconds, "");
    describe_counter!(IGNORED, Unit::Count, "");
    for what in Circuit::ALL {
        describe_counter!(what.metric(), Unit::Count, "");
    }
}

/// Writes what was recorded since the last call to standard output.
pub(crate) fn flush() {
    if let Some(recorder) = RECORDER.get() {
        // A lost metric must not fail the function.
        drop(write(recorder, std::io::stdout().lock()));
    }
}

fn write(recorder: &Collector, to: impl Write) -> std::io::Result<()> {
    recorder.flush(to)
}

/// Reports the lag of a projection.
pub fn projection(name: &str, lag_seconds: u64, iterator_age_ms: u64) {
    // Whole numbers far below the 53 bits that a float keeps exactly.
    histogram!(LAG_SECONDS, "Projection" => name.to_owned()).record(lag_seconds as f64);
    histogram!(ITERATOR_AGE_MS, "Projection" => name.to_owned()).record(iterator_age_ms as f64);
}

/// Counts an event that a consumer ignored.
///
/// A few are events of a newer kind than the consumer. A steady stream means that an EventBridge rule is too broad.
pub fn ignored(consumer: &str) {
    counter!(IGNORED, "Consumer" => consumer.to_owned()).increment(1);
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

impl Circuit {
    const ALL: [Self; 6] =
        [Self::Opened, Self::HalfOpened, Self::Closed, Self::Tripped, Self::Refused, Self::Probing];

    fn metric(self) -> &'static str {
        match self {
            Self::Opened => "Opened",
            Self::HalfOpened => "HalfOpened",
            Self::Closed => "Closed",
            Self::Tripped => "Tripped",
            Self::Refused => "Refused",
            Self::Probing => "Probing",
        }
    }
}

/// Counts an event of a breaker.
pub fn circuit(breaker: &str, what: Circuit) {
    counter!(what.metric(), "Breaker" => breaker.to_owned()).increment(1);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The documents that an invocation writes. One test has the process's recorder, for there can be only one.
    fn written() -> Vec<Value> {
        let mut lines = Vec::new();
        write(RECORDER.get().unwrap(), &mut lines).unwrap();
        let lines = String::from_utf8(lines).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn directive(document: &Value) -> &Value {
        let directives = document["_aws"]["CloudWatchMetrics"].as_array().unwrap();
        assert_eq!(directives.len(), 1);
        &directives[0]
    }

    #[test]
    fn an_invocation_writes_one_document_for_each_set_of_dimensions_and_each_has_the_stage() {
        enable("test".to_owned());
        projection("orders", 3, 250);
        ignored("orders-react");
        ignored("orders-react");
        for what in Circuit::ALL {
            circuit("payments", what);
        }
        let documents = written();
        assert_eq!(documents.len(), 3);
        for document in &documents {
            let directive = directive(document);
            assert_eq!(
                (&directive["Namespace"], &document["Stage"]),
                (&json!("Parkade"), &json!("test"))
            );
            let dimensions = directive["Dimensions"][0].as_array().unwrap();
            assert!(dimensions.contains(&json!("Stage")), "{document}");
            for name in dimensions {
                assert!(document[name.as_str().unwrap()].is_string(), "{document}");
            }
            for metric in directive["Metrics"].as_array().unwrap() {
                assert!(!document[metric["Name"].as_str().unwrap()].is_null(), "{document}");
            }
            assert!(document["_aws"]["Timestamp"].as_u64().unwrap() > 1_700_000_000_000);
        }
        let of = |name: &str| documents.iter().find(|it| it[name].is_string()).unwrap();

        let lag = of("Projection");
        assert_eq!(directive(lag)["Dimensions"], json!([["Stage", "Projection"]]));
        assert_eq!((&lag["LagSeconds"], &lag["IteratorAgeMs"]), (&json!([3.0]), &json!([250.0])));
        let units = directive(lag)["Metrics"].as_array().unwrap();
        assert!(units.contains(&json!({"Name": "LagSeconds", "Unit": "Seconds"})));
        assert!(units.contains(&json!({"Name": "IteratorAgeMs", "Unit": "Milliseconds"})));

        assert_eq!(
            (&of("Consumer")["Consumer"], &of("Consumer")["Ignored"]),
            (&json!("orders-react"), &json!(2))
        );

        let circuit = of("Breaker");
        assert_eq!(circuit["Breaker"], "payments");
        for name in ["Opened", "HalfOpened", "Closed", "Tripped", "Refused", "Probing"] {
            assert_eq!(circuit[name], 1, "{name}");
        }

        assert!(written().is_empty(), "an invocation that measures nothing writes nothing");
    }
}
