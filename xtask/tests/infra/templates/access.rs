//! Who may reach what.

use std::collections::{BTreeMap, BTreeSet};

use super::{is_view, platform, reached, roles_of};
use crate::cloudformation::{FUNCTION, QUEUE, ROLE, Resource, TABLE};

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
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
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
        // It is invoked asynchronously: what fails must be tried again, and then be seen.
        let on_failure = &function.property("EventInvokeConfig")["DestinationConfig"]["OnFailure"];
        let dead = on_failure["Destination"].as_str().expect("it fails to somewhere");
        assert!(role.may("sqs:SendMessage", dead), "{label} may not send to its dead letters");
        assert_eq!(function.property("EventInvokeConfig")["MaximumRetryAttempts"], 2, "{label}");
    }
}

#[test]
fn a_function_may_use_what_its_variables_name() {
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
            let target = platform.resources().find(|resource| match resource.kind() {
                TABLE => resource.text("TableName") == value,
                QUEUE => value.ends_with(&format!("/{}", resource.text("QueueName"))),
                FUNCTION => resource.arn().as_deref() == Some(value),
                "AWS::Events::EventBus" => resource.text("Name") == value && variable == "BUS_NAME",
                _ => false,
            });
            let Some(target) = target else { continue };
            let arn = target.arn().expect("all of these have one");
            let allowed = match target.kind() {
                TABLE => may("dynamodb:", &arn),
                QUEUE => may("sqs:SendMessage", &arn) || may("sqs:ReceiveMessage", &arn),
                FUNCTION => may("lambda:InvokeFunction", &arn),
                _ => may("events:PutEvents", &arn),
            };
            assert!(
                allowed,
                "{} has {variable} but may not use {}",
                function.label(),
                target.label()
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
