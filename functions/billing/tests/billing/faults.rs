//! Every call of every deed goes wrong once, in every way, and a repeat makes it good.

use crate::world::{Deed, FAULTS, Line, Remains, World, payment};

/// A bill to begin with, made by these deeds; then the deed under test.
struct Case {
    name: &'static str,
    before: Vec<Deed>,
    /// Cut short, so that what it has begun is half done.
    half: Option<(Deed, usize)>,
    deed: Deed,
}

fn cases() -> Vec<Case> {
    let pay = |id, amount, token| Deed::Pay(payment(id, amount, token));
    let case = |name, before: &[Deed], deed: Deed| Case {
        name,
        before: before.to_vec(),
        half: None,
        deed,
    };
    let half = |name, before: &[Deed], deed: Deed, at, then: Deed| Case {
        name,
        before: before.to_vec(),
        half: Some((deed, at)),
        deed: then,
    };
    let part = pay(7, "40.00", "tok_visa");
    let rest = pay(8, "60.00", "tok_visa");
    vec![
        case("issue", &[], Deed::Issue),
        case("authorise", &[], Deed::Authorise("tok_visa")),
        case("authorise, declined", &[], Deed::Authorise("tok_declined")),
        case("authorise, flaky", &[], Deed::Authorise("tok_flaky")),
        case("authorise, timeout", &[], Deed::Authorise("tok_timeout")),
        case("pay a part", &[Deed::Issue], part.clone()),
        case("pay the rest", &[Deed::Issue, part.clone()], rest.clone()),
        case("pay, declined", &[Deed::Issue], pay(7, "100.00", "tok_declined")),
        case("close nothing", &[], Deed::Close),
        case("close unpaid", &[Deed::Issue], Deed::Close),
        case("close paid", &[Deed::Authorise("tok_visa")], Deed::Close),
        case("close paid in parts", &[Deed::Issue, part.clone(), rest], Deed::Close),
        // The function died before the charge, and after it.
        half("close uncharged", &[], Deed::Authorise("tok_visa"), 2, Deed::Close),
        half("close unsettled", &[], Deed::Authorise("tok_visa"), 3, Deed::Close),
        half("attend to a payment", &[Deed::Issue], part.clone(), 2, Deed::Attend),
        half("attend to a charge", &[Deed::Issue], part.clone(), 3, Deed::Attend),
        half("attend to a closing", &[Deed::Issue, part], Deed::Close, 2, Deed::Attend),
    ]
}

async fn prepare(case: &Case) -> World {
    let world = World::default();
    for deed in &case.before {
        world.calmly(deed).await.expect(case.name);
    }
    if let Some((deed, at)) = &case.half {
        let line = Line::with([(*at, crate::world::Fault::Dies)]);
        assert!(world.try_to(deed, &line).await.is_none(), "{}", case.name);
        world.pass(60);
    }
    world
}

async fn calm(case: &Case) -> (usize, Remains) {
    let world = prepare(case).await;
    let line = Line::default();
    drop(world.try_to(&case.deed, &line).await);
    world.check_money();
    (line.calls(), world.remains())
}

#[tokio::test(start_paused = true)]
async fn a_repeat_completes_what_went_wrong_at_any_call() {
    for case in cases() {
        let (calls, expected) = calm(&case).await;
        for number in 0..calls {
            for fault in FAULTS {
                let world = prepare(&case).await;
                let line = Line::with([(number, fault)]);
                drop(world.try_to(&case.deed, &line).await);
                world.check_money();
                drop(world.calmly(&case.deed).await);
                world.check_money();
                let at = format!("{}: {fault:?} at call {number}", case.name);
                assert_eq!(world.remains(), expected, "{at}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn doing_it_twice_is_doing_it_once() {
    for case in cases() {
        let (_, expected) = calm(&case).await;
        let world = prepare(&case).await;
        drop(world.calmly(&case.deed).await);
        drop(world.calmly(&case.deed).await);
        assert_eq!(world.remains(), expected, "{}", case.name);
    }
}

#[tokio::test(start_paused = true)]
async fn the_sweep_completes_what_nobody_repeats() {
    for case in cases() {
        let (calls, _) = calm(&case).await;
        for number in 0..calls {
            for fault in FAULTS {
                let world = prepare(&case).await;
                drop(world.try_to(&case.deed, &Line::with([(number, fault)])).await);
                world.pass(60);
                world.calmly(&Deed::Attend).await.unwrap();
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
