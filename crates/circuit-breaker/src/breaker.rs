//! The breaker around one dependency, in one instance: carries out what the pure parts decide.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{Either, select};
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::instance::{Admission, Duty, Instance, Pass};
use crate::outcome::Outcome;
use crate::settings::Settings;
use crate::store::{Store, StoreError, Swapped};
use crate::time::ms_from;

#[doc(hidden)]
pub use crate::shared_state::{
    Asker, Forced, HISTORY_MAX, LOCAL_TRIPS_MAX, LocalTrip, Passage, Probe, Question, Reason,
    Shared, Stand, State, Transition, Vote, Word,
};

/// So often is the store asked around one call at most: see, claim, lose, see.
const ROUNDS_MAX: usize = 4;

/// The call was not made: the circuit is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("circuit is open")]
pub struct Refused {
    /// When another try may be worth it, if that is known.
    pub retry_at: Option<Timestamp>,
}

/// What a breaker needs of the world around it.
pub trait Host {
    /// The time of day, which goes on while the process stands still.
    fn now(&self) -> Timestamp;

    /// A random number.
    fn random(&self) -> u64;

    /// Something has happened that a log or a metric may want to tell. It must not take long.
    fn observe(&self, breaker: &str, event: &Event<'_>);
}

/// What has happened in this instance.
#[derive(Debug)]
pub enum Event<'a> {
    /// The circuit took a step, and this instance wrote it. Each step is observed by one instance at most.
    Stepped(&'a Transition),
    /// This instance finds its own calls sick, and makes none for a while; the fleet is told.
    Tripped,
    /// A call was refused.
    Refused,
    /// A call is a probe, the fleet's elected one or this instance's own.
    Probing {
        /// Whether it is the fleet's.
        is_elected: bool,
    },
    /// The shared state is out of reach; this instance decides by itself for a while.
    StoreFailed(&'a StoreError),
}

/// A breaker around one thing that is called, in one instance of a fleet.
///
/// Make one per instance and name, and keep it: what it remembers is worth nothing if each call has its own.
#[derive(Debug)]
pub struct Breaker<S, H> {
    name: String,
    settings: Settings,
    store: S,
    host: H,
    instance: Mutex<Instance>,
    /// Wakes the calls that wait for another one to leave the store.
    has_left: Notify,
}

impl<S: Store, H: Host> Breaker<S, H> {
    /// A breaker that shares its state with all others of this name in the store.
    pub fn new(name: impl Into<String>, settings: Settings, store: S, host: H) -> Self {
        let instance = Mutex::new(Instance::new(host.random(), &settings));
        Self { name: name.into(), settings, store, host, instance, has_left: Notify::new() }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What this instance knows of the shared state: what it last saw, however long ago.
    pub fn known(&self) -> Option<Shared> {
        self.lock().known().cloned()
    }

    /// Looks at the shared state, as is worth it before the first call: a fresh instance knows nothing.
    pub async fn refresh(&self) {
        self.perform(Duty::Read).await;
    }

    /// Makes a call, unless the circuit is open.
    ///
    /// A call that is dropped before it answers counts as failed if it has been slow by then: who is out of patience was
    /// not served. One that is dropped sooner says nothing: its caller has changed its mind.
    ///
    /// # Errors
    ///
    /// If the circuit is open. What is done instead is the caller's: `unwrap_or_else` is the fallback.
    pub async fn call<T>(
        &self,
        classify: impl FnOnce(&T) -> Outcome,
        call: impl Future<Output = T>,
    ) -> Result<T, Refused> {
        let permit = self.enter().await?;
        let since = permit.since;
        Ok(permit.run_since(since, classify, call).await)
    }

    /// Leave for one call, to be had before something is done that would have to be undone if the call could not be made.
    ///
    /// # Errors
    ///
    /// If the circuit is open.
    pub async fn enter(&self) -> Result<Permit<'_, S, H>, Refused> {
        let mut rounds = 0;
        loop {
            // Made before the question, so that one who leaves in between is not missed.
            let has_left = self.has_left.notified();
            let now = self.host.now();
            let admission = self.lock().admit(&self.settings, now, rounds < ROUNDS_MAX);
            rounds += 1;
            match admission {
                Admission::Wait => {
                    let deadline = Duration::from_millis(self.settings.store_deadline_ms);
                    if tokio::time::timeout(deadline, has_left).await.is_err() {
                        rounds = ROUNDS_MAX;
                    }
                }
                Admission::Pass { pass, is_read } => {
                    let turn = is_read.then(|| self.turn());
                    return Ok(Permit { breaker: self, pass: Some(pass), turn, since: now });
                }
                Admission::Refuse(retry_at) => {
                    self.observe(&Event::Refused);
                    return Err(Refused { retry_at });
                }
                Admission::First(duty) => {
                    let turn = self.turn();
                    let claimed = self.perform(duty).await;
                    drop(turn);
                    if let Some(id) = claimed {
                        let (pass, since) = (Some(Pass::Probe { id }), self.host.now());
                        return Ok(Permit { breaker: self, pass, turn: None, since });
                    }
                }
            }
        }
    }

    fn take_off(&self, pass: Pass, since: Timestamp) -> Flight<'_, S, H> {
        match pass {
            Pass::Probe { .. } => self.observe(&Event::Probing { is_elected: true }),
            Pass::Local { .. } => self.observe(&Event::Probing { is_elected: false }),
            Pass::Counted { .. } | Pass::Free => {}
        }
        Flight { breaker: self, pass: Some(pass), since }
    }

    /// Makes the call, and reads the state meanwhile.
    ///
    /// Never as a task of its own: a function is frozen once it has answered, and would be thawed in the middle of it. So
    /// the call's answer waits for the reading, if that is slower, for as long as the store's deadline.
    async fn beside<T>(&self, turn: Turn<'_>, call: impl Future<Output = T>) -> T {
        let read = pin!(self.perform(Duty::Read));
        match select(pin!(call), read).await {
            Either::Left((answer, read)) => {
                read.await;
                drop(turn);
                answer
            }
            Either::Right((_, call)) => {
                drop(turn);
                call.await
            }
        }
    }

    /// Does at the store what follows from a call.
    async fn settle(&self, duty: Duty) {
        let mut duty = Some(duty);
        for _ in 0..ROUNDS_MAX {
            let Some(next) = duty else { return };
            let turn = self.turn();
            self.perform(next).await;
            drop(turn);
            let now = self.host.now();
            duty = self.lock().duty(&self.settings, now);
        }
        if duty.is_some() {
            // Enough for one call; what is left to do comes up again with the next one.
            drop(self.turn());
        }
    }

    /// The turn at the store that this instance was given.
    fn turn(&self) -> Turn<'_> {
        Turn { instance: &self.instance, has_left: &self.has_left }
    }

    /// Does it; answers the name of the probe that was claimed by it.
    async fn perform(&self, duty: Duty) -> Option<u64> {
        match duty {
            Duty::Read => {
                match self.in_time(self.store.load(&self.name)).await {
                    Ok(shared) => self.adopt(shared.unwrap_or_default()),
                    Err(error) => self.store_failed(None, &error),
                }
                None
            }
            Duty::Ask(question) => self.ask(question).await,
        }
    }

    async fn ask(&self, question: Question) -> Option<u64> {
        let (now, write) = (self.host.now(), self.host.random());
        let asked = self.lock().asks(&question, write, &self.settings, now);
        let Some((expected, next)) = asked else {
            self.lock().drop_question(&question);
            return None;
        };
        match self.in_time(self.store.swap(&self.name, expected, &next)).await {
            Ok(Swapped::Done) => {
                let step = next.history.last().filter(|it| it.at == now && next.version > expected);
                let is_step = !matches!(question, Question::Doubt { .. }) && step.is_some();
                let step = step.filter(|_| is_step).cloned();
                self.adopt(next);
                if let Some(step) = step {
                    self.observe(&Event::Stepped(&step));
                }
                matches!(question, Question::Claim).then_some(write)
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

    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let deadline = Duration::from_millis(self.settings.store_deadline_ms);
        tokio::time::timeout(deadline, answer).await.unwrap_or(Err(StoreError::Late))
    }

    fn adopt(&self, shared: Shared) {
        let (now, luck) = (self.host.now(), self.host.random());
        let own = self.lock().adopt(shared, &self.settings, now, luck);
        if let Some(step) = own {
            self.observe(&Event::Stepped(&step));
        }
    }

    fn store_failed(&self, unsure: Option<u64>, error: &StoreError) {
        let (now, luck) = (self.host.now(), self.host.random());
        self.lock().store_failed(unsure, &self.settings, now, luck);
        self.observe(&Event::StoreFailed(error));
    }

    fn observe(&self, event: &Event<'_>) {
        self.host.observe(&self.name, event);
    }

    /// Held for a few dozen nanoseconds, and never while anything is waited for.
    fn lock(&self) -> MutexGuard<'_, Instance> {
        self.instance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn at the store. It ends whatever becomes of it, so that a dropped call does not keep others away.
#[derive(Debug)]
struct Turn<'a> {
    instance: &'a Mutex<Instance>,
    has_left: &'a Notify,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.instance.lock().unwrap_or_else(PoisonError::into_inner).leave();
        self.has_left.notify_waiters();
    }
}

/// Leave for one call. If it is dropped before the call is made, it says nothing of whoever would have been called.
#[derive(Debug)]
#[must_use = "the call is still to be made"]
pub struct Permit<'a, S: Store, H: Host> {
    breaker: &'a Breaker<S, H>,
    pass: Option<Pass>,
    /// The turn at the store, if the state is to be read beside the call.
    turn: Option<Turn<'a>>,
    since: Timestamp,
}

impl<S: Store, H: Host> Permit<'_, S, H> {
    /// Makes the call; what becomes of one that is dropped is told at [`Breaker::call`].
    pub async fn run<T>(
        self,
        classify: impl FnOnce(&T) -> Outcome,
        call: impl Future<Output = T>,
    ) -> T {
        let since = self.breaker.host.now();
        self.run_since(since, classify, call).await
    }

    async fn run_since<T>(
        mut self,
        since: Timestamp,
        classify: impl FnOnce(&T) -> Outcome,
        call: impl Future<Output = T>,
    ) -> T {
        let (breaker, turn) = (self.breaker, self.turn.take());
        // A permit is made with a pass, and gives it away here alone.
        let mut flight = breaker.take_off(self.pass.take().unwrap_or(Pass::Free), since);
        drop(self);
        let answer = match turn {
            None => call.await,
            Some(turn) => breaker.beside(turn, call).await,
        };
        if let Some(duty) = flight.land(classify(&answer)) {
            breaker.settle(duty).await;
        }
        answer
    }
}

impl<S: Store, H: Host> Drop for Permit<'_, S, H> {
    fn drop(&mut self) {
        let Some(pass) = self.pass.take() else { return };
        let (breaker, now) = (self.breaker, self.breaker.host.now());
        let luck = || breaker.host.random();
        // It was ignored, so the gate can't have been opened by it.
        breaker.lock().record(&breaker.settings, pass, Outcome::Ignored, 0, now, luck);
    }
}

/// A call under way. If it is dropped before it has answered, it may have failed.
struct Flight<'a, S: Store, H: Host> {
    breaker: &'a Breaker<S, H>,
    pass: Option<Pass>,
    since: Timestamp,
}

impl<S: Store, H: Host> Flight<'_, S, H> {
    /// Counts the call, and says what is to be done at the store because of it.
    fn land(&mut self, outcome: Outcome) -> Option<Duty> {
        let breaker = self.breaker;
        let pass = self.pass.take()?;
        let now = breaker.host.now();
        let elapsed_ms = ms_from(self.since, now);
        let luck = || breaker.host.random();
        let (has_tripped, duty) = {
            let mut instance = breaker.lock();
            let has_tripped =
                instance.record(&breaker.settings, pass, outcome, elapsed_ms, now, luck);
            (has_tripped, instance.duty(&breaker.settings, now))
        };
        if has_tripped {
            breaker.observe(&Event::Tripped);
        }
        duty
    }
}

impl<S: Store, H: Host> Drop for Flight<'_, S, H> {
    fn drop(&mut self) {
        let Some(pass) = self.pass.take() else { return };
        let breaker = self.breaker;
        let now = breaker.host.now();
        let elapsed_ms = ms_from(self.since, now);
        let luck = || breaker.host.random();
        let outcome = match elapsed_ms >= breaker.settings.slow_call_ms {
            true => Outcome::Failure,
            false => Outcome::Ignored,
        };
        // Nothing can be waited for here: what is to be done at the store is left to the next call.
        let mut instance = breaker.lock();
        let has_tripped = instance.record(&breaker.settings, pass, outcome, elapsed_ms, now, luck);
        drop(instance);
        if has_tripped {
            breaker.observe(&Event::Tripped);
        }
    }
}
