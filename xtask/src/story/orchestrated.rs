//! Instant bookings: the state machine books, or takes back what it did, in reverse.

use std::time::Duration;

use super::Cast;
use super::money::Money;
use super::tale::Tale;
use super::visitor::{self, Booking, PATIENCE, SagaStep};
use crate::clock;
use crate::failure::Outcome;

/// Often enough to show each step as it ends.
const LOOK: Duration = Duration::from_millis(25);

/// Chapter: everything goes well.
pub(super) async fn a_good_card_books(
    tale: &mut Tale,
    money: &mut Money,
    cast: &Cast,
    slot: &str,
) -> Outcome {
    tale.chapter("Ann books Harbour 1 with a good card", "saga by orchestration, event sourcing")?;
    let watch = clock::start();
    let booking = cast.ann.book_with_card(slot, "tok_visa").await?;
    tale.happened("the booking is accepted, pending", watch.elapsed())?;
    let names = watch_saga(tale, cast, &booking).await?;
    let wanted = ["BlockSlot", "AuthorisePayment", "ReserveSlot", "CompleteBooking"];
    tale.check(names == wanted, "the saga took its four steps", names.join(", "))?;
    let settled = cast.ann.settled(&booking).await?;
    expect(tale, &settled, "completed", None)?;
    tale.happened("the booking is completed, from request to read model in", watch.elapsed())?;
    cast.olga.slot_becomes(slot, "reserved").await?;
    let events = cast.olga.history(&booking).await?;
    tale.check(
        events.first().is_some_and(|it| it == "BookingCreated")
            && events.last().is_some_and(|it| it == "BookingCompleted"),
        "its stream begins with BookingCreated and ends with BookingCompleted",
        events.join(", "),
    )?;
    tale.remark(format!("its stream of events: {}", events.join(", ")))?;
    money.expect("Ann, Harbour 1, card", slot, &booking, 1, 0);
    Ok(())
}

/// Chapter: the second step fails, and the first is taken back.
pub(super) async fn a_declined_card_leaves_nothing(
    tale: &mut Tale,
    money: &mut Money,
    cast: &Cast,
    slot: &str,
) -> Outcome {
    tale.chapter("Bob's card is declined", "saga by orchestration, compensated")?;
    let watch = clock::start();
    let booking = cast.bob.book_with_card(slot, "tok_declined").await?;
    let names = watch_saga(tale, cast, &booking).await?;
    let undone = names.iter().any(|it| it == "UnblockSlot");
    tale.check(undone, "the slot was unblocked", names.join(", "))?;
    let settled = cast.bob.settled(&booking).await?;
    expect(tale, &settled, "failed", Some("payment_declined"))?;
    cast.olga.slot_becomes(slot, "available").await?;
    tale.happened("failed with payment_declined; the slot is available again", watch.elapsed())?;
    money.expect("Bob, Harbour 2, declined", slot, &booking, 0, 0);
    Ok(())
}

/// Chapter: the third step fails, when the money has been taken.
pub(super) async fn a_closed_slot_is_paid_back(
    tale: &mut Tale,
    money: &mut Money,
    cast: &Cast,
    slot: &str,
) -> Outcome {
    tale.chapter(
        "Olga closes Harbour 3 while Ann pays for it",
        "saga by orchestration, compensated",
    )?;
    let watch = clock::start();
    // This card takes 3 s: time enough to close the slot.
    let booking = cast.ann.book_with_card(slot, "tok_slow").await?;
    cast.olga.slot_becomes(slot, "blocked").await?;
    let status = cast.olga.close_slot(slot).await?;
    tale.check(status == "closed", "the slot is closed", status)?;
    tale.happened("blocked for Ann, whose bank is slow, and now closed", watch.elapsed())?;
    let names = watch_saga(tale, cast, &booking).await?;
    let undone = names.iter().any(|it| it == "RefundPayment");
    tale.check(undone, "the payment was refunded", names.join(", "))?;
    let settled = cast.ann.settled(&booking).await?;
    expect(tale, &settled, "failed", Some("slot_unavailable"))?;
    tale.happened("failed with slot_unavailable; Ann has her money back", watch.elapsed())?;
    money.expect("Ann, Harbour 3, closed", slot, &booking, 1, 1);
    Ok(())
}

/// Shows the steps as they end; returns their names.
async fn watch_saga(tale: &mut Tale, cast: &Cast, booking: &str) -> Outcome<Vec<String>> {
    let mut shown = 0;
    let started = clock::start();
    while started.elapsed() < PATIENCE {
        // It starts when the bus has brought the news of the booking.
        if let Some(saga) = cast.olga.saga(booking).await? {
            for step in saga.steps.iter().skip(shown) {
                let Some(took) = step.took() else { break };
                show(tale, step, took)?;
                shown += 1;
            }
            if saga.status != "running" {
                return Ok(saga.steps.into_iter().map(|it| it.name).collect());
            }
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(visitor::untrue(&format!("the saga ends within {}", clock::human(PATIENCE))))
}

fn show(tale: &mut Tale, step: &SagaStep, took: Duration) -> Outcome {
    let mut remark = match (step.name.as_str(), &step.error) {
        (_, Some(error)) => error.clone(),
        ("BlockSlot", None) => "nobody else can have it".to_owned(),
        ("AuthorisePayment", None) => "the card is charged".to_owned(),
        ("ReserveSlot", None) => "it is theirs".to_owned(),
        ("CompleteBooking", None) => "done".to_owned(),
        ("RefundPayment", None) => "nothing stays charged".to_owned(),
        ("UnblockSlot", None) => "others can have it".to_owned(),
        ("FailBooking", None) => "with its reason".to_owned(),
        (_, None) => String::new(),
    };
    if step.attempts > 1 {
        remark = format!("{remark} (attempt {})", step.attempts);
    }
    let is_undo = matches!(step.name.as_str(), "RefundPayment" | "UnblockSlot" | "FailBooking");
    if step.status == "failed" || is_undo {
        tale.step_back(&step.name, &remark, took)
    } else {
        tale.step(&step.name, &remark, took)
    }
}

/// Checks how a booking ended.
pub(super) fn expect(
    tale: &mut Tale,
    seen: &Booking,
    status: &str,
    reason: Option<&str>,
) -> Outcome {
    let reason_text = reason.map(|it| format!(" with {it}")).unwrap_or_default();
    tale.check(
        seen.status == status && seen.reason.as_deref() == reason,
        &format!("the booking is {status}{reason_text}"),
        format!("{} with {:?}", seen.status, seen.reason),
    )
}
