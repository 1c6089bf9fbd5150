//! Templates with properties that the simulation does not know are rejected.

use super::rejected;
use crate::TEMPLATES;

/// The error after a text in one of the templates is replaced, at its first occurrence.
fn rejection(stack: &str, from: &str, to: &str) -> String {
    let changed = TEMPLATES.map(|(name, text)| {
        assert!(name != stack || text.contains(from), "{stack} has no {from:?}");
        (name, if name == stack { text.replacen(from, to, 1) } else { text.to_owned() })
    });
    let changed = changed.each_ref().map(|(name, text)| (*name, text.as_str()));
    rejected(&changed, &[])
}

#[test]
fn an_unknown_property_is_rejected_with_its_place() {
    let unknown = "unknown to the simulation";
    for (stack, from, to, place) in [
        (
            "billing",
            "QueueName:",
            "FifoQueue: true\n      QueueName:",
            "Queue/Properties/FifoQueue",
        ),
        (
            "billing",
            "ScalingConfig:",
            "MaximumBatchingWindowInSeconds: 5\n            ScalingConfig:",
            "ReactFunction/Properties/Events/Queue/Properties/MaximumBatchingWindowInSeconds",
        ),
        (
            "parking",
            "BisectBatchOnFunctionError:",
            "ParallelizationFactor: 2\n            BisectBatchOnFunctionError:",
            "ProjectFunction/Properties/Events/Stream/Properties/ParallelizationFactor",
        ),
        (
            "booking",
            "BisectBatchOnFunctionError:",
            "Enabled: false\n            BisectBatchOnFunctionError:",
            "ProjectFunction/Properties/Events/Stream/Properties/Enabled",
        ),
        (
            "booking",
            "- Id: queue",
            "- Id: queue\n          InputTransformer: {InputTemplate: '{}'}",
            "CreatedRule/Properties/Targets/0/InputTransformer",
        ),
        (
            "booking",
            "EventPattern:",
            "State: DISABLED\n      EventPattern:",
            "CreatedRule/Properties/State",
        ),
        (
            "billing",
            "Timeout: 15",
            "ReservedConcurrentExecutions: 1\n      Timeout: 15",
            "ReactFunction/Properties/ReservedConcurrentExecutions",
        ),
        (
            "billing",
            "  BookingRule:",
            "  BookingRule:\n    Condition: IsLocal",
            "BookingRule/Condition",
        ),
        (
            "booking",
            "MaximumRetryAttempts: 2",
            "MaximumEventAgeInSeconds: 60",
            "RebuildFunction/Properties/EventInvokeConfig/MaximumEventAgeInSeconds",
        ),
    ] {
        assert_eq!(rejection(stack, from, to), format!("{stack}/Resources/{place}: {unknown}"));
    }
}

#[test]
fn an_unknown_value_is_rejected_with_its_place() {
    for (stack, from, to, message) in [
        (
            "billing",
            "detail-type: [BookingCreated]",
            "detail-type: [{prefix: Booking}]",
            "BookingRule/Properties/EventPattern/detail-type/0: not a text",
        ),
        (
            "parking",
            r#"{"S": ["state"]}"#,
            r#"{"S": [{"anything-but": ["bar"]}]}"#,
            "ProjectFunction/Properties/Events/Stream/Properties/FilterCriteria/Filters/0/Pattern\
             /dynamodb/Keys/part/S/0: not a text",
        ),
        (
            "parking",
            r#"{"S": ["state"]}"#,
            r#"{"S": ["state"}"#,
            "ProjectFunction/Properties/Events/Stream/Properties/FilterCriteria/Filters/0/Pattern: not JSON",
        ),
        (
            "billing",
            "rate(1 minute)",
            "cron(* * * * ? *)",
            "SweepRule/Properties/ScheduleExpression: cron(* * * * ? *) is unknown to the simulation",
        ),
        (
            "billing",
            "FunctionResponseTypes: [ReportBatchItemFailures]",
            "FunctionResponseTypes: []",
            "ReactFunction/Properties/Events/Queue/Properties/FunctionResponseTypes: \
             not ReportBatchItemFailures alone",
        ),
        (
            "billing",
            "Type: SQS",
            "Type: SNS",
            "ReactFunction/Properties/Events/Queue: a source of type SNS is unknown to the simulation",
        ),
        (
            "booking",
            "StartingPosition: TRIM_HORIZON",
            "StartingPosition: LATEST",
            "ProjectFunction/Properties/Events/Stream/Properties/StartingPosition: not TRIM_HORIZON",
        ),
        (
            "booking",
            "StateMachineType: STANDARD",
            "StateMachineType: EXPRESS",
            "BookingSaga/Properties/StateMachineType: not STANDARD",
        ),
        (
            "billing",
            "Type: AWS::Lambda::Permission",
            "Type: AWS::Scheduler::Schedule",
            "SweepPermission: AWS::Scheduler::Schedule is unknown to the simulation",
        ),
        (
            "booking",
            "Arn: !GetAtt Queue.Arn",
            "Arn: !GetAtt ReactFunction.Arn",
            "CreatedRule/Properties/Targets/0/Arn: not the Arn of an AWS::SQS::Queue",
        ),
        (
            "booking",
            "-ParkingCommandFunctionArn",
            "-ParkingFunctionArn",
            "BookingSaga/Properties/DefinitionSubstitutions/ParkingCommandFunctionArn: \
             no stack exports parkade-simulation-ParkingFunctionArn",
        ),
        (
            "billing",
            "!If [IsLocal, 15, 90]",
            "!If [IsLocal, 15, !Select [0, [90]]]",
            "Queue/Properties/VisibilityTimeout: Fn::Select is unknown to the simulation",
        ),
        (
            "parking",
            "/parking-query$",
            "/parking-command$",
            "QueryFunction/Properties/CodeUri: another function has this binary",
        ),
    ] {
        assert_eq!(rejection(stack, from, to), format!("{stack}/Resources/{message}"));
    }
}

#[test]
fn an_unknown_global_is_rejected_even_if_unused() {
    let to = "    EventInvokeConfig: {MaximumRetryAttempts: 0}\n    Timeout: 6";
    assert_eq!(
        rejection("payment-provider", "    Timeout: 6", to),
        "payment-provider/Globals/Function/EventInvokeConfig: unknown to the simulation"
    );
}

#[test]
fn two_buses_duplicate_templates_and_non_templates_are_rejected() {
    let bus = "Resources: {B: {Type: AWS::Events::EventBus, Properties: {Name: b}}}";
    assert_eq!(rejected(&[("a", bus), ("b", bus)], &[]), "b/Resources/B: a second bus");
    assert_eq!(rejected(&[("a", bus), ("a", bus)], &[]), "a: two templates of one name");
    assert_eq!(rejected(&[("a", "{")], &[]), "a: not YAML");
    let twice = "Resources: {B: {Type: AWS::SNS::Topic}, B: {Type: AWS::SNS::Topic}}";
    assert_eq!(rejected(&[("a", twice)], &[]), "a: not YAML");
}
