//! Functions that work on one bill at once: every order of their calls, or as many as time allows.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use billing::desk::{DeskError, Stored};

use crate::world::{Deed, Line, World, payment, usd, word};

type Answer = Option<Result<Stored, DeskError>>;

/// Which function goes on next: first as written, then always the first that can.
#[derive(Default)]
struct Schedule {
    /// Choice and number of choices, step by step.
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

    /// The next schedule that was not tried yet.
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

/// Lets all functions run to their end, one call at a time.
fn run(
    mut functions: Vec<Pin<&mut dyn Future<Output = Answer>>>,
    mut choose: impl FnMut(usize) -> usize,
) -> Vec<Result<Stored, DeskError>> {
    let mut context = Context::from_waker(Waker::noop());
    let mut answers: Vec<Answer> = functions.iter().map(|_| None).collect();
    let mut going: Vec<usize> = (0..functions.len()).collect();
    while !going.is_empty() {
        let place = choose(going.len());
        let function = going[place];
        if let Poll::Ready(answer) = functions[function].as_mut().poll(&mut context) {
            answers[function] = answer;
            going.remove(place);
        }
    }
    answers.into_iter().map(|it| it.expect("nobody dies in a race")).collect()
}

/// What must be true after any race; the deeds are repeated to see that they get the first answer.
async fn check(world: &World, deeds: &[Deed], answers: &[Result<Stored, DeskError>]) {
    world.check_money();
    let bill = world.bill();
    if let Some(bill) = &bill {
        assert!(!bill.is_closing(), "somebody has closed it to the end");
        assert_eq!(bill.requested().filter(|_| bill.is_open()).count(), 0);
    }
    let before = world.remains();
    for (deed, answer) in deeds.iter().zip(answers) {
        let again = word(&world.calmly(deed).await);
        match deed {
            // A booking must not go on with a bill that was closed meanwhile, though it was paid.
            Deed::Authorise(_) if bill.as_ref().is_some_and(|it| !it.is_open()) => {
                assert_eq!(again, "conflict");
            }
            Deed::Issue | Deed::Authorise(_) | Deed::Pay(_) | Deed::Close | Deed::Attend => {
                assert_eq!(again, word(answer), "{deed:?}: {:?}", before.bill);
            }
        }
    }
    assert_eq!(world.remains(), before);
}

async fn prepared(before: &[Deed]) -> World {
    let world = World::default();
    for deed in before {
        world.calmly(deed).await.expect("nothing is in its way");
    }
    world
}

/// Tries every order of the calls of two functions.
async fn every_order(before: &[Deed], late_by: i64, deeds: [Deed; 2]) -> usize {
    let mut schedule = Schedule::default();
    let mut orders = 0;
    loop {
        let world = prepared(before).await;
        world.pass(late_by);
        let lines = [Line::giving_way(), Line::giving_way()];
        let answers = {
            let first = pin!(world.try_to(&deeds[0], &lines[0]));
            let second = pin!(world.try_to(&deeds[1], &lines[1]));
            run(vec![first, second], |choices| schedule.choose(choices))
        };
        check(&world, &deeds, &answers).await;
        orders += 1;
        if !schedule.next() {
            return orders;
        }
    }
}

fn pay(id: u128, amount: &str) -> Deed {
    Deed::Pay(payment(id, amount, "tok_visa"))
}

#[tokio::test]
async fn a_charge_and_a_close_end_in_the_same_place_whichever_wins() {
    for (before, late_by, deeds) in [
        (vec![], 0, [Deed::Authorise("tok_visa"), Deed::Close]),
        (vec![], 0, [Deed::Authorise("tok_declined"), Deed::Close]),
        (vec![Deed::Issue], 0, [pay(7, "100.00"), Deed::Close]),
        (vec![Deed::Issue, pay(7, "40.00")], 0, [pay(8, "60.00"), Deed::Close]),
        (vec![Deed::Issue, pay(7, "40.00")], 900, [Deed::Attend, Deed::Close]),
        (vec![Deed::Authorise("tok_visa")], 0, [Deed::Close, Deed::Close]),
    ] {
        let orders = every_order(&before, late_by, deeds.clone()).await;
        assert!(orders >= 10, "{deeds:?}: only {orders} orders");
    }
}

#[tokio::test]
async fn two_payments_at_once_never_exceed_the_total() {
    for deeds in [
        [pay(7, "100.00"), pay(7, "100.00")],
        [pay(7, "60.00"), pay(8, "60.00")],
        [pay(7, "60.00"), pay(8, "40.00")],
        [Deed::Issue, pay(7, "100.00")],
    ] {
        every_order(&[Deed::Issue], 0, deeds).await;
    }
    every_order(&[], 0, [Deed::Authorise("tok_visa"), Deed::Authorise("tok_visa")]).await;
    every_order(&[], 0, [Deed::Issue, Deed::Close]).await;
}

#[tokio::test]
async fn four_at_once_lose_no_money() {
    let deeds = [pay(7, "60.00"), pay(8, "40.00"), Deed::Close, Deed::Close];
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..3_000 {
        let world = prepared(&[Deed::Issue]).await;
        let lines = [(); 4].map(|()| Line::giving_way());
        let answers = {
            let first = pin!(world.try_to(&deeds[0], &lines[0]));
            let second = pin!(world.try_to(&deeds[1], &lines[1]));
            let third = pin!(world.try_to(&deeds[2], &lines[2]));
            let fourth = pin!(world.try_to(&deeds[3], &lines[3]));
            run(vec![first, second, third, fourth], |choices| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                usize::try_from(random % choices as u64).expect("a small number")
            })
        };
        check(&world, &deeds, &answers).await;
        assert_eq!(world.held(), usd("0.00"));
    }
}
