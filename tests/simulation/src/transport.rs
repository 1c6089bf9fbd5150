//! The fault-injecting transport: all calls of a process go through it, and any of them can fail.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;

use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;
use uuid::Uuid;

use crate::world::World;

/// The provider is external, so its calls are not counted as our cost.
pub(crate) const PROVIDER: &str = "payment-provider";
/// Of the calls of a failing function, the share (per mille) before which its process crashes.
const FAILING_CRASH_RATE: u64 = 600;

/// The transport of one process.
#[derive(Debug)]
pub(crate) struct FaultyTransport {
    pub(crate) world: Arc<World>,
    /// The function, and the number of its process.
    pub(crate) name: String,
    function: String,
    /// Whether the process runs a later release, which sends and stores more members than this one knows.
    pub(crate) is_later_release: bool,
    /// The error of the process's clock.
    skew: SignedDuration,
    crashed: AtomicBool,
    faults: AtomicU64,
}

/// How a call affects its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    /// A write that another writer can make fail.
    Conditional,
}

/// The fault injected into a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The request does not arrive.
    RequestLost,
    /// The response does not arrive.
    ResponseLost,
    /// The caller gets no response, and the call takes effect later.
    AppliedLate,
    /// The caller crashes before the call.
    CrashBefore,
    /// The caller crashes after the call.
    CrashAfter,
    /// The target throttles the call.
    Throttled,
    /// The call fails as if it conflicted with a transaction.
    Conflict,
}

/// Why a call has no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// It is unknown whether the call took effect.
    #[error("no response")]
    NoResponse,
    /// It had no effect.
    #[error("throttled")]
    Throttled,
    /// It had no effect.
    #[error("conflict")]
    Conflict,
}

/// Applies the effect of a call that was in flight when its caller was cancelled, half of the time.
struct InFlight<'a, E: Fn(&World) -> T, T> {
    transport: &'a FaultyTransport,
    effect: &'a E,
    is_sent: bool,
}

impl<E: Fn(&World) -> T, T> Drop for InFlight<'_, E, T> {
    fn drop(&mut self) {
        let world = &self.transport.world;
        if self.is_sent && !world.is_over() && world.rng.below(2) == 0 {
            drop((self.effect)(world));
        }
    }
}

impl FaultyTransport {
    /// The transport of a process that has just started.
    pub(crate) fn new(world: Arc<World>, function: &str, number: u64) -> Self {
        let most = world.plan.skew_ms;
        let skew = i64::try_from(world.rng.below(2 * most + 1)).unwrap_or(0)
            - i64::try_from(most).unwrap_or(0);
        Self {
            is_later_release: world.injects(world.plan.later_release),
            world,
            name: format!("{function}/{number}"),
            function: function.to_owned(),
            skew: SignedDuration::from_millis(skew),
            crashed: AtomicBool::new(false),
            faults: AtomicU64::new(0),
        }
    }

    /// The queue that the function reads; each reads one.
    pub(crate) fn queue(&self) -> String {
        let sources = &self.world.platform.wiring.queue_sources;
        let source = sources.iter().find(|it| it.function == self.function);
        source.expect("a function with dead letters reads a queue").queue.clone()
    }

    /// The time according to the clock of this process.
    pub(crate) fn now(&self) -> Timestamp {
        self.world.now() + self.skew
    }

    pub(crate) fn new_id(&self) -> Uuid {
        self.world.new_id()
    }

    pub(crate) fn log(&self, event: impl FnOnce() -> String) {
        self.world.log.record(self.world.elapsed(), &self.name, event);
    }

    /// The number of faults injected into its calls.
    pub(crate) fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// Draws the fault of the next call.
    pub(crate) fn next_fault(&self, access: Access, what: &str) -> Fault {
        let (world, plan) = (&self.world, &self.world.plan);
        world.count_call();
        if self.function != PROVIDER {
            world.count(what);
        }
        let is_failing = plan.failing.iter().any(|it| {
            it.function == self.function && (it.from..it.until).contains(&world.elapsed())
        });
        let rates = [
            (if is_failing { FAILING_CRASH_RATE } else { 0 }, Fault::CrashBefore),
            (plan.request_lost, Fault::RequestLost),
            (plan.response_lost, Fault::ResponseLost),
            (plan.crash_before, Fault::CrashBefore),
            (plan.crash_after, Fault::CrashAfter),
            (plan.throttled, Fault::Throttled),
            (if access == Access::Read { 0 } else { plan.applied_late }, Fault::AppliedLate),
            (if access == Access::Conditional { plan.conflict } else { 0 }, Fault::Conflict),
        ];
        let fault =
            rates.iter().find(|(rate, _)| world.injects(*rate)).map_or(Fault::None, |it| it.1);
        if fault != Fault::None {
            self.faults.fetch_add(1, Ordering::Relaxed);
            world.invariants.count_fault(fault);
            self.log(|| format!("  {what}: {fault:?}"));
        }
        fault
    }

    /// Makes one call, whose effect is one step of the world.
    ///
    /// An SDK retries if it gets no response, so the effect may happen twice.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        access: Access,
        what: &'static str,
        effect: impl Fn(&World) -> T + Send + Sync + 'static,
    ) -> Result<T, CallError> {
        let world = &self.world;
        let mut is_repeated = false;
        loop {
            let fault = self.next_fault(access, what);
            if fault == Fault::CrashBefore {
                return self.crash().await;
            }
            let mut in_flight = InFlight { transport: self, effect: &effect, is_sent: true };
            sleep(world.latency()).await;
            in_flight.is_sent = false;
            drop(in_flight);
            match fault {
                Fault::None => {
                    let response = effect(world);
                    sleep(world.latency()).await;
                    return Ok(response);
                }
                Fault::CrashAfter => {
                    drop(effect(world));
                    return self.crash().await;
                }
                Fault::ResponseLost => drop(effect(world)),
                Fault::AppliedLate => {
                    let (world, wait) = (world.arc(), world.rng.millis(10..=8_000));
                    self.world.spawn(async move {
                        sleep(wait).await;
                        drop(effect(&world));
                    });
                    return Err(CallError::NoResponse);
                }
                Fault::Throttled => return Err(CallError::Throttled),
                Fault::Conflict => return Err(CallError::Conflict),
                Fault::RequestLost | Fault::CrashBefore => {}
            }
            if is_repeated || world.rng.below(2) == 0 {
                return Err(CallError::NoResponse);
            }
            is_repeated = true;
        }
    }

    /// Crashes this process.
    pub(crate) async fn crash<T>(&self) -> T {
        self.crashed.store(true, Ordering::Relaxed);
        pending().await
    }

    pub(crate) fn has_crashed(&self) -> bool {
        self.crashed.load(Ordering::Relaxed)
    }

    /// Runs the work until it is done, or the process has crashed.
    pub(crate) async fn until_crash<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.has_crashed() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}
