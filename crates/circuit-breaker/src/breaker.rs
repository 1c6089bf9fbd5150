//! The circuit breaker around one dependency, in one instance: it performs what the pure modules decide.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{Either, select};
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::call_outcome::CallOutcome;
use crate::decision::{CallKind, Decision, StoreOp};
use crate::local_breaker::LocalBreaker;
use crate::settings::Settings;
use crate::shared_state::{Proposal, SharedState, Transition};
use crate::store::{Store, StoreError, Swapped};
use crate::time::ms_from;

/// The maximum number of store operations for one call: read, claim the probe, lose the race, read again.
const ROUNDS_MAX: usize = 4;

/// The call was not made: the circuit is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("circuit is open")]
pub struct CircuitOpen {
    /// When a retry may be admitted, if that is known.
    pub retry_at: Option<Timestamp>,
}

/// The clock, the random numbers and the observer of a breaker.
pub trait Environment {
    /// The current time. Use the wall clock: it advances while a Lambda process is frozen.
    fn now(&self) -> Timestamp;

    /// A random number.
    fn random(&self) -> u64;

    /// Receives each event of a breaker, for example for a log or a metric. It runs within the call, so it must be fast.
    fn observe(&self, breaker: &str, event: &Event<'_>);
}

/// An event of a breaker in this instance.
#[derive(Debug)]
pub enum Event<'a> {
    /// The shared circuit changed its state, and this instance wrote the change. At most one instance reports each
    /// transition.
    StateChanged(&'a Transition),
    /// The calls of this instance exceeded a threshold. It rejects calls for a while, and votes to open the shared circuit.
    Tripped,
    /// A call was rejected.
    Rejected,
    /// A probe starts.
    Probing {
        /// Whether it is the elected probe of the shared circuit; otherwise it is this instance's own.
        is_elected: bool,
    },
    /// The store failed. This instance decides by its own window for a while.
    StoreFailed(&'a StoreError),
}

/// A circuit breaker around one dependency, in one instance of a fleet.
///
/// Create one per process and name, and keep it: its window is useless if each call creates its own breaker.
#[derive(Debug)]
pub struct Breaker<S, E> {
    name: String,
    settings: Settings,
    store: S,
    environment: E,
    local: Mutex<LocalBreaker>,
    /// Wakes the calls that wait until another call releases the store.
    store_released: Notify,
}

impl<S: Store, E: Environment> Breaker<S, E> {
    /// Creates a breaker that shares its state with all breakers of this name in the store.
    pub fn new(name: impl Into<String>, settings: Settings, store: S, environment: E) -> Self {
        let local = Mutex::new(LocalBreaker::new(environment.random(), &settings));
        let (name, store_released) = (name.into(), Notify::new());
        Self { name, settings, store, environment, local, store_released }
    }

    /// The name, which is the key of the shared state in the store.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shared state as this instance last read or wrote it, however old; `None` if it never did.
    pub fn known(&self) -> Option<SharedState> {
        self.lock().known().cloned()
    }

    /// Reads the shared state. Useful before the first call of a process, which would otherwise wait for the read.
    pub async fn refresh(&self) {
        self.perform(StoreOp::Read).await;
    }

    /// Makes a call, unless the circuit is open.
    ///
    /// If the returned future is dropped after `slow_call_ms`, the call counts as failed: its caller ran out of time. If it
    /// is dropped earlier, the call is not counted: a cancellation says nothing about the dependency.
    ///
    /// # Errors
    ///
    /// Fails if the circuit is open. The caller provides the fallback, for example with `unwrap_or_else`.
    pub async fn call<T>(
        &self,
        classify: impl FnOnce(&T) -> CallOutcome,
        call: impl Future<Output = T>,
    ) -> Result<T, CircuitOpen> {
        let permit = self.acquire_permit().await?;
        let since = permit.since;
        Ok(permit.run_since(since, classify, call).await)
    }

    /// Acquires the permission to make one call. Acquire it before any change that you would have to roll back if the call
    /// were rejected.
    ///
    /// # Errors
    ///
    /// Fails if the circuit is open.
    pub async fn acquire_permit(&self) -> Result<Permit<'_, S, E>, CircuitOpen> {
        let mut rounds = 0;
        loop {
            // Created before the decision, so that a release in between is not missed.
            let store_released = self.store_released.notified();
            let now = self.environment.now();
            let decision = self.lock().admit(&self.settings, now, rounds < ROUNDS_MAX);
            rounds += 1;
            match decision {
                Decision::Wait => {
                    let deadline = Duration::from_millis(self.settings.store_deadline_ms);
                    if tokio::time::timeout(deadline, store_released).await.is_err() {
                        rounds = ROUNDS_MAX;
                    }
                }
                Decision::Admit { kind, is_read } => {
                    let store_guard = is_read.then(|| self.store_guard());
                    return Ok(Permit { breaker: self, kind: Some(kind), store_guard, since: now });
                }
                Decision::Reject(retry_at) => {
                    self.observe(&Event::Rejected);
                    return Err(CircuitOpen { retry_at });
                }
                Decision::StoreFirst(op) => {
                    let store_guard = self.store_guard();
                    let claimed = self.perform(op).await;
                    drop(store_guard);
                    if let Some(id) = claimed {
                        let (kind, since) = (Some(CallKind::Probe { id }), self.environment.now());
                        return Ok(Permit { breaker: self, kind, store_guard: None, since });
                    }
                }
            }
        }
    }

    fn start(&self, kind: CallKind, since: Timestamp) -> InFlight<'_, S, E> {
        match kind {
            CallKind::Probe { .. } => self.observe(&Event::Probing { is_elected: true }),
            CallKind::LocalProbe { .. } => self.observe(&Event::Probing { is_elected: false }),
            CallKind::Counted { .. } | CallKind::Uncounted => {}
        }
        InFlight { breaker: self, kind: Some(kind), since }
    }

    /// Makes the call, and reads the shared state concurrently.
    ///
    /// The read is never a task of its own: Lambda freezes a function once it has responded, and would thaw it in the
    /// middle of the read. So the call returns after the read, which takes at most the store's deadline.
    async fn run_and_read<T>(&self, guard: StoreGuard<'_>, call: impl Future<Output = T>) -> T {
        let read = pin!(self.perform(StoreOp::Read));
        match select(pin!(call), read).await {
            Either::Left((output, read)) => {
                read.await;
                drop(guard);
                output
            }
            Either::Right((_, call)) => {
                drop(guard);
                call.await
            }
        }
    }

    /// Performs the store operations that follow from a call.
    async fn perform_all(&self, op: StoreOp) {
        let mut op = Some(op);
        for _ in 0..ROUNDS_MAX {
            let Some(next) = op else { return };
            let guard = self.store_guard();
            self.perform(next).await;
            drop(guard);
            let now = self.environment.now();
            op = self.lock().next_store_op(&self.settings, now);
        }
        if op.is_some() {
            // The limit for one call is reached. The next call performs what is still pending.
            drop(self.store_guard());
        }
    }

    /// The exclusive use of the store, which the last decision has granted.
    fn store_guard(&self) -> StoreGuard<'_> {
        StoreGuard { local: &self.local, store_released: &self.store_released }
    }

    /// Performs a store operation. Returns the id of the probe that it claimed, if it did.
    async fn perform(&self, op: StoreOp) -> Option<u64> {
        match op {
            StoreOp::Read => {
                match self.with_deadline(self.store.load(&self.name)).await {
                    Ok(shared) => self.adopt(shared.unwrap_or_default()),
                    Err(error) => self.store_failed(None, &error),
                }
                None
            }
            StoreOp::Write(proposal) => self.write(proposal).await,
        }
    }

    async fn write(&self, proposal: Proposal) -> Option<u64> {
        let (now, write) = (self.environment.now(), self.environment.random());
        let proposed = self.lock().propose(&proposal, write, &self.settings, now);
        let Some((expected, next)) = proposed else {
            self.lock().discard(&proposal);
            return None;
        };
        match self.with_deadline(self.store.swap(&self.name, expected, &next)).await {
            Ok(Swapped::Done) => {
                let last = next.history.last();
                let transition = last.filter(|it| it.at == now && next.version > expected);
                let is_transition =
                    !matches!(proposal, Proposal::Veto { .. }) && transition.is_some();
                let transition = transition.filter(|_| is_transition).cloned();
                self.adopt(next);
                if let Some(transition) = transition {
                    self.observe(&Event::StateChanged(&transition));
                }
                matches!(proposal, Proposal::ClaimProbe).then_some(write)
            }
            Ok(Swapped::Lost(winner)) => {
                self.adopt(*winner);
                None
            }
            Err(error) => {
                self.store_failed(Some(write), &error);
                None
            }
        }
    }

    async fn with_deadline<T>(
        &self,
        request: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let deadline = Duration::from_millis(self.settings.store_deadline_ms);
        tokio::time::timeout(deadline, request).await.unwrap_or(Err(StoreError::Late))
    }

    fn adopt(&self, shared: SharedState) {
        let (now, jitter) = (self.environment.now(), self.environment.random());
        let own: Option<Transition> = self.lock().adopt(shared, &self.settings, now, jitter);
        if let Some(transition) = own {
            self.observe(&Event::StateChanged(&transition));
        }
    }

    fn store_failed(&self, unconfirmed_write: Option<u64>, error: &StoreError) {
        let (now, jitter) = (self.environment.now(), self.environment.random());
        self.lock().store_failed(unconfirmed_write, &self.settings, now, jitter);
        self.observe(&Event::StoreFailed(error));
    }

    fn observe(&self, event: &Event<'_>) {
        self.environment.observe(&self.name, event);
    }

    /// Locked for a few dozen nanoseconds, and never across an await.
    fn lock(&self) -> MutexGuard<'_, LocalBreaker> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The exclusive use of the store within this instance. Dropping it releases the store, also if the call is cancelled.
#[derive(Debug)]
struct StoreGuard<'a> {
    local: &'a Mutex<LocalBreaker>,
    store_released: &'a Notify,
}

impl Drop for StoreGuard<'_> {
    fn drop(&mut self) {
        self.local.lock().unwrap_or_else(PoisonError::into_inner).release_store();
        self.store_released.notify_waiters();
    }
}

/// The permission to make one call. If it is dropped without a call, nothing is counted.
#[derive(Debug)]
#[must_use = "the call is still to be made"]
pub struct Permit<'a, S: Store, E: Environment> {
    breaker: &'a Breaker<S, E>,
    kind: Option<CallKind>,
    /// The exclusive use of the store, if the state must be read concurrently with the call.
    store_guard: Option<StoreGuard<'a>>,
    since: Timestamp,
}

impl<S: Store, E: Environment> Permit<'_, S, E> {
    /// Makes the call. A dropped call counts as described at [`Breaker::call`].
    pub async fn run<T>(
        self,
        classify: impl FnOnce(&T) -> CallOutcome,
        call: impl Future<Output = T>,
    ) -> T {
        let since = self.breaker.environment.now();
        self.run_since(since, classify, call).await
    }

    async fn run_since<T>(
        mut self,
        since: Timestamp,
        classify: impl FnOnce(&T) -> CallOutcome,
        call: impl Future<Output = T>,
    ) -> T {
        let (breaker, store_guard) = (self.breaker, self.store_guard.take());
        // A permit is created with a kind, which is taken only here.
        let mut in_flight = breaker.start(self.kind.take().unwrap_or(CallKind::Uncounted), since);
        drop(self);
        let output = match store_guard {
            None => call.await,
            Some(guard) => breaker.run_and_read(guard, call).await,
        };
        if let Some(op) = in_flight.finish(classify(&output)) {
            breaker.perform_all(op).await;
        }
        output
    }
}

impl<S: Store, E: Environment> Drop for Permit<'_, S, E> {
    fn drop(&mut self) {
        let Some(kind) = self.kind.take() else { return };
        let (breaker, now) = (self.breaker, self.breaker.environment.now());
        let jitter = || breaker.environment.random();
        // An ignored call cannot trip the local circuit.
        breaker.lock().record(&breaker.settings, kind, CallOutcome::Ignored, 0, now, jitter);
    }
}

/// A call in progress. If it is dropped before it returns, it may count as failed.
struct InFlight<'a, S: Store, E: Environment> {
    breaker: &'a Breaker<S, E>,
    kind: Option<CallKind>,
    since: Timestamp,
}

impl<S: Store, E: Environment> InFlight<'_, S, E> {
    /// Counts the call, and returns the store operation that follows from it.
    fn finish(&mut self, outcome: CallOutcome) -> Option<StoreOp> {
        let breaker = self.breaker;
        let kind = self.kind.take()?;
        let now = breaker.environment.now();
        let elapsed_ms = ms_from(self.since, now);
        let jitter = || breaker.environment.random();
        let (has_tripped, op) = {
            let mut local = breaker.lock();
            let has_tripped =
                local.record(&breaker.settings, kind, outcome, elapsed_ms, now, jitter);
            (has_tripped, local.next_store_op(&breaker.settings, now))
        };
        if has_tripped {
            breaker.observe(&Event::Tripped);
        }
        op
    }
}

impl<S: Store, E: Environment> Drop for InFlight<'_, S, E> {
    fn drop(&mut self) {
        let Some(kind) = self.kind.take() else { return };
        let breaker = self.breaker;
        let now = breaker.environment.now();
        let elapsed_ms = ms_from(self.since, now);
        let jitter = || breaker.environment.random();
        let outcome = match elapsed_ms >= breaker.settings.slow_call_ms {
            true => CallOutcome::Failure,
            false => CallOutcome::Ignored,
        };
        // `drop` cannot await: the next call performs the store operation that follows from this one.
        let mut local = breaker.lock();
        let has_tripped = local.record(&breaker.settings, kind, outcome, elapsed_ms, now, jitter);
        drop(local);
        if has_tripped {
            breaker.observe(&Event::Tripped);
        }
    }
}
