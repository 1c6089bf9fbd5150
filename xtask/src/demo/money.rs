//! Compares the payment provider's ledger with what each booking should have charged and refunded.

use super::reporter::Reporter;
use super::{Actors, DemoBooking};
use crate::api_client::LedgerEntry;
use crate::failure::{Context as _, Failure, Result};

/// The expected charges and refunds of each booking.
#[derive(Debug, Default)]
pub(super) struct Money {
    expected: Vec<Expected>,
}

#[derive(Debug)]
struct Expected {
    what: &'static str,
    booking: String,
    reference: String,
    charges: usize,
    refunds: usize,
}

impl Money {
    /// Adds a booking with its expected number of charges and refunds.
    pub(super) fn expect(
        &mut self,
        what: &'static str,
        slot: &str,
        booking: &str,
        charges: usize,
        refunds: usize,
    ) {
        self.expected.push(Expected {
            what,
            booking: booking.to_owned(),
            reference: format!("{slot}:{booking}"),
            charges,
            refunds,
        });
    }

    /// The bookings in the order in which they were added.
    pub(super) fn bookings(&self) -> Vec<DemoBooking> {
        let bookings = self.expected.iter();
        bookings.map(|it| DemoBooking { what: it.what, id: it.booking.clone() }).collect()
    }

    /// Section: the provider's ledger, booking by booking.
    pub(super) async fn report(&self, reporter: &mut Reporter, actors: &Actors) -> Result {
        reporter.section("The money, from the payment provider's ledger", "reconciliation")?;
        reporter
            .row(format!("{:<26} {:>9} {:>9} {:>9}", "booking", "charged", "refunded", "kept"))?;
        let (mut charged_total, mut refunded_total) = (0, 0);
        for expected in &self.expected {
            let entries = actors.olga.ledger(&expected.reference).await?;
            let (charges, charged) = sum(&entries, "charge")?;
            let (refunds, refunded) = sum(&entries, "refund")?;
            let kept = charged - refunded;
            let line = format!(
                "{:<26} {:>9} {:>9} {:>9}",
                expected.what,
                text(charged),
                text(refunded),
                text(kept)
            );
            reporter.row(&line)?;
            // A refund is always in full.
            let adds_up = refunds == 0 || refunded == charged;
            reporter.check(
                charges == expected.charges && refunds == expected.refunds && adds_up,
                &format!(
                    "{} was charged {} times and refunded {}",
                    expected.what, expected.charges, expected.refunds
                ),
                line.trim(),
            )?;
            charged_total += charged;
            refunded_total += refunded;
        }
        let kept = charged_total - refunded_total;
        reporter.row(format!(
            "{:<26} {:>9} {:>9} {:>9}",
            "total",
            text(charged_total),
            text(refunded_total),
            text(kept)
        ))
    }
}

/// The number of entries of a kind, and their sum in cents.
fn sum(entries: &[LedgerEntry], kind: &str) -> Result<(usize, i64)> {
    let of_kind: Vec<_> = entries.iter().filter(|it| it.kind == kind).collect();
    let mut cents = 0;
    for entry in &of_kind {
        cents += to_cents(&entry.amount)?;
    }
    Ok((of_kind.len(), cents))
}

/// Reads an amount with two places as cents.
fn to_cents(amount: &str) -> Result<i64> {
    let digits = amount
        .split_once('.')
        .filter(|(_, cents)| cents.len() == 2)
        .map(|(whole, cents)| format!("{whole}{cents}"))
        .ok_or_else(|| Failure::new(format!("{amount} is not an amount")))?;
    digits.parse().context(|| format!("{amount} is not an amount"))
}

fn text(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::{text, to_cents};

    #[test]
    fn amounts_are_read_and_written_with_two_places() {
        for (amount, cents) in [("100.00", 10_000), ("0.05", 5)] {
            assert_eq!(to_cents(amount).expect("read"), cents);
            assert_eq!(text(cents), amount);
        }
        for wrong in ["100", "1.5", "x.yz", ""] {
            assert!(to_cents(wrong).is_err(), "{wrong}");
        }
    }
}
