//! What an operator sees of a circuit, and says to it.

use jiff::Timestamp;
use serde::Serialize;

use crate::breaker::{Asker, Question, Shared, Stand, State, Transition, Word};
use crate::settings::Settings;
use crate::store::{Store, StoreError, Swapped};

/// Who loses a race tries again; a breaker is written a few times a minute.
const TRIES_MAX: usize = 16;

/// How a circuit stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The breaker.
    pub name: String,
    /// What callers meet.
    pub state: Shown,
    /// The share of failures that it was opened for; 0 while closed, since a healthy instance reports nothing.
    pub failures_permille: u32,
    /// When it was opened, if it is not closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// When a probe is due, or the one under way is given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_until: Option<Timestamp>,
    /// An operator's word, if one stands.
    #[serde(rename = "override", skip_serializing_if = "Option::is_none")]
    pub forced: Option<Word>,
    /// The last transitions, oldest first.
    pub history: Vec<Transition>,
}

/// What callers meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// Calls pass.
    Closed,
    /// Calls are refused.
    Open,
    /// Calls are refused, but for a probe.
    HalfOpen,
}

impl Status {
    /// How a state shows; none was ever written for a breaker that was never in trouble.
    #[must_use]
    pub fn new(name: &str, shared: Option<Shared>) -> Self {
        let shared = shared.unwrap_or_default();
        let (mut opened_at, mut open_until) = match &shared.state {
            State::Closed | State::Suspected { .. } => (None, None),
            State::Open { opened_at, until, .. } => (Some(*opened_at), Some(*until)),
            State::HalfOpen { opened_at, probe, .. } => {
                (Some(*opened_at), probe.as_ref().map(|it| it.until))
            }
        };
        let state = match shared.stand() {
            Stand::Closed | Stand::ForcedClosed | Stand::Disabled => Shown::Closed,
            Stand::Open | Stand::ForcedOpen => Shown::Open,
            Stand::HalfOpen => Shown::HalfOpen,
        };
        if let Some(forced) = shared.forced.as_ref() {
            opened_at = (state == Shown::Open).then_some(forced.since);
            open_until = None;
        }
        Self {
            name: name.to_owned(),
            state,
            failures_permille: shared.failures_permille,
            opened_at,
            open_until,
            forced: shared.forced.map(|it| it.word),
            history: shared.history,
        }
    }
}

/// An operator's hand on the breakers of a store.
#[derive(Clone, Debug)]
pub struct Control<S> {
    store: S,
}

impl<S: Store> Control<S> {
    /// Over the breakers of this store.
    pub fn new(store: S) -> Self {
        Self { store }
    }

    /// How a breaker stands.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be read.
    pub async fn status(&self, name: &str) -> Result<Status, StoreError> {
        Ok(Status::new(name, self.store.load(name).await?))
    }

    /// Says a word for the whole fleet; it stands until it is taken back by a reset or another one.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be written; the same call may be made again.
    pub async fn force(
        &self,
        name: &str,
        word: Word,
        asker: Asker<'_>,
    ) -> Result<Status, StoreError> {
        self.say(name, &Question::Force(word), asker).await
    }

    /// Takes every word back and closes the circuit, as if nothing had been.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be written; the same call may be made again.
    pub async fn reset(&self, name: &str, asker: Asker<'_>) -> Result<Status, StoreError> {
        self.say(name, &Question::Reset, asker).await
    }

    async fn say(
        &self,
        name: &str,
        question: &Question,
        asker: Asker<'_>,
    ) -> Result<Status, StoreError> {
        // Only the answers to instances depend on them.
        let settings = Settings::default();
        let mut shared = self.store.load(name).await?.unwrap_or_default();
        for _ in 0..TRIES_MAX {
            let Some(next) = shared.answer(question, &asker, &settings) else { break };
            match self.store.swap(name, shared.version, &next).await? {
                Swapped::Done => return Ok(Status::new(name, Some(next))),
                Swapped::Lost(winner) => shared = *winner,
            }
        }
        Err(StoreError::Contended)
    }
}
