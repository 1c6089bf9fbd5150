//! The pure heart of a service: what may happen, and what it changes.

use crate::snapshot::Snapshots;

/// The rules of one aggregate, free of I/O.
///
/// Both functions are synchronous and total. Time, identifiers and other services' answers arrive inside the command,
/// so that a test needs no fake and a replay leads to the same state every time. The shape is Jérémie Chassaing's
/// *decider*.
pub trait Decider: Default + Clone {
    /// What a caller asks for.
    type Command;
    /// What has happened, and is stored for ever.
    type Event: Clone;
    /// Why the rules refuse a command.
    type Rejection;

    /// How its state is kept, for streams that grow long; it is not, unless this is set.
    ///
    /// A stream of some dozens of events is read at once anyway.
    const SNAPSHOTS: Option<Snapshots<Self>> = None;

    /// Checks a command against the current state.
    ///
    /// No events means that nothing is left to do: the command has taken effect already.
    ///
    /// # Errors
    ///
    /// The rule that the command breaks.
    fn decide(&self, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// Applies one event. It checks no rule: the event has happened.
    #[must_use]
    fn evolve(self, event: &Self::Event) -> Self;
}

/// The state that a history has led to.
pub fn fold<'a, D>(history: impl IntoIterator<Item = &'a D::Event>) -> D
where
    D: Decider,
    D::Event: 'a,
{
    history.into_iter().fold(D::default(), D::evolve)
}
