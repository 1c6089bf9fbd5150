//! The ports of the handlers, over the fault-injecting transport.

pub(crate) mod breakers;
pub(crate) mod events;
pub(crate) mod messages;
pub(crate) mod remote;
pub(crate) mod states;
pub(crate) mod views;

use futures::FutureExt as _;

/// The result of a future of an in-memory store, which never waits.
fn now_or_panic<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("memory does not wait")
}
