//! The provider's test tokens, and the effect of a missing response on a payment.

use billing::domain::PaymentState;
use billing::payment_service::{Deadline, PaymentError};
use billing::ports::ProviderError;
use contracts::id::PaymentId;
use contracts::money::Money;
use tokio::time::Instant;

use crate::world::{FaultyTransport, Operation, World, reference, result_name, usd};

/// The end of an authorisation.
struct Authorised {
    world: World,
    result: &'static str,
    attempts: u32,
    held: Money,
    milliseconds: u128,
}

async fn authorise(token: &'static str) -> Authorised {
    let world = World::default();
    let started = Instant::now();
    let result = result_name(&world.run(&Operation::Authorise(token)).await);
    let milliseconds = started.elapsed().as_millis();
    let attempts = world.provider.accounts()[&PaymentId(reference().booking_id.0)].attempts;
    let held = world.held();
    Authorised { world, result, attempts, held, milliseconds }
}

#[tokio::test(start_paused = true)]
async fn each_token_has_its_result_within_the_timeout_of_the_function() {
    for (token, result, attempts, held) in [
        ("tok_visa", "ok", 1, "100.00"),
        ("tok_declined", "payment-declined", 1, "0.00"),
        ("tok_insufficient_funds", "payment-declined", 1, "0.00"),
        ("tok_slow", "ok", 1, "100.00"),
        ("tok_timeout", "ok", 2, "100.00"),
        ("tok_flaky", "ok", 3, "100.00"),
        ("tok_down", "transient", 4, "0.00"),
    ] {
        let found = authorise(token).await;
        let expected = (result, attempts, usd(held));
        assert_eq!((found.result, found.attempts, found.held), expected, "{token}");
        assert!(found.milliseconds <= 8_000, "{token} takes {} ms", found.milliseconds);
        found.world.check_money();
    }
}

#[tokio::test(start_paused = true)]
async fn a_payment_of_unknown_outcome_is_not_declined() {
    let Authorised { world, .. } = authorise("tok_down").await;
    let bill = world.bill().unwrap();
    assert_eq!(bill.payments()[0].state, PaymentState::Requested);
    assert_eq!(world.events(), ["BillIssued"]);
}

#[tokio::test(start_paused = true)]
async fn closing_voids_a_payment_that_was_not_charged_and_its_retry_is_rejected() {
    let Authorised { world, .. } = authorise("tok_down").await;
    world.run(&Operation::Close).await.unwrap();
    assert_eq!(world.events(), ["BillIssued", "BillExpired"]);
    assert_eq!(result_name(&world.run(&Operation::Authorise("tok_down")).await), "conflict");
    assert_eq!(world.held(), Money::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_invocation_after_its_deadline_does_not_call_the_provider() {
    let world = World::default();
    let deadline = Deadline::of_invocation();
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let transport = FaultyTransport::default();
    let service = world.service(&transport);
    world.run(&Operation::Authorise("tok_visa")).await.unwrap();
    let late = service.close(reference(), None, deadline).await;
    assert!(matches!(late, Err(PaymentError::Provider(ProviderError::NoResponse(_)))), "{late:?}");
    // The closing is stored: the bill accepts no payment, and reconciliation completes the refund.
    assert!(world.bill().unwrap().is_closing());
}
