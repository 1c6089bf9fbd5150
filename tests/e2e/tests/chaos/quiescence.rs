//! Waits until all that was set off has come to its end.

use std::time::Duration;

use aws_sdk_sfn::types::ExecutionStatus;
use platform::Platform;
use tokio::time::{Instant, sleep};

use crate::catcher::Catcher;
use crate::mischief::lying;
use crate::progress::Progress;
use crate::truth::Truth;

const MACHINES: [&str; 2] = ["booking-saga", "booking-saga-undo"];
/// What was left half done is looked at after a minute, by a sweep that comes once a minute and does it within another.
const WITHIN: Duration = Duration::from_secs(200);
const LOOK_EVERY: Duration = Duration::from_millis(700);
/// So many looks in a row that show the same and nothing to be done.
const LOOKS: usize = 3;

/// The truth, once nothing moves any more.
pub(crate) async fn comes(
    platform: &Platform,
    slots: &[String],
    catcher: &Catcher,
    progress: &Progress,
) -> Truth {
    let deadline = Instant::now() + WITHIN;
    let (mut last, mut quiet) = (None, 0);
    loop {
        let heard = catcher.count();
        let truth = Truth::read(platform, slots).await;
        let mut left = truth.unfinished();
        left.extend(lying(platform).await.iter().map(|(name, it)| format!("queue {name}: {it}")));
        left.extend(running(platform, &truth).await);
        let now = Some((heard, truth));
        quiet = if left.is_empty() && now == last { quiet + 1 } else { 0 };
        last = now;
        if let Some((_, truth)) = last.take_if(|_| quiet >= LOOKS) {
            return truth;
        }
        let first = left.first().map_or("that nothing changes", String::as_str);
        progress.stage(format!("rest is awaited: {}, {first}", left.len()));
        assert!(
            Instant::now() < deadline,
            "no rest within {WITHIN:?}; left are\n{}\n{}",
            left.join("\n"),
            progress.whole()
        );
        sleep(LOOK_EVERY).await;
    }
}

/// Sagas of these bookings that have not ended.
async fn running(platform: &Platform, truth: &Truth) -> Vec<String> {
    let mut running = Vec::new();
    for machine in MACHINES {
        let arn =
            format!("arn:aws:states:us-east-1:000000000000:stateMachine:parkade-local-{machine}");
        let list = platform.sfn().list_executions().state_machine_arn(arn);
        let list = list.status_filter(ExecutionStatus::Running);
        let mut pages = list.into_paginator().items().send();
        while let Some(execution) = pages.next().await {
            let name = execution.unwrap().name;
            // An execution of undos has a number behind the booking.
            if name.get(..36).is_some_and(|it| truth.bookings.contains_key(it)) {
                running.push(format!("{machine} {name} is running"));
            }
        }
    }
    running
}
