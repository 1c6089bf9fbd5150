//! The provider behind its circuit breaker: an open circuit rejects charges without a side effect, and never blocks refunds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use billing::domain::Bill;
use billing::guarded::{BREAKER, GuardedProvider};
use billing::handlers::breaker;
use billing::memory::MemoryProvider;
use billing::payment_service::{Deadline, PaymentError, PaymentService};
use billing::ports::ProviderError;
use circuit_breaker::breaker::{Breaker, Environment, Event};
use circuit_breaker::control::{Control, ControlRequest, PublicState};
use circuit_breaker::memory::MemoryStore as Breakers;
use circuit_breaker::settings::{Refresh, Settings};
use circuit_breaker::shared_state::Override;
use contracts::id::{BillReference, BookingId, SlotId};
use contracts::money::Money;
use jiff::Timestamp;
use outbox::memory::MemoryStore;
use service_error::ErrorKind;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::world::{FaultyTransport, Remote, alice, usd};

/// Tokio's paused clock.
#[derive(Clone, Debug)]
struct Clock(Instant);

impl Environment for Clock {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.0.elapsed().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(elapsed).expect("a test is short")
    }

    fn random(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    fn observe(&self, _: &str, _: &Event<'_>) {}
}

/// Two instances of a function, with a common table of bills and a common table of breakers.
struct World {
    store: MemoryStore<Bill>,
    provider: MemoryProvider,
    breakers: Breakers,
    clock: Clock,
    transport: FaultyTransport,
    instances: [Arc<Breaker<Breakers, Clock>>; 2],
}

fn booking(number: u128) -> BillReference {
    BillReference {
        slot_id: SlotId(Uuid::from_u128(1)),
        booking_id: BookingId(Uuid::from_u128(number)),
    }
}

impl World {
    fn new() -> Self {
        let (breakers, clock) = (Breakers::default(), Clock(Instant::now()));
        let instance = || {
            // As in the deployed configuration.
            let settings = Settings { refresh: Refresh::Concurrent, ..Settings::default() };
            Arc::new(Breaker::new(BREAKER, settings, breakers.clone(), clock.clone()))
        };
        Self {
            store: MemoryStore::default(),
            provider: MemoryProvider::default(),
            instances: [instance(), instance()],
            transport: FaultyTransport::default(),
            breakers,
            clock,
        }
    }

    async fn with_service<T>(
        &self,
        instance: usize,
        call: impl AsyncFnOnce(
            PaymentService<
                Remote<'_, MemoryStore<Bill>>,
                GuardedProvider<Remote<'_, MemoryProvider>, Breakers, Clock>,
                &dyn Fn() -> Timestamp,
                &dyn Fn() -> Uuid,
            >,
        ) -> T,
    ) -> T {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let breaker = Arc::clone(&self.instances[instance]);
        let now = || self.clock.now();
        let new_id = || Uuid::from_u128(u128::from(IDS.fetch_add(1, Ordering::Relaxed)));
        let transport = &self.transport;
        let provider = Remote { target: &self.provider, transport };
        call(PaymentService {
            store: Remote { target: &self.store, transport },
            provider: GuardedProvider { provider, breaker },
            now: &now,
            new_id: &new_id,
            total: usd("100.00"),
        })
        .await
    }

    async fn authorise(
        &self,
        instance: usize,
        number: u128,
        token: &str,
    ) -> Result<(), PaymentError> {
        let (reference, token) = (booking(number), token.to_owned());
        self.with_service(instance, async |service| {
            let deadline = Deadline::of_invocation();
            service.authorise(reference, alice(), token, None, deadline).await.map(drop)
        })
        .await
    }

    async fn close(&self, number: u128) -> Result<(), PaymentError> {
        let reference = booking(number);
        self.with_service(0, async |service| {
            service.close(reference, None, Deadline::of_invocation()).await.map(drop)
        })
        .await
    }

    async fn force(&self, word: Override) {
        let control = Control::new(self.breakers.clone(), self.clock.clone());
        control.set_override(BREAKER, word, "olga").await.expect("the in-memory store never fails");
        // Until all instances have read it.
        sleep(Duration::from_secs(2)).await;
    }

    async fn circuit(&self) -> PublicState {
        let control = Control::new(self.breakers.clone(), self.clock.clone());
        control.status(BREAKER).await.expect("the in-memory store never fails").state
    }

    /// The number of charge requests that the provider received.
    fn charges(&self) -> u32 {
        self.provider.accounts().values().map(|it| it.attempts).sum()
    }
}

fn is_circuit_open(result: &Result<(), PaymentError>) -> bool {
    matches!(result, Err(PaymentError::Provider(ProviderError::CircuitOpen(_))))
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_does_not_respond_opens_the_circuit_of_all_instances_until_a_probe_succeeds()
 {
    let world = World::new();
    for number in 1..=4 {
        world.authorise(0, number, "tok_down").await.unwrap_err();
    }
    world.authorise(1, 5, "tok_down").await.unwrap_err();
    world.authorise(1, 6, "tok_down").await.unwrap_err();
    assert_eq!(world.circuit().await, PublicState::Open);
    let charges = world.charges();
    for instance in [0, 1] {
        let before = Instant::now();
        let result = world.authorise(instance, 7, "tok_visa").await;
        assert!(is_circuit_open(&result), "{result:?}");
        assert_eq!(before.elapsed(), Duration::ZERO, "it is rejected immediately");
    }
    assert_eq!(world.charges(), charges);
    sleep(Duration::from_secs(12)).await;
    world.authorise(1, 7, "tok_visa").await.unwrap();
    assert_eq!(world.circuit().await, PublicState::Closed);
    sleep(Duration::from_secs(2)).await;
    world.authorise(0, 8, "tok_visa").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_charge_rejected_by_an_open_circuit_changes_no_bill_and_needs_no_refund() {
    let world = World::new();
    world.authorise(0, 1, "tok_visa").await.unwrap();
    world.force(Override::Open).await;
    // The first call reads the override concurrently, so it may still be admitted.
    drop(world.authorise(0, 2, "tok_visa").await);
    let (bills, charges) = (world.store.states(), world.charges());
    let result = world.authorise(0, 3, "tok_visa").await;
    assert!(is_circuit_open(&result), "{result:?}");
    assert_eq!(world.store.states(), bills);
    world.close(3).await.unwrap();
    assert_eq!(world.charges(), charges);
    assert!(!world.provider.accounts().values().any(|it| it.reference == Some(booking(3))));
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_does_not_block_refunds() {
    let world = World::new();
    world.authorise(0, 1, "tok_visa").await.unwrap();
    world.force(Override::Open).await;
    drop(world.authorise(0, 2, "tok_visa").await);
    assert!(is_circuit_open(&world.authorise(0, 3, "tok_visa").await));
    world.close(1).await.unwrap();
    assert_eq!(world.provider.held(booking(1)), Money::ZERO);
}

#[tokio::test(start_paused = true)]
async fn declined_cards_do_not_open_the_circuit() {
    let world = World::new();
    for number in 1..=30 {
        world.authorise(0, number, "tok_declined").await.unwrap_err();
    }
    world.authorise(0, 31, "tok_visa").await.unwrap();
    assert_eq!(world.circuit().await, PublicState::Closed);
}

#[tokio::test(start_paused = true)]
async fn successful_charges_write_nothing_to_the_breaker() {
    let world = World::new();
    for number in 1..=30 {
        world.authorise(0, number, "tok_visa").await.unwrap();
    }
    let control = Control::new(world.breakers.clone(), world.clock.clone());
    assert_eq!(control.status(BREAKER).await.unwrap().history, []);
}

#[tokio::test(start_paused = true)]
async fn an_operator_can_override_and_reset_the_breaker_of_billing_and_no_other() {
    let world = World::new();
    let control = Control::new(world.breakers.clone(), world.clock.clone());
    let order: ControlRequest =
        serde_json::from_str(include_str!("../../events/billing-breaker.json")).unwrap();
    let shown = breaker::handle(&control, order.into()).await.unwrap();
    assert_eq!((shown.name.as_str(), shown.state), (BREAKER, PublicState::Closed));
    let (name, by) = (BREAKER.to_owned(), "olga".to_owned());
    let force =
        ControlRequest::Override { breaker: name.clone(), kind: Override::Open, by: by.clone() };
    let shown = breaker::handle(&control, force.into()).await.unwrap();
    assert_eq!((shown.state, shown.active_override), (PublicState::Open, Some(Override::Open)));
    assert_eq!(shown.history[0].by, "olga");
    let reset = ControlRequest::Reset { breaker: name, by };
    let shown = breaker::handle(&control, reset.into()).await.unwrap();
    assert_eq!((shown.state, shown.active_override), (PublicState::Closed, None));
    let other = ControlRequest::Status { breaker: "booking-query".to_owned() };
    let failure = breaker::handle(&control, other.into()).await.unwrap_err();
    assert_eq!((failure.kind(), failure.slug()), (ErrorKind::Rejected, "not-found"));
}
