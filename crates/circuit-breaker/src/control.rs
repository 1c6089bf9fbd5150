//! The administration of circuits: their status, and the operator's override.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::breaker::{Environment, Event};
use crate::settings::Settings;
use crate::shared_state::{
    Actor, EffectiveState, LocalTrip, Override, Proposal, Reason, SharedState, State, Transition,
};
use crate::store::{Store, StoreError, Swapped};

/// The number of attempts to win the race against other writers. A breaker is written a few times a minute.
const TRIES_MAX: usize = 16;

/// The status of a circuit, as a response in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The name of the breaker.
    pub name: String,
    /// Whether calls are admitted.
    pub state: PublicState,
    /// The failure rate that opened the circuit, in permille, and in JSON between 0 and 1; 0 while closed. The rates that
    /// single instances have measured are in `local_trips`, for as long as they reject calls.
    #[serde(rename = "failureRate", with = "rate")]
    pub failures_permille: u32,
    /// When the circuit opened, if it is not closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// When a probe is due, or when the lease of the current probe ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_until: Option<Timestamp>,
    /// The operator's override, if one is set.
    #[serde(rename = "override", default, skip_serializing_if = "Option::is_none")]
    pub active_override: Option<Override>,
    /// Instances whose local circuit is open while the shared circuit is closed, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub local_trips: Vec<LocalTripDto>,
    /// The number of instances that have voted to open the circuit within the last window.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub votes: usize,
    /// When a healthy instance last vetoed the votes, if the veto still counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vetoed_at: Option<Timestamp>,
    /// The last transitions, oldest first.
    pub history: Vec<TransitionDto>,
}

/// One instance whose local circuit is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalTripDto {
    /// The id of the instance, in the form that `by` in the history has.
    pub instance: String,
    /// When its local circuit opened.
    pub since: Timestamp,
    /// Until when it rejects calls. Its next call after that is a probe of its own.
    pub until: Timestamp,
    /// The failure rate of its calls at that time, in permille; in JSON between 0 and 1.
    #[serde(rename = "failureRate", with = "rate")]
    pub failures_permille: u32,
    /// The rate of slow calls at that time, in permille; in JSON between 0 and 1.
    #[serde(rename = "slowRate", with = "rate")]
    pub slow_permille: u32,
}

impl From<&LocalTrip> for LocalTripDto {
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

/// A transition in the history of a circuit, as a response in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransitionDto {
    /// When it was written, by the clock of the writer.
    pub at: Timestamp,
    /// The state before.
    pub from: EffectiveState,
    /// The state after.
    pub to: EffectiveState,
    /// Why the state changed.
    pub reason: Reason,
    /// The name of the operator, or the id of the instance.
    pub by: String,
}

impl From<Transition> for TransitionDto {
    fn from(Transition { at, from, to, reason, by }: Transition) -> Self {
        Self { at, from, to, reason, by }
    }
}

/// A request to a [`Control`], as JSON, for callers without access to the store. Services of different releases exchange it,
/// so the JSON form keeps the names that it always had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ControlRequest {
    /// Read the status.
    #[serde(rename = "show")]
    Status {
        /// The name of the breaker.
        breaker: String,
    },
    /// Set an override for all instances.
    #[serde(rename = "force")]
    Override {
        /// The name of the breaker.
        breaker: String,
        /// The override.
        #[serde(rename = "word")]
        kind: Override,
        /// The name of the operator.
        by: String,
    },
    /// Remove the override and close the circuit.
    Reset {
        /// The name of the breaker.
        breaker: String,
        /// The name of the operator.
        by: String,
    },
}

impl ControlRequest {
    /// The name of the breaker.
    #[must_use]
    pub fn breaker(&self) -> &str {
        match self {
            Self::Status { breaker }
            | Self::Override { breaker, .. }
            | Self::Reset { breaker, .. } => breaker,
        }
    }
}

/// Whether calls are admitted, without the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublicState {
    /// Calls are admitted.
    Closed,
    /// Calls are rejected.
    Open,
    /// Calls are rejected, except a probe.
    HalfOpen,
}

impl Status {
    /// The status at `now` of a shared state, which is `None` until the first failures. Obsolete parts, such as a vote older
    /// than the window, are left out.
    #[must_use]
    pub fn new(
        name: &str,
        shared: Option<SharedState>,
        settings: &Settings,
        now: Timestamp,
    ) -> Self {
        let shared = shared.unwrap_or_default();
        let (votes, vetoed_at) = shared.votes_at(settings, now);
        let local_trips = shared.local_trips_at(now).map(LocalTripDto::from).collect();
        let (mut opened_at, mut open_until) = match &shared.state {
            State::Closed | State::PendingOpen { .. } => (None, None),
            State::Open { opened_at, until, .. } => (Some(*opened_at), Some(*until)),
            State::HalfOpen { opened_at, probe, .. } => {
                (Some(*opened_at), probe.as_ref().map(|it| it.until))
            }
        };
        let state = match shared.effective_state() {
            EffectiveState::Closed | EffectiveState::ForcedClosed | EffectiveState::Disabled => {
                PublicState::Closed
            }
            EffectiveState::Open | EffectiveState::ForcedOpen => PublicState::Open,
            EffectiveState::HalfOpen => PublicState::HalfOpen,
        };
        if let Some(active_override) = shared.active_override.as_ref() {
            opened_at = (state == PublicState::Open).then_some(active_override.since);
            open_until = None;
        }
        Self {
            name: name.to_owned(),
            state,
            failures_permille: if opened_at.is_some() { shared.failures_permille } else { 0 },
            opened_at,
            open_until,
            active_override: shared.active_override.map(|it| it.kind),
            local_trips,
            votes,
            vetoed_at,
            history: shared.history.into_iter().map(TransitionDto::from).collect(),
        }
    }
}

/// Reads and overrides the breakers of a store, for operators.
#[derive(Clone, Debug)]
pub struct Control<S, E> {
    store: S,
    environment: E,
    settings: Settings,
}

impl<S: Store, E: Environment> Control<S, E> {
    /// Creates a control over the breakers of this store. It assumes the default settings.
    pub fn new(store: S, environment: E) -> Self {
        Self { store, environment, settings: Settings::default() }
    }

    /// Replaces the settings. Only the length of the window matters here: votes count within it.
    #[must_use]
    pub fn with_settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// Reads the status of a breaker.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be read.
    pub async fn status(&self, name: &str) -> Result<Status, StoreError> {
        let shared = self.store.load(name).await?;
        Ok(self.status_of(name, shared))
    }

    /// Sets an override for all instances. It stays in force until a reset or another override.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be written. A retry is safe.
    pub async fn set_override(
        &self,
        name: &str,
        kind: Override,
        by: &str,
    ) -> Result<Status, StoreError> {
        self.apply(name, &Proposal::SetOverride(kind), by).await
    }

    /// Removes the override, closes the circuit and resets the number of consecutive opens.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be written. A retry is safe.
    pub async fn reset(&self, name: &str, by: &str) -> Result<Status, StoreError> {
        self.apply(name, &Proposal::Reset, by).await
    }

    /// Handles a request.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be reached. A retry is safe.
    pub async fn handle(&self, request: &ControlRequest) -> Result<Status, StoreError> {
        match request {
            ControlRequest::Status { breaker } => self.status(breaker).await,
            ControlRequest::Override { breaker, kind, by } => {
                self.set_override(breaker, *kind, by).await
            }
            ControlRequest::Reset { breaker, by } => self.reset(breaker, by).await,
        }
    }

    async fn apply(&self, name: &str, proposal: &Proposal, by: &str) -> Result<Status, StoreError> {
        let actor = Actor { by, write: self.environment.random(), now: self.environment.now() };
        let mut shared = self.store.load(name).await?.unwrap_or_default();
        for _ in 0..TRIES_MAX {
            let Some(next) = shared.apply(proposal, &actor, &self.settings) else { break };
            match self.store.swap(name, shared.version, &next).await? {
                Swapped::Done => {
                    if let Some(transition) = next.history.last() {
                        self.environment.observe(name, &Event::StateChanged(transition));
                    }
                    return Ok(self.status_of(name, Some(next)));
                }
                Swapped::Lost(winner) => shared = *winner,
            }
        }
        Err(StoreError::Contended)
    }

    fn status_of(&self, name: &str, shared: Option<SharedState>) -> Status {
        Status::new(name, shared, &self.settings, self.environment.now())
    }
}

/// A rate in permille, which is a number between 0 and 1 in JSON.
mod rate {
    #![expect(clippy::float_arithmetic, reason = "a rate is no money")]

    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    pub(super) fn serialize<S: Serializer>(permille: &u32, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(f64::from(*permille) / 1_000.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
        let permille = (f64::deserialize(from)? * 1_000.0).round().clamp(0.0, 1_000.0);
        // An `f64` represents each integer from 0 to 1000 exactly.
        (0..=1_000)
            .find(|it| f64::from(*it) >= permille)
            .ok_or_else(|| serde::de::Error::custom("a rate is a number from 0 to 1"))
    }
}
