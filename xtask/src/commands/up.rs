//! `up`: the platform on the local cloud, started or updated.

use std::process::ExitCode;

use crate::build::{self, Profile};
use crate::cli::UpArgs;
use crate::cloud::{self, Cloud, Record, Started};
use crate::deploy::settings::Settings;
use crate::deploy::{self, Outputs, settings};
use crate::failure::{Failure, Result};
use crate::keys::Keys;
use crate::layout::Layout;
use crate::lock::Lock;
use crate::token::Issuer;
use crate::ui::Ui;
use crate::{clock, python};

/// A platform that is up.
#[derive(Debug)]
pub(crate) struct Platform {
    pub(crate) cloud: Cloud,
    pub(crate) keys: Keys,
    pub(crate) issuer: Issuer,
    pub(crate) outputs: Outputs,
    /// Set if this command started the cloud, which then stops with the command unless `stay` is called.
    pub(crate) started: Option<Started>,
}

pub(crate) async fn run(layout: &Layout, ui: Ui, arguments: &UpArgs) -> Result<ExitCode> {
    let since = clock::start();
    let _lock = Lock::take(layout)?;
    let platform = bring_up(layout, ui, arguments).await?;
    if let Some(started) = platform.started {
        started.stay();
    }
    let paint = ui.paint_out;
    let took = clock::human(since.elapsed());
    ui.print(format!("{} in {took}", paint.good("The platform is up")))?;
    show(ui, &platform.cloud, &platform.outputs)?;
    Ok(ExitCode::SUCCESS)
}

/// The addresses and settings, as `up` and `status` show them.
pub(crate) fn show(ui: Ui, cloud: &Cloud, outputs: &Outputs) -> Result {
    let name = |it: &str| ui.paint_out.name(format!("{it:<19}"));
    ui.print(format!("  {} {}", name("API"), outputs.api_url))?;
    ui.print(format!("  {} {}/web/", name("pages"), outputs.api_url))?;
    ui.print(format!("  {} {}/operator/", name("operator pages"), outputs.api_url))?;
    ui.print(format!("  {} {}/docs", name("API reference"), outputs.api_url))?;
    let sandbox = match cloud.record.settings.contains_key(settings::PROVIDER_URL) {
        true => "provider sandbox",
        false => "payment provider",
    };
    ui.print(format!("  {} {}", name(sandbox), outputs.payment_provider_url))?;
    ui.print(format!("  {} {}", name("local cloud"), outputs.cloud_url))?;
    for (setting, value) in &cloud.record.settings {
        ui.print(format!(
            "  {} {value} (until `cargo xtask down`, or `--set {setting}=`)",
            name(setting)
        ))?;
    }
    Ok(())
}

/// Does what is missing. If it fails, a cloud that it started is stopped again.
pub(crate) async fn bring_up(layout: &Layout, ui: Ui, arguments: &UpArgs) -> Result<Platform> {
    let templates = deploy::templates(layout)?;
    settings::check(arguments.settings.iter().map(|(name, _)| name), &templates)?;
    let running = cloud::find(layout)?;
    match &running {
        Some(cloud) => refuse_move(cloud, arguments)?,
        // Before anything that takes long.
        None => cloud::require_free(arguments.port_or_default())?,
    }
    let keys = Keys::ensure(layout)?;
    let interpreter = python::ensure(layout, ui, &python::LOCAL_CLOUD).await?;
    let built = build::functions(layout, ui, Profile::Local).await?;
    let (cloud, started) = match running {
        Some(mut cloud) => {
            settings::merge(&mut cloud.record.settings, &arguments.settings);
            cloud.record.write(layout)?;
            (cloud, None)
        }
        None => {
            let record = Record::new(arguments.port_or_default(), &arguments.settings);
            let (cloud, started) = cloud::start(layout, ui, &interpreter, record).await?;
            (cloud, Some(started))
        }
    };
    let outputs = deploy::deploy(layout, ui, &cloud, &keys, &built).await?;
    let issuer = Settings::local(layout, &keys, &cloud.record.settings).issuer();
    Ok(Platform { cloud, keys, issuer, outputs, started })
}

fn refuse_move(cloud: &Cloud, arguments: &UpArgs) -> Result {
    match arguments.port {
        Some(port) if port != cloud.record.port => Err(Failure::new(format!(
            "the local cloud of this clone is up on port {}",
            cloud.record.port
        ))
        .because("it cannot move to another port without losing its data")
        .advise(format!("`cargo xtask down`, then `cargo xtask up --port {port}`"))),
        Some(_) | None => Ok(()),
    }
}
