//! What has been deployed to the running cloud, so that only what differs is deployed again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::template::Template;
use crate::failure::Result;
use crate::files;
use crate::layout::Layout;
use crate::proc::Process;

/// Valid only for the process that it was written for, as a cloud keeps nothing when it stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    cloud: Process,
    /// Each stack's fingerprint, by its name.
    pub(crate) stacks: BTreeMap<String, String>,
    /// The hash of each function's code, by its binary.
    pub(crate) functions: BTreeMap<String, String>,
}

impl Stamp {
    /// The deployment on this cloud.
    pub(crate) fn read(layout: &Layout, cloud: &Process) -> Result<Self> {
        let read: Option<Self> = files::read_json(&layout.deployed())?;
        let fresh =
            || Self { cloud: cloud.clone(), stacks: BTreeMap::new(), functions: BTreeMap::new() };
        Ok(read.filter(|it| it.cloud == *cloud).unwrap_or_else(fresh))
    }

    /// Writes it.
    pub(crate) fn write(&self, layout: &Layout) -> Result {
        files::write_json(&layout.deployed(), self, files::PUBLIC)
    }

    /// The stack is about to change.
    pub(crate) fn forget(&mut self, template: &Template) {
        self.stacks.remove(&template.name);
    }

    /// The stack was deployed; with `fresh` code if its functions were created.
    pub(crate) fn remember(
        &mut self,
        template: &Template,
        fingerprint: String,
        fresh: Option<&BTreeMap<String, String>>,
    ) {
        self.stacks.insert(template.name.clone(), fingerprint);
        for binary in template.binaries() {
            let hash = fresh.and_then(|it| it.get(&binary)).cloned();
            match hash {
                Some(hash) => drop(self.functions.insert(binary, hash)),
                // Added by a change in place, or there before: an empty hash is like no other, so it is replaced once.
                None => drop(self.functions.entry(binary).or_default()),
            }
        }
    }
}
