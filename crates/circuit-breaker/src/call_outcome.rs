//! The classification of a call's result.

/// What the result of a call says about the health of the dependency. Only the caller can classify a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallOutcome {
    /// The dependency processed the call. A declined card is a success, since the provider responded as designed.
    Success,
    /// The dependency did not process the call: it failed, timed out or was unreachable.
    Failure,
    /// The result says nothing about the dependency, for example because the caller made a mistake. It is not counted.
    Ignored,
}
