//! `parking-rebuild`: makes the view anew from its source.

use contracts::projection::{Command, Projection};
use cqrs::generation::Generations;
use cqrs::rebuild::{self, Source};
use jiff::Timestamp;
use saga::Failure;

use crate::contract;
use crate::view::SlotRow;

/// Carries out one command; `worker` names this call and its repetitions.
///
/// # Errors
///
/// `Rejected` if a generation is not kept; `Transient` if it is to be asked again; `Broken` if a person must look.
pub async fn handle(
    views: &impl Generations<SlotRow>,
    source: &impl Source<SlotRow>,
    command: Command,
    worker: &str,
    clock: impl Fn() -> Timestamp,
) -> Result<Projection, Failure> {
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
