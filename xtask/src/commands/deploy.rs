//! `deploy`: deploys what has changed to the running local cloud.

use std::process::ExitCode;

use super::up;
use crate::failure::Result;
use crate::keys::Keys;
use crate::layout::Layout;
use crate::lock::Lock;
use crate::ui::Ui;
use crate::{build, cloud, deploy};

pub(crate) async fn run(layout: &Layout, ui: Ui) -> Result<ExitCode> {
    let _lock = Lock::take(layout)?;
    let cloud = cloud::require(layout)?;
    let keys = Keys::ensure(layout)?;
    let built = build::existing(layout).await?;
    let outputs = deploy::deploy(layout, ui, &cloud, &keys, &built).await?;
    up::show(ui, &cloud, &outputs)?;
    Ok(ExitCode::SUCCESS)
}
