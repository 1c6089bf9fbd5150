//! The provider behind its circuit breaker: nothing is wished for that can't be asked for, and money always goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use billing::desk::{Deadline, Desk, DeskError};
use billing::domain::Bill;
use billing::guarded::{BREAKER, Guarded};
use billing::handlers::breaker;
use billing::memory::MemoryProvider;
use billing::ports::ProviderError;
use circuit_breaker::breaker::Word;
use circuit_breaker::call::{Breaker, Event, Host};
use circuit_breaker::control::{Control, Order, Shown};
use circuit_breaker::memory::MemoryStore as Breakers;
use circuit_breaker::settings::{Settings, Watch};
use contracts::id::{BillReference, BookingId, SlotId};
use contracts::money::Money;
use jiff::Timestamp;
use outbox::memory::MemoryStore;
use service_error::ErrorKind;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::world::{Line, Wired, alice, usd};

/// Tokio's clock, which the tests move.
#[derive(Clone, Debug)]
struct Clock(Instant);

impl Host for Clock {
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

/// Two instances of a function, which share a table of bills and one of breakers.
struct World {
    store: MemoryStore<Bill>,
    provider: MemoryProvider,
    breakers: Breakers,
    clock: Clock,
    line: Line,
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
            // As deployed.
            let settings = Settings { watch: Watch::Beside, ..Settings::default() };
            Arc::new(Breaker::new(BREAKER, settings, breakers.clone(), clock.clone()))
        };
        Self {
            store: MemoryStore::default(),
            provider: MemoryProvider::default(),
            instances: [instance(), instance()],
            line: Line::default(),
            breakers,
            clock,
        }
    }

    async fn at_desk<T>(
        &self,
        instance: usize,
        deed: impl AsyncFnOnce(
            Desk<
                Wired<'_, MemoryStore<Bill>>,
                Guarded<Wired<'_, MemoryProvider>, Breakers, Clock>,
                &dyn Fn() -> Timestamp,
                &dyn Fn() -> Uuid,
            >,
        ) -> T,
    ) -> T {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let breaker = Arc::clone(&self.instances[instance]);
        let now = || self.clock.now();
        let new_id = || Uuid::from_u128(u128::from(IDS.fetch_add(1, Ordering::Relaxed)));
        let line = &self.line;
        let provider = Wired { to: &self.provider, line };
        deed(Desk {
            store: Wired { to: &self.store, line },
            provider: Guarded { provider, breaker },
            now: &now,
            new_id: &new_id,
            total: usd("100.00"),
        })
        .await
    }

    async fn authorise(&self, instance: usize, number: u128, token: &str) -> Result<(), DeskError> {
        let (reference, token) = (booking(number), token.to_owned());
        self.at_desk(instance, async |desk| {
            let deadline = Deadline::of_invocation();
            desk.authorise(reference, alice(), token, None, deadline).await.map(drop)
        })
        .await
    }

    async fn close(&self, number: u128) -> Result<(), DeskError> {
        let reference = booking(number);
        self.at_desk(0, async |desk| {
            desk.close(reference, None, Deadline::of_invocation()).await.map(drop)
        })
        .await
    }

    async fn force(&self, word: Word) {
        let control = Control::new(self.breakers.clone(), self.clock.clone());
        control.force(BREAKER, word, "olga").await.expect("memory answers");
        // Until everybody has heard of it.
        sleep(Duration::from_secs(2)).await;
    }

    async fn shown(&self) -> Shown {
        let control = Control::new(self.breakers.clone(), self.clock.clone());
        control.status(BREAKER).await.expect("memory answers").state
    }

    /// How often the provider was asked to charge.
    fn asked(&self) -> u32 {
        self.provider.accounts().values().map(|it| it.attempts).sum()
    }
}

fn is_left_alone(answer: &Result<(), DeskError>) -> bool {
    matches!(answer, Err(DeskError::Provider(ProviderError::LeftAlone(_))))
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_does_not_answer_is_left_alone_by_all_and_asked_again_later() {
    let world = World::new();
    for number in 1..=4 {
        world.authorise(0, number, "tok_down").await.unwrap_err();
    }
    world.authorise(1, 5, "tok_down").await.unwrap_err();
    world.authorise(1, 6, "tok_down").await.unwrap_err();
    assert_eq!(world.shown().await, Shown::Open);
    let asked = world.asked();
    for instance in [0, 1] {
        let before = Instant::now();
        let answer = world.authorise(instance, 7, "tok_visa").await;
        assert!(is_left_alone(&answer), "{answer:?}");
        assert_eq!(before.elapsed(), Duration::ZERO, "it is refused at once");
    }
    assert_eq!(world.asked(), asked);
    sleep(Duration::from_secs(12)).await;
    world.authorise(1, 7, "tok_visa").await.unwrap();
    assert_eq!(world.shown().await, Shown::Closed);
    sleep(Duration::from_secs(2)).await;
    world.authorise(0, 8, "tok_visa").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn whoever_is_refused_finds_the_bill_as_it_was_and_owes_the_provider_no_question() {
    let world = World::new();
    world.authorise(0, 1, "tok_visa").await.unwrap();
    world.force(Word::Open).await;
    // Its first call hears of the word beside it.
    drop(world.authorise(0, 2, "tok_visa").await);
    let (bills, asked) = (world.store.states(), world.asked());
    let answer = world.authorise(0, 3, "tok_visa").await;
    assert!(is_left_alone(&answer), "{answer:?}");
    assert_eq!(world.store.states(), bills);
    world.close(3).await.unwrap();
    assert_eq!(world.asked(), asked);
    assert!(!world.provider.accounts().values().any(|it| it.reference == Some(booking(3))));
}

#[tokio::test(start_paused = true)]
async fn money_goes_back_however_the_circuit_stands() {
    let world = World::new();
    world.authorise(0, 1, "tok_visa").await.unwrap();
    world.force(Word::Open).await;
    drop(world.authorise(0, 2, "tok_visa").await);
    assert!(is_left_alone(&world.authorise(0, 3, "tok_visa").await));
    world.close(1).await.unwrap();
    assert_eq!(world.provider.held(booking(1)), Money::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_card_that_is_declined_says_nothing_against_the_provider() {
    let world = World::new();
    for number in 1..=30 {
        world.authorise(0, number, "tok_declined").await.unwrap_err();
    }
    world.authorise(0, 31, "tok_visa").await.unwrap();
    assert_eq!(world.shown().await, Shown::Closed);
}

#[tokio::test(start_paused = true)]
async fn while_all_is_well_the_breaker_is_never_written() {
    let world = World::new();
    for number in 1..=30 {
        world.authorise(0, number, "tok_visa").await.unwrap();
    }
    let control = Control::new(world.breakers.clone(), world.clock.clone());
    assert_eq!(control.status(BREAKER).await.unwrap().history, []);
}

#[tokio::test(start_paused = true)]
async fn an_operator_reaches_the_breaker_of_billing_and_no_other() {
    let world = World::new();
    let control = Control::new(world.breakers.clone(), world.clock.clone());
    let order: Order =
        serde_json::from_str(include_str!("../../events/billing-breaker.json")).unwrap();
    let shown = breaker::handle(&control, order).await.unwrap();
    assert_eq!((shown.name.as_str(), shown.state), (BREAKER, Shown::Closed));
    let (name, by) = (BREAKER.to_owned(), "olga".to_owned());
    let force = Order::Force { breaker: name.clone(), word: Word::Open, by: by.clone() };
    let shown = breaker::handle(&control, force).await.unwrap();
    assert_eq!((shown.state, shown.forced), (Shown::Open, Some(Word::Open)));
    assert_eq!(shown.history[0].by, "olga");
    let reset = Order::Reset { breaker: name, by };
    let shown = breaker::handle(&control, reset).await.unwrap();
    assert_eq!((shown.state, shown.forced), (Shown::Closed, None));
    let other = Order::Show { breaker: "booking-query".to_owned() };
    let failure = breaker::handle(&control, other).await.unwrap_err();
    assert_eq!((failure.kind(), failure.slug()), (ErrorKind::Rejected, "not-found"));
}
