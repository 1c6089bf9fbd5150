//! Money: whole cents inside, a text with two places outside, never a float.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The one currency there is.
pub const CURRENCY: &str = "USD";

/// An amount in US dollars, zero or more.
///
/// In JSON it is a text such as `"100.00"`: one to seven digits, a point, two digits. Where zero is not allowed (a payment),
/// the rules check [`Money::is_zero`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money {
    cents: u64,
}

/// A text that is no amount, or a number of cents too large for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an amount such as 100.00")]
pub struct InvalidMoney;

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self { cents: 0 };
    /// The most that can be written: seven digits before the point.
    pub const MAX: Self = Self { cents: 999_999_999 };

    /// Takes whole cents.
    ///
    /// # Errors
    ///
    /// Refuses more than [`Money::MAX`].
    pub const fn from_cents(cents: u64) -> Result<Self, InvalidMoney> {
        if cents > Self::MAX.cents { Err(InvalidMoney) } else { Ok(Self { cents }) }
    }

    /// Whole cents.
    #[must_use]
    pub const fn cents(self) -> u64 {
        self.cents
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.cents == 0
    }

    /// The same by reference, as serde requires for members that are skipped.
    #[must_use]
    pub(crate) const fn is_zero_ref(&self) -> bool {
        self.is_zero()
    }

    /// The sum, unless it is more than [`Money::MAX`].
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.cents.checked_add(other.cents).and_then(|cents| Self::from_cents(cents).ok())
    }

    /// What is left, unless `other` is more.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.cents.checked_sub(other.cents).map(|cents| Self { cents })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.cents / 100, self.cents % 100)
    }
}

impl FromStr for Money {
    type Err = InvalidMoney;

    fn from_str(text: &str) -> Result<Self, InvalidMoney> {
        let (whole, part) = text.split_once('.').ok_or(InvalidMoney)?;
        if !(1..=7).contains(&whole.len()) || part.len() != 2 {
            return Err(InvalidMoney);
        }
        // Digits by hand: the standard library also takes a sign.
        let cents = whole.bytes().chain(part.bytes()).try_fold(0, |cents: u64, byte| {
            byte.is_ascii_digit().then(|| cents * 10 + u64::from(byte - b'0'))
        });
        cents.map(|cents| Self { cents }).ok_or(InvalidMoney)
    }
}

impl Serialize for Money {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Money {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Money".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "An amount in US dollars with two places.",
            "pattern": r"^\d{1,7}\.\d{2}$",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(text: &str) -> Money {
        text.parse().expect("an amount")
    }

    #[test]
    fn an_amount_is_digits_a_point_and_two_digits() {
        for (text, cents) in [
            ("0.00", 0),
            ("0.01", 1),
            ("100.00", 10_000),
            ("007.50", 750),
            ("9999999.99", 999_999_999),
        ] {
            assert_eq!(text.parse(), Ok(Money { cents }), "{text}");
        }
        for text in [
            "",
            ".",
            "1",
            "1.",
            ".00",
            "1.0",
            "1.000",
            "+1.00",
            "-1.00",
            "1.+1",
            "1,00",
            " 1.00",
            "1.00 ",
            "1e2.00",
            "10000000.00",
            "1.00.00",
            "١.00",
            "NaN",
            "0x1.00",
        ] {
            assert_eq!(text.parse::<Money>(), Err(InvalidMoney), "{text}");
        }
    }

    #[test]
    fn outside_it_is_a_text_and_never_a_number() {
        assert_eq!(serde_json::to_string(&money("100.00")).unwrap(), r#""100.00""#);
        assert_eq!(serde_json::from_str::<Money>(r#""100.00""#).unwrap(), money("100.00"));
        for json in ["100.00", "100", r#""100""#, "null", "[]"] {
            assert!(serde_json::from_str::<Money>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn sums_stay_within_what_can_be_written() {
        assert_eq!(money("60.00").checked_add(money("40.00")), Some(money("100.00")));
        assert_eq!(Money::MAX.checked_add(money("0.01")), None);
        assert_eq!(money("1.00").checked_sub(money("1.01")), None);
        assert_eq!(money("1.00").checked_sub(money("1.00")), Some(Money::ZERO));
        assert_eq!(Money::from_cents(u64::MAX), Err(InvalidMoney));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(cents in 0..=Money::MAX.cents) {
            let amount = Money::from_cents(cents).unwrap();
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            if let Ok(amount) = text.parse::<Money>() {
                prop_assert!(amount <= Money::MAX);
            }
        }
    }
}
