//! Every port of the handlers, at the near end of a line.

use std::sync::Arc;
use std::time::Duration;

use ::bff::invoke::Invoke;
use billing::adapters::http;
use billing::domain::{Bill, Outcome};
use billing::handlers::react::Reminder;
use billing::ports::{ATTEMPT_TIMEOUT, Charge, DueBill, DueBills, ProviderError};
use billing::view::BillRow;
use booking::domain::BookingEvent;
use booking::handlers::react::{SagaInput, Sagas, SagasError};
use booking::view::BookingRow;
use contracts::id::{BillReference, PaymentId};
use contracts::money::Money;
use cqrs::generation::{Control, Controls, Generations, RowsPage};
use cqrs::lag::{Lag, Mark};
use cqrs::memory::{MemoryGenerations, MemoryView};
use cqrs::view::{Order, Positioned, Range, Reader, Row, Versioned, View, ViewError};
use event_sourcing::item::CommitItem;
use event_sourcing::store::{self, Commit, EventStore};
use futures::FutureExt as _;
use operator_bff::workflow::{Execution, Workflow};
use outbox::publish::{BusError, Entry, Parked};
use outbox::state::{Change, Loaded, StateStore, StatesPage, StoreError};
use parking::view::SlotRow;
use payment_provider::domain::{Entry as LedgerEntry, Key, Reference};
use payment_provider::ledger::{Ledger as LedgerPort, LedgerError, Revision};
use saga::Failure;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::functions::PROVIDER_KEY;
use crate::lambda;
use crate::line::{Access, Cut, Fate, Line};
use crate::tables::Kept;
use crate::world::World;

/// The table of bookings, as the templates name it.
pub(crate) const BOOKINGS: &str = "booking/BookingsTable";
/// So long a connection that is not answered at all is waited for.
const PROVIDER_IS_SILENT: u64 = 2;

/// What stands in memory answers at once.
fn at_once<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().expect("memory does not wait")
}

// ---- Event streams --------------------------------------------------------------------------------------------------

/// The table of bookings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Events<'a>(pub(crate) &'a Arc<Line>);

fn event_store(cut: Cut) -> store::StoreError {
    match cut {
        Cut::NoAnswer => store::StoreError::Unavailable(Box::new(cut)),
        Cut::Throttled => store::StoreError::Throttled(Box::new(cut)),
        Cut::Conflict => store::StoreError::TransactionConflict(Box::new(cut)),
    }
}

impl EventStore<BookingEvent> for Events<'_> {
    async fn load(
        &self,
        stream: &str,
        after: u64,
    ) -> Result<Vec<Commit<BookingEvent>>, store::StoreError> {
        let stream = stream.to_owned();
        let load = move |world: &World| at_once(world.bookings.load(&stream, after));
        self.0.call(Access::Read, "load a booking", load).await.map_err(event_store)?
    }

    async fn load_back(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Commit<BookingEvent>>, store::StoreError> {
        let stream = stream.to_owned();
        let load = move |world: &World| at_once(world.bookings.load_back(&stream, from, limit));
        self.0.call(Access::Read, "load a booking's end", load).await.map_err(event_store)?
    }

    async fn append(
        &self,
        stream: &str,
        commit: Commit<BookingEvent>,
    ) -> Result<(), store::StoreError> {
        let (stream, is_later) = (stream.to_owned(), self.0.is_later);
        let append = move |world: &World| append(world, &stream, commit.clone(), is_later);
        self.0
            .call(Access::Conditional, "append to a booking", append)
            .await
            .map_err(event_store)?
    }
}

fn append(
    world: &World,
    stream: &str,
    commit: Commit<BookingEvent>,
    is_later: bool,
) -> Result<(), store::StoreError> {
    let last = || {
        let end = at_once(world.bookings.load_back(stream, u64::MAX, 1));
        end.ok().and_then(|it| it.first().map(Commit::last_version)).unwrap_or(0)
    };
    let before = last();
    at_once(world.bookings.append(stream, commit.clone()))?;
    if last() == before {
        // It was there already.
        return Ok(());
    }
    world.laws.booking_changed(world, stream, before, &commit);
    let item = CommitItem::new(stream, &commit).expect("a commit is JSON");
    let image: serde_dynamo::Item = serde_dynamo::to_item(item).expect("an item of texts");
    let mut image = serde_json::to_value(image).expect("an item is JSON");
    if is_later {
        image["since_later"] = json!({ "S": "a later release" });
    }
    let keys = json!({ "stream": image["stream"], "version": image["version"] });
    world.streams.write(world, BOOKINGS, &format!("{stream} {}", commit.version), keys, image);
    Ok(())
}

impl store::Streams for Events<'_> {
    async fn streams(&self, after: Option<&str>) -> Result<store::StreamsPage, store::StoreError> {
        let after = after.map(str::to_owned);
        let list = move |world: &World| {
            at_once(store::Streams::streams(&world.bookings, after.as_deref()))
        };
        self.0.call(Access::Read, "list bookings", list).await.map_err(event_store)?
    }
}

// ---- State ----------------------------------------------------------------------------------------------------------

/// A table of slots or bills. Its calls are those of `outbox::dynamodb`, one by one, since one can die between them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct States<'a>(pub(crate) &'a Arc<Line>);

fn state_store(cut: Cut) -> StoreError {
    StoreError::Unavailable(Box::new(cut))
}

impl<S: Kept> StateStore<S> for States<'_> {
    async fn load(&self, id: &str, holder: Option<&str>) -> Result<Loaded<S>, StoreError> {
        let key = id.to_owned();
        let get = move |world: &World| S::table(world).get(&key);
        let mut loaded =
            self.0.call(Access::Read, "get a state", get).await.map_err(state_store)?;
        if let Some(holder) = holder {
            loaded.barred = bar::<S>(self.0, id, holder).await?.is_some();
        }
        Ok(loaded)
    }

    async fn save(&self, id: &str, change: Change<S>) -> Result<(), StoreError> {
        let (id, is_later) = (id.to_owned(), self.0.is_later);
        let save = move |world: &World| S::table(world).save(world, &id, change.clone(), is_later);
        self.0.call(Access::Conditional, "put a state", save).await.map_err(state_store)?
    }

    async fn bar(&self, id: &str, holder: &str) -> Result<(), StoreError> {
        match bar::<S>(self.0, id, holder).await? {
            Some(true) => return Ok(()),
            Some(false) => {}
            None => put_bar::<S>(self.0, id, holder, false).await?,
        }
        let (key, is_later) = (id.to_owned(), self.0.is_later);
        let bump = move |world: &World| S::table(world).bump(world, &key, is_later);
        self.0.call(Access::Write, "move a version", bump).await.map_err(state_store)?;
        put_bar::<S>(self.0, id, holder, true).await
    }
}

async fn bar<S: Kept>(line: &Line, id: &str, holder: &str) -> Result<Option<bool>, StoreError> {
    let (id, holder) = (id.to_owned(), holder.to_owned());
    let get = move |world: &World| S::table(world).get_bar(&id, &holder);
    line.call(Access::Read, "get a bar", get).await.map_err(state_store)
}

async fn put_bar<S: Kept>(
    line: &Line,
    id: &str,
    holder: &str,
    is_sealed: bool,
) -> Result<(), StoreError> {
    let (id, holder) = (id.to_owned(), holder.to_owned());
    let put = move |world: &World| S::table(world).put_bar(world, &id, &holder, is_sealed);
    line.call(Access::Write, "put a bar", put).await.map_err(state_store)
}

impl<S: Kept> outbox::state::States<S> for States<'_> {
    async fn states(&self, after: Option<&str>) -> Result<StatesPage<S>, StoreError> {
        let after = after.map(str::to_owned);
        let list = move |world: &World| S::table(world).page(after.as_deref());
        self.0.call(Access::Read, "list states", list).await.map_err(state_store)
    }
}

// ---- Views ----------------------------------------------------------------------------------------------------------

/// What is shown in generations.
pub(crate) trait Shown: Row + Send + Sync + 'static {
    fn views(world: &World) -> &MemoryGenerations<Self>;
}

impl Shown for BookingRow {
    fn views(world: &World) -> &MemoryGenerations<Self> {
        &world.booking_views
    }
}

impl Shown for SlotRow {
    fn views(world: &World) -> &MemoryGenerations<Self> {
        &world.slot_views
    }
}

/// A view and its generations.
#[derive(Debug)]
pub(crate) struct Views<R> {
    line: Arc<Line>,
    row: std::marker::PhantomData<fn() -> R>,
}

/// One generation of it.
#[derive(Debug)]
pub(crate) struct OneView<R> {
    line: Arc<Line>,
    number: u64,
    row: std::marker::PhantomData<fn() -> R>,
}

fn view(cut: Cut) -> ViewError {
    ViewError::Unavailable(Box::new(cut))
}

/// A range of an index, for a call that outlives its caller.
#[derive(Clone)]
struct OwnedRange {
    index: &'static str,
    attribute: &'static str,
    partition: String,
    after: Option<String>,
    order: Order,
    limit: usize,
}

impl From<Range<'_>> for OwnedRange {
    fn from(range: Range<'_>) -> Self {
        Self {
            index: range.index,
            attribute: range.attribute,
            partition: range.partition.to_owned(),
            after: range.after.map(str::to_owned),
            order: range.order,
            limit: range.limit,
        }
    }
}

impl OwnedRange {
    fn lent(&self) -> Range<'_> {
        Range {
            index: self.index,
            attribute: self.attribute,
            partition: &self.partition,
            after: self.after.as_deref(),
            order: self.order,
            limit: self.limit,
        }
    }
}

impl<R> Views<R> {
    pub(crate) fn new(line: &Arc<Line>) -> Self {
        Self { line: Arc::clone(line), row: std::marker::PhantomData }
    }
}

impl<R: Shown> Controls for Views<R> {
    async fn control(&self) -> Result<(Control, Lag), ViewError> {
        let get = |world: &World| at_once(R::views(world).control());
        self.line.call(Access::Read, "get a control", get).await.map_err(view)?
    }

    async fn change(&self, next: &Control) -> Result<bool, ViewError> {
        let next = next.clone();
        let change = move |world: &World| at_once(R::views(world).change(&next));
        self.line.call(Access::Conditional, "put a control", change).await.map_err(view)?
    }

    async fn mark(&self, mark: &Mark) -> Result<(), ViewError> {
        let mark = mark.clone();
        let put = move |world: &World| at_once(R::views(world).mark(&mark));
        self.line.call(Access::Write, "put a mark", put).await.map_err(view)?
    }

    async fn sweep(
        &self,
        kept: &[u64],
        newest: u64,
        after: Option<&str>,
    ) -> Result<Option<String>, ViewError> {
        let (kept, after) = (kept.to_vec(), after.map(str::to_owned));
        let sweep =
            move |world: &World| at_once(R::views(world).sweep(&kept, newest, after.as_deref()));
        self.line.call(Access::Write, "sweep generations", sweep).await.map_err(view)?
    }
}

impl<R: Shown> Generations<R> for Views<R> {
    type View = OneView<R>;

    fn generation(&self, number: u64) -> OneView<R> {
        OneView { line: Arc::clone(&self.line), number, row: std::marker::PhantomData }
    }

    async fn rows(&self, generation: u64, after: Option<&str>) -> Result<RowsPage<R>, ViewError> {
        let after = after.map(str::to_owned);
        let rows = move |world: &World| at_once(R::views(world).rows(generation, after.as_deref()));
        self.line.call(Access::Read, "list rows", rows).await.map_err(view)?
    }
}

impl<R: Shown> Reader<R> for OneView<R> {
    async fn get(&self, id: &str) -> Result<Option<Versioned<R>>, ViewError> {
        let (number, id) = (self.number, id.to_owned());
        let get = move |world: &World| at_once(R::views(world).generation(number).get(&id));
        self.line.call(Access::Read, "get a row", get).await.map_err(view)?
    }

    async fn list(&self, range: Range<'_>) -> Result<Vec<Positioned<R>>, ViewError> {
        let (number, range) = (self.number, OwnedRange::from(range));
        let list =
            move |world: &World| at_once(R::views(world).generation(number).list(range.lent()));
        self.line.call(Access::Read, "list an index", list).await.map_err(view)?
    }

    async fn count(&self, range: Range<'_>) -> Result<usize, ViewError> {
        Ok(self.list(range).await?.len())
    }
}

impl<R: Shown> View<R> for OneView<R> {
    async fn advance(&self, id: &str, version: u64, row: &R) -> Result<bool, ViewError> {
        let (number, id, row) = (self.number, id.to_owned(), row.clone());
        let advance = move |world: &World| {
            at_once(R::views(world).generation(number).advance(&id, version, &row))
        };
        self.line.call(Access::Conditional, "advance a row", advance).await.map_err(view)?
    }
}

/// The view of bills, which has one generation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BillView<'a>(pub(crate) &'a Arc<Line>);

fn bill_view(world: &World) -> &MemoryView<BillRow> {
    &world.bill_view
}

impl Reader<BillRow> for BillView<'_> {
    async fn get(&self, id: &str) -> Result<Option<Versioned<BillRow>>, ViewError> {
        let id = id.to_owned();
        let get = move |world: &World| at_once(bill_view(world).get(&id));
        self.0.call(Access::Read, "get a bill's row", get).await.map_err(view)?
    }

    async fn list(&self, range: Range<'_>) -> Result<Vec<Positioned<BillRow>>, ViewError> {
        let range = OwnedRange::from(range);
        let list = move |world: &World| at_once(bill_view(world).list(range.lent()));
        self.0.call(Access::Read, "list bills", list).await.map_err(view)?
    }

    async fn count(&self, range: Range<'_>) -> Result<usize, ViewError> {
        Ok(self.list(range).await?.len())
    }
}

impl View<BillRow> for BillView<'_> {
    async fn advance(&self, id: &str, version: u64, row: &BillRow) -> Result<bool, ViewError> {
        let (id, row) = (id.to_owned(), row.clone());
        let advance = move |world: &World| at_once(bill_view(world).advance(&id, version, &row));
        self.0.call(Access::Conditional, "advance a bill's row", advance).await.map_err(view)?
    }
}

// ---- Messages -------------------------------------------------------------------------------------------------------

fn bus(cut: Cut) -> BusError {
    BusError(Box::new(cut))
}

/// The bus.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bus<'a>(pub(crate) &'a Arc<Line>);

impl outbox::publish::Bus for Bus<'_> {
    async fn put(&self, entries: &[Entry]) -> Result<Vec<bool>, BusError> {
        let (entries, is_later) = (entries.to_vec(), self.0.is_later);
        let put = move |world: &World| {
            let taken = entries.iter().map(|entry| {
                let is_taken = !world.befalls(world.plan.throttled);
                if is_taken {
                    world.queues.publish(world, entry, is_later);
                }
                is_taken
            });
            taken.collect()
        };
        self.0.call(Access::Write, "put events", put).await.map_err(bus)
    }
}

/// The queue of what can't be handled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeadLetters<'a>(pub(crate) &'a Arc<Line>);

impl outbox::publish::DeadLetters for DeadLetters<'_> {
    async fn park(&self, parked: Parked) -> Result<(), BusError> {
        let park = move |world: &World| world.queues.park(parked.clone());
        self.0.call(Access::Write, "park a record", park).await.map_err(bus)
    }
}

/// Messages to oneself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reminders<'a> {
    pub(crate) line: &'a Arc<Line>,
    pub(crate) queue: &'static str,
}

impl billing::ports::Reminders for Reminders<'_> {
    async fn remind(&self, reference: BillReference, after: Duration) -> Result<(), BusError> {
        let body = serde_json::to_string(&Reminder { due: reference }).expect("a reference");
        let queue = self.queue;
        let send = move |world: &World| world.queues.send(world, queue, body.clone(), after);
        self.line.call(Access::Write, "send a reminder", send).await.map_err(bus)
    }
}

// ---- Everything else that is far away -------------------------------------------------------------------------------

/// The state machine, the payment provider, and the index of bills.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Far<'a>(pub(crate) &'a Arc<Line>);

impl Sagas for Far<'_> {
    async fn start(&self, input: &SagaInput) -> Result<(), SagasError> {
        let input = input.clone();
        let start = move |world: &World| world.executions.start(world, &input);
        let started = self.0.call(Access::Write, "start a saga", start).await;
        started.map_err(|cut| SagasError(Box::new(cut)))
    }
}

impl Workflow for Far<'_> {
    async fn execution(&self, name: &str) -> Result<Option<Execution>, Failure> {
        let name = name.to_owned();
        let get = move |world: &World| world.executions.shown(&name);
        let found = self.0.call(Access::Read, "get an execution", get).await;
        found.map_err(|cut| Failure::transient("the workflow service does not answer", cut))
    }
}

impl DueBills for Far<'_> {
    async fn due_before(&self, seconds: i64) -> Result<Vec<DueBill>, StoreError> {
        let find = move |world: &World| {
            let bills = world.bills.all().into_values();
            let due = bills.filter_map(|(_, bill): (u64, Bill)| {
                let at_seconds = billing::desk::seconds_up(bill.attention_at()?);
                // An index lags behind its table.
                let is_seen = !world.befalls(world.plan.delayed);
                let due = DueBill { reference: bill.reference, at_seconds };
                (at_seconds < seconds && is_seen).then_some(due)
            });
            let mut due: Vec<DueBill> = due.collect();
            due.sort_by_key(|it| (it.at_seconds, it.reference));
            due
        };
        self.0.call(Access::Read, "find due bills", find).await.map_err(state_store)
    }
}

impl billing::ports::Provider for Far<'_> {
    async fn charge(&self, charge: &Charge) -> Result<Outcome, ProviderError> {
        let body = http::charge_body(charge);
        let (status, body) = post(self.0, "/charges", charge.key, &body).await?;
        http::charged(status, body.as_bytes())
    }

    async fn refund(
        &self,
        reference: BillReference,
        key: PaymentId,
    ) -> Result<Money, ProviderError> {
        let body = http::refund_body(reference);
        let (status, body) = post(self.0, "/refunds", key, &body).await?;
        http::refunded(status, body.as_bytes())
    }
}

/// One request over HTTP, to the provider's function behind its gateway.
async fn post(
    line: &Line,
    path: &str,
    key: PaymentId,
    body: &(impl Serialize + Sync),
) -> Result<(u16, String), ProviderError> {
    let no_answer = |why: &'static str| ProviderError::NoAnswer(why.into());
    let event = json!({
        "httpMethod": "POST",
        "path": path,
        "resource": path,
        "headers": {
            "Authorization": format!("Bearer {PROVIDER_KEY}"),
            "Idempotency-Key": key.to_string(),
            "Content-Type": "application/json",
        },
        "body": serde_json::to_string(body).expect("a body is JSON"),
        "isBase64Encoded": false,
    });
    let world = &line.world;
    let fate = line.fate(Access::Write, "ask the provider");
    if fate == Fate::Dies {
        return line.die().await;
    }
    let asked = async {
        sleep(world.latency()).await;
        let at = world.elapsed();
        if world.plan.provider_down.iter().any(|(from, until)| (*from..*until).contains(&at)) {
            world.laws.count_outage();
            if world.dice.below(PROVIDER_IS_SILENT) == 0 {
                sleep(ATTEMPT_TIMEOUT * 2).await;
            }
            return Ok((503, String::new()));
        }
        match fate {
            Fate::Lost | Fate::Conflict => return Err(no_answer("the connection was lost")),
            Fate::Throttled => return Ok((429, String::new())),
            Fate::Done | Fate::AnswerLost | Fate::Late | Fate::Dies | Fate::DiesAfter => {}
        }
        let answer = lambda::invoke(world, "payment-provider", event.to_string().into_bytes());
        let Ok(answer) = answer.await else { return Ok((502, String::new())) };
        let answer: Value = serde_json::from_slice(&answer).expect("a proxy answer is JSON");
        let status = answer["statusCode"].as_u64().and_then(|it| u16::try_from(it).ok());
        let body = answer["body"].as_str().unwrap_or_default().to_owned();
        Ok((status.unwrap_or(502), body))
    };
    let answer = timeout(ATTEMPT_TIMEOUT, asked).await;
    match fate {
        Fate::DiesAfter => line.die().await,
        Fate::AnswerLost | Fate::Late => Err(no_answer("the answer was lost")),
        Fate::Done | Fate::Lost | Fate::Dies | Fate::Throttled | Fate::Conflict => {
            answer.unwrap_or_else(|_| Err(no_answer("the time was over")))
        }
    }
}

/// The provider's table.
#[derive(Clone, Debug)]
pub(crate) struct Ledger(Arc<Line>);

impl Ledger {
    pub(crate) fn new(line: &Arc<Line>) -> Self {
        Self(Arc::clone(line))
    }
}

fn ledger(cut: Cut) -> LedgerError {
    LedgerError::Unavailable(Box::new(cut))
}

impl LedgerPort for Ledger {
    async fn bind(&self, key: &Key, reference: &Reference) -> Result<bool, LedgerError> {
        let (key, reference) = (key.clone(), reference.clone());
        let bind = move |world: &World| at_once(world.ledger.bind(&key, &reference));
        self.0.call(Access::Write, "bind a key", bind).await.map_err(ledger)?
    }

    async fn load(
        &self,
        reference: &Reference,
        key: &Key,
    ) -> Result<(LedgerEntry, Revision), LedgerError> {
        let (key, reference) = (key.clone(), reference.clone());
        let load = move |world: &World| at_once(world.ledger.load(&reference, &key));
        self.0.call(Access::Read, "get an entry", load).await.map_err(ledger)?
    }

    async fn save(
        &self,
        reference: &Reference,
        key: &Key,
        entry: &LedgerEntry,
        expected: Revision,
    ) -> Result<(), LedgerError> {
        let (key, reference, entry) = (key.clone(), reference.clone(), entry.clone());
        let save = move |world: &World| {
            at_once(world.ledger.save(&reference, &key, &entry, expected))?;
            world.laws.money_moved(world, &reference);
            Ok(())
        };
        self.0.call(Access::Conditional, "put an entry", save).await.map_err(ledger)?
    }

    async fn entries(&self, reference: &Reference) -> Result<Vec<(Key, LedgerEntry)>, LedgerError> {
        let reference = reference.clone();
        let list = move |world: &World| at_once(world.ledger.entries(&reference));
        self.0.call(Access::Read, "list entries", list).await.map_err(ledger)?
    }
}

/// Other functions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Services<'a>(pub(crate) &'a Arc<Line>);

impl Services<'_> {
    fn worded(&self, function: &str, request: Vec<u8>) -> Vec<u8> {
        if self.0.is_later { lambda::with_more(function, request) } else { request }
    }

    async fn reach(&self, function: &str) -> Result<Fate, Failure> {
        let fate = self.0.fate(Access::Read, function);
        let lost = |why: &'static str| Err(Failure::transient("the service did not answer", why));
        match fate {
            Fate::Dies => self.0.die().await,
            Fate::Lost => lost("the connection was lost"),
            Fate::Throttled | Fate::Conflict => lost("TooManyRequestsException"),
            Fate::Done | Fate::AnswerLost | Fate::Late | Fate::DiesAfter => Ok(fate),
        }
    }

    async fn hear(&self, fate: Fate) -> Result<(), Failure> {
        match fate {
            Fate::DiesAfter => self.0.die().await,
            Fate::AnswerLost | Fate::Late => {
                Err(Failure::transient("the service did not answer", "the answer was lost"))
            }
            Fate::Done | Fate::Lost | Fate::Dies | Fate::Throttled | Fate::Conflict => Ok(()),
        }
    }
}

impl Invoke for Services<'_> {
    async fn invoke(&self, function: &str, request: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let fate = self.reach(function).await?;
        let request = self.worded(function, request);
        let answer = lambda::invoke(&self.0.world, function, request).await;
        self.hear(fate).await?;
        answer.map_err(|failed| Failure::from_wire(&failed.error_type, &failed.error_message))
    }

    async fn start(&self, function: &str, request: Vec<u8>) -> Result<(), Failure> {
        let fate = self.reach(function).await?;
        sleep(self.0.world.latency()).await;
        lambda::start(&self.0.world, function, self.worded(function, request));
        self.hear(fate).await
    }
}
