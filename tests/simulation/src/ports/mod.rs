//! Every port of the handlers, at the near end of a line.

pub(crate) mod breakers;
pub(crate) mod events;
pub(crate) mod far;
pub(crate) mod messages;
pub(crate) mod states;
pub(crate) mod views;

use futures::FutureExt as _;

/// What stands in memory answers at once.
fn at_once<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().expect("memory does not wait")
}
