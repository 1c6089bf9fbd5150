//! Content negotiation by the `Accept` header (RFC 9110, section 12.5.1).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

/// The media types that the client accepts, each with its weight in 1/1000.
#[derive(Clone, Debug, Default)]
pub struct Accept(Vec<(String, u16)>);

impl<S: Send + Sync> FromRequestParts<S> for Accept {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::from(&parts.headers))
    }
}

impl From<&HeaderMap> for Accept {
    /// Reads every `Accept` header. A range that is malformed counts for nothing.
    fn from(headers: &HeaderMap) -> Self {
        let all = headers.get_all(header::ACCEPT).into_iter();
        let ranges = all.filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(','));
        Self(ranges.filter_map(range).collect())
    }
}

impl Accept {
    /// The one of these media types that the client prefers; of two equal ones, the first. The first, too, for a client that
    /// says nothing, and for one that accepts none of them: it gets a response that it may be able to use.
    ///
    /// # Panics
    ///
    /// Without any media type to choose from.
    #[must_use]
    pub fn preferred<'a>(&self, offered: &[&'a str]) -> &'a str {
        let first = offered.first().expect("there is something to choose from");
        let better = |best: &'a str, it: &'a str| {
            if self.preference(it) > self.preference(best) { it } else { best }
        };
        offered.iter().copied().fold(first, better)
    }

    /// Whether the client names this media type, and does not exclude it.
    ///
    /// `*/*` names none: programs send it by default.
    #[must_use]
    pub fn names(&self, media_type: &str) -> bool {
        self.0.iter().any(|(range, preference)| range == media_type && *preference > 0)
    }

    /// The preference that the most specific range gives to a media type.
    fn preference(&self, media_type: &str) -> u16 {
        let family = media_type.split('/').next().unwrap_or_default();
        for range in [media_type, &format!("{family}/*"), "*/*"] {
            let preferences = self.0.iter().filter(|(it, _)| it == range);
            if let Some(preference) = preferences.map(|(_, it)| *it).max() {
                return preference;
            }
        }
        0
    }
}

/// A media range in lower case with its preference. Parameters of the media type itself are ignored: no type is offered in
/// two variants.
fn range(text: &str) -> Option<(String, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().filter(|it| it.contains('/'))?.to_ascii_lowercase();
    let weight = parts.find_map(|it| it.strip_prefix("q=").or_else(|| it.strip_prefix("Q=")));
    let preference = match weight {
        Some(weight) => per_mille(weight)?,
        None => 1_000,
    };
    Some((range, preference))
}

/// Parses a weight: `0` to `1` with up to three decimals.
fn per_mille(weight: &str) -> Option<u16> {
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let decimals: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(decimals),
        "1" if decimals == 0 => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const OFFERED: [&str; 2] = ["text/html", "application/json"];

    fn accept(values: &[&str]) -> Accept {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::ACCEPT, HeaderValue::from_str(value).expect("a value"));
        }
        Accept::from(&headers)
    }

    #[test]
    fn the_client_gets_what_it_prefers() {
        for (values, preferred) in [
            (&["text/html,application/xhtml+xml,*/*;q=0.8"][..], "text/html"),
            (&["application/json"], "application/json"),
            (&["application/json, text/html;q=0.5"], "application/json"),
            (&["application/json;q=0.5, text/HTML"], "text/html"),
            (&["text/html;q=0.5", "application/json"], "application/json"),
            (&["application/json, text/html"], "text/html"),
            (&["application/*, text/html;q=0.9"], "application/json"),
            (&["text/*;q=0.1, application/json;q=0.2"], "application/json"),
            (&["text/html;q=0, */*"], "application/json"),
            (&["application/json; charset=utf-8; q=1.000, text/html; q=0.999"], "application/json"),
            (&["*/*"], "text/html"),
            (&[], "text/html"),
            (&["image/png"], "text/html"),
            (&["application/json;q=2", "text/html;q=0.1"], "text/html"),
            (&["", ",;,", "json", "application/json;q=0.0001"], "text/html"),
        ] {
            assert_eq!(accept(values).preferred(&OFFERED), preferred, "{values:?}");
        }
    }

    #[test]
    fn a_client_names_what_it_names() {
        for (value, names) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", true),
            ("application/json, text/HTML;q=0.5", true),
            ("text/html;q=0", false),
            ("text/html; q=0.0, application/json", false),
            ("*/*", false),
            ("", false),
        ] {
            assert_eq!(accept(&[value]).names("text/html"), names, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(value in "[ -~]{0,40}") {
            prop_assert!(OFFERED.contains(&accept(&[&value]).preferred(&OFFERED)));
        }
    }
}
