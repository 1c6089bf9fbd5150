//! Signals that request a command to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{Context as _, Failure, Result, SIGINT};

/// Listens for Ctrl-C, SIGTERM and the closing of the terminal.
#[derive(Debug)]
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupts {
    /// From now on these signals end the command with its clean-up instead of ending the process at once.
    pub(crate) fn listen() -> Result<Self> {
        let on = |kind| signal(kind).context(|| "cannot listen for signals".into());
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hang_up: on(SignalKind::hangup())?,
        })
    }

    /// Waits for the first of them.
    pub(crate) async fn first(&mut self) -> Failure {
        tokio::select! {
            _ = self.interrupt.recv() => Failure::interrupted(SIGINT),
            _ = self.terminate.recv() => Failure::interrupted(15),
            _ = self.hang_up.recv() => Failure::interrupted(1),
        }
    }
}
