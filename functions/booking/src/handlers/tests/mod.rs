//! AWS event in, response out, against in-memory stores.

mod commands;
mod faults;
mod projection;
mod publishing;
mod queries;
mod reactions;
mod rebuilding;
mod resuming;
mod support;

use std::sync::atomic::Ordering;

use crate::handlers::command::CommandResponse;
use crate::handlers::{project, publish, query, react, rebuild};
use crate::view::{BookingRow, fold};
use contracts::booking::{BookingStatus, FailureReason, Query};
use contracts::message::Request;
use cqrs::cursor::Cursors;
use cqrs::generation::Generations as _;
use cqrs::lag::ReportThrottle;
use cqrs::memory::{MemoryGenerations, MemoryView};
use cqrs::test_support::{self, given};
use cqrs::view::Versioned;
use event_sourcing::store::{Commit, EventStore, StoreError};
use outbox::memory::{MemoryBus, MemoryDeadLetters};
use proptest::prelude::*;
use serde_json::{Value, json};
use service_error::{ErrorKind, ServiceError};
use support::*;

fn accepted(response: CommandResponse) -> (BookingStatus, u64) {
    match response {
        CommandResponse::Accepted(accepted) => (accepted.status, accepted.version),
        CommandResponse::History(_) | CommandResponse::BookingAtVersion(_) => {
            panic!("not a response to a command")
        }
    }
}

fn slug(refused: Result<CommandResponse, ServiceError>) -> String {
    let failure = refused.unwrap_err();
    assert_eq!(failure.kind(), ErrorKind::Rejected);
    failure.slug().to_owned()
}

fn complete() -> Value {
    json!({ "command": "completeBooking", "bookingId": BOOKING })
}

fn cancel() -> Value {
    json!({ "command": "cancelBooking", "bookingId": BOOKING, "customer": "ann" })
}
