//! Queries: every parameter known, each there once, each well-formed.

use std::error::Error as _;
use std::fmt;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

use crate::problem::Problem;

/// Items on a page of a list, unless the client says how many.
const DEFAULT_LIMIT: u64 = 20;
/// Longer than any cursor is, and short enough to be passed on.
const MAX_CURSOR_LENGTH: usize = 1_024;

/// The query, read into a struct. Parameters that `T` does not know are rejected if it denies them: it should.
#[derive(Clone, Copy, Debug)]
pub struct StrictQuery<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for StrictQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::from_request_parts(parts, state).await;
        read.map(|Query(it)| Self(it)).map_err(|rejection| {
            let reason = rejection.source().map_or_else(|| rejection.to_string(), Text::to_string);
            Problem::validation(format!("query: {}", shortened(&reason)))
        })
    }
}

type Text = dyn std::error::Error;

/// The query of a route that has no parameters.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

/// A whole number of a range, in digits and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholeNumber<const MIN: u64, const MAX: u64>(pub u64);

/// How many items a page of a list has at most: 1 to 100, and 20 unless the client says so.
pub type Limit = WholeNumber<1, 100>;

impl Default for Limit {
    fn default() -> Self {
        Self(DEFAULT_LIMIT)
    }
}

impl From<Limit> for u32 {
    fn from(limit: Limit) -> Self {
        Self::try_from(limit.0).expect("it is 100 at most")
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for WholeNumber<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // The standard library takes a sign, too.
        let is_digits = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        let number = is_digits.then(|| text.parse().ok()).flatten();
        number.filter(|it| (MIN..=MAX).contains(it)).map(Self).ok_or_else(|| {
            D::Error::custom(match MAX {
                u64::MAX => format!("must be a whole number from {MIN}"),
                _ => format!("must be a whole number from {MIN} to {MAX}"),
            })
        })
    }
}

/// Where a page of a list begins. Whether it is one of the list's is for the service to say that made it.
#[derive(Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursor")
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_plausible = (1..=MAX_CURSOR_LENGTH).contains(&text.len());
        is_plausible
            .then_some(Self(text))
            .ok_or_else(|| D::Error::custom("is not one of this list's"))
    }
}

/// The beginning of a message that may repeat what a client sent: its length is not the client's to choose.
pub(super) fn shortened(text: &str) -> String {
    const MAX_CHARACTERS: usize = 200;
    let mut cut: String = text.chars().take(MAX_CHARACTERS).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Colour {
        Red,
        DarkBlue,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Cars {
        colour: Option<Colour>,
        limit: Option<Limit>,
        cursor: Option<Cursor>,
    }

    async fn query<T: DeserializeOwned>(query: &str) -> Result<T, String> {
        let request = Request::get(format!("/?{query}")).body(()).expect("a request");
        let (mut parts, ()) = request.into_parts();
        let read = StrictQuery::from_request_parts(&mut parts, &()).await;
        read.map(|StrictQuery(it)| it).map_err(|problem| {
            assert_eq!(problem.kind().status(), 400);
            problem.detail().to_owned()
        })
    }

    #[tokio::test]
    async fn unknown_and_repeated_parameters_are_rejected() {
        assert!(query::<Cars>("color=red").await.unwrap_err().contains("unknown field `color`"));
        assert!(query::<Cars>("colour=red&colour=red").await.is_err());
        assert!(query::<Cars>("").await.is_ok());
        assert!(query::<NoParameters>("").await.is_ok());
        assert!(query::<NoParameters>("x").await.is_err());
    }

    #[tokio::test]
    async fn a_number_is_digits_within_its_range() {
        for (text, number) in [("1", 1), ("100", 100), ("007", 7)] {
            let read = query::<Cars>(&format!("limit={text}")).await.unwrap();
            assert_eq!(read.limit, Some(WholeNumber(number)));
        }
        for text in
            ["", "0", "101", "%2B1", "+1", "-1", "1.0", "1e1", "%D9%A3", "99999999999999999999999"]
        {
            let refused = query::<Cars>(&format!("limit={text}")).await.unwrap_err();
            assert_eq!(refused, "query: limit: must be a whole number from 1 to 100", "{text}");
        }
    }

    #[tokio::test]
    async fn a_page_has_20_items_unless_said_and_a_cursor_that_could_be_one() {
        assert_eq!(u32::from(Limit::default()), 20);
        let read = query::<Cars>("cursor=c").await.unwrap();
        assert_eq!(read.cursor, Some(Cursor("c".to_owned())));
        for cursor in ["", &"c".repeat(1_025)] {
            assert!(query::<Cars>(&format!("cursor={cursor}")).await.is_err());
        }
    }

    #[tokio::test]
    async fn a_name_is_one_of_the_types_own() {
        let read = query::<Cars>("colour=dark_blue").await.unwrap();
        assert_eq!(read.colour, Some(Colour::DarkBlue));
        for text in ["", "Red", "RED", "dark+blue"] {
            assert!(query::<Cars>(&format!("colour={text}")).await.is_err(), "{text}");
        }
    }
}
