//! Real AWS events in, answers out, against stores in memory.

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

use crate::handlers::command::Answer;
use crate::handlers::{project, publish, query, react, rebuild};
use crate::view::{BookingRow, fold};
use contracts::booking::{BookingStatus, FailureReason, Query};
use contracts::message::Request;
use cqrs::cursor::Cursors;
use cqrs::generation::Generations as _;
use cqrs::kit::{self, given};
use cqrs::lag::Gauge;
use cqrs::memory::{MemoryGenerations, MemoryView};
use cqrs::view::Versioned;
use event_sourcing::store::{Commit, EventStore, StoreError};
use outbox::memory::{MemoryBus, MemoryDeadLetters};
use proptest::prelude::*;
use saga::{Failure, FailureKind};
use serde_json::{Value, json};
use support::*;

fn accepted(answer: Answer) -> (BookingStatus, u64) {
    match answer {
        Answer::Accepted(accepted) => (accepted.status, accepted.version),
        Answer::History(_) | Answer::Standing(_) => panic!("not what a command is answered with"),
    }
}

fn slug(refused: Result<Answer, Failure>) -> String {
    let failure = refused.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Rejected);
    failure.slug().to_owned()
}

fn complete() -> Value {
    json!({ "command": "completeBooking", "bookingId": BOOKING })
}

fn cancel() -> Value {
    json!({ "command": "cancelBooking", "bookingId": BOOKING, "customer": "ann" })
}
