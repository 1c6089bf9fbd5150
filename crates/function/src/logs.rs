//! Logs: one JSON object a line, as Lambda's log controls and CloudWatch read it.

use lambda_runtime::tracing::subscriber::filter::{LevelFilter, Targets};
use lambda_runtime::tracing::subscriber::layer::SubscriberExt;
use lambda_runtime::tracing::subscriber::util::SubscriberInitExt;
use lambda_runtime::tracing::subscriber::{fmt, registry};

use crate::{env, metrics};

/// What is logged when nobody says otherwise.
const DEFAULT: LevelFilter = LevelFilter::INFO;

/// Sends `tracing` to standard output as JSON, without colours, and metrics beside it.
///
/// The level is `AWS_LAMBDA_LOG_LEVEL` (which Lambda sets from `LoggingConfig`) or `RUST_LOG`, else `info`; either may
/// name targets (`orders=debug,info`). Calling it twice does nothing more.
pub fn telemetry() {
    let wanted = env::required("AWS_LAMBDA_LOG_LEVEL").or_else(|_| env::required("RUST_LOG"));
    // The span names the request, once: the list of all spans would repeat it. Lambda filters by `timestamp` and `level`.
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false);
    let subscriber = registry().with(lines).with(filter(wanted.ok().as_deref()));
    metrics::enable();
    // A second call in one process finds its work done.
    drop(subscriber.try_init());
}

/// A level that cannot be read must not silence a function, nor one that is for some targets alone the others.
fn filter(wanted: Option<&str>) -> Targets {
    let parts = wanted.unwrap_or_default().split(',').map(str::trim);
    // The empty word would be a level, too.
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
