//! `booking-rebuild`: makes the view anew from its source.

use contracts::projection::{Command, Projection};
use cqrs::generation::Generations;
use cqrs::rebuild::{self, RebuildSource};
use jiff::Timestamp;
use outbox::dead_letters::DeadLetters;
use outbox::redrive::{Invocation, InvocationResponse, handle_invocation};
use service_error::ServiceError;

use crate::contract;
use crate::view::BookingRow;

/// Carries out one command, or takes up rebuilds that have come to a halt; `worker` names this call and its repetitions.
///
/// # Errors
///
/// `Rejected` if a generation is not kept; `Transient` if it is to be asked again; `Broken` if a person must look.
pub async fn handle(
    views: &impl Generations<BookingRow>,
    source: &impl RebuildSource<BookingRow>,
    dead_letters: &impl DeadLetters,
    call: Invocation<Command>,
    worker: &str,
    clock: impl Fn() -> Timestamp,
) -> Result<InvocationResponse<Projection>, ServiceError> {
    let carry_out = async |command| carry_out(views, source, command, worker, &clock).await;
    handle_invocation(call, dead_letters, carry_out).await
}

async fn carry_out(
    views: &impl Generations<BookingRow>,
    source: &impl RebuildSource<BookingRow>,
    command: Command,
    worker: &str,
    clock: impl Fn() -> Timestamp,
) -> Result<Projection, ServiceError> {
    let progress = match command {
        Command::BeginRebuild {} => rebuild::begin(views, clock()).await?,
        Command::WorkOnRebuild {} => {
            let worked = rebuild::work(views, source, worker, &clock).await?;
            tracing::info!(?worked, worker, "worked on a rebuild");
            rebuild::progress(views, clock()).await?
        }
        Command::RollBack { generation } => rebuild::roll_back(views, generation, clock()).await?,
    };
    Ok(contract::projection(progress))
}
