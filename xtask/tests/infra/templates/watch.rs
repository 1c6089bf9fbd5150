//! Alarms and dashboards: every failure is reported to the one topic, and shown on one dashboard.

use std::collections::BTreeSet;

use serde_json::Value;

use super::platform;
use crate::cloudformation::{
    ALARM, API, DASHBOARD, FUNCTION, Platform, QUEUE, Resource, STATE_MACHINE, TOPIC, list, texts,
};

/// A stream forgets after a day, and Lambda discards a record after half of it: the warning has to leave most of that.
const AGE_MS_MAX: u64 = 300_000;
const WARNED_WITHIN_SECONDS: u64 = 900;
/// The namespace of the functions' own metrics.
const NAMESPACE: &str = "Parkade";

/// The alarms on a metric of that, each as the mapping that holds period and threshold.
fn alarms<'a>(
    platform: &'a Platform,
    namespace: &'a str,
    metric: &'a str,
    value: &'a str,
) -> Vec<&'a Resource> {
    let is_on = |it: &Value| {
        it["Namespace"] == namespace
            && it["MetricName"] == metric
            && list(&it["Dimensions"]).any(|dimension| dimension["Value"] == value)
    };
    platform
        .all(ALARM)
        .filter(|alarm| {
            is_on(alarm.attribute("Properties"))
                || list(alarm.property("Metrics")).any(|it| is_on(&it["MetricStat"]["Metric"]))
        })
        .collect()
}

fn one<'a>(platform: &'a Platform, namespace: &str, metric: &str, value: &str) -> &'a Resource {
    let found = platform.all(ALARM).find(|alarm| {
        alarms(platform, namespace, metric, value).iter().any(|it| it.label() == alarm.label())
    });
    found.unwrap_or_else(|| unreachable!("no alarm on {metric} of {value}"))
}

#[test]
fn every_alarm_tells_the_one_topic_and_says_what_is_wrong() {
    let platform = platform();
    let topics: Vec<_> = platform.all(TOPIC).filter_map(Resource::arn).collect();
    assert_eq!(topics.len(), 1);
    for alarm in platform.all(ALARM) {
        assert_eq!(texts(alarm.property("AlarmActions")), topics, "{}", alarm.label());
        assert!(alarm.text("AlarmDescription").ends_with('.'), "{}", alarm.label());
        // Nothing comes where nothing happens.
        assert_eq!(alarm.text("TreatMissingData"), "notBreaching", "{}", alarm.label());
    }
}

#[test]
fn each_consumer_of_a_stream_is_missed_within_minutes() {
    let platform = platform();
    let follows = |it: &&Resource| it.sources("DynamoDB").next().is_some();
    for function in platform.all(FUNCTION).filter(follows) {
        let alarm = one(&platform, "AWS/Lambda", "IteratorAge", function.text("FunctionName"));
        assert_eq!(alarm.text("Statistic"), "Maximum", "{}", alarm.label());
        assert!(alarm.number("Threshold") <= AGE_MS_MAX, "{} comes late", alarm.label());
        let after = alarm.number("Period") * alarm.number("EvaluationPeriods");
        assert!(after <= WARNED_WITHIN_SECONDS, "{} comes after {after} s", alarm.label());
    }
}

#[test]
fn each_function_is_watched_for_errors_and_all_of_them_for_throttles() {
    let platform = platform();
    for function in platform.all(FUNCTION) {
        one(&platform, "AWS/Lambda", "Errors", function.text("FunctionName"));
    }
    let throttles = platform.all(ALARM).find(|it| it.property("MetricName") == "Throttles");
    let throttles = throttles.expect("there is an alarm on throttles");
    assert!(throttles.property("Dimensions").is_null(), "the account's, over all functions");
    for function in platform.all(FUNCTION) {
        // One with a share of its own would be throttled alone, and hardly be seen in the sum.
        let own = function.property("ReservedConcurrentExecutions");
        assert!(own.is_null(), "{} wants an alarm of its own", function.label());
    }
}

#[test]
fn each_state_machine_is_watched_for_what_is_stuck_and_for_what_fails() {
    let platform = platform();
    for machine in platform.all(STATE_MACHINE) {
        let arn = machine.arn().expect("a state machine has an ARN");
        for metric in ["ExecutionsTimedOut", "ExecutionsAborted"] {
            let alarm = one(&platform, "AWS/States", metric, &arn);
            // It has compensated nothing: one is enough.
            assert_eq!(alarm.number("Threshold"), 1, "{}", alarm.label());
            assert_eq!(alarm.number("EvaluationPeriods"), 1, "{}", alarm.label());
        }
        let failed = one(&platform, "AWS/States", "ExecutionsFailed", &arn);
        // A booking that fails is a saga that fails: one is business.
        assert!(failed.number("Threshold") > 1, "{} cries wolf", failed.label());
    }
}

#[test]
fn the_public_api_is_watched_for_its_failures() {
    let platform = platform();
    let api = platform.all(API).find(|it| it.stack == "edge").expect("there is a public API");
    one(&platform, "AWS/ApiGateway", "5XXError", api.text("Name"));
}

#[test]
fn each_metric_of_our_own_is_that_of_one_stage() {
    let platform = platform();
    let mut alarms = 0;
    for alarm in platform.all(ALARM) {
        let metrics = list(alarm.property("Metrics")).map(|it| &it["MetricStat"]["Metric"]);
        for metric in metrics.chain([alarm.attribute("Properties")]) {
            if metric["Namespace"] != NAMESPACE {
                continue;
            }
            alarms += 1;
            let stage = list(&metric["Dimensions"]).find(|it| it["Name"] == "Stage");
            let stage = stage.unwrap_or_else(|| unreachable!("{} has no stage", alarm.label()));
            assert_eq!(stage["Value"], "prod", "{}", alarm.label());
            assert_eq!(list(&metric["Dimensions"]).count(), 2, "{}", alarm.label());
        }
    }
    assert!(alarms > 0, "there is an alarm on a metric of our own");
    for dashboard in platform.all(DASHBOARD) {
        for metric in metrics_of(dashboard).filter(|it| it[0] == NAMESPACE) {
            assert_eq!(metric[2..4], ["Stage", "prod"], "{}: {metric:?}", dashboard.label());
        }
    }
}

#[test]
fn every_function_every_api_and_every_state_machine_is_traced() {
    const WRITES: [&str; 2] = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"];
    const SAMPLES: [&str; 2] = ["xray:GetSamplingRules", "xray:GetSamplingTargets"];
    let platform = platform();
    for function in platform.all(FUNCTION) {
        assert_eq!(function.text("Tracing"), "Active", "{}", function.label());
        let role = platform.role_of(function);
        assert!(WRITES.iter().all(|it| role.may(it, "*")), "{} writes no traces", role.label());
    }
    for api in platform.all(API) {
        assert_eq!(*api.property("TracingEnabled"), true, "{}", api.label());
    }
    for machine in platform.all(STATE_MACHINE) {
        assert_eq!(
            machine.property("TracingConfiguration")["Enabled"],
            true,
            "{}",
            machine.label()
        );
        let role = platform.by_arn(machine.text("RoleArn"));
        let mut needed = WRITES.iter().chain(&SAMPLES);
        assert!(needed.all(|it| role.may(it, "*")), "{} writes no traces", role.label());
    }
}

#[test]
fn each_alarm_is_on_something_that_is_there() {
    let platform = platform();
    let there = names(&platform);
    for alarm in platform.all(ALARM) {
        let metrics = list(alarm.property("Metrics")).map(|it| &it["MetricStat"]["Metric"]);
        for metric in metrics.chain([alarm.attribute("Properties")]) {
            for dimension in list(&metric["Dimensions"]) {
                let value = dimension["Value"].as_str().expect("a dimension has a value");
                assert!(there.contains(value), "{} watches {value}", alarm.label());
            }
        }
    }
}

#[test]
fn each_service_has_a_dashboard_of_all_that_it_has_and_of_nothing_else() {
    let platform = platform();
    let there = names(&platform);
    let services: BTreeSet<&str> =
        platform.all(FUNCTION).map(|function| function.stack.as_str()).collect();
    for service in services {
        let mut own = platform.all(DASHBOARD).filter(|it| it.stack == service);
        let dashboard = own.next().unwrap_or_else(|| unreachable!("{service} has no dashboard"));
        assert!(own.next().is_none(), "{service} has two");
        assert_eq!(dashboard.text("DashboardName"), format!("parkade-prod-{service}"));
        let shown = shown(dashboard);
        for name in &shown {
            assert!(there.contains(name), "{} shows {name}", dashboard.label());
        }
        for resource in platform.resources().filter(|it| it.stack == service) {
            let name = match resource.kind() {
                FUNCTION => resource.text("FunctionName").to_owned(),
                QUEUE => resource.text("QueueName").to_owned(),
                STATE_MACHINE => resource.arn().expect("a state machine has an ARN"),
                _ => continue,
            };
            assert!(shown.contains(&name), "{} does not show {name}", dashboard.label());
        }
    }
}

/// What the metrics of a dashboard are of: the values of their dimensions.
fn shown(dashboard: &Resource) -> BTreeSet<String> {
    let metrics = metrics_of(dashboard);
    // Namespace and name, then each dimension with its value.
    metrics.flat_map(|it| it[2..].chunks(2).map(|it| it[1].clone()).collect::<Vec<_>>()).collect()
}

/// The metrics of a dashboard: namespace, name, and each dimension with its value.
fn metrics_of(dashboard: &Resource) -> impl Iterator<Item = Vec<String>> {
    let label = dashboard.label();
    let body = serde_json::from_str(dashboard.text("DashboardBody"));
    let body: Value = body.unwrap_or_else(|error| unreachable!("{label} is no JSON: {error}"));
    let mut shown = Vec::new();
    for widget in list(&body["widgets"]) {
        assert_eq!(widget["type"], "metric", "{label}");
        let properties = &widget["properties"];
        for field in ["title", "region", "stat"] {
            assert!(properties[field].is_string(), "{label}: no {field}");
        }
        let metrics = properties["metrics"].as_array().expect("a widget shows metrics");
        assert!(!metrics.is_empty(), "{label}: {} is empty", properties["title"]);
        for metric in metrics {
            let parts: Vec<_> = list(metric).filter_map(Value::as_str).map(str::to_owned).collect();
            assert!(parts.len() >= 4 && parts.len().is_multiple_of(2), "{label}: {metric}");
            shown.push(parts);
        }
    }
    shown.into_iter()
}

/// What a metric may be of.
fn names(platform: &Platform) -> BTreeSet<String> {
    let named = |kind, name| platform.all(kind).map(move |it: &Resource| it.text(name).to_owned());
    let mut names: BTreeSet<String> = named(FUNCTION, "FunctionName")
        .chain(named(QUEUE, "QueueName"))
        .chain(named(API, "Name"))
        .chain(named(API, "StageName"))
        .chain(platform.all(STATE_MACHINE).filter_map(Resource::arn))
        .collect();
    // The functions' own metrics: all by their stage, a projection by its view, a consumer by its binary, a breaker by what it is around.
    names.extend(["prod", "bookings", "slots", "payment-provider"].map(str::to_owned));
    names.extend(platform.all(FUNCTION).map(|it| it.binary().to_owned()));
    names
}
