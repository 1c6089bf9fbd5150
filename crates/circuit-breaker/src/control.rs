//! What an operator sees of a circuit, and says to it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::breaker::{Event, Host};
use crate::settings::Settings;
use crate::shared_state::{
    Asker, LocalTrip, Question, Reason, Shared, Stand, State, Transition, Word,
};
use crate::store::{Store, StoreError, Swapped};

/// Who loses a race tries again; a breaker is written a few times a minute.
const TRIES_MAX: usize = 16;

/// How a circuit stands, for people and as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The breaker.
    pub name: String,
    /// What callers meet.
    pub state: Shown,
    /// The share of failures that it was opened for, in thousandths, and as JSON between 0 and 1; 0 while closed. What a
    /// single instance has measured is in `local_trips`, for as long as it rejects calls.
    #[serde(rename = "failureRate", with = "rate")]
    pub failures_permille: u32,
    /// When it was opened, if it is not closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// When a probe is due, or the one under way is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_until: Option<Timestamp>,
    /// An operator's word, if one stands.
    #[serde(rename = "override", default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<Word>,
    /// Instances that reject calls by their own decision now, while all others let calls pass; oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub local_trips: Vec<LocalTripShown>,
    /// How many instances have voted to open the circuit for all, within the window in which votes count.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub votes: usize,
    /// When a healthy instance last vetoed that, if the veto still counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vetoed_at: Option<Timestamp>,
    /// The last transitions, oldest first.
    pub history: Vec<Step>,
}

/// One instance that rejects calls by its own decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalTripShown {
    /// The instance, by the name that it has in the history.
    pub instance: String,
    /// When its circuit opened.
    pub since: Timestamp,
    /// Until when it rejects calls. Its next call after that is a probe of its own.
    pub until: Timestamp,
    /// The share of failures among its calls at that time; as JSON between 0 and 1.
    #[serde(rename = "failureRate", with = "rate")]
    pub failures_permille: u32,
    /// The share of slow calls among its calls at that time; as JSON between 0 and 1.
    #[serde(rename = "slowRate", with = "rate")]
    pub slow_permille: u32,
}

impl From<&LocalTrip> for LocalTripShown {
    fn from(it: &LocalTrip) -> Self {
        Self {
            instance: format!("{:016x}", it.instance),
            since: it.since,
            until: it.until,
            failures_permille: it.failures_permille,
            slow_permille: it.slow_permille,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A transition, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// When, by the clock of whoever wrote it.
    pub at: Timestamp,
    /// What it was before.
    pub from: Stand,
    /// What it is since.
    pub to: Stand,
    /// Why.
    pub reason: Reason,
    /// The operator, or the instance.
    pub by: String,
}

impl From<Transition> for Step {
    fn from(Transition { at, from, to, reason, by }: Transition) -> Self {
        Self { at, from, to, reason, by }
    }
}

/// What can be asked of a control, as JSON: for whoever is not let at the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Order {
    /// How does it stand?
    Show {
        /// The breaker.
        breaker: String,
    },
    /// A word for the whole fleet.
    Force {
        /// The breaker.
        breaker: String,
        /// The word.
        word: Word,
        /// Whose.
        by: String,
    },
    /// Every word is taken back, and the circuit closed.
    Reset {
        /// The breaker.
        breaker: String,
        /// By whom.
        by: String,
    },
}

impl Order {
    /// The breaker that it is for.
    #[must_use]
    pub fn breaker(&self) -> &str {
        match self {
            Self::Show { breaker } | Self::Force { breaker, .. } | Self::Reset { breaker, .. } => {
                breaker
            }
        }
    }
}

/// What callers meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// How a state shows at this time; none was ever written for a breaker that was never in trouble. What no longer holds
    /// then, such as a vote older than the window, is left out.
    #[must_use]
    pub fn new(name: &str, shared: Option<Shared>, settings: &Settings, now: Timestamp) -> Self {
        let shared = shared.unwrap_or_default();
        let (votes, vetoed_at) = shared.votes_at(settings, now);
        let local_trips = shared.local_trips_at(now).map(LocalTripShown::from).collect();
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
            failures_permille: if opened_at.is_some() { shared.failures_permille } else { 0 },
            opened_at,
            open_until,
            forced: shared.forced.map(|it| it.word),
            local_trips,
            votes,
            vetoed_at,
            history: shared.history.into_iter().map(Step::from).collect(),
        }
    }
}

/// An operator's hand on the breakers of a store.
#[derive(Clone, Debug)]
pub struct Control<S, H> {
    store: S,
    host: H,
    settings: Settings,
}

impl<S: Store, H: Host> Control<S, H> {
    /// Over the breakers of this store, which have the default window.
    pub fn new(store: S, host: H) -> Self {
        Self { store, host, settings: Settings::default() }
    }

    /// Over breakers with these settings; only the window matters here, in which votes count.
    #[must_use]
    pub fn with_settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// How a breaker stands.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be read.
    pub async fn status(&self, name: &str) -> Result<Status, StoreError> {
        let shared = self.store.load(name).await?;
        Ok(self.shown(name, shared))
    }

    /// Says a word for the whole fleet; it stands until it is taken back by a reset or another one.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be written; the same call may be made again.
    pub async fn force(&self, name: &str, word: Word, by: &str) -> Result<Status, StoreError> {
        self.say(name, &Question::Force(word), by).await
    }

    /// Takes every word back and closes the circuit, as if nothing had been.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be written; the same call may be made again.
    pub async fn reset(&self, name: &str, by: &str) -> Result<Status, StoreError> {
        self.say(name, &Question::Reset, by).await
    }

    /// Carries out an order.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be reached; the same order may be given again.
    pub async fn carry_out(&self, order: &Order) -> Result<Status, StoreError> {
        match order {
            Order::Show { breaker } => self.status(breaker).await,
            Order::Force { breaker, word, by } => self.force(breaker, *word, by).await,
            Order::Reset { breaker, by } => self.reset(breaker, by).await,
        }
    }

    async fn say(&self, name: &str, question: &Question, by: &str) -> Result<Status, StoreError> {
        let asker = Asker { by, write: self.host.random(), now: self.host.now() };
        let mut shared = self.store.load(name).await?.unwrap_or_default();
        for _ in 0..TRIES_MAX {
            let Some(next) = shared.answer(question, &asker, &self.settings) else { break };
            match self.store.swap(name, shared.version, &next).await? {
                Swapped::Done => {
                    if let Some(step) = next.history.last() {
                        self.host.observe(name, &Event::Stepped(step));
                    }
                    return Ok(self.shown(name, Some(next)));
                }
                Swapped::Lost(winner) => shared = *winner,
            }
        }
        Err(StoreError::Contended)
    }

    fn shown(&self, name: &str, shared: Option<Shared>) -> Status {
        Status::new(name, shared, &self.settings, self.host.now())
    }
}

/// Thousandths as people read them.
mod rate {
    #![expect(clippy::float_arithmetic, reason = "a rate is no money")]

    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    pub(super) fn serialize<S: Serializer>(permille: &u32, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(f64::from(*permille) / 1_000.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
        let permille = (f64::deserialize(from)? * 1_000.0).round().clamp(0.0, 1_000.0);
        // Thousandths from 0 to 1000, each of which an `f64` holds to the letter.
        (0..=1_000)
            .find(|it| f64::from(*it) >= permille)
            .ok_or_else(|| serde::de::Error::custom("a rate is a number from 0 to 1"))
    }
}
