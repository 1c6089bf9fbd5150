//! Instant bookings: the state machine books, or compensates its steps in reverse order.

use std::time::Duration;

use super::Actors;
use super::money::Money;
use super::reporter::{Reporter, StepOutcome};
use crate::api_client::{self, Booking, SagaStep, TIMEOUT};
use crate::clock;
use crate::failure::Result;

/// Often enough to show each step when it ends.
const LOOK: Duration = Duration::from_millis(25);

/// Section: all steps succeed.
pub(super) async fn a_good_card_books(
    reporter: &mut Reporter,
    money: &mut Money,
    actors: &Actors,
    slot: &str,
) -> Result {
    reporter
        .section("Ann books Harbour 1 with a good card", "saga by orchestration, event sourcing")?;
    let watch = clock::start();
    let booking = actors.ann.book_with_card(slot, "tok_visa").await?;
    reporter.booking("Ann's", &booking)?;
    reporter.passed("the booking is accepted, pending", watch.elapsed())?;
    let names = watch_saga(reporter, actors, &booking).await?;
    let wanted = ["BlockSlot", "AuthorisePayment", "ReserveSlot", "CompleteBooking"];
    reporter.check(names == wanted, "the saga took its four steps", names.join(", "))?;
    let finished = actors.ann.finished(&booking).await?;
    expect(reporter, &finished, "completed", None)?;
    reporter.passed("the booking is completed, in the read model too", watch.elapsed())?;
    actors.olga.slot_becomes(slot, "reserved").await?;
    let events = actors.olga.history(&booking).await?;
    reporter.check(
        events.first().is_some_and(|it| it == "BookingCreated")
            && events.last().is_some_and(|it| it == "BookingCompleted"),
        "its event stream begins with BookingCreated and ends with BookingCompleted",
        events.join(", "),
    )?;
    reporter.note(format!("its event stream: {}", events.join(", ")))?;
    money.expect("Ann, Harbour 1, card", slot, &booking, 1, 0);
    Ok(())
}

/// Section: the second step fails, and the first is compensated.
pub(super) async fn a_declined_card_is_compensated(
    reporter: &mut Reporter,
    money: &mut Money,
    actors: &Actors,
    slot: &str,
) -> Result {
    reporter.section("Bob's card is declined", "saga by orchestration, compensated")?;
    let watch = clock::start();
    let booking = actors.bob.book_with_card(slot, "tok_declined").await?;
    reporter.booking("Bob's", &booking)?;
    let names = watch_saga(reporter, actors, &booking).await?;
    let is_compensated = names.iter().any(|it| it == "UnblockSlot");
    reporter.check(is_compensated, "the slot was unblocked", names.join(", "))?;
    let finished = actors.bob.finished(&booking).await?;
    expect(reporter, &finished, "failed", Some("payment_declined"))?;
    actors.olga.slot_becomes(slot, "available").await?;
    reporter
        .passed("failed with payment_declined; the slot is available again", watch.elapsed())?;
    money.expect("Bob, Harbour 2, declined", slot, &booking, 0, 0);
    Ok(())
}

/// Section: the third step fails after the card was charged.
pub(super) async fn a_closed_slot_is_refunded(
    reporter: &mut Reporter,
    money: &mut Money,
    actors: &Actors,
    slot: &str,
) -> Result {
    reporter.section(
        "Olga closes Harbour 3 while Ann is paying",
        "saga by orchestration, compensated",
    )?;
    let watch = clock::start();
    // This card takes 3 s: time enough to close the slot.
    let booking = actors.ann.book_with_card(slot, "tok_slow").await?;
    reporter.booking("Ann's", &booking)?;
    actors.olga.slot_becomes(slot, "blocked").await?;
    let status = actors.olga.close_slot(slot).await?;
    reporter.check(status == "closed", "the slot is closed", status)?;
    reporter.passed("the slot is blocked for Ann, and then closed", watch.elapsed())?;
    let names = watch_saga(reporter, actors, &booking).await?;
    let is_compensated = names.iter().any(|it| it == "RefundPayment");
    reporter.check(is_compensated, "the payment was refunded", names.join(", "))?;
    let finished = actors.ann.finished(&booking).await?;
    expect(reporter, &finished, "failed", Some("slot_unavailable"))?;
    reporter.passed("failed with slot_unavailable; Ann is refunded", watch.elapsed())?;
    money.expect("Ann, Harbour 3, closed", slot, &booking, 1, 1);
    Ok(())
}

/// Shows the steps as they end; returns their names.
async fn watch_saga(
    reporter: &mut Reporter,
    actors: &Actors,
    booking: &str,
) -> Result<Vec<String>> {
    let mut shown = 0;
    let started = clock::start();
    while started.elapsed() < TIMEOUT {
        // The saga starts when booking-react has received BookingCreated.
        if let Some(saga) = actors.olga.saga(booking).await? {
            for step in saga.steps.iter().skip(shown) {
                let Some(took) = step.took() else { break };
                show(reporter, step, took)?;
                shown += 1;
            }
            if saga.status != "running" {
                return Ok(saga.steps.into_iter().map(|it| it.name).collect());
            }
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(api_client::check_failed(&format!("the saga ends within {}", clock::human(TIMEOUT))))
}

fn show(reporter: &mut Reporter, step: &SagaStep, took: Duration) -> Result {
    let mut remark = match (step.name.as_str(), &step.error) {
        (_, Some(error)) => error.clone(),
        ("BlockSlot", None) => "no other booking can take the slot".to_owned(),
        ("AuthorisePayment", None) => "the card is charged".to_owned(),
        ("ReserveSlot", None) => "the slot is reserved".to_owned(),
        ("CompleteBooking", None) => "the booking is completed".to_owned(),
        ("RefundPayment", None) => "no charge remains".to_owned(),
        ("UnblockSlot", None) => "the slot is unblocked".to_owned(),
        ("FailBooking", None) => "the booking is failed, with its reason".to_owned(),
        (_, None) => String::new(),
    };
    if step.attempts > 1 {
        remark = format!("{remark} (attempt {})", step.attempts);
    }
    reporter.step(outcome(step), &step.name, &remark, took)
}

/// A forward step that fails is what the saga compensates; the compensations come after it.
fn outcome(step: &SagaStep) -> StepOutcome {
    if step.status == "failed" {
        StepOutcome::Failed
    } else if matches!(step.name.as_str(), "RefundPayment" | "UnblockSlot" | "FailBooking") {
        StepOutcome::Compensated
    } else {
        StepOutcome::Succeeded
    }
}

/// Checks how a booking ended.
pub(super) fn expect(
    reporter: &mut Reporter,
    seen: &Booking,
    status: &str,
    reason: Option<&str>,
) -> Result {
    let reason_text = reason.map(|it| format!(" with {it}")).unwrap_or_default();
    reporter.check(
        seen.status == status && seen.reason.as_deref() == reason,
        &format!("the booking is {status}{reason_text}"),
        format!("{} with {:?}", seen.status, seen.reason),
    )
}

#[cfg(test)]
mod tests {
    use super::{SagaStep, StepOutcome, outcome};

    fn step(name: &str, status: &str) -> SagaStep {
        let step = serde_json::json!({
            "name": name, "status": status, "startedAt": "2026-01-01T00:00:00Z", "attempts": 1,
        });
        serde_json::from_value(step).expect("a step")
    }

    #[test]
    fn a_forward_step_that_fails_is_marked_otherwise_than_a_compensation() {
        assert_eq!(outcome(&step("BlockSlot", "succeeded")), StepOutcome::Succeeded);
        assert_eq!(outcome(&step("AuthorisePayment", "failed")), StepOutcome::Failed);
        assert_eq!(outcome(&step("RefundPayment", "succeeded")), StepOutcome::Compensated);
        assert_eq!(outcome(&step("RefundPayment", "failed")), StepOutcome::Failed);
        let marks = [StepOutcome::Succeeded, StepOutcome::Failed, StepOutcome::Compensated]
            .map(StepOutcome::mark);
        assert!(marks[0] != marks[1] && marks[1] != marks[2] && marks[0] != marks[2]);
    }
}
