//! What the payment provider's ledger says in the end: the money has to add up.

use super::Cast;
use super::tale::Tale;
use super::visitor::LedgerEntry;
use crate::failure::{Context as _, Failure, Outcome};

/// What each booking should have moved.
#[derive(Debug, Default)]
pub(super) struct Money {
    expected: Vec<Expected>,
}

#[derive(Debug)]
struct Expected {
    who: &'static str,
    reference: String,
    charges: usize,
    refunds: usize,
}

impl Money {
    /// Notes what a booking should have moved.
    pub(super) fn expect(
        &mut self,
        who: &'static str,
        slot: &str,
        booking: &str,
        charges: usize,
        refunds: usize,
    ) {
        self.expected.push(Expected {
            who,
            reference: format!("{slot}:{booking}"),
            charges,
            refunds,
        });
    }

    /// Chapter: the provider's own ledger, booking by booking.
    pub(super) async fn tell(&self, tale: &mut Tale, cast: &Cast) -> Outcome {
        tale.chapter("The money, as the payment provider wrote it down", "the ledger")?;
        tale.row(format!("{:<26} {:>9} {:>9} {:>9}", "booking", "charged", "refunded", "kept"))?;
        let (mut charged_in_all, mut refunded_in_all) = (0, 0);
        for expected in &self.expected {
            let entries = cast.olga.ledger(&expected.reference).await?;
            let (charges, charged) = sum(&entries, "charge")?;
            let (refunds, refunded) = sum(&entries, "refund")?;
            let kept = charged - refunded;
            let line = format!(
                "{:<26} {:>9} {:>9} {:>9}",
                expected.who,
                text(charged),
                text(refunded),
                text(kept)
            );
            tale.row(&line)?;
            // What came back is what went out, or nothing came back.
            let adds_up = refunds == 0 || refunded == charged;
            tale.check(
                charges == expected.charges && refunds == expected.refunds && adds_up,
                &format!(
                    "{} was charged {} times and refunded {}",
                    expected.who, expected.charges, expected.refunds
                ),
                line.trim(),
            )?;
            charged_in_all += charged;
            refunded_in_all += refunded;
        }
        let kept = charged_in_all - refunded_in_all;
        tale.row(format!(
            "{:<26} {:>9} {:>9} {:>9}",
            "in all",
            text(charged_in_all),
            text(refunded_in_all),
            text(kept)
        ))
    }
}

/// How many entries of a kind there are, and what they come to in cents.
fn sum(entries: &[LedgerEntry], kind: &str) -> Outcome<(usize, i64)> {
    let of_kind: Vec<_> = entries.iter().filter(|it| it.kind == kind).collect();
    let mut cents = 0;
    for entry in &of_kind {
        cents += to_cents(&entry.amount)?;
    }
    Ok((of_kind.len(), cents))
}

/// Reads an amount with two places; money is no float.
fn to_cents(amount: &str) -> Outcome<i64> {
    let digits = amount
        .split_once('.')
        .filter(|(_, cents)| cents.len() == 2)
        .map(|(whole, cents)| format!("{whole}{cents}"))
        .ok_or_else(|| Failure::new(format!("{amount} is no amount")))?;
    digits.parse().context(|| format!("{amount} is no amount"))
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
