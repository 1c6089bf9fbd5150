//! What the result of a call says of the dependency.

/// What a call's answer says of the one who was called. Only the caller can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It did its work, whatever the answer: a declined card is one.
    Success,
    /// It did not.
    Failure,
    /// That can't be told; the caller has made a mistake, say. Counts for nothing.
    Ignored,
}
