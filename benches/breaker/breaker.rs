//! The cost of a call through a closed circuit, compared with other circuit breakers: a call that is ready at once.

use std::hint::black_box;
use std::time::Duration;

use circuit_breaker::breaker::{Breaker, Environment, Event};
use circuit_breaker::call_outcome::CallOutcome;
use circuit_breaker::memory::MemoryStore;
use circuit_breaker::settings::{Refresh, Settings};
use criterion::{Criterion, criterion_group, criterion_main};
use failsafe::futures::CircuitBreaker as _;
use failsafe::{Config, backoff, failure_policy};
use futures::executor::block_on;
use jiff::Timestamp;
use tower::{Service as _, ServiceBuilder, service_fn};
use tower_resilience_circuitbreaker::CircuitBreakerLayer;

struct World;

impl Environment for World {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn random(&self) -> u64 {
        fastrand::u64(..)
    }

    fn observe(&self, _: &str, _: &Event<'_>) {}
}

async fn call(number: u64) -> Result<u64, u64> {
    Ok(black_box(number))
}

fn closed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("closed");

    let classify = |result: &Result<u64, u64>| match result {
        Ok(_) => CallOutcome::Success,
        Err(_) => CallOutcome::Failure,
    };
    let settings = Settings { refresh: Refresh::OnFailure, ..Settings::default() };
    let breaker = Breaker::new("it", settings, MemoryStore::default(), World);
    group.bench_function("parkade-circuit-breaker", |it| {
        it.iter(|| block_on(breaker.call(classify, call(black_box(7)))))
    });

    // The same rule: half of the calls of ten seconds, and at least five of them.
    let policy = failure_policy::success_rate_over_time_window(
        0.5,
        5,
        Duration::from_secs(10),
        backoff::constant(Duration::from_secs(10)),
    );
    let breaker = Config::new().failure_policy(policy).build();
    group.bench_function("failsafe", |it| it.iter(|| block_on(breaker.call(call(black_box(7))))));

    let layer = CircuitBreakerLayer::builder().failure_rate_threshold(0.5).sliding_window_size(100);
    let mut service = ServiceBuilder::new().layer(layer.build()).service(service_fn(call));
    group.bench_function("tower-resilience", |it| it.iter(|| block_on(service.call(black_box(7)))));

    group.bench_function("no breaker", |it| it.iter(|| block_on(call(black_box(7)))));
    group.finish();
}

criterion_group!(breaker, closed);
criterion_main!(breaker);
