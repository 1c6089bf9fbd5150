//! `parking-rebuild`: makes the view anew from its source.

use contracts::projection::{Command, Projection};
use cqrs::generation::{Generations, NoRollBack};
use cqrs::rebuild::{self, RebuildError, RollBackError, Source};
use cqrs::view::ViewError;
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
        Command::BeginRebuild {} => rebuild::begin(views, clock()).await.map_err(unread)?,
        Command::WorkOnRebuild {} => {
            let worked = rebuild::work(views, source, worker, &clock).await.map_err(halted)?;
            tracing::info!(?worked, worker, "worked on a rebuild");
            rebuild::progress(views, clock()).await.map_err(unread)?
        }
        Command::RollBack { generation } => {
            rebuild::roll_back(views, generation, clock()).await.map_err(refused)?
        }
    };
    Ok(contract::projection(progress))
}

fn halted(error: RebuildError) -> Failure {
    match error {
        RebuildError::View(error) => unread(error),
        RebuildError::Source(_) => Failure::transient("slots can't be reached", error),
        RebuildError::Unreadable { .. } => Failure::broken(error),
    }
}

fn refused(error: RollBackError) -> Failure {
    match error {
        RollBackError::Refused(reason @ NoRollBack::NotKept) => {
            Failure::rejected("conflict", reason.to_string())
        }
        RollBackError::Refused(reason @ NoRollBack::Unsettled) => {
            Failure::transient("the last switch was only a moment ago", reason)
        }
        RollBackError::View(error) => unread(error),
    }
}

/// What a view's failure means for the caller.
pub(super) fn unread(error: ViewError) -> Failure {
    match error {
        ViewError::Unavailable(_) => Failure::transient("slots can't be read", error),
        ViewError::Corrupt(_) => Failure::broken(error),
    }
}
