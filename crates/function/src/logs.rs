//! Logs: one JSON object per line, in the format of Lambda's logging controls and CloudWatch.

use lambda_runtime::tracing::subscriber::filter::{LevelFilter, Targets};
use lambda_runtime::tracing::subscriber::fmt::MakeWriter;
use lambda_runtime::tracing::subscriber::layer::SubscriberExt;
use lambda_runtime::tracing::subscriber::util::SubscriberInitExt;
use lambda_runtime::tracing::subscriber::{fmt, registry};

use crate::{env, metrics};

/// The log level without configuration.
const DEFAULT: LevelFilter = LevelFilter::INFO;

/// Sends `tracing` events to standard output as JSON without colours, and enables metrics.
///
/// The level comes from `AWS_LAMBDA_LOG_LEVEL` (which Lambda sets from `LoggingConfig`) or `RUST_LOG`, and is `info` by
/// default. Both may contain targets (`orders=debug,info`). A second call has no effect.
pub fn telemetry() {
    let wanted = env::required("AWS_LAMBDA_LOG_LEVEL").or_else(|_| env::required("RUST_LOG"));
    let subscriber = subscriber(wanted.ok().as_deref(), std::io::stdout);
    // A process without a stage is no deployed function, and its metrics belong to no stage.
    if let Ok(stage) = env::required("STAGE") {
        metrics::enable(stage);
    }
    // In a process with several calls, such as a test, the subscriber is set already.
    drop(subscriber.try_init());
}

fn subscriber<W>(wanted: Option<&str>, writer: W) -> impl SubscriberInitExt + use<W>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // All spans: the outer one has Lambda's ids, the handler's has ours. The current one is the last of them, so it is not
    // repeated. Lambda filters by `timestamp` and `level`.
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(true)
        .with_target(false)
        .with_writer(writer);
    registry().with(lines).with(filter(wanted))
}

/// Parses the levels. An invalid one must not silence the function, nor one for some targets the others.
fn filter(wanted: Option<&str>) -> Targets {
    let parts = wanted.unwrap_or_default().split(',').map(str::trim);
    // An empty part would parse as a level.
    parts.filter(|it| !it.is_empty()).fold(Targets::new().with_default(DEFAULT), |targets, part| {
        let (target, level) =
            part.split_once('=').map_or((None, part), |(target, level)| (Some(target), level));
        match (target, level.parse::<LevelFilter>()) {
            (None, Ok(level)) => targets.with_default(level),
            (Some(target), Ok(level)) if !target.is_empty() => targets.with_target(target, level),
            (Some(_) | None, Ok(_) | Err(_)) => targets,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use lambda_runtime::tracing::Level;
    use serde_json::{Value, json};
    use trace_context::{TraceFields, call, correlate};
    use tracing::dispatcher::set_default;
    use uuid::Uuid;

    use super::*;
    use crate::handle_request;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        fn read(&self) -> Vec<Value> {
            let written = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            written.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
    }

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    const ID: Uuid = Uuid::from_u128(0xc0);
    const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    async fn handled(level: &str, traceparent: &str, work: impl Future<Output = ()>) -> Vec<Value> {
        let lines = Lines::default();
        let writer = lines.clone();
        let logs = set_default(&subscriber(Some(level), move || writer.clone()).into());
        let fields = TraceFields::new(traceparent);
        handle_request("orders-command", &fields, Some(ID), None, work).await;
        drop(logs);
        lines.read()
    }

    #[tokio::test]
    async fn every_line_of_a_handler_has_the_correlation_id_and_the_trace_id() {
        for level in ["info", "error"] {
            let traceparent = format!("00-{TRACE_ID}-00f067aa0ba902b7-00");
            let lines = handled(level, &traceparent, async {
                tracing::error!("decided");
                call("dynamodb:PutItem", "orders", async { tracing::error!("throttled") }).await;
                correlate("order-7");
                call("dynamodb:PutItem", "orders", async { tracing::error!("stored") }).await;
            });
            let lines = lines.await;
            let named = |it: &Value| it["message"].as_str().unwrap().to_owned();
            assert_eq!(
                lines.iter().map(named).collect::<Vec<_>>(),
                ["decided", "throttled", "stored"]
            );
            let handler = |id: Value| json!({"name": "handler", "handler": "orders-command", "correlationId": id, "traceId": TRACE_ID});
            let sent = |id: Value| {
                json!({
                    "name": "call", "call": "dynamodb:PutItem", "target": "orders", "correlationId": id,
                    "traceId": TRACE_ID,
                })
            };
            assert_eq!(lines[0]["spans"], json!([handler(json!(ID))]));
            assert_eq!(lines[1]["spans"], json!([handler(json!(ID)), sent(json!(ID))]));
            assert_eq!(
                lines[2]["spans"],
                json!([handler(json!("order-7")), sent(json!("order-7"))])
            );
        }
    }

    #[tokio::test]
    async fn a_request_is_logged_if_its_caller_records_the_trace() {
        for (flags, received) in [("01", 1), ("00", 0)] {
            let traceparent = format!("00-{TRACE_ID}-00f067aa0ba902b7-{flags}");
            let lines = handled("info", &traceparent, async {}).await;
            assert_eq!(lines.len(), received);
            assert!(lines.iter().all(|it| it["traceparent"] == traceparent), "{lines:?}");
        }
    }

    #[tokio::test]
    async fn a_request_without_a_valid_trace_starts_a_new_one() {
        for invalid in ["", "x", &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32))] {
            let lines = handled("info", invalid, async { tracing::info!("done") }).await;
            let trace_id = lines[0]["spans"][0]["traceId"].as_str().unwrap();
            assert_eq!((trace_id.len(), lines.len()), (32, 1), "{invalid}");
            assert!(!trace_id.bytes().all(|it| it == b'0'));
        }
    }

    #[test]
    fn the_default_level_is_info() {
        for wanted in [None, Some(""), Some("?!=,"), Some("loud"), Some("booking=warn")] {
            assert!(filter(wanted).would_enable("parking", &Level::INFO), "{wanted:?}");
            assert!(!filter(wanted).would_enable("parking", &Level::DEBUG), "{wanted:?}");
        }
    }

    #[test]
    fn lambdas_level_is_understood_and_so_are_targets() {
        assert!(!filter(Some("WARN")).would_enable("booking", &Level::INFO));
        assert!(filter(Some("booking=debug,warn")).would_enable("booking", &Level::DEBUG));
        assert!(!filter(Some("booking=debug,warn")).would_enable("hyper", &Level::INFO));
    }
}
