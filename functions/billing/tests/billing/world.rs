//! A world to test in: a table, a provider, a clock; and a line to them that can be cut at any call.

use std::collections::BTreeMap;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;

use billing::desk::{Deadline, Desk, DeskError, NewPayment, Stored};
use billing::domain::{Bill, Outcome, Stage};
use billing::memory::{MemoryProvider, MemoryReminders};
use billing::ports::{Charge, Provider, ProviderError};
use contracts::id::{BillReference, BookingId, CustomerId, PaymentId, SlotId};
use contracts::money::Money;
use jiff::{SignedDuration, Timestamp};
use outbox::memory::{MemoryDeadLetters, MemoryStore};
use outbox::state::{Change, Loaded, StateStore, StoreError};
use uuid::Uuid;

/// How long a customer may take to pay, in these tests.
pub(crate) const DUE_AFTER: SignedDuration = SignedDuration::from_secs(900);

pub(crate) fn usd(text: &str) -> Money {
    text.parse().expect("an amount")
}

pub(crate) fn alice() -> CustomerId {
    CustomerId("alice".to_owned())
}

/// The one bill of most tests.
pub(crate) fn reference() -> BillReference {
    let slot_id = SlotId(Uuid::from_u128(0x0191_f7a4_0000_7000_8000_0000_0000_0001));
    let booking_id = BookingId(Uuid::from_u128(0x0191_f7a4_0000_7000_8000_0000_0000_0002));
    BillReference { slot_id, booking_id }
}

pub(crate) fn payment(id: u128, amount: &str, token: &str) -> NewPayment {
    NewPayment {
        customer: alice(),
        payment_id: PaymentId(Uuid::from_u128(id)),
        amount: usd(amount),
        token: token.to_owned(),
    }
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) store: MemoryStore<Bill>,
    pub(crate) provider: MemoryProvider,
    pub(crate) reminders: MemoryReminders,
    pub(crate) letters: MemoryDeadLetters,
    clock: AtomicI64,
    ids: AtomicU64,
}

/// What is left of a world when all is quiet, but for ids.
#[derive(Debug, PartialEq)]
pub(crate) struct Remains {
    pub(crate) bill: Option<Bill>,
    pub(crate) events: Vec<(String, serde_json::Value)>,
    pub(crate) moved: BTreeMap<PaymentId, (Money, Money)>,
}

impl World {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_second(self.clock.load(Ordering::SeqCst)).expect("a time")
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }

    fn new_id(&self) -> Uuid {
        let next = self.ids.fetch_add(1, Ordering::SeqCst);
        Uuid::from_u128(0xffff_0000_0000_0000_0000 + u128::from(next))
    }

    pub(crate) fn bill(&self) -> Option<Bill> {
        self.store.states().remove(&reference().to_string())
    }

    pub(crate) fn held(&self) -> Money {
        self.provider.held(reference())
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.store.outbox().into_iter().map(|it| it.event.kind).collect()
    }

    pub(crate) fn remains(&self) -> Remains {
        let events = self.store.outbox().into_iter().map(|it| (it.event.kind, it.event.data));
        let accounts = self.provider.accounts().into_iter();
        Remains {
            bill: self.bill(),
            events: events.collect(),
            moved: accounts
                .map(|(key, it)| (key, (it.charged, it.refunded.unwrap_or_default())))
                .collect(),
        }
    }

    pub(crate) fn desk<'a>(
        &'a self,
        line: &'a Line,
    ) -> Desk<
        Wired<'a, MemoryStore<Bill>>,
        Wired<'a, MemoryProvider>,
        impl Fn() -> Timestamp + 'a,
        impl Fn() -> Uuid + 'a,
    > {
        Desk {
            store: Wired { to: &self.store, line },
            provider: Wired { to: &self.provider, line },
            now: || self.now(),
            new_id: || self.new_id(),
            total: usd("100.00"),
        }
    }

    /// Carries out one deed; nothing if the function died over it.
    pub(crate) async fn try_to(
        &self,
        deed: &Deed,
        line: &Line,
    ) -> Option<Result<Stored, DeskError>> {
        let desk = self.desk(line);
        let deadline = Deadline::of_invocation();
        line.until_death(async {
            match deed.clone() {
                Deed::Issue => desk.issue(reference(), alice(), DUE_AFTER, None).await,
                Deed::Authorise(token) => {
                    desk.authorise(reference(), alice(), token.to_owned(), None, deadline).await
                }
                Deed::Pay(payment) => desk.pay(reference(), payment, None, deadline).await,
                Deed::Close => desk.close(reference(), None, deadline).await,
                Deed::Attend => desk.attend(reference(), deadline).await,
            }
        })
        .await
    }

    /// Carries out one deed with nothing in its way.
    pub(crate) async fn calmly(&self, deed: &Deed) -> Result<Stored, DeskError> {
        self.try_to(deed, &Line::default()).await.expect("nobody dies on a calm day")
    }

    /// What must be true whenever nobody is at work.
    #[track_caller]
    pub(crate) fn check_money(&self) {
        let events = self.events();
        let count = |kind: &str| events.iter().filter(|it| *it == kind).count();
        for kind in ["BillIssued", "BillPaid", "BillRefunded", "BillExpired"] {
            assert!(count(kind) <= 1, "{kind}: {events:?}");
        }
        assert!(self.held() <= usd("100.00"), "more than the total is held");
        let Some(bill) = self.bill() else {
            assert_eq!(self.held(), Money::ZERO, "money without a bill");
            return;
        };
        match &bill.stage {
            Stage::Absent => unreachable!("nobody stores nothing"),
            Stage::Open { .. } => {
                assert!(self.held() >= bill.paid(), "more is written down than there is");
                if bill.requested().next().is_none() {
                    assert_eq!(self.held(), bill.paid());
                }
            }
            Stage::Closing { .. } => {}
            Stage::Closed { .. } => assert_eq!(self.held(), Money::ZERO, "a closed bill holds"),
        }
        let refunded = self
            .provider
            .accounts()
            .values()
            .fold(0, |sum, it| sum + it.refunded.unwrap_or_default().cents());
        assert!(refunded >= bill.returned().cents());
        if matches!(bill.stage, Stage::Closed { .. }) {
            assert_eq!(refunded, bill.returned().cents(), "refunds that are not written down");
            assert_eq!(count("BillRefunded"), usize::from(refunded > 0));
        }
    }
}

/// What can be done at the desk.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Issue,
    Authorise(&'static str),
    Pay(NewPayment),
    Close,
    Attend,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not arrive.
    Lost,
    /// Its answer does not arrive.
    ResponseLost,
    /// The function dies before it.
    Dies,
    /// The function dies after it.
    DiesAfter,
    /// The store says that another was first, though none was.
    Conflict,
}

pub(crate) const FAULTS: [Fault; 5] =
    [Fault::Lost, Fault::ResponseLost, Fault::Dies, Fault::DiesAfter, Fault::Conflict];

/// Everything that a function reaches it reaches over its line, call by call.
#[derive(Debug, Default)]
pub(crate) struct Line {
    faults: BTreeMap<usize, Fault>,
    gives_way: bool,
    calls: AtomicUsize,
    dead: AtomicBool,
}

impl Line {
    /// A line on which the calls with these numbers, from 0, go wrong.
    pub(crate) fn with(faults: impl IntoIterator<Item = (usize, Fault)>) -> Self {
        Self { faults: faults.into_iter().collect(), ..Self::default() }
    }

    /// A line on which others may come before each call.
    pub(crate) fn giving_way() -> Self {
        Self { gives_way: true, ..Self::default() }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    async fn carry<T, E>(
        &self,
        call: impl Future<Output = Result<T, E>>,
        fails: impl Fn() -> E,
        conflicts: impl Fn() -> E,
    ) -> Result<T, E> {
        let mut waited = !self.gives_way;
        poll_fn(
            |_| {
                if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
            },
        )
        .await;
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        match self.faults.get(&number) {
            None => call.await,
            Some(Fault::Lost) => Err(fails()),
            Some(Fault::Conflict) => Err(conflicts()),
            Some(Fault::ResponseLost) => {
                call.await?;
                Err(fails())
            }
            Some(Fault::Dies) => self.die().await,
            Some(Fault::DiesAfter) => {
                drop(call.await);
                self.die().await
            }
        }
    }

    async fn die<T>(&self) -> T {
        self.dead.store(true, Ordering::SeqCst);
        pending().await
    }

    async fn until_death<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.dead.load(Ordering::SeqCst) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}

/// Something at the other end of a line.
#[derive(Debug)]
pub(crate) struct Wired<'a, T> {
    pub(crate) to: &'a T,
    pub(crate) line: &'a Line,
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("cut".into())
}

impl StateStore<Bill> for Wired<'_, MemoryStore<Bill>> {
    async fn load(&self, id: &str, holder: Option<&str>) -> Result<Loaded<Bill>, StoreError> {
        self.line.carry(self.to.load(id, holder), unavailable, unavailable).await
    }

    async fn save(&self, id: &str, change: Change<Bill>) -> Result<(), StoreError> {
        self.line.carry(self.to.save(id, change), unavailable, || StoreError::Conflict).await
    }

    async fn set_tombstone(&self, id: &str, holder: &str) -> Result<(), StoreError> {
        self.line.carry(self.to.set_tombstone(id, holder), unavailable, unavailable).await
    }
}

fn no_answer() -> ProviderError {
    ProviderError::NoAnswer("cut".into())
}

impl Provider for Wired<'_, MemoryProvider> {
    type Leave<'a>
        = ()
    where
        Self: 'a;

    async fn leave(&self) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn charge(&self, (): (), charge: &Charge) -> Result<Outcome, ProviderError> {
        self.line.carry(self.to.charge((), charge), no_answer, no_answer).await
    }

    async fn refund(
        &self,
        reference: BillReference,
        key: PaymentId,
    ) -> Result<Money, ProviderError> {
        self.line.carry(self.to.refund(reference, key), no_answer, no_answer).await
    }
}

/// What an answer says to whoever asked.
pub(crate) fn word(answer: &Result<Stored, DeskError>) -> &'static str {
    match answer {
        Ok(_) => "ok",
        Err(DeskError::Rejected(rejection)) => rejection.slug(),
        Err(DeskError::Store(_) | DeskError::Provider(_)) => "transient",
    }
}
