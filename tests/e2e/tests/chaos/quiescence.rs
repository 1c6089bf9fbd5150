//! Waits until the platform is quiescent.

use std::time::Duration;

use aws_sdk_sfn::types::ExecutionStatus;
use platform::Platform;
use tokio::time::{Instant, sleep};

use crate::fault_injection::waiting_messages;
use crate::progress::Progress;
use crate::recorder::Recorder;
use crate::verifier::StoredState;

const MACHINES: [&str; 2] = ["booking-saga", "booking-saga-undo"];
/// Incomplete work is found after a minute by the reconciliation, which runs once a minute and takes less than another.
const WITHIN: Duration = Duration::from_secs(200);
const PAUSE: Duration = Duration::from_millis(700);
/// The number of consecutive equal observations without open work.
const STABLE_OBSERVATIONS: usize = 3;

/// Waits for quiescence, and returns the stored state.
pub(crate) async fn reached(
    platform: &Platform,
    slots: &[String],
    recorder: &Recorder,
    progress: &Progress,
) -> StoredState {
    let deadline = Instant::now() + WITHIN;
    let (mut last, mut stable) = (None, 0);
    loop {
        let recorded = recorder.count();
        let state = StoredState::read(platform, slots).await;
        let mut open = state.unfinished();
        open.extend(
            waiting_messages(platform).await.iter().map(|(name, it)| format!("queue {name}: {it}")),
        );
        open.extend(running(platform, &state).await);
        let current = Some((recorded, state));
        stable = if open.is_empty() && current == last { stable + 1 } else { 0 };
        last = current;
        if let Some((_, state)) = last.take_if(|_| stable >= STABLE_OBSERVATIONS) {
            return state;
        }
        let first = open.first().map_or("further changes", String::as_str);
        progress.stage(format!("waiting for quiescence: {}, {first}", open.len()));
        assert!(
            Instant::now() < deadline,
            "not quiescent within {WITHIN:?}; open work:\n{}\n{}",
            open.join("\n"),
            progress.details()
        );
        sleep(PAUSE).await;
    }
}

/// Running executions of these bookings.
async fn running(platform: &Platform, state: &StoredState) -> Vec<String> {
    let mut running = Vec::new();
    for machine in MACHINES {
        let arn =
            format!("arn:aws:states:us-east-1:000000000000:stateMachine:parkade-local-{machine}");
        let list = platform.sfn().list_executions().state_machine_arn(arn);
        let list = list.status_filter(ExecutionStatus::Running);
        let mut pages = list.into_paginator().items().send();
        while let Some(execution) = pages.next().await {
            let name = execution.unwrap().name;
            // The name of a recovery execution has a number after the booking's id.
            if name.get(..36).is_some_and(|it| state.bookings.contains_key(it)) {
                running.push(format!("{machine} {name} is running"));
            }
        }
    }
    running
}
