//! The provider's tokens, and what an answer that does not come means for a payment.

use billing::desk::{Deadline, DeskError};
use billing::domain::PaymentState;
use billing::ports::ProviderError;
use contracts::id::PaymentId;
use contracts::money::Money;
use tokio::time::Instant;

use crate::world::{Deed, Line, World, reference, usd, word};

/// How it ends, how often it was charged, what is held.
async fn authorise(token: &'static str) -> (World, &'static str, u32, Money, u128) {
    let world = World::default();
    let began = Instant::now();
    let answer = word(&world.calmly(&Deed::Authorise(token)).await);
    let took = began.elapsed().as_millis();
    let attempts = world.provider.accounts()[&PaymentId(reference().booking_id.0)].attempts;
    let held = world.held();
    (world, answer, attempts, held, took)
}

#[tokio::test(start_paused = true)]
async fn each_token_goes_as_it_should_within_the_time_of_the_function() {
    for (token, word, attempts, held) in [
        ("tok_visa", "ok", 1, "100.00"),
        ("tok_declined", "payment-declined", 1, "0.00"),
        ("tok_insufficient_funds", "payment-declined", 1, "0.00"),
        ("tok_slow", "ok", 1, "100.00"),
        ("tok_timeout", "ok", 2, "100.00"),
        ("tok_flaky", "ok", 3, "100.00"),
        ("tok_down", "transient", 4, "0.00"),
    ] {
        let (world, answer, asked, here, took) = authorise(token).await;
        assert_eq!((answer, asked, here), (word, attempts, usd(held)), "{token}");
        assert!(took <= 8_000, "{token} takes {took} ms");
        world.check_money();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_unknown_is_not_called_declined() {
    let (world, ..) = authorise("tok_down").await;
    let bill = world.bill().unwrap();
    assert_eq!(bill.payments()[0].state, PaymentState::Requested);
    assert_eq!(world.events(), ["BillIssued"]);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_down_is_refunded_to_nothing_and_charges_no_more() {
    let (world, ..) = authorise("tok_down").await;
    world.calmly(&Deed::Close).await.unwrap();
    assert_eq!(world.events(), ["BillIssued", "BillExpired"]);
    assert_eq!(word(&world.calmly(&Deed::Authorise("tok_down")).await), "conflict");
    assert_eq!(world.held(), Money::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_invocation_without_time_left_asks_nobody() {
    let world = World::default();
    let deadline = Deadline::of_invocation();
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let line = Line::default();
    let desk = world.desk(&line);
    world.calmly(&Deed::Authorise("tok_visa")).await.unwrap();
    let late = desk.close(reference(), None, deadline).await;
    assert!(matches!(late, Err(DeskError::Provider(ProviderError::NoAnswer(_)))), "{late:?}");
    // But the closing is stored: nothing is taken any more, and the sweep will finish it.
    assert!(world.bill().unwrap().is_closing());
}
