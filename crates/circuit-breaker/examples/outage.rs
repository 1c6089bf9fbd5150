//! Three instances call a dependency that is unavailable for a while. It runs for ten seconds: `--example outage`.

#![expect(clippy::print_stdout, reason = "the output is the purpose of the example")]
#![expect(clippy::disallowed_methods, reason = "an example has no handler that provides the time")]

use std::time::{Duration, Instant};

use circuit_breaker::breaker::{Breaker, Environment, Event};
use circuit_breaker::call_outcome::CallOutcome;
use circuit_breaker::memory::MemoryStore;
use circuit_breaker::settings::{Refresh, Settings};
use circuit_breaker::shared_state::Transition;
use jiff::Timestamp;
use tokio::time::sleep;

/// The real clock and random numbers, and an observer that prints each transition.
#[derive(Clone)]
struct World {
    began: Instant,
}

impl World {
    fn print(&self, text: &str) {
        println!("{:5.1} s  {text}", self.began.elapsed().as_secs_f32());
    }
}

impl Environment for World {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn random(&self) -> u64 {
        fastrand::u64(..)
    }

    fn observe(&self, _: &str, event: &Event<'_>) {
        match event {
            Event::StateChanged(Transition { from, to, reason, .. }) => {
                self.print(&format!("{from:?} → {to:?} ({reason:?})"));
            }
            Event::Tripped => self.print("an instance trips, and votes to open"),
            Event::Probing { .. } => self.print("one call is admitted, the probe"),
            Event::Rejected | Event::StoreFailed(_) => {}
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (store, world) = (MemoryStore::default(), World { began: Instant::now() });
    let settings = Settings {
        window_ms: 2_000,
        open_ms: 1_500,
        cache_ms: 200,
        refresh: Refresh::Concurrent,
        ..Settings::default()
    };
    let instance = || Breaker::new("it", settings.clone(), store.clone(), world.clone());
    let instances = [instance(), instance(), instance()];
    let down = Duration::from_secs(2)..Duration::from_secs(5);
    world.print("the dependency is available");
    let (mut second, mut passed, mut rejected) = (0, 0, 0);
    while world.began.elapsed() < Duration::from_secs(10) {
        for instance in &instances {
            let is_down = down.contains(&world.began.elapsed());
            let call = async { if is_down { CallOutcome::Failure } else { CallOutcome::Success } };
            match instance.call(|outcome| *outcome, call).await {
                Ok(_) => passed += 1,
                Err(_) => rejected += 1,
            }
        }
        sleep(Duration::from_millis(50)).await;
        if world.began.elapsed().as_secs() > second {
            second = world.began.elapsed().as_secs();
            world.print(&format!("   {passed} calls were made, {rejected} rejected"));
            (passed, rejected) = (0, 0);
        }
    }
}
