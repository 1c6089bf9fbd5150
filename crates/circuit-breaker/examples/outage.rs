//! Three instances call something that is down for a while, in ten seconds: `--example outage`.

#![expect(clippy::print_stdout, reason = "it is there to be watched")]
#![expect(clippy::disallowed_methods, reason = "an example has no handler to be told the time by")]

use std::time::{Duration, Instant};

use circuit_breaker::breaker::{Breaker, Event, Host};
use circuit_breaker::memory::MemoryStore;
use circuit_breaker::outcome::Outcome;
use circuit_breaker::settings::{Settings, Watch};
use circuit_breaker::shared_state::Transition;
use jiff::Timestamp;
use tokio::time::sleep;

/// Tells of each step.
#[derive(Clone)]
struct World {
    began: Instant,
}

impl World {
    fn tell(&self, what: &str) {
        println!("{:5.1} s  {what}", self.began.elapsed().as_secs_f32());
    }
}

impl Host for World {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn random(&self) -> u64 {
        fastrand::u64(..)
    }

    fn observe(&self, _: &str, event: &Event<'_>) {
        match event {
            Event::Stepped(Transition { from, to, reason, .. }) => {
                self.tell(&format!("{from:?} → {to:?} ({reason:?})"));
            }
            Event::Tripped => self.tell("an instance has had enough, and votes"),
            Event::Probing { .. } => self.tell("one call passes, the probe"),
            Event::Refused | Event::StoreFailed(_) => {}
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
        watch: Watch::Beside,
        ..Settings::default()
    };
    let instance = || Breaker::new("it", settings.clone(), store.clone(), world.clone());
    let instances = [instance(), instance(), instance()];
    let down = Duration::from_secs(2)..Duration::from_secs(5);
    world.tell("all is well");
    let (mut second, mut passed, mut refused) = (0, 0, 0);
    while world.began.elapsed() < Duration::from_secs(10) {
        for instance in &instances {
            let is_down = down.contains(&world.began.elapsed());
            let call = async { if is_down { Outcome::Failure } else { Outcome::Success } };
            match instance.call(|outcome| *outcome, call).await {
                Ok(_) => passed += 1,
                Err(_) => refused += 1,
            }
        }
        sleep(Duration::from_millis(50)).await;
        if world.began.elapsed().as_secs() > second {
            second = world.began.elapsed().as_secs();
            world.tell(&format!("   {passed} calls were made, {refused} refused"));
            (passed, refused) = (0, 0);
        }
    }
}
