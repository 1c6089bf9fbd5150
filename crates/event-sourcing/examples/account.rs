//! An account with snapshots, a command that is sent twice, and past states; without AWS.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use event_sourcing::decider::Decider;
use event_sourcing::execute::{ExecuteError, Metadata, execute};
use event_sourcing::memory::MemoryStore;
use event_sourcing::snapshot::Snapshots;
use event_sourcing::state::{at_time, at_version, latest};
use event_sourcing::store::EventStore;
use event_sourcing::upcast::Upcast;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Account {
    cents: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Event {
    Deposited { cents: u64 },
    Withdrawn { cents: u64 },
}

#[derive(Clone, Copy, Debug)]
enum Command {
    Deposit(u64),
    Withdraw(u64),
}

#[derive(Debug, thiserror::Error)]
#[error("there is not so much in the account")]
struct TooLittle;

impl Decider for Account {
    type Command = Command;
    type Event = Event;
    type Rejection = TooLittle;

    const SNAPSHOTS: Option<Snapshots<Self>> = Some(Snapshots::every(100));

    fn decide(&self, command: &Command) -> Result<Vec<Event>, TooLittle> {
        match *command {
            Command::Deposit(cents) => Ok(vec![Event::Deposited { cents }]),
            Command::Withdraw(cents) if cents <= self.cents => Ok(vec![Event::Withdrawn { cents }]),
            Command::Withdraw(_) => Err(TooLittle),
        }
    }

    fn evolve(self, event: &Event) -> Self {
        match event {
            Event::Deposited { cents } => Self { cents: self.cents + cents },
            Event::Withdrawn { cents } => Self { cents: self.cents - cents },
        }
    }
}

impl Upcast for Event {}
impl Upcast for Account {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = MemoryStore::default();
    let second = |number| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(number);
    let carry_out = async |command, id, at| {
        let metadata = Metadata::new(id, second(at));
        execute::<Account>(&store, "ann", &command, &metadata, Uuid::now_v7).await
    };

    for day in 1..=250 {
        carry_out(Command::Deposit(100), Uuid::now_v7(), day).await?;
    }
    let now = latest::<Account>(&store, "ann").await?;
    println!("after {} events: {} cents", now.version, now.state.cents);

    let refused = carry_out(Command::Withdraw(1_000_000), Uuid::now_v7(), 251).await;
    if let Err(ExecuteError::Rejected(reason)) = refused {
        println!("a million: {reason}");
    }

    let id = Uuid::now_v7();
    let once = carry_out(Command::Withdraw(5_000), id, 252).await?;
    let twice = carry_out(Command::Withdraw(5_000), id, 253).await?;
    println!("withdrawn once: {} cents, twice: {} cents", once.state.cents, twice.state.cents);

    if let Some(then) = at_version::<Account>(&store, "ann", 42).await? {
        println!("at version 42: {} cents", then.state.cents);
    }
    let then = at_time::<Account>(&store, "ann", second(120)).await?;
    println!("after two minutes: {} cents", then.state.cents);

    let commits = store.load("ann", 0).await?;
    let kept = commits.iter().filter(|commit| commit.snapshot.is_some());
    let kept: Vec<_> = kept.map(|commit| commit.version).collect();
    println!("snapshots came with versions {kept:?}");
    Ok(())
}
