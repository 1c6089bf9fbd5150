//! The decider: the pure rules of an aggregate, as `decide` and `evolve`.

use crate::snapshot::Snapshots;

/// The rules of one aggregate, free of I/O.
///
/// Both functions are synchronous and total. Time, identifiers and other services' responses arrive inside the command.
/// So a test needs no fake, and a replay leads to the same state every time. The pattern is Jérémie Chassaing's
/// *decider*.
pub trait Decider: Default + Clone {
    /// A request of a caller.
    type Command;
    /// A fact, stored permanently.
    type Event: Clone;
    /// Why the rules reject a command.
    type Rejection;

    /// Whether and how often the state is stored in a snapshot; not at all by default.
    ///
    /// Streams with some dozens of events need none, because one request reads them anyway.
    const SNAPSHOTS: Option<Snapshots<Self>> = None;

    /// Checks a command against the current state.
    ///
    /// No events means that there is nothing to do, because the command has taken effect already.
    ///
    /// # Errors
    ///
    /// The rule that the command breaks.
    fn decide(&self, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// Applies one event. It checks no rule, because the event has occurred.
    #[must_use]
    fn evolve(self, event: &Self::Event) -> Self;
}

/// Folds a history into its state.
pub fn fold<'a, D>(history: impl IntoIterator<Item = &'a D::Event>) -> D
where
    D: Decider,
    D::Event: 'a,
{
    history.into_iter().fold(D::default(), D::evolve)
}
