//! A test world: a table with its stream, and a connection to it that can fail at any call.

use std::collections::BTreeMap;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;

use aws_lambda_events::dynamodb::EventRecord;
use aws_lambda_events::sqs::SqsEvent;
use contracts::id::{BookingId, SlotId};
use jiff::Timestamp;
use outbox::conformance::schedule::Gate;
use outbox::memory::{MemoryDeadLetters, MemoryStore};
use outbox::republish::RepublishSource as _;
use outbox::state::{Change, Loaded, StateStore, StoreError};
use parking::domain::{Slot, SlotState};
use parking::handlers::{command, react};
use serde_json::{Value, json};
use service_error::{ErrorKind, ServiceError};
use uuid::Uuid;

/// The slot of most tests.
pub(crate) const SLOT: SlotId = SlotId(Uuid::from_u128(0x0191_f7a4_0000_7000_8000_0000_0000_0001));
pub(crate) const ANN: BookingId =
    BookingId(Uuid::from_u128(0x0191_f7a4_0000_7000_8000_0000_0000_0002));
pub(crate) const BOB: BookingId =
    BookingId(Uuid::from_u128(0x0191_f7a4_0000_7000_8000_0000_0000_0003));
pub(crate) const CAY: BookingId =
    BookingId(Uuid::from_u128(0x0191_f7a4_0000_7000_8000_0000_0000_0004));
/// The id of the delivered event.
pub(crate) const EVENT: Uuid = Uuid::from_u128(0x0191_f7a4_0000_7000_8000_0000_0000_0009);

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_767_268_800).expect("a time")
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) store: MemoryStore<Slot>,
    /// The records of the table's stream, in order.
    pub(crate) stream: Mutex<Vec<EventRecord>>,
    pub(crate) letters: MemoryDeadLetters,
    ids: AtomicU64,
}

/// The final state of a world, without ids and versions.
#[derive(Debug, PartialEq)]
pub(crate) struct Remains {
    pub(crate) slot: Option<Slot>,
    pub(crate) events: Vec<(String, Value)>,
}

/// The commands and events that parking receives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Action {
    Create,
    Close,
    Reopen,
    Block(BookingId),
    Reserve(BookingId),
    Unblock(BookingId),
    /// An event of billing.
    Paid(BookingId),
    /// An event of booking.
    Over(&'static str, BookingId),
}

/// The result of a command, as far as its caller knows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    Done,
    Refused(String),
    Unknown,
}

impl World {
    pub(crate) fn new_id(&self) -> Uuid {
        let next = self.ids.fetch_add(1, Ordering::SeqCst);
        Uuid::from_u128(0xffff_0000_0000_0000_0000 + u128::from(next))
    }

    pub(crate) fn slot(&self) -> Option<Slot> {
        self.store.states().remove(&SLOT.to_string())
    }

    pub(crate) fn holder(&self) -> Option<BookingId> {
        match self.slot()?.state {
            SlotState::Blocked { booking_id } | SlotState::Reserved { booking_id } => {
                Some(booking_id)
            }
            SlotState::Absent | SlotState::Available | SlotState::Closed => None,
        }
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.store.outbox().into_iter().map(|it| it.event.kind).collect()
    }

    pub(crate) fn remains(&self) -> Remains {
        let events = self.store.outbox().into_iter().map(|it| (it.event.kind, it.event.data));
        Remains { slot: self.slot(), events: events.collect() }
    }

    pub(crate) async fn send(&self, request: Value, line: &Line) -> Result<Value, ServiceError> {
        let request = serde_json::from_value(request).expect("a command");
        let response = command::handle(&self.wired(line), request, now(), || self.new_id()).await?;
        Ok(serde_json::to_value(response).expect("a response is JSON"))
    }

    /// Delivers a batch of the queue; returns the messages to redeliver.
    pub(crate) async fn deliver(&self, batch: SqsEvent, line: &Line) -> Vec<String> {
        let response =
            react::handle(&self.wired(line), &self.letters, batch, now, || self.new_id()).await;
        response.batch_item_failures.into_iter().map(|it| it.item_identifier).collect()
    }

    fn wired<'a>(&'a self, line: &'a Line) -> Wired<'a> {
        Wired { world: self, line }
    }

    /// Executes one command; nothing if the function crashed.
    pub(crate) async fn try_to(&self, action: Action, line: &Line) -> Option<Outcome> {
        line.until_death(async {
            let event = match action {
                Action::Paid(booking_id) => paid(booking_id, "invoice"),
                Action::Over(kind, booking_id) => over(kind, booking_id),
                Action::Create
                | Action::Close
                | Action::Reopen
                | Action::Block(_)
                | Action::Reserve(_)
                | Action::Unblock(_) => {
                    return match self.send(request(action), line).await {
                        Ok(_) => Outcome::Done,
                        Err(refused) if refused.kind() == ErrorKind::Rejected => {
                            Outcome::Refused(refused.slug().to_owned())
                        }
                        Err(_) => Outcome::Unknown,
                    };
                }
            };
            match self.deliver(messages(&[event]), line).await.as_slice() {
                [] => Outcome::Done,
                _ => Outcome::Unknown,
            }
        })
        .await
    }

    /// Executes one command without faults.
    pub(crate) async fn calmly(&self, action: Action) -> Outcome {
        self.try_to(action, &Line::default()).await.expect("a run without faults does not crash")
    }

    /// A world in which these commands were executed.
    pub(crate) async fn after(actions: &[Action]) -> Self {
        let world = Self::default();
        for action in actions {
            world.calmly(*action).await;
        }
        world
    }

    /// Checks the published events: a hold passes from no booking to one and back.
    #[track_caller]
    pub(crate) fn check_holds(&self) {
        let mut holder: Option<Value> = None;
        let mut sequence = 0;
        for envelope in self.store.outbox() {
            assert!(envelope.sequence > sequence, "{envelope:?} after {sequence}");
            sequence = envelope.sequence;
            let booking_id = envelope.event.data.get("bookingId").cloned();
            match envelope.event.kind.as_str() {
                "SlotBlocked" | "SlotReserved" => {
                    assert!(
                        holder.is_none() || holder == booking_id,
                        "{envelope:?}: {holder:?} has it"
                    );
                    holder = booking_id;
                }
                "SlotUnblocked" | "SlotReleased" => {
                    assert_eq!(holder.take(), booking_id, "{envelope:?}");
                }
                "SlotClosed" => holder = None,
                _ => {}
            }
        }
        assert_eq!(holder, self.holder().map(|it| json!(it)), "events and state differ");
    }
}

pub(crate) fn request(action: Action) -> Value {
    match action {
        Action::Create => json!({ "command": "createSlot", "slotId": SLOT, "name": "A1" }),
        Action::Close => json!({ "command": "closeSlot", "slotId": SLOT }),
        Action::Reopen => json!({ "command": "reopenSlot", "slotId": SLOT }),
        Action::Block(id) => json!({ "command": "blockSlot", "slotId": SLOT, "bookingId": id }),
        Action::Reserve(id) => json!({ "command": "reserveSlot", "slotId": SLOT, "bookingId": id }),
        Action::Unblock(id) => json!({ "command": "unblockSlot", "slotId": SLOT, "bookingId": id }),
        Action::Paid(_) | Action::Over(..) => unreachable!("that is no command"),
    }
}

/// An event as the bus delivers it to a queue.
pub(crate) fn event(source: &str, kind: &str, booking_id: BookingId, data: Value) -> Value {
    json!({
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": kind,
        "source": source,
        "account": "000000000000",
        "time": "2026-01-01T12:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {
            "id": EVENT,
            "schemaVersion": 1,
            "occurredAt": "2026-01-01T12:00:00Z",
            "correlationId": booking_id,
            "causationId": booking_id,
            "subject": booking_id,
            "sequence": 2,
            "type": kind,
            "data": data,
        },
    })
}

pub(crate) fn paid(booking_id: BookingId, mode: &str) -> Value {
    let data = json!({
        "reference": format!("{SLOT}:{booking_id}"),
        "slotId": SLOT,
        "bookingId": booking_id,
        "mode": mode,
        "total": "100.00",
    });
    event("parkade.billing", "BillPaid", booking_id, data)
}

pub(crate) fn over(kind: &str, booking_id: BookingId) -> Value {
    let mut data = json!({ "slotId": SLOT, "bookingId": booking_id });
    if kind == "BookingFailed" {
        data["reason"] = json!("payment_declined");
    }
    event("parkade.booking", kind, booking_id, data)
}

/// A batch of the queue; messages are named by their index.
pub(crate) fn messages(bodies: &[Value]) -> SqsEvent {
    let records = bodies.iter().enumerate().map(|(place, body)| {
        json!({
            "messageId": place.to_string(),
            "receiptHandle": "AQEB",
            "body": body.to_string(),
            "attributes": { "ApproximateReceiveCount": "1" },
            "messageAttributes": {},
            "md5OfBody": "",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:parkade-local-parking",
            "awsRegion": "us-east-1",
        })
    });
    serde_json::from_value(json!({ "Records": records.collect::<Vec<_>>() })).expect("a batch")
}

/// A fault of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The request is lost.
    Lost,
    /// The response is lost.
    ResponseLost,
    /// The function crashes before the call.
    Crash,
    /// The function crashes after the call.
    CrashAfter,
    /// The store reports a conflict that does not exist.
    Conflict,
}

pub(crate) const FAULTS: [Fault; 5] =
    [Fault::Lost, Fault::ResponseLost, Fault::Crash, Fault::CrashAfter, Fault::Conflict];

/// The connection over which a function makes every call.
#[derive(Debug, Default)]
pub(crate) struct Line {
    faults: BTreeMap<usize, Fault>,
    gate: Option<Gate>,
    yields: bool,
    calls: AtomicUsize,
    writes: AtomicUsize,
    dead: AtomicBool,
}

impl Line {
    /// A connection on which the calls with these numbers, from 0, fail.
    pub(crate) fn with(faults: impl IntoIterator<Item = (usize, Fault)>) -> Self {
        Self { faults: faults.into_iter().collect(), ..Self::default() }
    }

    /// The same connection, on which other tasks may run before each call.
    pub(crate) fn behind(self, gate: Gate) -> Self {
        Self { gate: Some(gate), ..self }
    }

    /// A connection on which other tasks run before each call, as on a network.
    pub(crate) fn yielding() -> Self {
        Self { yields: true, ..Self::default() }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    async fn carry<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        if let Some(gate) = &self.gate {
            gate.pass().await;
        }
        if self.yields {
            tokio::task::yield_now().await;
        }
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let cut = || StoreError::Unavailable("cut".into());
        match self.faults.get(&number) {
            None => call.await,
            Some(Fault::Lost) => Err(cut()),
            Some(Fault::Conflict) => Err(StoreError::Conflict),
            Some(Fault::ResponseLost) => {
                call.await?;
                Err(cut())
            }
            Some(Fault::Crash) => self.crash().await,
            Some(Fault::CrashAfter) => {
                drop(call.await);
                self.crash().await
            }
        }
    }

    async fn crash<T>(&self) -> T {
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

/// The world's table at the other end of a connection.
#[derive(Debug)]
struct Wired<'a> {
    world: &'a World,
    line: &'a Line,
}

impl Wired<'_> {
    /// Adds the stream record of a write that incremented the version.
    async fn show(&self, id: &str, events: Option<String>) {
        let loaded = self.world.store.load(id, None).await.expect("memory can be read");
        let mut image = json!({
            "id": { "S": id },
            "part": { "S": "state" },
            "version": { "N": loaded.version.to_string() },
        });
        if let Some(state) = loaded.state {
            image["state"] = json!({ "S": serde_json::to_string(&state).expect("state is JSON") });
        }
        // The events of the last change stay in the item, and belong to this record only if it shows that change.
        let changed = if events.is_some() { loaded.version } else { 0 };
        let last = self.world.store.events_of(id).await.expect("memory can be read");
        let last = serde_json::to_string(&last).expect("events are JSON");
        image["events"] = json!({ "S": events.unwrap_or(last) });
        image["changed"] = json!({ "N": changed.to_string() });
        let mut stream = self.world.stream.lock().expect("no thread has panicked");
        let record = json!({
            "eventID": stream.len().to_string(),
            "eventName": "MODIFY",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "Keys": { "id": { "S": id }, "part": { "S": "state" } },
                "NewImage": image,
                "SequenceNumber": stream.len().to_string(),
                "SizeBytes": 100,
                "StreamViewType": "NEW_IMAGE",
            },
        });
        stream.push(serde_json::from_value(record).expect("a record"));
    }
}

impl StateStore<Slot> for Wired<'_> {
    async fn load(&self, id: &str, holder: Option<&str>) -> Result<Loaded<Slot>, StoreError> {
        self.line.carry(self.world.store.load(id, holder)).await
    }

    async fn save(&self, id: &str, change: Change<Slot>) -> Result<(), StoreError> {
        self.line.writes.fetch_add(1, Ordering::SeqCst);
        self.line
            .carry(async {
                let events = serde_json::to_string(&change.events).expect("events are JSON");
                self.world.store.save(id, change).await?;
                self.show(id, Some(events)).await;
                Ok(())
            })
            .await
    }

    async fn set_tombstone(&self, id: &str, holder: &str) -> Result<(), StoreError> {
        self.line
            .carry(async {
                self.world.store.set_tombstone(id, holder).await?;
                self.show(id, None).await;
                Ok(())
            })
            .await
    }
}
