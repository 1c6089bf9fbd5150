//! Functions: each has its binary, its variables and its log.

use std::collections::BTreeSet;

use super::{platform, roles_of};
use crate::cloudformation::{FUNCTION, LOG_GROUP, Resource};
use crate::{files, read, root, stem};

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
        let binaries = files(&package.join("src/bin"), ".rs");
        let mut code = read(&config);
        let programs: String = binaries.iter().map(|path| read(path)).collect();
        // Sites with pages have settings in common.
        if [&code, &programs].iter().any(|it| it.contains("PagesSettings::from_env")) {
            code.push_str(&read(&root().join("crates/pages/src/settings.rs")));
        }
        let reads: BTreeSet<&str> = ["required(\"", "parsed(\""]
            .iter()
            .flat_map(|call| code.split(call).skip(1))
            .filter_map(|rest| rest.split('"').next())
            .collect();
        let binaries: Vec<String> = binaries.iter().map(|path| stem(path)).collect();
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
        assert!(log.number("RetentionInDays") > 0, "{} is kept indefinitely", log.label());
    }
}

/// Who has read which generation of a view is live may go by it for a while, and a switch waits for them.
#[test]
fn a_reader_or_writer_of_a_view_has_ended_before_the_next_switch() {
    let platform = platform();
    let finished = cqrs::generation::PROPAGATED_AFTER.as_secs().unsigned_abs();
    let a_moment_for_clocks = 1;
    for part in ["query", "project"] {
        for (function, _) in roles_of(&platform, part) {
            let known = cqrs::generation::CACHE.as_secs() + function.number("Timeout");
            assert!(known + a_moment_for_clocks <= finished, "{} may be late", function.label());
        }
    }
}
