//! The correlation id of a request: the caller's, or a new one.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use uuid::Uuid;

use crate::problem::Problem;

/// The header with the id of a request, and of the response to it.
pub(crate) const HEADER: &str = "x-correlation-id";

/// The id that a request, the problems it leads to and the events it causes have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorrelationId {
    /// The id.
    pub id: Uuid,
    /// The id as the caller spelled it: what comes in comes out.
    pub(crate) text: String,
}

impl CorrelationId {
    /// The caller's id if it is a UUID with hyphens, else the new one.
    pub(crate) fn accept_or_generate(given: Option<&str>, generate: impl FnOnce() -> Uuid) -> Self {
        let given = given.filter(|text| text.len() == uuid::fmt::Hyphenated::LENGTH);
        match given.and_then(|text| Some((Uuid::try_parse(text).ok()?, text.to_owned()))) {
            Some((id, text)) => Self { id, text },
            None => {
                let id = generate();
                Self { id, text: id.to_string() }
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CorrelationId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let found = parts.extensions.get::<Self>();
        Ok(found.cloned().expect("the adapter gives every request one"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_one_comes_out_as_it_came_in_and_any_other_is_replaced() {
        let new = Uuid::from_u128(7);
        for good in ["0191f7a4-0000-7000-8000-00000000000a", "0191F7A4-0000-7000-8000-00000000000A"]
        {
            let accepted = CorrelationId::accept_or_generate(Some(good), || new);
            assert_eq!((accepted.id, &*accepted.text), (good.parse().unwrap(), good));
        }
        for bad in
            [None, Some(""), Some("x"), Some("0191f7a4000070008000000000000000a"), Some("{}\r\n")]
        {
            let generated = CorrelationId::accept_or_generate(bad, || new);
            assert_eq!((generated.id, generated.text), (new, new.to_string()), "{bad:?}");
        }
    }
}
