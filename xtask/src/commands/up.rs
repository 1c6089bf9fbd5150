//! `up`: the platform on the local cloud, brought about or brought up to date.

use std::process::ExitCode;

use crate::build::{self, Profile};
use crate::cli::UpArgs;
use crate::cloud::{self, Cloud, Record, Started};
use crate::deploy::settings::Settings;
use crate::deploy::{self, Outputs, settings};
use crate::failure::{Failure, Outcome};
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
    /// Set if this command started the cloud: it goes with it unless told to stay.
    pub(crate) started: Option<Started>,
}

pub(crate) async fn run(layout: &Layout, ui: Ui, arguments: &UpArgs) -> Outcome<ExitCode> {
    let begun = clock::start();
    let _lock = Lock::take(layout)?;
    let platform = bring_up(layout, ui, arguments).await?;
    if let Some(started) = platform.started {
        started.stay();
    }
    let paint = ui.paint_out;
    let took = clock::human(begun.elapsed());
    ui.print(format!("{} in {took}", paint.good("The platform is up")))?;
    show(ui, &platform.cloud, &platform.outputs)?;
    Ok(ExitCode::SUCCESS)
}

/// The addresses and settings, as `up` and `status` show them.
pub(crate) fn show(ui: Ui, cloud: &Cloud, outputs: &Outputs) -> Outcome {
    let name = |it: &str| ui.paint_out.name(format!("{it:<17}"));
    ui.print(format!("  {} {}", name("front door"), outputs.api_url))?;
    ui.print(format!("  {} {}/web/", name("pages"), outputs.api_url))?;
    ui.print(format!("  {} {}/operator/", name("control room"), outputs.api_url))?;
    ui.print(format!("  {} {}/docs", name("all routes"), outputs.api_url))?;
    ui.print(format!("  {} {}", name("payment provider"), outputs.payment_provider_url))?;
    ui.print(format!("  {} {}", name("local cloud"), outputs.cloud_url))?;
    for (setting, value) in &cloud.record.settings {
        ui.print(format!("  {} {value} (until it is down, or `--set {setting}=`)", name(setting)))?;
    }
    Ok(())
}

/// Does whatever is missing; a cloud that it starts is stopped again if it fails.
pub(crate) async fn bring_up(layout: &Layout, ui: Ui, arguments: &UpArgs) -> Outcome<Platform> {
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

fn refuse_move(cloud: &Cloud, arguments: &UpArgs) -> Outcome {
    match arguments.port {
        Some(port) if port != cloud.record.port => Err(Failure::new(format!(
            "the local cloud of this clone is up on port {}",
            cloud.record.port
        ))
        .because("it can't move to another port, and what it holds would be lost")
        .advise(format!("`cargo xtask down`, then `cargo xtask up --port {port}`"))),
        Some(_) | None => Ok(()),
    }
}
