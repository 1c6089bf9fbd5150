//! Random operations with random faults: the bill and the provider stay consistent.

use proptest::prelude::*;

use crate::world::{FAULTS, Fault, FaultyTransport, Operation, World, payment};

#[derive(Clone, Debug)]
struct Step {
    operation: Operation,
    faults: Vec<(usize, Fault)>,
    seconds: i64,
}

fn operation() -> impl Strategy<Value = Operation> {
    let token = prop::sample::select(vec![
        "tok_visa",
        "tok_visa",
        "tok_declined",
        "tok_flaky",
        "tok_timeout",
        "tok_slow",
        "tok_down",
    ]);
    let amount = prop::sample::select(vec!["20.00", "40.00", "60.00", "100.00", "100.01"]);
    let pay = (0..5u128, amount, token.clone())
        .prop_map(|(id, amount, token)| Operation::Pay(payment(id, amount, token)));
    prop_oneof![
        2 => Just(Operation::Issue),
        2 => token.prop_map(Operation::Authorise),
        6 => pay,
        1 => Just(Operation::Close),
        2 => Just(Operation::Reconcile),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let fault = (0..8usize, prop::sample::select(FAULTS.to_vec()));
    let faults = prop::collection::vec(fault, 0..3);
    (operation(), faults, prop::sample::select(vec![0, 0, 1, 61, 300]))
        .prop_map(|(operation, faults, seconds)| Step { operation, faults, seconds })
}

async fn run(steps: Vec<Step>) {
    let world = World::default();
    for Step { operation, faults, seconds } in steps {
        drop(world.run_over(&operation, &FaultyTransport::with_faults(faults)).await);
        world.check_money();
        world.advance(seconds);
    }
    // Without further faults, reconciliation completes every operation.
    world.advance(1_000);
    drop(world.run(&Operation::Reconcile).await);
    world.check_money();
    // When the booking ends, all payments are refunded.
    world.run(&Operation::Close).await.expect("closing is never rejected");
    world.check_money();
    let bill = world.bill().expect("closing stores the bill");
    assert!(!bill.is_open() && !bill.is_closing());
    assert_eq!(bill.reconcile_at(), None);
    let sequences: Vec<u64> = world.store.outbox().iter().map(|it| it.sequence).collect();
    assert!(sequences.is_sorted());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_bill_and_the_provider_agree_after_any_faults(steps in prop::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(run(steps));
    }
}
