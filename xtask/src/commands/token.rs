//! `token`: a bearer token for the API.

use std::process::ExitCode;

use crate::cli::TokenArgs;
use crate::cloud::Record;
use crate::deploy::settings::Settings;
use crate::failure::Result;
use crate::keys::Keys;
use crate::layout::Layout;
use crate::ui::Ui;
use crate::{clock, token};

pub(crate) fn run(layout: &Layout, ui: Ui, arguments: &TokenArgs) -> Result<ExitCode> {
    let keys = Keys::ensure(layout)?;
    // The settings of the running cloud; without one, those of the next.
    let requested = Record::read(layout)?.map(|it| it.settings).unwrap_or_default();
    let issuer = Settings::local(layout, &keys, &requested).issuer();
    let TokenArgs { scope, subject, ttl } = arguments;
    ui.print(token::issue(&keys, &issuer, *scope, subject, *ttl, clock::now())?)?;
    Ok(ExitCode::SUCCESS)
}
