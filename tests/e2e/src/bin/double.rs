//! A function that stands between the state machine and a service, and does with each call what the plan of its slot says.
//!
//! So every step can be made to fail in every way, and no code that is deployed knows of it.

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

/// Longer than the tests let a task take.
const TOO_LONG: Duration = Duration::from_secs(6);
/// Long enough for somebody to do something meanwhile.
const PAUSE: Duration = Duration::from_millis(1_500);

/// What the machine asks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call {
    state: String,
    slot_id: String,
    target: Target,
    /// The undo of the step, if it is one that is undone.
    undo: Option<Target>,
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
    run(service_fn(async |event: LambdaEvent<Call>| answer(&client, &plans, event.payload).await))
        .await
}

async fn answer(client: &Client, plans: &Path, call: Call) -> Result<Value, Diagnostic> {
    let Call { state, slot_id, target, undo } = call;
    let action = next_action(plans, &slot_id, &state);
    match action.as_str() {
        "refuse" => Err(said("Rejected", "the plan says no")),
        "broken" => Err(said("Permanent", "the plan is broken")),
        "transient" => Err(said("Transient", "the plan says not now")),
        "kill_before" => kill(),
        "kill_after" => {
            drop(invoke(client, &target).await);
            kill()
        }
        "late" => {
            tokio::time::sleep(TOO_LONG).await;
            invoke(client, &target).await
        }
        "hang_after" => {
            let answer = invoke(client, &target).await;
            tokio::time::sleep(TOO_LONG).await;
            answer
        }
        "pause" => {
            tokio::time::sleep(PAUSE).await;
            invoke(client, &target).await
        }
        "twice" => {
            drop(invoke(client, &target).await);
            invoke(client, &target).await
        }
        "undo_first" => {
            if let Some(undo) = &undo {
                invoke(client, undo).await?;
            }
            invoke(client, &target).await
        }
        _ => invoke(client, &target).await,
    }
}

/// What is to be done with this attempt; the last of the plan also with all that follow.
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
    let place = usize::try_from(attempt).unwrap_or(usize::MAX).saturating_sub(1);
    let action = actions.get(place).or(actions.last().filter(|last| last.ends_with('*')));
    action.map_or_else(|| "pass".to_owned(), |it| it.trim_end_matches('*').to_owned())
}

fn said(kind: &str, detail: &str) -> Diagnostic {
    let message = json!({ "slug": "conflict", "detail": detail }).to_string();
    Diagnostic { error_type: kind.to_owned(), error_message: message }
}

/// As a process ends that the system kills.
fn kill() -> ! {
    let own = rustix::process::getpid();
    let killed = rustix::process::kill_process(own, rustix::process::Signal::KILL);
    unreachable!("the process goes on: {killed:?}")
}

/// The target's own answer, or its own failure.
async fn invoke(client: &Client, target: &Target) -> Result<Value, Diagnostic> {
    let payload = Blob::new(target.payload.to_string());
    let invoked = client.invoke().function_name(&target.function).payload(payload).send().await;
    let invoked = invoked.map_err(|error| said("Transient", &error.to_string()))?;
    let body = invoked.payload.map(Blob::into_inner).unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if invoked.function_error.is_none() {
        return Ok(body);
    }
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    Err(Diagnostic { error_type: text("errorType"), error_message: text("errorMessage") })
}
