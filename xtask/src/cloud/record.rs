//! What is remembered of a local cloud while it runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::failure::Result;
use crate::files;
use crate::layout::Layout;
use crate::proc::Process;

/// Which process it is, and how it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The process; another one with its number is not it.
    pub(crate) process: Process,
    /// Where it listens.
    pub(crate) port: u16,
    /// Settings that were asked for with `--set`; they hold until the cloud is taken down.
    pub(crate) settings: BTreeMap<String, String>,
}

impl Record {
    /// One for a cloud that is about to start; until then its process is this one.
    pub(crate) fn new(port: u16, asked: &[(String, String)]) -> Self {
        let mut settings = BTreeMap::new();
        crate::deploy::settings::merge(&mut settings, asked);
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
