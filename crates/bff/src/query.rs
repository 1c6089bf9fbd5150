//! The query of a request: every parameter known, each there once, each well-formed.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::de::value::{Error, StrDeserializer};

use crate::problem::Problem;

/// Rows on a page, if the client does not say how many.
const PAGE: u32 = 20;
const PAGE_MAX: u32 = 100;
/// Longer than any cursor is, and short enough to be passed on.
const CURSOR_LENGTH_MAX: usize = 1_024;

/// Which part of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageAsked {
    /// How many rows at most, 1 to 100.
    pub limit: u32,
    /// Where it begins. Whether it is one of the list's is for the service to say, which made it.
    pub cursor: Option<String>,
}

/// The parameters behind the question mark.
#[derive(Clone, Debug, Default)]
pub struct Query<'a> {
    values: BTreeMap<&'a str, &'a str>,
}

impl<'a> Query<'a> {
    pub(crate) fn read(
        parameters: impl Iterator<Item = (&'a str, &'a str)>,
        known: &[&str],
    ) -> Result<Self, Problem> {
        let mut values = BTreeMap::new();
        for (name, value) in parameters {
            if !known.contains(&name) {
                return Err(Problem::validation(format!(
                    "there is no query parameter {:?}",
                    short(name)
                )));
            }
            if values.insert(name, value).is_some() {
                return Err(Problem::validation(format!("{name} is given more than once")));
            }
        }
        Ok(Self { values })
    }

    /// A parameter as it is.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.values.get(name).copied()
    }

    /// A parameter that is a whole number, in digits and nothing else.
    ///
    /// # Errors
    ///
    /// 400 for what is no number, or not in the range.
    pub fn number(&self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        // Digits by hand: the standard library also takes a sign.
        let digits = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten().filter(|it| range.contains(it));
        number.map(Some).ok_or_else(|| {
            let (least, most) = range.into_inner();
            let detail = match most {
                u64::MAX => format!("{name} must be a whole number from {least}"),
                _ => format!("{name} must be a whole number from {least} to {most}"),
            };
            Problem::validation(detail)
        })
    }

    /// The parameters `limit` and `cursor`.
    ///
    /// # Errors
    ///
    /// 400 for a limit outside 1 to 100, and for what is no cursor at all.
    pub fn page(&self) -> Result<PageAsked, Problem> {
        let limit = self.number("limit", 1..=u64::from(PAGE_MAX))?;
        let cursor = self.text("cursor").map(str::to_owned);
        if cursor.as_ref().is_some_and(|it| !(1..=CURSOR_LENGTH_MAX).contains(&it.len())) {
            return Err(Problem::validation("cursor is not one of this list's"));
        }
        Ok(PageAsked { limit: limit.and_then(|it| u32::try_from(it).ok()).unwrap_or(PAGE), cursor })
    }

    /// A parameter that is one of a type's names.
    ///
    /// # Errors
    ///
    /// 400 for any other text; it names those that would do.
    pub fn one_of<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Problem> {
        self.text(name)
            .map(|text| {
                T::deserialize(StrDeserializer::<Error>::new(text)).map_err(|error| {
                    Problem::validation(format!("{name}: {}", short(&error.to_string())))
                })
            })
            .transpose()
    }

    /// A parameter that a type can be read from.
    ///
    /// # Errors
    ///
    /// 400 for a text that the type refuses.
    pub fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Problem> {
        self.text(name)
            .map(|text| {
                text.parse().map_err(|error: T::Err| {
                    Problem::validation(format!("{name}: {}", short(&error.to_string())))
                })
            })
            .transpose()
    }
}

/// Messages repeat what they complain about, however long it is.
pub(crate) fn short(text: &str) -> String {
    const CHARACTERS_MAX: usize = 200;
    let mut cut: String = text.chars().take(CHARACTERS_MAX).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Colour {
        Red,
        DarkBlue,
    }

    fn query<'a>(parameters: &[(&'a str, &'a str)]) -> Result<Query<'a>, Problem> {
        Query::read(parameters.iter().copied(), &["colour", "limit", "cursor"])
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        assert!(query(&[("color", "red")]).is_err());
        assert!(query(&[("colour", "red"), ("colour", "red")]).is_err());
        assert!(query(&[]).is_ok());
    }

    #[test]
    fn a_number_is_digits_within_its_range() {
        for (text, number) in [("1", 1), ("100", 100), ("007", 7)] {
            let query = query(&[("limit", text)]).unwrap();
            assert_eq!(query.number("limit", 1..=100).unwrap(), Some(number));
        }
        for text in ["", "0", "101", "+1", "-1", "1.0", "1e1", " 1", "٣", "99999999999999999999999"]
        {
            let query = query(&[("limit", text)]).unwrap();
            assert!(query.number("limit", 1..=100).is_err(), "{text}");
        }
    }

    #[test]
    fn a_page_has_20_rows_unless_said_and_a_cursor_that_could_be_one() {
        assert_eq!(query(&[]).unwrap().page().unwrap(), PageAsked { limit: 20, cursor: None });
        let asked = query(&[("limit", "100"), ("cursor", "c")]).unwrap().page().unwrap();
        assert_eq!(asked, PageAsked { limit: 100, cursor: Some("c".to_owned()) });
        for cursor in ["", &"c".repeat(1_025)] {
            assert!(query(&[("cursor", cursor)]).unwrap().page().is_err());
        }
    }

    #[test]
    fn a_name_is_one_of_the_types_own() {
        let colour = |text| query(&[("colour", text)]).unwrap().one_of::<Colour>("colour");
        assert_eq!(colour("dark_blue").unwrap(), Some(Colour::DarkBlue));
        for text in ["", "Red", "RED", "dark blue"] {
            assert!(colour(text).is_err(), "{text}");
        }
    }
}
