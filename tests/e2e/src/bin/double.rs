//! A test double between the state machine and a service: it does with each call what the plan of the slot says.
//!
//! So tests can make every step fail in every way, without a test hook in deployed code.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, run, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};

/// Longer than the timeout of a task in these tests.
const TOO_LONG: Duration = Duration::from_secs(6);
/// Long enough for a test to act meanwhile.
const PAUSE: Duration = Duration::from_millis(1_500);

/// The payload of a task.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call {
    state: String,
    slot_id: String,
    target: Target,
    /// The compensation of the step, if it has one.
    compensation: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    function: String,
    payload: Value,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let plans = PathBuf::from(function::env::required("PLANS")?);
    let client = Client::new(&function::aws_config().await);
    run(service_fn(async |event: LambdaEvent<Call>| respond(&client, &plans, event.payload).await))
        .await
}

async fn respond(client: &Client, plans: &Path, call: Call) -> Result<Value, Diagnostic> {
    let Call { state, slot_id, target, compensation } = call;
    let action = next_action(plans, &slot_id, &state);
    match action.as_str() {
        "reject" => Err(failure("Rejected", "rejected by the plan")),
        "broken" => Err(failure("Permanent", "broken by the plan")),
        "transient" => Err(failure("Transient", "unavailable by the plan")),
        "crash_before" => crash(),
        "crash_after" => {
            drop(invoke(client, &target).await);
            crash()
        }
        "late" => {
            tokio::time::sleep(TOO_LONG).await;
            invoke(client, &target).await
        }
        "hang_after" => {
            let response = invoke(client, &target).await;
            tokio::time::sleep(TOO_LONG).await;
            response
        }
        "pause" => {
            tokio::time::sleep(PAUSE).await;
            invoke(client, &target).await
        }
        "duplicate" => {
            drop(invoke(client, &target).await);
            invoke(client, &target).await
        }
        "compensate_first" => {
            if let Some(compensation) = &compensation {
                invoke(client, compensation).await?;
            }
            invoke(client, &target).await
        }
        _ => invoke(client, &target).await,
    }
}

/// The action for this attempt; if the last one of the plan ends with `*`, it applies to all further attempts.
fn next_action(plans: &Path, slot_id: &str, state: &str) -> String {
    let counter = plans.join(format!("{slot_id}.{state}"));
    let attempt =
        OpenOptions::new().create(true).append(true).open(&counter).and_then(|mut file| {
            file.write_all(b".")?;
            file.metadata()
        });
    let attempt = attempt.map_or(1, |written| written.len());
    let plan = fs::read(plans.join(format!("{slot_id}.json"))).unwrap_or_default();
    let plan: BTreeMap<String, Vec<String>> = serde_json::from_slice(&plan).unwrap_or_default();
    let actions = plan.get(state).map(Vec::as_slice).unwrap_or_default();
    let index = usize::try_from(attempt).unwrap_or(usize::MAX).saturating_sub(1);
    let action = actions.get(index).or(actions.last().filter(|last| last.ends_with('*')));
    action.map_or_else(|| "pass".to_owned(), |it| it.trim_end_matches('*').to_owned())
}

fn failure(kind: &str, detail: &str) -> Diagnostic {
    let message = json!({ "slug": "conflict", "detail": detail }).to_string();
    Diagnostic { error_type: kind.to_owned(), error_message: message }
}

/// Ends the process like a kill by the system.
fn crash() -> ! {
    let own = rustix::process::getpid();
    let killed = rustix::process::kill_process(own, rustix::process::Signal::KILL);
    unreachable!("the process is still running: {killed:?}")
}

/// The target's response, or its error.
async fn invoke(client: &Client, target: &Target) -> Result<Value, Diagnostic> {
    let payload = Blob::new(target.payload.to_string());
    let invoked = client.invoke().function_name(&target.function).payload(payload).send().await;
    let invoked = invoked.map_err(|error| failure("Transient", &error.to_string()))?;
    let body = invoked.payload.map(Blob::into_inner).unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if invoked.function_error.is_none() {
        return Ok(body);
    }
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    Err(Diagnostic { error_type: text("errorType"), error_message: text("errorMessage") })
}
