//! `parking-rebuild`: rebuilds the view from the table of slots.

use contracts::message::Request;
use contracts::projection::{Command, Projection};
use cqrs::generation::Generations;
use cqrs::rebuild::{self, RebuildSource};
use function::handle_request;
use jiff::Timestamp;
use outbox::dead_letters::DeadLetters;
use outbox::redrive::{Invocation, InvocationResponse, handle_invocation};
use service_error::ServiceError;

use crate::contract;
use crate::view::SlotRow;

/// Runs one command, or resumes failed rebuilds. `worker` names this invocation and its retries.
///
/// # Errors
///
/// `Rejected` if a generation is not retained; `Transient` if the call must be retried; `Permanent` if an operator must
/// intervene.
pub async fn handle(
    views: &impl Generations<SlotRow>,
    source: &impl RebuildSource<SlotRow>,
    dead_letters: &impl DeadLetters,
    invocation: Invocation<Request<Command>>,
    worker: &str,
    clock: impl Fn() -> Timestamp,
) -> Result<InvocationResponse<Projection>, ServiceError> {
    let run = async |request: Request<Command>| {
        let Request { payload: command, cause, correlation_id, trace } = request;
        let run = run(views, source, command, worker, &clock);
        handle_request("parking-rebuild", &trace, correlation_id, cause, run).await
    };
    handle_invocation(invocation, dead_letters, run).await
}

async fn run(
    views: &impl Generations<SlotRow>,
    source: &impl RebuildSource<SlotRow>,
    command: Command,
    worker: &str,
    clock: impl Fn() -> Timestamp,
) -> Result<Projection, ServiceError> {
    let progress = match command {
        Command::BeginRebuild {} => rebuild::begin(views, clock()).await?,
        Command::WorkOnRebuild {} => {
            let outcome = rebuild::work(views, source, worker, &clock).await?;
            tracing::info!(?outcome, worker, "rebuild work ended");
            rebuild::progress(views, clock()).await?
        }
        Command::RollBack { generation } => rebuild::roll_back(views, generation, clock()).await?,
    };
    Ok(contract::projection(progress))
}
