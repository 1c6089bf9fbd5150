//! One module per command.

pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod deploy;
pub(crate) mod down;
pub(crate) mod invoke;
pub(crate) mod logs;
pub(crate) mod outputs;
pub(crate) mod simulate;
pub(crate) mod status;
pub(crate) mod test;
pub(crate) mod token;
pub(crate) mod trace;
pub(crate) mod up;
pub(crate) mod watch;
