//! Concurrent operations on one bill: every order of their calls, or a random sample of the orders.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use billing::payment_service::{PaymentError, VersionedBill};

use crate::world::{FaultyTransport, Operation, World, payment, result_name, usd};

type RaceResult = Option<Result<VersionedBill, PaymentError>>;

/// The choices of the function that runs next: first the recorded ones, then always the first function.
#[derive(Default)]
struct Schedule {
    /// The choice and the number of choices at each step.
    steps: Vec<(usize, usize)>,
    at: usize,
}

impl Schedule {
    fn choose(&mut self, choices: usize) -> usize {
        if self.at == self.steps.len() {
            self.steps.push((0, choices));
        }
        let (choice, _) = self.steps[self.at];
        self.at += 1;
        choice
    }

    /// Advances to the next schedule; `false` if all were tried.
    fn next(&mut self) -> bool {
        self.at = 0;
        while let Some((choice, choices)) = self.steps.pop() {
            if choice + 1 < choices {
                self.steps.push((choice + 1, choices));
                return true;
            }
        }
        false
    }
}

/// Runs all functions to completion, one call at a time.
fn run(
    mut functions: Vec<Pin<&mut dyn Future<Output = RaceResult>>>,
    mut choose: impl FnMut(usize) -> usize,
) -> Vec<Result<VersionedBill, PaymentError>> {
    let mut context = Context::from_waker(Waker::noop());
    let mut results: Vec<RaceResult> = functions.iter().map(|_| None).collect();
    let mut running: Vec<usize> = (0..functions.len()).collect();
    while !running.is_empty() {
        let place = choose(running.len());
        let function = running[place];
        if let Poll::Ready(result) = functions[function].as_mut().poll(&mut context) {
            results[function] = result;
            running.remove(place);
        }
    }
    results.into_iter().map(|it| it.expect("no crash is injected")).collect()
}

/// The invariants after any race. Each operation is repeated, and returns its original result.
async fn check(
    world: &World,
    operations: &[Operation],
    results: &[Result<VersionedBill, PaymentError>],
) {
    world.check_money();
    let bill = world.bill();
    if let Some(bill) = &bill {
        assert!(!bill.is_closing(), "its closing is complete");
        assert_eq!(bill.requested().filter(|_| bill.is_open()).count(), 0);
    }
    let before = world.final_state();
    for (operation, result) in operations.iter().zip(results) {
        let repeated = result_name(&world.run(operation).await);
        match operation {
            // A booking must not continue with a bill that was closed, even though it had been paid.
            Operation::Authorise(_) if bill.as_ref().is_some_and(|it| !it.is_open()) => {
                assert_eq!(repeated, "conflict");
            }
            Operation::Issue
            | Operation::Authorise(_)
            | Operation::Pay(_)
            | Operation::Close
            | Operation::Reconcile => {
                assert_eq!(repeated, result_name(result), "{operation:?}: {:?}", before.bill);
            }
        }
    }
    assert_eq!(world.final_state(), before);
}

async fn prepared(before: &[Operation]) -> World {
    let world = World::default();
    for operation in before {
        world.run(operation).await.expect("no fault is injected");
    }
    world
}

/// Runs two operations in every order of their calls; returns the number of orders.
async fn every_order(before: &[Operation], late_by: i64, operations: [Operation; 2]) -> usize {
    let mut schedule = Schedule::default();
    let mut orders = 0;
    loop {
        let world = prepared(before).await;
        world.advance(late_by);
        let transports = [FaultyTransport::yielding(), FaultyTransport::yielding()];
        let results = {
            let first = pin!(world.run_over(&operations[0], &transports[0]));
            let second = pin!(world.run_over(&operations[1], &transports[1]));
            run(vec![first, second], |choices| schedule.choose(choices))
        };
        check(&world, &operations, &results).await;
        orders += 1;
        if !schedule.next() {
            return orders;
        }
    }
}

fn pay(id: u128, amount: &str) -> Operation {
    Operation::Pay(payment(id, amount, "tok_visa"))
}

#[tokio::test]
async fn a_payment_and_a_closing_have_a_consistent_result_in_every_order() {
    for (before, late_by, operations) in [
        (vec![], 0, [Operation::Authorise("tok_visa"), Operation::Close]),
        (vec![], 0, [Operation::Authorise("tok_declined"), Operation::Close]),
        (vec![Operation::Issue], 0, [pay(7, "100.00"), Operation::Close]),
        (vec![Operation::Issue, pay(7, "40.00")], 0, [pay(8, "60.00"), Operation::Close]),
        (vec![Operation::Issue, pay(7, "40.00")], 900, [Operation::Reconcile, Operation::Close]),
        (vec![Operation::Authorise("tok_visa")], 0, [Operation::Close, Operation::Close]),
    ] {
        let orders = every_order(&before, late_by, operations.clone()).await;
        assert!(orders >= 10, "{operations:?}: only {orders} orders");
    }
}

#[tokio::test]
async fn two_concurrent_payments_never_exceed_the_total() {
    for operations in [
        [pay(7, "100.00"), pay(7, "100.00")],
        [pay(7, "60.00"), pay(8, "60.00")],
        [pay(7, "60.00"), pay(8, "40.00")],
        [Operation::Issue, pay(7, "100.00")],
    ] {
        every_order(&[Operation::Issue], 0, operations).await;
    }
    every_order(&[], 0, [Operation::Authorise("tok_visa"), Operation::Authorise("tok_visa")]).await;
    every_order(&[], 0, [Operation::Issue, Operation::Close]).await;
}

#[tokio::test]
async fn four_concurrent_operations_lose_no_money() {
    let operations = [pay(7, "60.00"), pay(8, "40.00"), Operation::Close, Operation::Close];
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..3_000 {
        let world = prepared(&[Operation::Issue]).await;
        let transports = [(); 4].map(|()| FaultyTransport::yielding());
        let results = {
            let first = pin!(world.run_over(&operations[0], &transports[0]));
            let second = pin!(world.run_over(&operations[1], &transports[1]));
            let third = pin!(world.run_over(&operations[2], &transports[2]));
            let fourth = pin!(world.run_over(&operations[3], &transports[3]));
            run(vec![first, second, third, fourth], |choices| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                usize::try_from(random % choices as u64).expect("a small number")
            })
        };
        check(&world, &operations, &results).await;
        assert_eq!(world.held(), usd("0.00"));
    }
}
