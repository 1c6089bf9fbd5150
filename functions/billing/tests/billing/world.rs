//! The test environment: a store, a provider and a clock, called over a transport that injects faults at any call.

use std::collections::BTreeMap;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;

use billing::domain::{Bill, ChargeOutcome, Stage};
use billing::memory::{MemoryProvider, MemoryReminders};
use billing::payment_service::{Deadline, NewPayment, PaymentError, PaymentService, VersionedBill};
use billing::ports::{Charge, Provider, ProviderError};
use contracts::id::{BillReference, BookingId, CustomerId, PaymentId, SlotId};
use contracts::money::Money;
use jiff::{SignedDuration, Timestamp};
use outbox::memory::{MemoryDeadLetters, MemoryStore};
use outbox::state::{Change, Loaded, StateStore, StoreError};
use uuid::Uuid;

/// The time from issuing an invoice until it is due, in these tests.
pub(crate) const DUE_AFTER: SignedDuration = SignedDuration::from_secs(900);

pub(crate) fn usd(text: &str) -> Money {
    text.parse().expect("the text is an amount")
}

pub(crate) fn alice() -> CustomerId {
    CustomerId("alice".to_owned())
}

/// The bill of most tests.
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
    pub(crate) dead_letters: MemoryDeadLetters,
    clock: AtomicI64,
    ids: AtomicU64,
}

/// The state after all operations have ended, without generated ids.
#[derive(Debug, PartialEq)]
pub(crate) struct FinalState {
    pub(crate) bill: Option<Bill>,
    pub(crate) events: Vec<(String, serde_json::Value)>,
    /// The charged and the refunded amount, by idempotency key.
    pub(crate) amounts: BTreeMap<PaymentId, (Money, Money)>,
}

impl World {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_second(self.clock.load(Ordering::SeqCst)).expect("a test is short")
    }

    pub(crate) fn advance(&self, seconds: i64) {
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

    pub(crate) fn final_state(&self) -> FinalState {
        let events = self.store.outbox().into_iter().map(|it| (it.event.kind, it.event.data));
        let accounts = self.provider.accounts().into_iter();
        FinalState {
            bill: self.bill(),
            events: events.collect(),
            amounts: accounts
                .map(|(key, it)| (key, (it.charged, it.refunded.unwrap_or_default())))
                .collect(),
        }
    }

    pub(crate) fn service<'a>(
        &'a self,
        transport: &'a FaultyTransport,
    ) -> PaymentService<
        Remote<'a, MemoryStore<Bill>>,
        Remote<'a, MemoryProvider>,
        impl Fn() -> Timestamp + 'a,
        impl Fn() -> Uuid + 'a,
    > {
        PaymentService {
            store: Remote { target: &self.store, transport },
            provider: Remote { target: &self.provider, transport },
            now: || self.now(),
            new_id: || self.new_id(),
            total: usd("100.00"),
        }
    }

    /// Executes one operation; `None` if the function crashed.
    pub(crate) async fn run_over(
        &self,
        operation: &Operation,
        transport: &FaultyTransport,
    ) -> Option<Result<VersionedBill, PaymentError>> {
        let service = self.service(transport);
        let deadline = Deadline::of_invocation();
        transport
            .until_crash(async {
                match operation.clone() {
                    Operation::Issue => service.issue(reference(), alice(), DUE_AFTER, None).await,
                    Operation::Authorise(token) => {
                        service
                            .authorise(reference(), alice(), token.to_owned(), None, deadline)
                            .await
                    }
                    Operation::Pay(payment) => {
                        service.pay(reference(), payment, None, deadline).await
                    }
                    Operation::Close => service.close(reference(), None, deadline).await,
                    Operation::Reconcile => service.reconcile(reference(), deadline).await,
                }
            })
            .await
    }

    /// Executes one operation without faults.
    pub(crate) async fn run(&self, operation: &Operation) -> Result<VersionedBill, PaymentError> {
        self.run_over(operation, &FaultyTransport::default()).await.expect("no fault is injected")
    }

    /// The invariants that hold whenever no operation is in progress.
    #[track_caller]
    pub(crate) fn check_money(&self) {
        let events = self.events();
        let count = |kind: &str| events.iter().filter(|it| *it == kind).count();
        for kind in ["BillIssued", "BillPaid", "BillRefunded", "BillExpired"] {
            assert!(count(kind) <= 1, "{kind}: {events:?}");
        }
        assert!(self.held() <= usd("100.00"), "the provider holds more than the total");
        let Some(bill) = self.bill() else {
            assert_eq!(self.held(), Money::ZERO, "the provider holds money without a bill");
            return;
        };
        match &bill.stage {
            Stage::Absent => unreachable!("an absent bill is never stored"),
            Stage::Open { .. } => {
                assert!(
                    self.held() >= bill.paid(),
                    "the bill records more than the provider holds"
                );
                if bill.requested().next().is_none() {
                    assert_eq!(self.held(), bill.paid());
                }
            }
            Stage::Closing { .. } => {}
            Stage::Closed { .. } => {
                assert_eq!(self.held(), Money::ZERO, "the provider holds money of a closed bill")
            }
        }
        let refunded = self
            .provider
            .accounts()
            .values()
            .fold(0, |sum, it| sum + it.refunded.unwrap_or_default().cents());
        assert!(refunded >= bill.refunded().cents());
        if matches!(bill.stage, Stage::Closed { .. }) {
            assert_eq!(
                refunded,
                bill.refunded().cents(),
                "the provider made refunds that the bill does not record"
            );
            assert_eq!(count("BillRefunded"), usize::from(refunded > 0));
        }
    }
}

/// An operation of the payment service.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Issue,
    Authorise(&'static str),
    Pay(NewPayment),
    Close,
    Reconcile,
}

/// A fault that is injected into a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The request is lost.
    RequestLost,
    /// The response is lost.
    ResponseLost,
    /// The function crashes before the call.
    CrashBefore,
    /// The function crashes after the call.
    CrashAfter,
    /// The store reports a conflict, though there was none.
    Conflict,
}

pub(crate) const FAULTS: [Fault; 5] = [
    Fault::RequestLost,
    Fault::ResponseLost,
    Fault::CrashBefore,
    Fault::CrashAfter,
    Fault::Conflict,
];

/// The transport of one function. All of its calls go over it, and are numbered from 0.
#[derive(Debug, Default)]
pub(crate) struct FaultyTransport {
    faults: BTreeMap<usize, Fault>,
    yields: bool,
    calls: AtomicUsize,
    crashed: AtomicBool,
}

impl FaultyTransport {
    /// A transport that injects these faults, by the number of the call.
    pub(crate) fn with_faults(faults: impl IntoIterator<Item = (usize, Fault)>) -> Self {
        Self { faults: faults.into_iter().collect(), ..Self::default() }
    }

    /// A transport that yields before each call, so that another function can make a call first.
    pub(crate) fn yielding() -> Self {
        Self { yields: true, ..Self::default() }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    async fn call<T, E>(
        &self,
        call: impl Future<Output = Result<T, E>>,
        failure: impl Fn() -> E,
        conflict: impl Fn() -> E,
    ) -> Result<T, E> {
        let mut has_yielded = !self.yields;
        poll_fn(|_| {
            if std::mem::replace(&mut has_yielded, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        match self.faults.get(&number) {
            None => call.await,
            Some(Fault::RequestLost) => Err(failure()),
            Some(Fault::Conflict) => Err(conflict()),
            Some(Fault::ResponseLost) => {
                call.await?;
                Err(failure())
            }
            Some(Fault::CrashBefore) => self.crash().await,
            Some(Fault::CrashAfter) => {
                drop(call.await);
                self.crash().await
            }
        }
    }

    async fn crash<T>(&self) -> T {
        self.crashed.store(true, Ordering::SeqCst);
        pending().await
    }

    async fn until_crash<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.crashed.load(Ordering::SeqCst) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}

/// A port that is called over a faulty transport.
#[derive(Debug)]
pub(crate) struct Remote<'a, T> {
    pub(crate) target: &'a T,
    pub(crate) transport: &'a FaultyTransport,
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("the connection was lost".into())
}

impl StateStore<Bill> for Remote<'_, MemoryStore<Bill>> {
    async fn load(&self, id: &str, holder: Option<&str>) -> Result<Loaded<Bill>, StoreError> {
        self.transport.call(self.target.load(id, holder), unavailable, unavailable).await
    }

    async fn save(&self, id: &str, change: Change<Bill>) -> Result<(), StoreError> {
        self.transport
            .call(self.target.save(id, change), unavailable, || StoreError::Conflict)
            .await
    }

    async fn set_tombstone(&self, id: &str, holder: &str) -> Result<(), StoreError> {
        self.transport.call(self.target.set_tombstone(id, holder), unavailable, unavailable).await
    }
}

fn no_response() -> ProviderError {
    ProviderError::NoResponse("the connection was lost".into())
}

impl Provider for Remote<'_, MemoryProvider> {
    type Permit<'a>
        = ()
    where
        Self: 'a;

    async fn acquire_permit(&self) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn charge(&self, (): (), charge: &Charge) -> Result<ChargeOutcome, ProviderError> {
        self.transport.call(self.target.charge((), charge), no_response, no_response).await
    }

    async fn refund(
        &self,
        reference: BillReference,
        key: PaymentId,
    ) -> Result<Money, ProviderError> {
        self.transport.call(self.target.refund(reference, key), no_response, no_response).await
    }
}

/// The result as the caller sees it.
pub(crate) fn result_name(result: &Result<VersionedBill, PaymentError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(PaymentError::Rejected(rejection)) => rejection.slug(),
        Err(PaymentError::Store(_) | PaymentError::Provider(_)) => "transient",
    }
}
