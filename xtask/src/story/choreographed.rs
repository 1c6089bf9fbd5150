//! Invoice bookings: nobody conducts; each service hears what has happened and does its part.

use super::Cast;
use super::money::Money;
use super::orchestrated::expect;
use super::tale::Tale;
use super::visitor::{Bill, Visitor};
use crate::clock;
use crate::failure::{Failure, Outcome};

/// Chapter: two have a bill for the same slot; the first to pay gets it, the second gets the money back.
pub(super) async fn the_first_to_pay_gets_the_slot(
    tale: &mut Tale,
    money: &mut Money,
    cast: &Cast,
    slot: &str,
) -> Outcome {
    tale.chapter("Ann and Bob both want Harbour 4, by invoice", "saga by choreography")?;
    tale.remark("an unpaid booking holds no slot: the first to pay gets it")?;
    let watch = clock::start();
    let anns = cast.ann.book_by_invoice(slot).await?;
    let bobs = cast.bob.book_by_invoice(slot).await?;
    let anns_bill = bill(&cast.ann, &anns).await?;
    let bobs_bill = bill(&cast.bob, &bobs).await?;
    tale.happened("BookingCreated, twice: billing has issued two bills", watch.elapsed())?;

    let watch = clock::start();
    let status = cast.ann.pay(&anns_bill, "tok_visa").await?;
    tale.check(status == "paid", "Ann's bill is paid", status)?;
    tale.happened("Ann pays hers: BillPaid", watch.elapsed())?;
    let settled = cast.ann.settled(&anns).await?;
    expect(tale, &settled, "completed", None)?;
    cast.olga.slot_becomes(slot, "reserved").await?;
    tale.happened("SlotReserved, BookingCompleted: the slot is Ann's", watch.elapsed())?;

    let watch = clock::start();
    let status = cast.bob.pay(&bobs_bill, "tok_visa").await?;
    tale.check(status == "paid", "Bob's bill is paid", status)?;
    tale.happened("Bob pays his, a moment too late: BillPaid", watch.elapsed())?;
    let settled = cast.bob.settled(&bobs).await?;
    expect(tale, &settled, "failed", Some("slot_unavailable"))?;
    cast.bob
        .booking(&bobs, "Bob's bill is refunded", |it| {
            it.bill.as_ref().is_some_and(|it| it.status == "refunded")
        })
        .await?;
    tale.happened(
        "SlotUnavailable, BookingFailed, BillRefunded: Bob has his money back",
        watch.elapsed(),
    )?;
    money.expect("Ann, Harbour 4, invoice", slot, &anns, 1, 0);
    money.expect("Bob, Harbour 4, invoice", slot, &bobs, 1, 1);
    Ok(())
}

async fn bill(customer: &Visitor, booking: &str) -> Outcome<Bill> {
    let is_there =
        customer.booking(booking, "the booking has a bill", |it| it.bill.is_some()).await?;
    is_there.bill.ok_or_else(|| Failure::new(format!("the booking {booking} has no bill")))
}
