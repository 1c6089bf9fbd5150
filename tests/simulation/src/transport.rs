//! The line from a function to the rest of the world: every call goes over it, and any call can go wrong.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;

use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;
use uuid::Uuid;

use crate::world::World;

/// What it does is another company's business.
pub(crate) const PROVIDER: &str = "payment-provider";
/// Thousandths of the calls of a sick function that it does not live to make.
const DIES_OF_SICKNESS: u64 = 600;

/// Everything that one process reaches, it reaches over its line.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) world: Arc<World>,
    /// The function, and the number of its process.
    pub(crate) name: String,
    function: String,
    /// Whether it runs a later release, which says and stores more than this one knows of.
    pub(crate) is_later: bool,
    /// By how much its clock is wrong.
    skew: SignedDuration,
    dead: AtomicBool,
    faults: AtomicU64,
}

/// What a call is to the one who is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    /// A write that another may forestall.
    Conditional,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    /// It does not arrive.
    Lost,
    /// Its answer does not arrive.
    AnswerLost,
    /// Its caller hears nothing, and it takes effect after all, when nobody expects it any more.
    Late,
    /// Its caller dies before it.
    Dies,
    /// Its caller dies after it.
    DiesAfter,
    /// It is one too many.
    Throttled,
    /// A transaction is in its way, or so it is told.
    Conflict,
}

/// Why a call has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cut {
    /// Nobody knows whether it took effect.
    #[error("no answer came")]
    NoAnswer,
    /// It took none.
    #[error("too many calls")]
    Throttled,
    /// It took none.
    #[error("something is in the way")]
    Conflict,
}

/// A call that is under way when its caller is killed may arrive all the same.
struct UnderWay<'a, E: Fn(&World) -> T, T> {
    line: &'a Line,
    effect: &'a E,
    is_sent: bool,
}

impl<E: Fn(&World) -> T, T> Drop for UnderWay<'_, E, T> {
    fn drop(&mut self) {
        let world = &self.line.world;
        if self.is_sent && !world.is_over() && world.dice.below(2) == 0 {
            drop((self.effect)(world));
        }
    }
}

impl Line {
    /// The line of a process that has just started.
    pub(crate) fn new(world: Arc<World>, function: &str, number: u64) -> Self {
        let most = world.plan.skew_ms;
        let skew = i64::try_from(world.dice.below(2 * most + 1)).unwrap_or(0)
            - i64::try_from(most).unwrap_or(0);
        Self {
            is_later: world.befalls(world.plan.later),
            world,
            name: format!("{function}/{number}"),
            function: function.to_owned(),
            skew: SignedDuration::from_millis(skew),
            dead: AtomicBool::new(false),
            faults: AtomicU64::new(0),
        }
    }

    /// The queue that the function reads; each reads one.
    pub(crate) fn queue(&self) -> String {
        let sources = &self.world.platform.wiring.queue_sources;
        let source = sources.iter().find(|it| it.function == self.function);
        source.expect("who has dead letters reads a queue").queue.clone()
    }

    /// What this process takes for the time.
    pub(crate) fn now(&self) -> Timestamp {
        self.world.now() + self.skew
    }

    pub(crate) fn new_id(&self) -> Uuid {
        self.world.new_id()
    }

    pub(crate) fn tell(&self, what: impl FnOnce() -> String) {
        self.world.story.tell(self.world.elapsed(), &self.name, what);
    }

    /// How many of its calls have gone wrong.
    pub(crate) fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// Throws for the next call.
    pub(crate) fn fate(&self, access: Access, what: &str) -> Fate {
        let (world, plan) = (&self.world, &self.world.plan);
        world.count_call();
        if self.function != PROVIDER {
            world.count(what);
        }
        let is_sick = plan.sick.iter().any(|it| {
            it.function == self.function && (it.from..it.until).contains(&world.elapsed())
        });
        let fates = [
            (if is_sick { DIES_OF_SICKNESS } else { 0 }, Fate::Dies),
            (plan.lost, Fate::Lost),
            (plan.answer_lost, Fate::AnswerLost),
            (plan.dies, Fate::Dies),
            (plan.dies_after, Fate::DiesAfter),
            (plan.throttled, Fate::Throttled),
            (if access == Access::Read { 0 } else { plan.late }, Fate::Late),
            (if access == Access::Conditional { plan.conflict } else { 0 }, Fate::Conflict),
        ];
        let fate =
            fates.iter().find(|(rate, _)| world.befalls(*rate)).map_or(Fate::Done, |it| it.1);
        if fate != Fate::Done {
            self.faults.fetch_add(1, Ordering::Relaxed);
            world.laws.count_fault(fate);
            self.tell(|| format!("  {what}: {fate:?}"));
        }
        fate
    }

    /// Makes one call, whose effect is one step of the world.
    ///
    /// An SDK asks again if it hears nothing, so the effect may be had twice.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        access: Access,
        what: &'static str,
        effect: impl Fn(&World) -> T + Send + Sync + 'static,
    ) -> Result<T, Cut> {
        let world = &self.world;
        let mut is_repeated = false;
        loop {
            let fate = self.fate(access, what);
            if fate == Fate::Dies {
                return self.die().await;
            }
            let mut under_way = UnderWay { line: self, effect: &effect, is_sent: true };
            sleep(world.latency()).await;
            under_way.is_sent = false;
            drop(under_way);
            match fate {
                Fate::Done => {
                    let answer = effect(world);
                    sleep(world.latency()).await;
                    return Ok(answer);
                }
                Fate::DiesAfter => {
                    drop(effect(world));
                    return self.die().await;
                }
                Fate::AnswerLost => drop(effect(world)),
                Fate::Late => {
                    let (world, wait) = (world.arc(), world.dice.millis(10..=8_000));
                    self.world.spawn(async move {
                        sleep(wait).await;
                        drop(effect(&world));
                    });
                    return Err(Cut::NoAnswer);
                }
                Fate::Throttled => return Err(Cut::Throttled),
                Fate::Conflict => return Err(Cut::Conflict),
                Fate::Lost | Fate::Dies => {}
            }
            if is_repeated || world.dice.below(2) == 0 {
                return Err(Cut::NoAnswer);
            }
            is_repeated = true;
        }
    }

    /// This process ends here and now.
    pub(crate) async fn die<T>(&self) -> T {
        self.dead.store(true, Ordering::Relaxed);
        pending().await
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Works until the work is done, or the process has died over it.
    pub(crate) async fn until_death<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.is_dead() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}
