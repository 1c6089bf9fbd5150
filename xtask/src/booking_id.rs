//! Ids of bookings as users type them: in full, or as short as the pages show them.

use std::str::FromStr;

use serde::Deserialize;
use uuid::Uuid;

use crate::api_client::ApiClient;
use crate::failure::{Failure, Result};

/// The pages show the last characters of an id, this many.
const SHORT_LENGTH: usize = 8;
/// As many ids of an ambiguous one are listed.
const SHOWN_MAX: usize = 5;
/// The most that the API returns in one page.
const PAGE: usize = 100;

/// The id of a booking, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BookingId {
    /// The whole id.
    Full(Uuid),
    /// At least the first or the last eight characters, in lower case.
    Short(String),
}

impl FromStr for BookingId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(id) = Uuid::parse_str(text) {
            return Ok(Self::Full(id));
        }
        let part = text.trim_start_matches(['…', '.']).to_ascii_lowercase();
        let is_hexadecimal = part.bytes().all(|it| it.is_ascii_hexdigit() || it == b'-');
        if (SHORT_LENGTH..=Uuid::nil().to_string().len()).contains(&part.len()) && is_hexadecimal {
            return Ok(Self::Short(part));
        }
        Err("write the whole id, such as 0199f2c4-7d1e-7a30-b3c1-5f0e6a7d8c9b, or at least its last \
             eight characters, as the pages show them, such as 6a7d8c9b, or its first eight"
            .to_owned())
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    items: Vec<Item>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    booking_id: Uuid,
}

impl BookingId {
    /// The whole id; the operator's list of bookings is searched for a short one.
    ///
    /// # Errors
    ///
    /// When no booking has this short id, or more than one.
    pub(crate) async fn resolve(&self, operator: &ApiClient) -> Result<Uuid> {
        match self {
            Self::Full(id) => Ok(*id),
            Self::Short(part) => {
                let mut found = Vec::new();
                let mut cursor = String::new();
                loop {
                    let path = format!("/operator/bookings?limit={PAGE}{cursor}");
                    let page: Option<Page> = operator.read(&path).await?;
                    let page = page.ok_or_else(|| Failure::new("the API lists no bookings"))?;
                    let ids = page.items.iter().map(|it| it.booking_id);
                    found.extend(ids.filter(|it| is_short_for(part, *it)));
                    match page.next_cursor {
                        Some(next) => cursor = format!("&cursor={next}"),
                        None => return only(part, &found),
                    }
                }
            }
        }
    }
}

fn is_short_for(part: &str, id: Uuid) -> bool {
    let id = id.to_string();
    id.starts_with(part) || id.ends_with(part)
}

fn only(part: &str, found: &[Uuid]) -> Result<Uuid> {
    match found {
        [] => Err(Failure::new(format!("there is no booking whose id begins or ends with {part}"))
            .advise("look it up in the list of bookings on the operator's pages")
            .advise("a booking that was created a moment ago is found by its whole id")),
        [id] => Ok(*id),
        many => {
            let ids: Vec<_> = many.iter().take(SHOWN_MAX).map(Uuid::to_string).collect();
            let count = many.len();
            Err(Failure::new(format!("the ids of {count} bookings begin or end with {part}"))
                .because(ids.join("\n"))
                .advise("give more characters of the id"))
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::{Uuid, uuid};

    use super::{BookingId, is_short_for, only};

    const ONE: Uuid = uuid!("0199f2c4-7d1e-7a30-b3c1-5f0e6a7d8c9b");
    const OTHER: Uuid = uuid!("0199f2c4-7d1e-7a30-b3c1-000e6a7d8c9b");

    #[test]
    fn an_id_is_read_in_full_or_as_the_pages_show_it() {
        assert_eq!(ONE.to_string().parse(), Ok(BookingId::Full(ONE)));
        for shown in ["6a7d8c9b", "…6A7D8C9B", "...6a7d8c9b"] {
            assert_eq!(shown.parse(), Ok(BookingId::Short("6a7d8c9b".to_owned())), "{shown}");
        }
        let longer = "b3c1-5f0e6a7d8c9b";
        assert_eq!(longer.parse(), Ok(BookingId::Short(longer.to_owned())));
    }

    #[test]
    fn what_is_wrong_with_an_id_is_said() {
        for wrong in ["", "7d8c9b", "hello there", "6a7d8c9bx", &"a".repeat(37)] {
            let said = wrong.parse::<BookingId>().expect_err(wrong);
            assert!(said.contains("the whole id") && said.contains("eight"), "{said}");
        }
    }

    #[test]
    fn a_short_id_is_the_beginning_or_the_end_of_the_whole_one() {
        for part in ["6a7d8c9b", "0199f2c4", "0199f2c4-7d1e"] {
            assert!(is_short_for(part, ONE), "{part}");
        }
        assert!(!is_short_for("7a30-b3c1", ONE));
    }

    #[test]
    fn a_short_id_names_one_booking_or_is_refused() {
        assert_eq!(only("6a7d8c9b", &[ONE]).ok(), Some(ONE));
        let none = only("6a7d8c9b", &[]).expect_err("there is none").to_string();
        assert!(none.contains("no booking whose id begins or ends with 6a7d8c9b"), "{none}");
        let both = only("6a7d8c9b", &[ONE, OTHER]).expect_err("there are two").to_string();
        assert!(both.contains(&ONE.to_string()) && both.contains(&OTHER.to_string()), "{both}");
        assert!(both.contains("more characters"), "{both}");
    }
}
