//! Builds the wiring from the templates' resources, and rejects what it cannot model.

use std::collections::BTreeMap;
use std::time::Duration;

use super::pattern::Pattern;
use super::template::{Place, Resource, Templates, UNKNOWN};
use super::{
    End, Function, Machine, Queue, QueueSource, Redrive, Rule, Schedule, StreamSource, Wiring,
    WiringError,
};

type Outcome<T> = Result<T, WiringError>;

const BUS: &str = "AWS::Events::EventBus";
const FUNCTION: &str = "AWS::Serverless::Function";
const MACHINE: &str = "AWS::StepFunctions::StateMachine";
const QUEUE: &str = "AWS::SQS::Queue";
const RULE: &str = "AWS::Events::Rule";
const TABLE: &str = "AWS::DynamoDB::Table";

/// Resource types that move no message: storage, permissions, logs, and the HTTP API, which has a document of its own.
const STILL: [&str; 13] = [
    TABLE,
    "AWS::ApiGateway::Account",
    "AWS::ApiGateway::ApiKey",
    "AWS::ApiGateway::UsagePlan",
    "AWS::ApiGateway::UsagePlanKey",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::Role",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::SNS::Topic",
    "AWS::SQS::QueuePolicy",
    "AWS::Serverless::Api",
];

/// The defaults of AWS.
mod default {
    pub(super) const QUEUE_DELAY_S: u64 = 0;
    pub(super) const QUEUE_RETENTION_S: u64 = 345_600;
    pub(super) const QUEUE_VISIBILITY_S: u64 = 30;
    pub(super) const FUNCTION_TIMEOUT_S: u64 = 3;
    pub(super) const RETRIES_WHEN_ASYNC: u32 = 2;
}

pub(super) fn wiring(templates: &Templates) -> Outcome<Wiring> {
    let mut wiring = Wiring::default();
    for root in templates.roots() {
        root.only(&[
            "AWSTemplateFormatVersion",
            "Conditions",
            "Description",
            "Globals",
            "Outputs",
            "Parameters",
            "Resources",
            "Transform",
        ])?;
        if let Some(transform) = root.find("Transform")? {
            transform.must_be("AWS::Serverless-2016-10-31")?;
        }
        for (name, body) in root.at("Resources")?.entries()? {
            add(&mut wiring, &body.into_resource(name)?)?;
        }
    }
    Ok(wiring)
}

fn add(wiring: &mut Wiring, resource: &Resource<'_>) -> Outcome<()> {
    let key = resource.key.clone();
    if STILL.contains(&resource.kind) {
        return Ok(());
    }
    // Not `Condition`: resources that exist on one stage alone are not modelled.
    let known =
        ["DeletionPolicy", "DependsOn", "Metadata", "Properties", "Type", "UpdateReplacePolicy"];
    resource.body.only(&known)?;
    match resource.kind {
        BUS => {
            resource.body.at("Properties")?.only(&["Name"])?;
            if wiring.bus.replace(key).is_some() {
                return Err(resource.body.rejected("a second bus"));
            }
        }
        FUNCTION => add_function(wiring, resource)?,
        MACHINE => {
            wiring.machines.insert(key, machine(&resource.body.at("Properties")?)?);
        }
        QUEUE => {
            wiring.queues.insert(key, queue(&resource.body.at("Properties")?)?);
        }
        RULE => add_rule(wiring, key, &resource.body.at("Properties")?)?,
        kind => return Err(resource.body.rejected(format!("{kind} is {UNKNOWN}"))),
    }
    Ok(())
}

// ---- Functions and what calls them ----------------------------------------------------------------------------------

fn add_function(wiring: &mut Wiring, resource: &Resource<'_>) -> Outcome<()> {
    let properties = resource.body.at("Properties")?;
    properties.only(&[
        "Architectures",
        "CodeUri",
        "Description",
        "Environment",
        "EventInvokeConfig",
        "Events",
        "FunctionName",
        "Handler",
        "LoggingConfig",
        "MemorySize",
        "Role",
        "Runtime",
        "Timeout",
    ])?;
    let binary = binary(resource)?;
    let function = function(resource, &properties)?;
    if wiring.functions.insert(binary.clone(), function).is_some() {
        return Err(properties.at("CodeUri")?.rejected("another function has this binary"));
    }
    let Some(events) = properties.find("Events")? else { return Ok(()) };
    for (_, event) in events.entries()? {
        event.only(&["Properties", "Type"])?;
        let properties = event.at("Properties")?;
        match event.at("Type")?.text()?.as_str() {
            "SQS" => wiring.queue_sources.push(queue_source(&properties, &binary)?),
            "DynamoDB" => wiring.stream_sources.push(stream_source(&properties, &binary)?),
            // The HTTP API: called by clients.
            "Api" => {}
            kind => return Err(event.rejected(format!("a source of type {kind} is {UNKNOWN}"))),
        }
    }
    Ok(())
}

fn function(resource: &Resource<'_>, properties: &Place<'_>) -> Outcome<Function> {
    let global_timeout = global(resource, "Timeout")?;
    let timeout = properties.find("Timeout")?.or(global_timeout);
    let mut retries_when_async = default::RETRIES_WHEN_ASYNC;
    let mut failures_to = None;
    if let Some(invoke) = properties.find("EventInvokeConfig")? {
        invoke.only(&["DestinationConfig", "MaximumRetryAttempts"])?;
        if let Some(retries) = invoke.find("MaximumRetryAttempts")? {
            retries_when_async = retries.number()?;
        }
        failures_to = invoke.find("DestinationConfig")?.as_ref().map(on_failure).transpose()?;
    }
    Ok(Function {
        resource: resource.key.clone(),
        timeout: seconds_or(timeout, default::FUNCTION_TIMEOUT_S)?,
        retries_when_async,
        failures_to,
    })
}

/// The values that SAM adds to each function of a template.
fn global<'a>(resource: &Resource<'a>, property: &str) -> Outcome<Option<Place<'a>>> {
    let Some(globals) = resource.body.root()?.find("Globals")? else { return Ok(None) };
    globals.only(&["Api", "Function"])?;
    let Some(function) = globals.find("Function")? else { return Ok(None) };
    function.only(&[
        "Architectures",
        "Environment",
        "Handler",
        "LoggingConfig",
        "MemorySize",
        "Runtime",
        "Timeout",
        "Tracing",
    ])?;
    function.find(property)
}

/// The binary of a function: the name between the parameters for the location of the code.
fn binary(function: &Resource<'_>) -> Outcome<String> {
    let key = function.body.at("Properties")?.at("CodeUri")?.at("Key")?;
    let name = key.raw()["Fn::Sub"].as_str().and_then(|text| {
        text.strip_prefix("${CodePrefix}/")?.strip_suffix("${CodeSuffix}").map(str::to_owned)
    });
    name.ok_or_else(|| key.rejected("not ${CodePrefix}/<binary>${CodeSuffix}"))
}

/// The queue that is the destination of failures.
fn on_failure(destination: &Place<'_>) -> Outcome<String> {
    destination.only(&["OnFailure"])?;
    let failure = destination.at("OnFailure")?;
    failure.only(&["Destination", "Type"])?;
    failure.at("Type")?.must_be("SQS")?;
    queue_of(&failure.at("Destination")?)
}

fn queue_source(properties: &Place<'_>, function: &str) -> Outcome<QueueSource> {
    properties.only(&["BatchSize", "FunctionResponseTypes", "Queue", "ScalingConfig"])?;
    reports_failures(properties)?;
    let scaling = properties.at("ScalingConfig")?;
    scaling.only(&["MaximumConcurrency"])?;
    Ok(QueueSource {
        queue: queue_of(&properties.at("Queue")?)?,
        function: function.to_owned(),
        batch_max: properties.at("BatchSize")?.number()?,
        concurrency_max: scaling.at("MaximumConcurrency")?.number()?,
    })
}

fn stream_source(properties: &Place<'_>, function: &str) -> Outcome<StreamSource> {
    properties.only(&[
        "BatchSize",
        "BisectBatchOnFunctionError",
        "DestinationConfig",
        "FilterCriteria",
        "FunctionResponseTypes",
        "MaximumRecordAgeInSeconds",
        "MaximumRetryAttempts",
        "StartingPosition",
        "Stream",
    ])?;
    reports_failures(properties)?;
    properties.at("StartingPosition")?.must_be("TRIM_HORIZON")?;
    let table = properties.at("Stream")?.resource(TABLE, "StreamArn")?;
    let stream = table.body.at("Properties")?.at("StreamSpecification")?;
    stream.only(&["StreamViewType"])?;
    stream.at("StreamViewType")?.must_be("NEW_IMAGE")?;
    Ok(StreamSource {
        table: table.key,
        function: function.to_owned(),
        batch_max: properties.at("BatchSize")?.number()?,
        retries_max: properties.at("MaximumRetryAttempts")?.number()?,
        record_age_max: seconds(&properties.at("MaximumRecordAgeInSeconds")?)?,
        bisects: properties.at("BisectBatchOnFunctionError")?.truth()?,
        filters: properties.find("FilterCriteria")?.map_or(Ok(Vec::new()), |it| filters(&it))?,
        failures_to: on_failure(&properties.at("DestinationConfig")?)?,
    })
}

fn filters(criteria: &Place<'_>) -> Outcome<Vec<Pattern>> {
    criteria.only(&["Filters"])?;
    let filters = criteria.at("Filters")?.items()?;
    filters
        .iter()
        .map(|filter| {
            filter.only(&["Pattern"])?;
            let pattern = filter.at("Pattern")?;
            Pattern::read(&pattern.json()?, pattern.path(), &["dynamodb", "eventName"])
        })
        .collect()
}

/// Without it one failing message would cause redelivery of the whole batch, which no consumer here expects.
fn reports_failures(properties: &Place<'_>) -> Outcome<()> {
    let types = properties.at("FunctionResponseTypes")?;
    match types.items()?.as_slice() {
        [only] => only.must_be("ReportBatchItemFailures"),
        _ => Err(types.rejected("not ReportBatchItemFailures alone")),
    }
}

// ---- Queues, rules and machines -------------------------------------------------------------------------------------

fn queue(properties: &Place<'_>) -> Outcome<Queue> {
    properties.only(&[
        "DelaySeconds",
        "MessageRetentionPeriod",
        "QueueName",
        "RedrivePolicy",
        "SqsManagedSseEnabled",
        "VisibilityTimeout",
    ])?;
    let redrive = properties.find("RedrivePolicy")?.map(|policy| {
        policy.only(&["deadLetterTargetArn", "maxReceiveCount"])?;
        Ok(Redrive {
            receives_max: policy.at("maxReceiveCount")?.number()?,
            dead_letters: queue_of(&policy.at("deadLetterTargetArn")?)?,
        })
    });
    let period = |name: &str, default| seconds_or(properties.find(name)?, default);
    Ok(Queue {
        visibility: period("VisibilityTimeout", default::QUEUE_VISIBILITY_S)?,
        delay: period("DelaySeconds", default::QUEUE_DELAY_S)?,
        retention: period("MessageRetentionPeriod", default::QUEUE_RETENTION_S)?,
        redrive: redrive.transpose()?,
    })
}

fn add_rule(wiring: &mut Wiring, name: String, properties: &Place<'_>) -> Outcome<()> {
    let targets = properties.at("Targets")?;
    let items = targets.items()?;
    let [target] = items.as_slice() else { return Err(targets.rejected("not one target")) };
    if let Some(pattern) = properties.find("EventPattern")? {
        properties.only(&["EventBusName", "EventPattern", "Targets"])?;
        target.only(&["Arn", "DeadLetterConfig", "Id"])?;
        let Some(bus) = properties.find("EventBusName")? else {
            wiring.ends.push(end(name, &pattern, target)?);
            return Ok(());
        };
        bus.resource(BUS, "Ref")?;
        let dead_letters = target.find("DeadLetterConfig")?.map(|config| {
            config.only(&["Arn"])?;
            queue_of(&config.at("Arn")?)
        });
        let top = ["detail", "detail-type", "source"];
        wiring.rules.push(Rule {
            name,
            pattern: Pattern::read(pattern.raw(), pattern.path(), &top)?,
            queue: queue_of(&target.at("Arn")?)?,
            dead_letters: dead_letters.transpose()?,
        });
    } else {
        properties.only(&["ScheduleExpression", "Targets"])?;
        // Without an input, the payload would be an event with the time.
        target.only(&["Arn", "Id", "Input"])?;
        wiring.schedules.push(Schedule {
            name,
            every: rate(&properties.at("ScheduleExpression")?)?,
            function: binary(&target.at("Arn")?.resource(FUNCTION, "Arn")?)?,
            input: target.at("Input")?.json()?,
        });
    }
    Ok(())
}

/// The only events of the account's default bus that a rule matches.
fn end(name: String, pattern: &Place<'_>, target: &Place<'_>) -> Outcome<End> {
    pattern.only(&["detail", "detail-type", "source"])?;
    let only = |place: Place<'_>, expected: &str| {
        let items = place.items()?;
        let [item] = items.as_slice() else { return Err(place.rejected("not one")) };
        item.must_be(expected)
    };
    only(pattern.at("source")?, "aws.states")?;
    only(pattern.at("detail-type")?, "Step Functions Execution Status Change")?;
    let detail = pattern.at("detail")?;
    detail.only(&["stateMachineArn", "status"])?;
    let machines = detail.at("stateMachineArn")?.items()?;
    let machines = machines.iter().map(|it| Ok(it.resource(MACHINE, "Ref")?.key));
    let statuses = detail.at("status")?.items()?;
    let statuses = statuses.iter().map(Place::text);
    Ok(End {
        name,
        machines: machines.collect::<Outcome<_>>()?,
        statuses: statuses.collect::<Outcome<_>>()?,
        queue: queue_of(&target.at("Arn")?)?,
    })
}

/// The period of `rate(1 minute)`. AWS requires the singular for one, and the plural for more.
fn rate(expression: &Place<'_>) -> Outcome<Duration> {
    let text = expression.text()?;
    let rate = text.strip_prefix("rate(").and_then(|it| it.strip_suffix(')')?.split_once(' '));
    let every = rate.and_then(|(count, unit)| {
        let count: u64 = count.parse().ok()?;
        let unit_s = match (count, unit) {
            (1, "minute") | (2.., "minutes") => 60,
            (1, "hour") | (2.., "hours") => 3_600,
            (1, "day") | (2.., "days") => 86_400,
            _ => return None,
        };
        Some(Duration::from_secs(count.checked_mul(unit_s)?))
    });
    every.ok_or_else(|| expression.rejected(format!("{text} is {UNKNOWN}")))
}

fn machine(properties: &Place<'_>) -> Outcome<Machine> {
    properties.only(&[
        "DefinitionS3Location",
        "DefinitionSubstitutions",
        "LoggingConfiguration",
        "RoleArn",
        "StateMachineName",
        "StateMachineType",
        "TracingConfiguration",
    ])?;
    // Another type may run a state twice, and its names do not prevent a second execution.
    properties.at("StateMachineType")?.must_be("STANDARD")?;
    let mut machine = Machine {
        definition: properties.at("DefinitionS3Location")?.text()?,
        substitutions: BTreeMap::new(),
        queues: BTreeMap::new(),
    };
    for (name, value) in properties.at("DefinitionSubstitutions")?.entries()? {
        // A substitution that is not a function's ARN must be a queue's URL.
        if let Ok(queue) = value.resource(QUEUE, "Ref") {
            machine.queues.insert(name.to_owned(), queue.key);
        } else {
            let function = value.resource(FUNCTION, "Arn")?;
            machine.substitutions.insert(name.to_owned(), binary(&function)?);
        }
    }
    Ok(machine)
}

fn queue_of(arn: &Place<'_>) -> Outcome<String> {
    Ok(arn.resource(QUEUE, "Arn")?.key)
}

fn seconds(place: &Place<'_>) -> Outcome<Duration> {
    place.number().map(Duration::from_secs)
}

fn seconds_or(place: Option<Place<'_>>, default: u64) -> Outcome<Duration> {
    place.map_or(Ok(Duration::from_secs(default)), |it| seconds(&it))
}
