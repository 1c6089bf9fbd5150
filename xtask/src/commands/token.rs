//! `token`: a bearer token for the front door.

use std::process::ExitCode;

use crate::cli::TokenArgs;
use crate::cloud::Record;
use crate::deploy::settings::Settings;
use crate::failure::Outcome;
use crate::keys::Keys;
use crate::layout::Layout;
use crate::ui::Ui;
use crate::{clock, token};

pub(crate) fn run(layout: &Layout, ui: Ui, arguments: &TokenArgs) -> Outcome<ExitCode> {
    let keys = Keys::ensure(layout)?;
    // As the running cloud was told; without one, as the next will be.
    let asked = Record::read(layout)?.map(|it| it.settings).unwrap_or_default();
    let issuer = Settings::local(layout, &keys, &asked).issuer();
    let TokenArgs { scope, subject, ttl } = arguments;
    ui.print(token::issue(&keys, &issuer, *scope, subject, *ttl, clock::now())?)?;
    Ok(ExitCode::SUCCESS)
}
