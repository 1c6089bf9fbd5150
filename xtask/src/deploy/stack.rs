//! One stack: created, updated or replaced, depending on its state.

use std::collections::BTreeMap;
use std::time::Duration;

use super::stack_name;
use crate::aws::{Aws, OrFail as _, Stack};
use crate::clock;
use crate::failure::{Failure, Result};

/// The largest takes 5 s; a machine under load takes longer.
const LIMIT: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(50);

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It was not there.
    Created,
    /// It was changed in place.
    Updated,
    /// It was deleted and created again.
    Replaced,
    /// A function got new code.
    Code,
}

/// Creates or updates the stack; where the local cloud cannot update it in place, the stack is replaced.
pub(crate) async fn apply(
    aws: &Aws,
    name: &str,
    template: &str,
    parameters: &BTreeMap<String, String>,
    replaces: bool,
) -> Result<Change> {
    let full = stack_name(name);
    let existing = aws.stack(&full).await?.filter(|it| it.status != "DELETE_COMPLETE");
    let Some(existing) = existing else {
        create(aws, name, template, parameters).await?;
        return Ok(Change::Created);
    };
    // One that an interrupted or failed deployment left behind is of no use.
    if !replaces
        && is_sound(&existing.status)
        && update(aws, &existing, template, parameters).await?
    {
        return Ok(Change::Updated);
    }
    delete(aws, name, &existing).await?;
    create(aws, name, template, parameters).await?;
    Ok(Change::Replaced)
}

fn is_sound(status: &str) -> bool {
    matches!(status, "CREATE_COMPLETE" | "UPDATE_COMPLETE")
}

async fn create(
    aws: &Aws,
    name: &str,
    template: &str,
    parameters: &BTreeMap<String, String>,
) -> Result {
    let full = stack_name(name);
    aws.create_stack(&full, template, parameters)
        .await?
        .or_fail(|| format!("the local cloud rejects infra/{name}.yaml"))?;
    let stack = finished(aws, &full).await?;
    if stack.as_ref().is_some_and(|it| it.status == "CREATE_COMPLETE") {
        return Ok(());
    }
    let status = stack.map_or_else(|| "gone".to_owned(), |it| it.status);
    let mut failure = Failure::new(format!("the stack {name} was not created ({status})"));
    for reason in reasons(aws, &full).await? {
        failure = failure.because(reason);
    }
    Err(failure.advise(format!("fix infra/{name}.yaml, then run `cargo xtask deploy`")))
}

/// Changes the stack in place; `false` if the local cloud can't.
async fn update(
    aws: &Aws,
    existing: &Stack,
    template: &str,
    parameters: &BTreeMap<String, String>,
) -> Result<bool> {
    let before = aws.stack_events(&existing.id).await?.len();
    match aws.update_stack(&existing.name, template, parameters).await? {
        Ok(true) => {}
        Ok(false) => return Ok(true),
        Err(_) => return Ok(false),
    }
    let stack = finished(aws, &existing.name).await?;
    // The status alone can be wrong right after a failure, so check the events too.
    let events = aws.stack_events(&existing.id).await?;
    let new = events.len().saturating_sub(before);
    let failed = events.iter().take(new).any(|it| is_failed(&it.status));
    Ok(!failed && stack.is_some_and(|it| it.status == "UPDATE_COMPLETE"))
}

async fn delete(aws: &Aws, name: &str, stack: &Stack) -> Result {
    aws.delete_stack(&stack.name).await?.or_fail(|| format!("cannot delete the stack {name}"))?;
    match finished(aws, &stack.id).await? {
        Some(left) if left.status != "DELETE_COMPLETE" => {
            Err(Failure::new(format!("the stack {name} is not deleted ({})", left.status))
                .advise("`cargo xtask down`, then `cargo xtask up`"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Waits until nothing happens to the stack any more.
async fn finished(aws: &Aws, name: &str) -> Result<Option<Stack>> {
    let started = clock::start();
    while started.elapsed() < LIMIT {
        let stack = aws.stack(name).await?;
        match stack {
            Some(stack) if stack.status.ends_with("_IN_PROGRESS") => tokio::time::sleep(POLL).await,
            finished => return Ok(finished),
        }
    }
    Err(Failure::new(format!("the stack {name} has not finished after {}", clock::human(LIMIT)))
        .advise("`cargo xtask down`, then `cargo xtask up`"))
}

fn is_failed(status: &str) -> bool {
    status.ends_with("_FAILED") || status.contains("ROLLBACK")
}

/// Why a stack failed: each resource's own reason, without those that only went along.
async fn reasons(aws: &Aws, name: &str) -> Result<Vec<String>> {
    let events = aws.stack_events(name).await?;
    let mut reasons: Vec<_> = events
        .iter()
        .rev()
        .filter(|it| it.status.ends_with("_FAILED") && !it.reason.contains("cancelled"))
        .map(|it| format!("{}: {}", it.resource, it.reason))
        .collect();
    reasons.dedup();
    reasons.truncate(5);
    Ok(reasons)
}

/// The address of a stack's API on the local cloud.
pub(crate) async fn url(aws: &Aws, name: &str) -> Result<String> {
    let missing = |what: &str| {
        Failure::new(format!("the stack {name} has no output {what}"))
            .because(format!("infra/{name}.yaml needs this output"))
    };
    let stack = aws.stack(&stack_name(name)).await?;
    let stack = stack.ok_or_else(|| Failure::new(format!("there is no stack {name}")))?;
    let output = |what: &str| stack.outputs.get(what).ok_or_else(|| missing(what));
    Ok(aws.named_api(output("ApiId")?, output("StageName")?))
}
