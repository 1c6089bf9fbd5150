//! The cost of rules without a store: deciding on a booking, and folding a stream.

use std::hint::black_box;

use booking::domain::{Booking, BookingCommand, BookingEvent};
use contracts::booking::{Payment, PaymentMode};
use contracts::id::{CustomerId, SlotId};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use event_sourcing::decider::{Decider, fold};
use uuid::Uuid;

const SLOT: SlotId = SlotId(Uuid::from_u128(7));
const MANY: u64 = 10_000;

fn ann() -> CustomerId {
    CustomerId("ann".to_owned())
}

fn card() -> Payment {
    Payment::Instant { token: "tok_visa".to_owned() }
}

/// The longest stream of a booking.
fn stream() -> [BookingEvent; 4] {
    [
        BookingEvent::BookingCreated { customer: ann(), slot_id: SLOT, payment: card() },
        BookingEvent::BookingReserved { slot_id: SLOT },
        BookingEvent::BookingCompleted { slot_id: SLOT },
        BookingEvent::BookingCheckedOut { slot_id: SLOT },
    ]
}

fn decides(criterion: &mut Criterion) {
    let [created, reserved, completed, _] = stream();
    let pending: Booking = fold([&created]);
    let complete: Booking = fold([&created, &reserved, &completed]);
    let create = BookingCommand::Create { customer: ann(), slot_id: SLOT, payment: card() };
    let cases = [
        ("create", Booking::Absent, create),
        ("complete", pending, BookingCommand::Complete { mode: PaymentMode::Instant }),
        ("cancel", complete, BookingCommand::Cancel { customer: ann() }),
    ];
    let mut group = criterion.benchmark_group("decide");
    for (name, booking, command) in cases {
        let decided = booking.decide(&command);
        assert!(decided.is_ok_and(|events| !events.is_empty()), "{name} is rejected");
        group
            .bench_function(name, |it| it.iter(|| black_box(&booking).decide(black_box(&command))));
    }
    group.finish();
}

/// Minimal rules, so that the fold itself dominates.
#[derive(Clone, Debug, Default)]
struct Account {
    cents: u64,
}

#[derive(Clone, Debug)]
enum Moved {
    In { cents: u64 },
    Out { cents: u64 },
}

impl Decider for Account {
    type Command = Moved;
    type Event = Moved;
    type Rejection = std::convert::Infallible;

    fn decide(&self, command: &Moved) -> Result<Vec<Moved>, Self::Rejection> {
        Ok(vec![command.clone()])
    }

    fn evolve(self, event: &Moved) -> Self {
        match event {
            Moved::In { cents } => Self { cents: self.cents + cents },
            Moved::Out { cents } => Self { cents: self.cents.saturating_sub(*cents) },
        }
    }
}

fn folds(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fold");
    let booking = stream();
    group.throughput(Throughput::Elements(4));
    group.bench_function("a booking", |it| it.iter(|| fold::<Booking>(black_box(&booking))));
    let moved = |at| if at % 3 == 0 { Moved::Out { cents: at } } else { Moved::In { cents: at } };
    let account: Vec<Moved> = (0..MANY).map(moved).collect();
    group.throughput(Throughput::Elements(MANY));
    group.bench_function("10000 events", |it| it.iter(|| fold::<Account>(black_box(&account))));
    group.finish();
}

criterion_group!(rules, decides, folds);
criterion_main!(rules);
