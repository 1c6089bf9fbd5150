//! The other remote services: the workflow service, the index of bills, the payment provider, other functions.

use std::sync::Arc;
use std::time::Duration;

use ::bff::invoke::Invoke;
use async_trait::async_trait;
use billing::adapters::http;
use billing::domain::{Bill, ChargeOutcome};
use billing::payment_service::unix_seconds_rounded_up;
use billing::ports::{ATTEMPT_TIMEOUT, Charge, DueBill, DueBills, ProviderError};
use booking::ports::{CompensationInput, CompensationStarter};
use booking::ports::{SagaInput, SagaStarter, WorkflowError};
use contracts::id::{BillReference, PaymentId};
use contracts::money::Money;
use operator_bff::queues::{DeadLetter as OperatorDeadLetter, MonitoredQueue, QueueDepth, Queues};
use operator_bff::workflow::{self, Execution, Workflow};
use outbox::state::StoreError;
use payment_provider::domain::{Entry as LedgerEntry, Key, Reference};
use payment_provider::ledger::{Ledger as LedgerPort, LedgerError, Revision};
use serde::Serialize;
use serde_json::{Value, json};
use service_error::ServiceError;
use tokio::time::{sleep, timeout};

use super::now_or_panic;
use super::states::state_store;
use crate::functions::PROVIDER_KEY;
use crate::lambda;
use crate::queues::DeadLetter;
use crate::sagas::{SAGA, UNDO};
use crate::transport::{Access, CallError, Fault, FaultyTransport};
use crate::world::World;

/// One in this many calls of a provider that is down gets no response; the others fail at once.
const PROVIDER_IS_SILENT: u64 = 2;

/// The state machines, the queues as operators see them, the payment provider, and the index of bills.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remote<'a>(pub(crate) &'a Arc<FaultyTransport>);

impl SagaStarter for Remote<'_> {
    async fn start(&self, input: &SagaInput) -> Result<(), WorkflowError> {
        let input = input.clone();
        let start = move |world: &World| {
            world.executions.start(world, SAGA, input.booking_id.to_string(), &input);
        };
        let started = self.0.call(Access::Write, "start a saga", start).await;
        started.map_err(|error| WorkflowError(Box::new(error)))
    }
}

impl CompensationStarter for Remote<'_> {
    async fn start_compensation(
        &self,
        name: &str,
        input: &CompensationInput,
    ) -> Result<(), WorkflowError> {
        let (name, input) = (name.to_owned(), input.clone());
        let start = move |world: &World| world.executions.start(world, UNDO, name.clone(), &input);
        let started = self.0.call(Access::Write, "start a recovery", start).await;
        started.map_err(|error| WorkflowError(Box::new(error)))
    }
}

/// The ports of the operators' backend, which outlive one request.
#[derive(Clone, Debug)]
pub(crate) struct OperatorPorts(pub(crate) Arc<FaultyTransport>);

#[async_trait]
impl Queues for OperatorPorts {
    async fn dead_letters(
        &self,
        queue: &MonitoredQueue,
    ) -> Result<Vec<OperatorDeadLetter>, ServiceError> {
        let queue = queue.url.clone();
        let list = move |world: &World| {
            let letters = world.queues.dead().into_iter().filter(|it| it.queue == queue);
            let found =
                letters.map(|DeadLetter { id: message_id, body, reason, .. }| OperatorDeadLetter {
                    message_id,
                    reason,
                    body,
                    received_at: world.now(),
                    redrives: 0,
                });
            found.collect()
        };
        let found = self.0.call(Access::Read, "list dead letters", list).await;
        found.map_err(|error| ServiceError::transient("the queue can't be reached", error))
    }

    async fn redrive(&self, queue: &MonitoredQueue) -> Result<u64, ServiceError> {
        let queue = queue.url.clone();
        let redrive = move |world: &World| world.queues.redrive(world, &queue) as u64;
        let moved = self.0.call(Access::Write, "redrive", redrive).await;
        moved.map_err(|error| ServiceError::transient("the queue can't be reached", error))
    }

    async fn discard(
        &self,
        _: &MonitoredQueue,
        _: &str,
    ) -> Result<Option<OperatorDeadLetter>, ServiceError> {
        // The invariants are about what is never lost, and simulated operators discard nothing.
        Ok(None)
    }

    async fn depth(&self, queue: &MonitoredQueue) -> Result<QueueDepth, ServiceError> {
        let queue = queue.url.clone();
        let count = move |world: &World| {
            let (messages, dead_letters) = world.queues.depth(&queue);
            QueueDepth { messages: messages as u64, dead_letters: dead_letters as u64 }
        };
        let counted = self.0.call(Access::Read, "count messages", count).await;
        counted.map_err(|error| ServiceError::transient("the queue can't be reached", error))
    }

    async fn send(&self, queue: &MonitoredQueue, message: String) -> Result<(), ServiceError> {
        let queue = queue.url.clone();
        let send =
            move |world: &World| world.queues.send(world, &queue, message.clone(), Duration::ZERO);
        let sent = self.0.call(Access::Write, "send a command", send).await;
        sent.map_err(|error| ServiceError::transient("the queue can't be reached", error))
    }
}

#[async_trait]
impl Workflow for OperatorPorts {
    async fn execution(
        &self,
        machine: workflow::StateMachine,
        name: &str,
    ) -> Result<Option<Execution>, ServiceError> {
        let name = name.to_owned();
        let machine = match machine {
            workflow::StateMachine::Saga => SAGA,
            workflow::StateMachine::Compensation => UNDO,
        };
        let get = move |world: &World| world.executions.shown(machine, &name);
        let found = self.0.call(Access::Read, "get an execution", get).await;
        found.map_err(|error| {
            ServiceError::transient("the workflow service does not respond", error)
        })
    }
}

impl DueBills for Remote<'_> {
    async fn due_before(&self, seconds: i64) -> Result<Vec<DueBill>, StoreError> {
        let find = move |world: &World| {
            let bills = world.bills.all().into_values();
            let due = bills.filter_map(|(_, bill): (u64, Bill)| {
                let at_seconds = unix_seconds_rounded_up(bill.reconcile_at()?);
                // An index lags behind its table.
                let is_seen = !world.injects(world.plan.delayed);
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

impl billing::ports::Provider for Remote<'_> {
    type Permit<'a>
        = ()
    where
        Self: 'a;

    async fn acquire_permit(&self) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn charge(&self, (): (), charge: &Charge) -> Result<ChargeOutcome, ProviderError> {
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

/// One HTTP request to the provider's function behind its gateway.
async fn post(
    transport: &FaultyTransport,
    path: &str,
    key: PaymentId,
    body: &(impl Serialize + Sync),
) -> Result<(u16, String), ProviderError> {
    let no_response = |why: &'static str| ProviderError::NoResponse(why.into());
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
    let world = &transport.world;
    let fault = transport.next_fault(Access::Write, "call the provider");
    if fault == Fault::CrashBefore {
        return transport.crash().await;
    }
    let call = async {
        sleep(world.latency()).await;
        let at = world.elapsed();
        if world.plan.provider_down.iter().any(|(from, until)| (*from..*until).contains(&at)) {
            world.invariants.count_outage();
            if world.rng.below(PROVIDER_IS_SILENT) == 0 {
                sleep(ATTEMPT_TIMEOUT * 2).await;
            }
            return Ok((503, String::new()));
        }
        match fault {
            Fault::RequestLost | Fault::Conflict => {
                return Err(no_response("the connection was lost"));
            }
            Fault::Throttled => return Ok((429, String::new())),
            Fault::None
            | Fault::ResponseLost
            | Fault::AppliedLate
            | Fault::CrashBefore
            | Fault::CrashAfter => {}
        }
        let response = lambda::invoke(world, "payment-provider", event.to_string().into_bytes());
        let Ok(response) = response.await else { return Ok((502, String::new())) };
        let response: Value = serde_json::from_slice(&response).expect("a proxy response is JSON");
        let status = response["statusCode"].as_u64().and_then(|it| u16::try_from(it).ok());
        let body = response["body"].as_str().unwrap_or_default().to_owned();
        Ok((status.unwrap_or(502), body))
    };
    let response = timeout(ATTEMPT_TIMEOUT, call).await;
    match fault {
        Fault::CrashAfter => transport.crash().await,
        Fault::ResponseLost | Fault::AppliedLate => Err(no_response("the response was lost")),
        Fault::None
        | Fault::RequestLost
        | Fault::CrashBefore
        | Fault::Throttled
        | Fault::Conflict => response.unwrap_or_else(|_| Err(no_response("the deadline passed"))),
    }
}

/// The provider's table.
#[derive(Clone, Debug)]
pub(crate) struct Ledger(Arc<FaultyTransport>);

impl Ledger {
    pub(crate) fn new(transport: &Arc<FaultyTransport>) -> Self {
        Self(Arc::clone(transport))
    }
}

fn ledger(error: CallError) -> LedgerError {
    LedgerError::Unavailable(Box::new(error))
}

impl LedgerPort for Ledger {
    async fn bind(&self, key: &Key, reference: &Reference) -> Result<bool, LedgerError> {
        let (key, reference) = (key.clone(), reference.clone());
        let bind = move |world: &World| now_or_panic(world.ledger.bind(&key, &reference));
        self.0.call(Access::Write, "bind a key", bind).await.map_err(ledger)?
    }

    async fn load(
        &self,
        reference: &Reference,
        key: &Key,
    ) -> Result<(LedgerEntry, Revision), LedgerError> {
        let (key, reference) = (key.clone(), reference.clone());
        let load = move |world: &World| now_or_panic(world.ledger.load(&reference, &key));
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
            now_or_panic(world.ledger.save(&reference, &key, &entry, expected))?;
            world.invariants.money_moved(world, &reference);
            Ok(())
        };
        self.0.call(Access::Conditional, "put an entry", save).await.map_err(ledger)?
    }

    async fn entries(&self, reference: &Reference) -> Result<Vec<(Key, LedgerEntry)>, LedgerError> {
        let reference = reference.clone();
        let list = move |world: &World| now_or_panic(world.ledger.entries(&reference));
        self.0.call(Access::Read, "list entries", list).await.map_err(ledger)?
    }
}

/// Other functions.
#[derive(Clone, Debug)]
pub(crate) struct Services(pub(crate) Arc<FaultyTransport>);

impl Services {
    fn payload(&self, function: &str, request: Vec<u8>) -> Vec<u8> {
        if self.0.is_later_release {
            lambda::with_later_members(function, request)
        } else {
            request
        }
    }

    async fn send_request(&self, function: &str) -> Result<Fault, ServiceError> {
        let fault = self.0.next_fault(Access::Read, function);
        let lost =
            |why: &'static str| Err(ServiceError::transient("the service did not respond", why));
        match fault {
            Fault::CrashBefore => self.0.crash().await,
            Fault::RequestLost => lost("the connection was lost"),
            Fault::Throttled | Fault::Conflict => lost("TooManyRequestsException"),
            Fault::None | Fault::ResponseLost | Fault::AppliedLate | Fault::CrashAfter => Ok(fault),
        }
    }

    async fn receive_response(&self, fault: Fault) -> Result<(), ServiceError> {
        match fault {
            Fault::CrashAfter => self.0.crash().await,
            Fault::ResponseLost | Fault::AppliedLate => {
                Err(ServiceError::transient("the service did not respond", "the response was lost"))
            }
            Fault::None
            | Fault::RequestLost
            | Fault::CrashBefore
            | Fault::Throttled
            | Fault::Conflict => Ok(()),
        }
    }
}

impl Invoke for Services {
    async fn invoke(&self, function: &str, request: Vec<u8>) -> Result<Vec<u8>, ServiceError> {
        let fault = self.send_request(function).await?;
        let request = self.payload(function, request);
        let response = lambda::invoke(&self.0.world, function, request).await;
        self.receive_response(fault).await?;
        response
            .map_err(|failed| ServiceError::from_wire(&failed.error_type, &failed.error_message))
    }

    async fn start(&self, function: &str, request: Vec<u8>) -> Result<(), ServiceError> {
        let fault = self.send_request(function).await?;
        sleep(self.0.world.latency()).await;
        lambda::start(&self.0.world, function, self.payload(function, request));
        self.receive_response(fault).await
    }
}
