//! The rules of the stacks.

mod access;
mod data;
mod delivery;
mod edge;
mod functions;
mod watch;

use crate::cloudformation::{FUNCTION, Platform, Resource, TABLE, covers};

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
