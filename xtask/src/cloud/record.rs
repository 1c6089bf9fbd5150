//! The record of a running local cloud.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::failure::Result;
use crate::files;
use crate::layout::Layout;
use crate::proc::Process;

/// Its process, port and settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The process, identified by its number and start time.
    pub(crate) process: Process,
    /// Its port.
    pub(crate) port: u16,
    /// Settings of `--set`, which are kept until `cargo xtask down`.
    pub(crate) settings: BTreeMap<String, String>,
}

impl Record {
    /// A record for a cloud that is about to start; until then its process is this one.
    pub(crate) fn new(port: u16, requested: &[(String, String)]) -> Self {
        let mut settings = BTreeMap::new();
        crate::deploy::settings::merge(&mut settings, requested);
        Self { process: Process::current(), port, settings }
    }

    /// Reads it; `None` if there is none.
    pub(crate) fn read(layout: &Layout) -> Result<Option<Self>> {
        files::read_json(&layout.cloud_record())
    }

    /// Writes it.
    pub(crate) fn write(&self, layout: &Layout) -> Result {
        files::write_json(&layout.cloud_record(), self, files::SECRET)
    }

    /// Whether the process is still there.
    pub(crate) fn is_running(&self) -> bool {
        self.process.is_alive()
    }
}
