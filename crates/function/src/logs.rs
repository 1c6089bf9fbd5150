//! Logs: one JSON object per line, in the format of Lambda's logging controls and CloudWatch.

use lambda_runtime::tracing::subscriber::filter::{LevelFilter, Targets};
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
    // The current span contains the request, so the list of all spans is redundant. Lambda filters by `timestamp` and `level`.
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false);
    let subscriber = registry().with(lines).with(filter(wanted.ok().as_deref()));
    metrics::enable();
    // In a process with several calls, such as a test, the subscriber is set already.
    drop(subscriber.try_init());
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
    use lambda_runtime::tracing::Level;

    use super::*;

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
