//! Any deeds in any order, any of their calls going wrong: the money still adds up.

use proptest::prelude::*;

use crate::world::{Deed, FAULTS, Fault, Line, World, payment};

#[derive(Clone, Debug)]
struct Step {
    deed: Deed,
    faults: Vec<(usize, Fault)>,
    seconds: i64,
}

fn deed() -> impl Strategy<Value = Deed> {
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
        .prop_map(|(id, amount, token)| Deed::Pay(payment(id, amount, token)));
    prop_oneof![
        2 => Just(Deed::Issue),
        2 => token.prop_map(Deed::Authorise),
        6 => pay,
        1 => Just(Deed::Close),
        2 => Just(Deed::Attend),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let fault = (0..8usize, prop::sample::select(FAULTS.to_vec()));
    let faults = prop::collection::vec(fault, 0..3);
    (deed(), faults, prop::sample::select(vec![0, 0, 1, 61, 300]))
        .prop_map(|(deed, faults, seconds)| Step { deed, faults, seconds })
}

async fn live(steps: Vec<Step>) {
    let world = World::default();
    for Step { deed, faults, seconds } in steps {
        drop(world.try_to(&deed, &Line::with(faults)).await);
        world.check_money();
        world.pass(seconds);
    }
    // In the end everything calms down, and the sweep comes by.
    world.pass(1_000);
    drop(world.calmly(&Deed::Attend).await);
    world.check_money();
    // Whatever was paid, a booking that is over gets everything back.
    world.calmly(&Deed::Close).await.expect("closing is never refused");
    world.check_money();
    let bill = world.bill().expect("there is one now");
    assert!(!bill.is_open() && !bill.is_closing());
    assert_eq!(bill.attention_at(), None);
    let sequences: Vec<u64> = world.store.outbox().iter().map(|it| it.sequence).collect();
    assert!(sequences.is_sorted());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_money_adds_up_whatever_goes_wrong(steps in prop::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(live(steps));
    }
}
