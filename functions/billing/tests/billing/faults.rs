//! Every fault at every call of every operation: a retry or reconciliation completes the operation.

use crate::world::{FAULTS, FaultyTransport, FinalState, Operation, World, payment};

/// The operations that prepare a bill, and then the operation under test.
struct Case {
    name: &'static str,
    before: Vec<Operation>,
    /// An operation that crashes at the call with this number, and so is incomplete.
    incomplete: Option<(Operation, usize)>,
    operation: Operation,
}

fn cases() -> Vec<Case> {
    let pay = |id, amount, token| Operation::Pay(payment(id, amount, token));
    let case = |name, before: &[Operation], operation: Operation| Case {
        name,
        before: before.to_vec(),
        incomplete: None,
        operation,
    };
    let incomplete = |name, before: &[Operation], first: Operation, at, operation| Case {
        name,
        before: before.to_vec(),
        incomplete: Some((first, at)),
        operation,
    };
    let part = pay(7, "40.00", "tok_visa");
    let rest = pay(8, "60.00", "tok_visa");
    vec![
        case("issue", &[], Operation::Issue),
        case("authorise", &[], Operation::Authorise("tok_visa")),
        case("authorise, declined", &[], Operation::Authorise("tok_declined")),
        case("authorise, flaky", &[], Operation::Authorise("tok_flaky")),
        case("authorise, timeout", &[], Operation::Authorise("tok_timeout")),
        case("pay a part", &[Operation::Issue], part.clone()),
        case("pay the rest", &[Operation::Issue, part.clone()], rest.clone()),
        case("pay, declined", &[Operation::Issue], pay(7, "100.00", "tok_declined")),
        case("close nothing", &[], Operation::Close),
        case("close unpaid", &[Operation::Issue], Operation::Close),
        case("close paid", &[Operation::Authorise("tok_visa")], Operation::Close),
        case("close paid in parts", &[Operation::Issue, part.clone(), rest], Operation::Close),
        // The function crashed before the charge, and after it.
        incomplete("close uncharged", &[], Operation::Authorise("tok_visa"), 2, Operation::Close),
        incomplete(
            "close after an unrecorded charge",
            &[],
            Operation::Authorise("tok_visa"),
            3,
            Operation::Close,
        ),
        incomplete(
            "reconcile before the charge",
            &[Operation::Issue],
            part.clone(),
            2,
            Operation::Reconcile,
        ),
        incomplete(
            "reconcile after an unrecorded charge",
            &[Operation::Issue],
            part.clone(),
            3,
            Operation::Reconcile,
        ),
        incomplete(
            "reconcile a closing",
            &[Operation::Issue, part],
            Operation::Close,
            2,
            Operation::Reconcile,
        ),
    ]
}

async fn prepare(case: &Case) -> World {
    let world = World::default();
    for operation in &case.before {
        world.run(operation).await.expect(case.name);
    }
    if let Some((operation, at)) = &case.incomplete {
        let transport = FaultyTransport::with_faults([(*at, crate::world::Fault::CrashBefore)]);
        assert!(world.run_over(operation, &transport).await.is_none(), "{}", case.name);
        world.advance(60);
    }
    world
}

async fn without_faults(case: &Case) -> (usize, FinalState) {
    let world = prepare(case).await;
    let transport = FaultyTransport::default();
    drop(world.run_over(&case.operation, &transport).await);
    world.check_money();
    (transport.calls(), world.final_state())
}

#[tokio::test(start_paused = true)]
async fn a_retry_completes_an_operation_after_any_fault_at_any_call() {
    for case in cases() {
        let (calls, expected) = without_faults(&case).await;
        for number in 0..calls {
            for fault in FAULTS {
                let world = prepare(&case).await;
                let transport = FaultyTransport::with_faults([(number, fault)]);
                drop(world.run_over(&case.operation, &transport).await);
                world.check_money();
                drop(world.run(&case.operation).await);
                world.check_money();
                let at = format!("{}: {fault:?} at call {number}", case.name);
                assert_eq!(world.final_state(), expected, "{at}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_operation_has_no_further_effect() {
    for case in cases() {
        let (_, expected) = without_faults(&case).await;
        let world = prepare(&case).await;
        drop(world.run(&case.operation).await);
        drop(world.run(&case.operation).await);
        assert_eq!(world.final_state(), expected, "{}", case.name);
    }
}

#[tokio::test(start_paused = true)]
async fn reconciliation_completes_an_operation_that_is_not_retried() {
    for case in cases() {
        let (calls, _) = without_faults(&case).await;
        for number in 0..calls {
            for fault in FAULTS {
                let world = prepare(&case).await;
                drop(
                    world
                        .run_over(&case.operation, &FaultyTransport::with_faults([(number, fault)]))
                        .await,
                );
                world.advance(60);
                world.run(&Operation::Reconcile).await.unwrap();
                world.check_money();
                let at = format!("{}: {fault:?} at call {number}", case.name);
                if let Some(bill) = world.bill() {
                    assert_eq!(bill.requested().filter(|_| bill.is_open()).count(), 0, "{at}");
                    assert!(!bill.is_closing(), "{at}");
                }
            }
        }
    }
}
