//! What an instance decides about a call, and what it has to do at the store.

use jiff::Timestamp;

use crate::shared_state::Proposal;

/// How an admitted call is counted. It is passed to [`LocalBreaker::record`] together with the call's outcome.
///
/// [`LocalBreaker::record`]: crate::local_breaker::LocalBreaker::record
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// A normal call: it counts in the instance's window.
    Counted {
        /// The generation of the shared state in which the call started. A result of an earlier generation is ignored.
        generation: u64,
    },
    /// A call that is not counted, because an operator has disabled the breaker.
    Uncounted,
    /// A probe of this instance's own circuit, while the shared circuit is closed or unknown.
    LocalProbe {
        /// The sequence number of the probe in this instance.
        number: u64,
    },
    /// The elected probe of the shared circuit.
    Probe {
        /// The id of the probe: the number of the write that claimed it.
        id: u64,
    },
}

impl CallKind {
    /// The number of a local probe; 0, which no local probe has, for every other call.
    pub(crate) fn local_number(self) -> u64 {
        match self {
            Self::LocalProbe { number } => number,
            Self::Counted { .. } | Self::Uncounted | Self::Probe { .. } => 0,
        }
    }
}

/// Whether a call may be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The call may be made.
    Admit {
        /// How the call is counted.
        kind: CallKind,
        /// Whether the shared state must be read concurrently with the call.
        is_read: bool,
    },
    /// The call must not be made. It holds the time at which a call may be admitted again, if that is known.
    Reject(Option<Timestamp>),
    /// The caller must perform this operation first, and then request a decision again.
    StoreFirst(StoreOp),
    /// Another call of this instance uses the store, and the known state is too old for a decision. The caller must wait
    /// until that call releases the store, and then request a decision again.
    Wait,
}

/// A pending operation at the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StoreOp {
    /// Read the shared state.
    Read,
    /// Write the shared state that results from a proposal.
    Write(Proposal),
}
