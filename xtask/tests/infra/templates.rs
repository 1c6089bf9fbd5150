//! The rules of the stacks: who may reach what, and what keeps data, events and logs from getting lost.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::cloudformation::{
    ALARM, API, FUNCTION, LOG_GROUP, PERMISSION, Platform, QUEUE, QUEUE_POLICY, ROLE, RULE,
    Resource, TABLE, covers, entries, list, texts,
};
use crate::{files, read, root, stem};

/// A stage that is not local, so that nothing is eased for it.
fn platform() -> Platform {
    Platform::of_stage("prod")
}

/// The roles of the functions that play a part, such as `query`, each with its function.
fn roles_of<'a>(platform: &'a Platform, part: &str) -> Vec<(&'a Resource, &'a Resource)> {
    let ending = format!("-{part}");
    let found: Vec<_> = platform
        .all(FUNCTION)
        .filter(|function| function.binary().ends_with(&ending))
        .map(|function| (function, platform.role_of(function)))
        .collect();
    assert!(!found.is_empty(), "no function is a {part}");
    found
}

fn is_view(table: &Resource) -> bool {
    table.text("TableName").ends_with("-view")
}

/// The tables that a role reaches in any way, by what, its indexes and its stream included.
fn reached<'a>(platform: &'a Platform, role: &Resource) -> Vec<(&'a Resource, String)> {
    let mut found = Vec::new();
    for statement in role.statements() {
        for action in statement.actions.iter().filter(|action| action.starts_with("dynamodb:")) {
            for resource in &statement.resources {
                found.extend(
                    platform
                        .all(TABLE)
                        .filter(|table| {
                            let arn = table.arn().expect("a table has an ARN");
                            // `table/slots*` means `slots-view` as well, and `slots/index/x` means `slots`.
                            covers(resource, &arn) || resource.starts_with(&format!("{arn}/"))
                        })
                        .map(|table| (table, action.clone())),
                );
            }
        }
    }
    found
}

// ---- Who may reach what

#[test]
fn no_role_reaches_another_services_table() {
    let platform = platform();
    for role in platform.all(ROLE) {
        for (table, action) in reached(&platform, role) {
            assert_eq!(table.stack, role.stack, "{} may {action} {}", role.label(), table.label());
        }
    }
}

#[test]
fn no_stack_names_another_services_table() {
    let platform = platform();
    for resource in platform.resources() {
        for table in platform.all(TABLE).filter(|table| table.stack != resource.stack) {
            let name = table.text("TableName");
            for text in resource.every_text() {
                assert!(!text.contains(name), "{} names {name}", resource.label());
            }
        }
    }
}

#[test]
fn a_query_reads_its_view_and_nothing_else_of_dynamodb() {
    const READS: &[&str] = &["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"];
    let platform = platform();
    for (function, role) in roles_of(&platform, "query") {
        let reached = reached(&platform, role);
        assert!(!reached.is_empty(), "{} reads nothing", function.label());
        for (table, action) in reached {
            assert!(is_view(table), "{} reaches {}", function.label(), table.label());
            assert!(READS.contains(&action.as_str()), "{} may {action}", function.label());
        }
    }
}

#[test]
fn a_query_changes_nothing_anywhere() {
    const HARMLESS: &[&str] = &[
        "dynamodb:GetItem",
        "dynamodb:BatchGetItem",
        "dynamodb:Query",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    ];
    let platform = platform();
    for (function, role) in roles_of(&platform, "query") {
        for action in role.statements().iter().flat_map(|statement| &statement.actions) {
            assert!(HARMLESS.contains(&action.as_str()), "{} may {action}", function.label());
        }
    }
}

#[test]
fn views_are_written_by_projectors_and_rebuilds_alone_and_no_command_sees_one() {
    const READERS: [&str; 3] = ["-project", "-query", "-rebuild"];
    let platform = platform();
    for role in platform.all(ROLE) {
        let players: Vec<&str> = platform
            .all(FUNCTION)
            .filter(|function| platform.role_of(function).label() == role.label())
            .map(Resource::binary)
            .collect();
        for (table, action) in reached(&platform, role) {
            if is_view(table) {
                assert!(
                    players
                        .iter()
                        .all(|binary| READERS.iter().any(|reader| binary.ends_with(reader))),
                    "{players:?} may {action} {}",
                    table.label()
                );
            }
        }
    }
}

#[test]
fn a_rebuild_reads_its_source_and_writes_its_view_and_nothing_else() {
    const READS: &[&str] = &["dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"];
    let platform = platform();
    for (function, role) in roles_of(&platform, "rebuild") {
        let label = function.label();
        let reached = reached(&platform, role);
        assert!(reached.iter().any(|(table, _)| is_view(table)), "{label} writes no view");
        for (table, action) in reached {
            let may = is_view(table) || READS.contains(&action.as_str());
            assert!(may, "{label} may {action} {}", table.label());
        }
        // It is called without anybody waiting for it: what fails must be tried again, and then be seen.
        let on_failure = &function.property("EventInvokeConfig")["DestinationConfig"]["OnFailure"];
        let dead = on_failure["Destination"].as_str().expect("it fails to somewhere");
        assert!(role.may("sqs:SendMessage", dead), "{label} may not send to its dead letters");
        assert_eq!(function.property("EventInvokeConfig")["MaximumRetryAttempts"], 2, "{label}");
    }
}

#[test]
fn what_a_function_is_told_of_it_may_use() {
    let platform = platform();
    for function in platform.all(FUNCTION) {
        let role = platform.role_of(function);
        let statements = role.statements();
        let may = |prefix: &str, resource: &str| {
            statements.iter().any(|statement| {
                statement.actions.iter().any(|action| action.starts_with(prefix))
                    && statement.resources.iter().any(|own| own == resource)
            })
        };
        for (variable, value) in function.environment() {
            let told = platform.resources().find(|resource| match resource.kind() {
                TABLE => resource.text("TableName") == value,
                QUEUE => value.ends_with(&format!("/{}", resource.text("QueueName"))),
                FUNCTION => resource.arn().as_deref() == Some(value),
                "AWS::Events::EventBus" => resource.text("Name") == value && variable == "BUS_NAME",
                _ => false,
            });
            let Some(told) = told else { continue };
            let arn = told.arn().expect("all of these have one");
            let allowed = match told.kind() {
                TABLE => may("dynamodb:", &arn),
                QUEUE => may("sqs:SendMessage", &arn),
                FUNCTION => may("lambda:InvokeFunction", &arn),
                _ => may("events:PutEvents", &arn),
            };
            assert!(
                allowed,
                "{} has {variable} but may not use {}",
                function.label(),
                told.label()
            );
        }
    }
}

#[test]
fn a_star_stands_only_where_aws_knows_nothing_narrower() {
    // Action to reason: all that AWS grants for the whole account or not at all.
    const LISTED: &[(&str, &str)] = &[
        ("logs:CreateLogDelivery", "the logs of a state machine are delivered, not written"),
        ("logs:GetLogDelivery", "likewise"),
        ("logs:UpdateLogDelivery", "likewise"),
        ("logs:DeleteLogDelivery", "likewise"),
        ("logs:ListLogDeliveries", "likewise"),
        ("logs:PutResourcePolicy", "likewise"),
        ("logs:DescribeResourcePolicies", "likewise"),
        ("logs:DescribeLogGroups", "likewise"),
        ("xray:PutTraceSegments", "a trace is no resource"),
        ("xray:PutTelemetryRecords", "likewise"),
        ("xray:GetSamplingRules", "likewise"),
        ("xray:GetSamplingTargets", "likewise"),
    ];
    let platform = platform();
    let mut used = BTreeSet::new();
    for role in platform.all(ROLE) {
        for statement in role.statements() {
            for action in &statement.actions {
                assert!(!action.contains('*'), "{} may {action}", role.label());
                for resource in statement.resources.iter().filter(|it| it.contains('*')) {
                    // The streams of one log and the executions of one machine are as narrow as it gets.
                    let one_log = resource.contains(":log-group:/");
                    let one_machine = resource.contains(":execution:parkade-prod-");
                    if (one_log || one_machine)
                        && resource.matches('*').count() == 1
                        && resource.ends_with(":*")
                    {
                        continue;
                    }
                    assert!(
                        LISTED.iter().any(|(listed, _)| listed == action) && resource == "*",
                        "{} may {action} {resource}",
                        role.label()
                    );
                    used.insert(action.clone());
                }
            }
        }
    }
    assert_eq!(used.len(), LISTED.len(), "an exception is no longer needed");
}

#[test]
fn each_function_has_a_role_of_its_own() {
    let platform = platform();
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for function in platform.all(FUNCTION) {
        let role = platform.role_of(function);
        assert_eq!(role.stack, function.stack, "{} borrows a role", function.label());
        assert!(
            role.property("ManagedPolicyArns").is_null(),
            "{} is not spelled out",
            role.label()
        );
        assert!(function.property("Policies").is_null(), "{} has a second role", function.label());
        let before = owners.insert(function.text("Role"), function.binary());
        assert_eq!(before, None, "{} shares its role", function.label());
    }
}

// ---- Functions

#[test]
fn each_binary_has_its_function_and_each_function_its_binary() {
    let packages = files(&root().join("functions"), "");
    let binaries: BTreeSet<String> = packages
        .iter()
        .flat_map(|package| files(&package.join("src/bin"), ".rs"))
        .map(|path| stem(&path))
        .collect();
    let platform = platform();
    let functions: BTreeSet<String> =
        platform.all(FUNCTION).map(|function| function.binary().to_owned()).collect();
    assert_eq!(functions, binaries);
}

#[test]
fn a_function_is_named_after_its_binary_and_a_resource_after_its_role() {
    let platform = platform();
    for function in platform.all(FUNCTION) {
        let binary = function.binary();
        assert_eq!(function.text("FunctionName"), format!("parkade-prod-{binary}"));
        if let Some(part) = binary.strip_prefix(&format!("{}-", function.stack)) {
            assert_eq!(function.name.to_lowercase(), format!("{part}function"));
        }
    }
}

#[test]
fn a_service_is_given_the_variables_that_it_reads() {
    let platform = platform();
    for package in files(&root().join("functions"), "") {
        let config = package.join("src/config.rs");
        if !config.exists() {
            continue;
        }
        let code = read(&config);
        let reads: BTreeSet<&str> = ["required(\"", "parsed(\""]
            .iter()
            .flat_map(|call| code.split(call).skip(1))
            .filter_map(|rest| rest.split('"').next())
            .collect();
        let binaries: Vec<String> =
            files(&package.join("src/bin"), ".rs").iter().map(|path| stem(path)).collect();
        let given: BTreeSet<&str> = platform
            .all(FUNCTION)
            .filter(|function| binaries.iter().any(|binary| binary == function.binary()))
            .flat_map(Resource::environment)
            .map(|(name, _)| name.as_str())
            // Every function has it.
            .filter(|name| *name != "STAGE" || reads.contains(name))
            .collect();
        assert_eq!(given, reads, "{}", package.display());
    }
}

#[test]
fn each_function_has_a_log_of_its_own_that_ends() {
    let platform = platform();
    for function in platform.all(FUNCTION) {
        let name = format!("/aws/lambda/{}", function.text("FunctionName"));
        let log = platform
            .all(LOG_GROUP)
            .find(|log| log.text("LogGroupName") == name)
            .unwrap_or_else(|| unreachable!("{} has no log", function.label()));
        let role = platform.role_of(function);
        let arn = log.arn().expect("a log has an ARN");
        assert!(role.may("logs:CreateLogStream", &arn), "{} may not log", role.label());
        assert!(role.may("logs:PutLogEvents", &arn), "{} may not log", role.label());
        for other in platform.all(LOG_GROUP).filter(|other| other.label() != log.label()) {
            let arn = other.arn().expect("a log has an ARN");
            assert!(
                !role.may("logs:PutLogEvents", &arn),
                "{} writes {}",
                role.label(),
                other.label()
            );
        }
    }
    for log in platform.all(LOG_GROUP) {
        assert!(log.number("RetentionInDays") > 0, "{} is kept for ever", log.label());
    }
}

// ---- Events: nothing gets lost, nothing blocks

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
        assert!(redrive["maxReceiveCount"].as_u64() >= Some(3), "{} gives up early", queue.label());
        let (dead, alive) =
            (dead.number("MessageRetentionPeriod"), queue.number("MessageRetentionPeriod"));
        assert!(dead > alive, "{} outlives its dead letters", queue.label());
    }
}

#[test]
fn each_queue_of_dead_letters_is_somebodys_and_watched() {
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
        assert!(watched, "nobody is told of {}", dead.label());
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
fn a_stream_consumer_gives_up_to_its_dead_letters_and_says_what_failed() {
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
fn a_rule_may_reach_its_target_and_nobody_else_may() {
    let platform = platform();
    let mut named = BTreeSet::new();
    for policy in platform.all(QUEUE_POLICY) {
        for statement in list(&policy.property("PolicyDocument")["Statement"]) {
            let sources = texts(&statement["Condition"]["ArnEquals"]["aws:SourceArn"]);
            assert!(!sources.is_empty(), "{} lets anybody in", policy.label());
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
        assert!(!source.starts_with('*'), "{} lets anybody in", permission.label());
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

// ---- The edge

#[test]
fn the_gateway_may_invoke_every_function_that_its_document_names() {
    let platform = platform();
    for api in platform.all(API) {
        let named: BTreeSet<&str> = api
            .every_text()
            .into_iter()
            .filter_map(|text| text.strip_suffix("/invocations"))
            .filter_map(|text| text.rsplit('/').next())
            .collect();
        let allowed: BTreeSet<String> = platform
            .all(PERMISSION)
            .filter(|permission| permission.stack == api.stack)
            .filter(|permission| {
                permission.text("SourceArn").contains(&format!(":{}/", api.label()))
            })
            .map(|permission| permission.text("FunctionName").to_owned())
            .collect();
        let named: BTreeSet<String> =
            named.iter().map(|arn| platform.by_arn(arn).text("FunctionName").to_owned()).collect();
        assert_eq!(named, allowed, "{}", api.label());
    }
}

#[test]
fn the_edge_is_throttled_counted_and_logged() {
    let platform = platform();
    let edge = platform.all(API).find(|api| api.stack == "edge").expect("the edge has an API");
    let all = |setting: &&Value| setting["HttpMethod"] == "*" && setting["ResourcePath"] == "/*";
    let all = list(edge.property("MethodSettings")).find(all).expect("every route has a setting");
    assert!(!all["ThrottlingRateLimit"].is_null() && !all["ThrottlingBurstLimit"].is_null());
    let line = edge.property("AccessLogSetting")["Format"].as_str().expect("a format");
    let line: Value = serde_json::from_str(line).expect("a line of the access log is JSON");
    assert_eq!(line["status"], "$context.status");
    // Who is counted is the authorizer's to say, so that a caller needs no key besides its token.
    assert_eq!(edge.property("DefinitionBody")["x-amazon-apigateway-api-key-source"], "AUTHORIZER");
    let keys: BTreeSet<&str> =
        platform.all("AWS::ApiGateway::ApiKey").map(|key| key.text("Value")).collect();
    assert_eq!(keys, BTreeSet::from(["parkade-prod-customers", "parkade-prod-operators"]));
    for plan in platform.all("AWS::ApiGateway::UsagePlan") {
        assert!(!plan.property("Quota")["Limit"].is_null(), "{} has no end", plan.label());
        let stages = list(plan.property("ApiStages"));
        assert_eq!(stages.filter(|it| it["Stage"] == edge.text("StageName")).count(), 1);
    }
}

// ---- Data

#[test]
fn tables_are_encrypted_recoverable_and_outlive_their_stack() {
    let platform = platform();
    assert!(platform.all(TABLE).count() > 0);
    for table in platform.all(TABLE) {
        let label = table.label();
        assert_eq!(table.property("SSESpecification")["SSEEnabled"], true, "{label}");
        let recovery = table.property("PointInTimeRecoverySpecification");
        assert_eq!(recovery["PointInTimeRecoveryEnabled"], true, "{label}");
        assert_eq!(table.attribute("DeletionPolicy"), "Retain", "{label}");
        assert_eq!(table.attribute("UpdateReplacePolicy"), "Retain", "{label}");
        assert_eq!(table.property("BillingMode"), "PAY_PER_REQUEST", "{label}");
    }
}

#[test]
fn a_secret_has_no_default() {
    for (stack, template) in platform().templates() {
        for (name, parameter) in entries(&template["Parameters"]) {
            if parameter["NoEcho"] == true {
                assert!(parameter["Default"].is_null(), "{stack}: everybody knows {name}");
            } else {
                assert!(!name.ends_with("Key"), "{stack}: {name} would be shown");
            }
        }
    }
}

#[test]
fn a_parameter_means_the_same_in_every_stack() {
    let platform = platform();
    let mut known: BTreeMap<&String, (&String, &Value)> = BTreeMap::new();
    for (stack, template) in platform.templates() {
        for (name, parameter) in entries(&template["Parameters"]) {
            let (first, before) = known.entry(name).or_insert((stack, parameter));
            for key in ["Type", "Default", "AllowedValues", "AllowedPattern"] {
                assert_eq!(before[key], parameter[key], "{key} of {name} in {first} and {stack}");
            }
        }
    }
}
