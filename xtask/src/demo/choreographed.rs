//! Invoice bookings: no orchestrator; each service reacts to the events of the others.

use super::Actors;
use super::money::Money;
use super::orchestrated::expect;
use super::reporter::Reporter;
use crate::api_client::{ApiClient, Bill};
use crate::clock;
use crate::failure::{Failure, Result};

/// Section: two customers have a bill for the same slot. The first to pay gets it, the second is refunded.
pub(super) async fn the_first_to_pay_gets_the_slot(
    reporter: &mut Reporter,
    money: &mut Money,
    actors: &Actors,
    slot: &str,
) -> Result {
    reporter.section("Ann and Bob both book Harbour 4, by invoice", "saga by choreography")?;
    reporter.note("an unpaid booking holds no slot: the first to pay gets it")?;
    let watch = clock::start();
    let anns = actors.ann.book_by_invoice(slot).await?;
    let bobs = actors.bob.book_by_invoice(slot).await?;
    reporter.booking("Ann's", &anns)?;
    reporter.booking("Bob's", &bobs)?;
    let anns_bill = bill(&actors.ann, &anns).await?;
    let bobs_bill = bill(&actors.bob, &bobs).await?;
    reporter.passed("BookingCreated, twice: billing has issued two bills", watch.elapsed())?;

    let watch = clock::start();
    let status = actors.ann.pay(&anns_bill, "tok_visa").await?;
    reporter.check(status == "paid", "Ann's bill is paid", status)?;
    reporter.passed("Ann pays her bill: BillPaid", watch.elapsed())?;
    let finished = actors.ann.finished(&anns).await?;
    expect(reporter, &finished, "completed", None)?;
    actors.olga.slot_becomes(slot, "reserved").await?;
    reporter.passed("SlotReserved, BookingCompleted: the slot is Ann's", watch.elapsed())?;

    let watch = clock::start();
    let status = actors.bob.pay(&bobs_bill, "tok_visa").await?;
    reporter.check(status == "paid", "Bob's bill is paid", status)?;
    reporter.passed("Bob pays his bill, too late: BillPaid", watch.elapsed())?;
    let finished = actors.bob.finished(&bobs).await?;
    expect(reporter, &finished, "failed", Some("slot_unavailable"))?;
    actors
        .bob
        .booking(&bobs, "Bob's bill is refunded", |it| {
            it.bill.as_ref().is_some_and(|it| it.status == "refunded")
        })
        .await?;
    reporter
        .passed("SlotUnavailable, BookingFailed, BillRefunded: Bob is refunded", watch.elapsed())?;
    money.expect("Ann, Harbour 4, invoice", slot, &anns, 1, 0);
    money.expect("Bob, Harbour 4, invoice", slot, &bobs, 1, 1);
    Ok(())
}

async fn bill(customer: &ApiClient, booking: &str) -> Result<Bill> {
    let found = customer.booking(booking, "the booking has a bill", |it| it.bill.is_some()).await?;
    found.bill.ok_or_else(|| Failure::new(format!("the booking {booking} has no bill")))
}
