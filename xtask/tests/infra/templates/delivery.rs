//! Events: nothing gets lost, nothing blocks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::platform;
use crate::cloudformation::{
    ALARM, FUNCTION, PERMISSION, Platform, QUEUE, QUEUE_POLICY, RULE, Resource, TABLE, list, texts,
};

fn is_dead_letters(queue: &Resource) -> bool {
    queue.text("QueueName").ends_with("-dead-letters")
}

#[test]
fn each_queue_has_its_dead_letters_and_they_live_longer() {
    let platform = platform();
    for queue in platform.all(QUEUE).filter(|queue| !is_dead_letters(queue)) {
        let redrive = queue.property("RedrivePolicy");
        let arn = redrive["deadLetterTargetArn"].as_str();
        let arn = arn.unwrap_or_else(|| unreachable!("{} has no dead letters", queue.label()));
        let dead = platform.by_arn(arn);
        assert_eq!(dead.text("QueueName"), format!("{}-dead-letters", queue.text("QueueName")));
        assert!(
            redrive["maxReceiveCount"].as_u64() >= Some(3),
            "{} receives a message too few times",
            queue.label()
        );
        let (dead, alive) =
            (dead.number("MessageRetentionPeriod"), queue.number("MessageRetentionPeriod"));
        assert!(dead > alive, "{} outlives its dead letters", queue.label());
    }
}

#[test]
fn each_dead_letter_queue_has_a_source_and_an_alarm() {
    let platform = platform();
    for dead in platform.all(QUEUE).filter(|queue| is_dead_letters(queue)) {
        let arn = dead.arn().expect("a queue has an ARN");
        let of_queue = platform
            .all(QUEUE)
            .any(|queue| queue.property("RedrivePolicy")["deadLetterTargetArn"] == arn);
        let of_stream = platform
            .all(FUNCTION)
            .flat_map(|function| function.sources("DynamoDB"))
            .any(|stream| stream["DestinationConfig"]["OnFailure"]["Destination"] == arn);
        let of_call = platform.all(FUNCTION).any(|function| {
            let called = function.property("EventInvokeConfig");
            called["DestinationConfig"]["OnFailure"]["Destination"] == arn
        });
        assert!(of_queue || of_stream || of_call, "nothing leads to {}", dead.label());
        let watched = platform.all(ALARM).any(|alarm| {
            list(alarm.property("Dimensions")).any(|it| it["Value"] == dead.text("QueueName"))
                && !texts(alarm.property("AlarmActions")).is_empty()
        });
        assert!(watched, "no alarm watches {}", dead.label());
    }
}

#[test]
fn queues_are_encrypted() {
    let platform = platform();
    for queue in platform.all(QUEUE) {
        assert_eq!(queue.property("SqsManagedSseEnabled"), true, "{}", queue.label());
    }
}

#[test]
fn a_stream_consumer_has_a_dead_letter_queue_and_reports_what_failed() {
    let platform = platform();
    let mut followers: BTreeMap<&str, usize> = BTreeMap::new();
    for function in platform.all(FUNCTION) {
        for stream in function.sources("DynamoDB") {
            let label = function.label();
            assert!(reports_failures(stream), "{label} fails as a whole");
            let on_failure = &stream["DestinationConfig"]["OnFailure"];
            let Some(dead) = on_failure["Destination"].as_str() else {
                unreachable!("{label} has no failure destination")
            };
            assert_eq!(
                platform.by_arn(dead).text("QueueName"),
                format!("{}-dead-letters", function.text("FunctionName"))
            );
            let role = platform.role_of(function);
            assert!(role.may("sqs:SendMessage", dead), "{label} may not send to its dead letters");
            assert!(
                function
                    .environment()
                    .any(|(_, value)| value.ends_with(platform.by_arn(dead).text("QueueName"))),
                "{label} does not know its dead letters"
            );
            // The stream forgets after 24 hours, and a retry without end would hold up all that follows.
            assert!(
                stream["MaximumRecordAgeInSeconds"].as_u64().is_some_and(|age| age <= 43_200),
                "{label}"
            );
            assert!(
                stream["MaximumRetryAttempts"].as_u64().is_some_and(|times| times >= 10),
                "{label}"
            );
            assert_eq!(
                stream["StartingPosition"], "TRIM_HORIZON",
                "{label} misses what came before it"
            );
            let arn = stream["Stream"].as_str().expect("a stream is named by its ARN");
            for action in ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"] {
                assert!(role.may(&format!("dynamodb:{action}"), arn), "{label} may not {action}");
            }
            *followers.entry(arn).or_default() += 1;
        }
    }
    for (stream, count) in followers {
        assert!(count <= 2, "{stream} has {count} readers, and DynamoDB serves two");
    }
}

fn reports_failures(source: &Value) -> bool {
    source["FunctionResponseTypes"] == serde_json::json!(["ReportBatchItemFailures"])
}

#[test]
fn a_table_that_is_followed_streams_its_new_images() {
    let platform = platform();
    let followed: BTreeSet<&str> = platform
        .all(FUNCTION)
        .flat_map(|function| function.sources("DynamoDB"))
        .filter_map(|stream| stream["Stream"].as_str())
        .collect();
    for table in platform.all(TABLE) {
        let arn = table.arn().expect("a table has an ARN");
        let streams = table.property("StreamSpecification")["StreamViewType"] == "NEW_IMAGE";
        let is_followed = followed.iter().any(|stream| stream.starts_with(&format!("{arn}/")));
        assert_eq!(streams, is_followed, "{}", table.label());
    }
}

#[test]
fn a_queue_consumer_says_what_failed_and_has_time_to_finish() {
    for (stage, times) in [("prod", 6), ("local", 1)] {
        let platform = Platform::of_stage(stage);
        for function in platform.all(FUNCTION) {
            for source in function.sources("SQS") {
                let label = function.label();
                assert!(reports_failures(source), "{label} fails as a whole");
                let arn = source["Queue"].as_str().expect("a queue is named by its ARN");
                let role = platform.role_of(function);
                for action in ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"] {
                    assert!(role.may(&format!("sqs:{action}"), arn), "{label} may not {action}");
                }
                let hidden = platform.by_arn(arn).number("VisibilityTimeout");
                // Six times, as AWS advises, is for messages that wait in a batch for a function that is busy.
                let times = if source["BatchSize"] == 1 { 1 } else { times };
                assert!(
                    hidden >= times * function.number("Timeout"),
                    "{label} at stage {stage}: {hidden} s"
                );
            }
        }
    }
}

#[test]
fn each_queue_is_read_by_one_function() {
    let platform = platform();
    for queue in platform.all(QUEUE).filter(|queue| !is_dead_letters(queue)) {
        let arn = queue.arn().expect("a queue has an ARN");
        let readers = platform.all(FUNCTION).flat_map(|function| function.sources("SQS"));
        assert_eq!(readers.filter(|source| source["Queue"] == arn).count(), 1, "{}", queue.label());
    }
}

#[test]
fn only_a_rule_may_reach_its_target() {
    let platform = platform();
    let mut named = BTreeSet::new();
    for policy in platform.all(QUEUE_POLICY) {
        for statement in list(&policy.property("PolicyDocument")["Statement"]) {
            let sources = texts(&statement["Condition"]["ArnEquals"]["aws:SourceArn"]);
            assert!(!sources.is_empty(), "{} has no source condition", policy.label());
            assert_eq!(statement["Action"], "sqs:SendMessage", "{}", policy.label());
            for source in &sources {
                named.extend(
                    texts(&statement["Resource"]).into_iter().map(|queue| (source.clone(), queue)),
                );
            }
        }
    }
    for permission in platform.all(PERMISSION) {
        let source = permission.text("SourceArn");
        assert!(!source.starts_with('*'), "{} allows every source", permission.label());
        let function = permission.text("FunctionName").to_owned();
        named.insert((source.to_owned(), function));
    }
    for rule in platform.all(RULE) {
        let arn = rule.arn().expect("a rule has an ARN");
        for target in list(rule.property("Targets")) {
            let to = target["Arn"].as_str().expect("a target has an ARN");
            let to_function = to.rsplit(':').next().unwrap_or_default().to_owned();
            if to.contains(":sqs:") {
                assert!(
                    named.contains(&(arn.clone(), to.to_owned())),
                    "{} may not send",
                    rule.label()
                );
                let dead = target["DeadLetterConfig"]["Arn"].as_str();
                let dead =
                    dead.unwrap_or_else(|| unreachable!("{} may lose an event", rule.label()));
                assert!(
                    named.contains(&(arn.clone(), dead.to_owned())),
                    "{} may not send",
                    rule.label()
                );
            } else {
                assert!(
                    named.contains(&(arn.clone(), to_function)),
                    "{} may not invoke",
                    rule.label()
                );
            }
        }
    }
}
