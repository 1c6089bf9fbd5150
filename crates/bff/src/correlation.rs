//! Correlation ids: what a request belongs to, in and out.

use uuid::Uuid;

/// The header that carries it.
pub(crate) const HEADER: &str = "X-Correlation-Id";

/// The caller's id, if it is one, or else the fresh one.
///
/// Only the spelling with hyphens counts, so that what comes out is what came in.
pub(crate) fn taken_over(given: Option<&str>, fresh: Uuid) -> (Uuid, String) {
    given
        .filter(|text| text.len() == uuid::fmt::Hyphenated::LENGTH)
        .and_then(|text| Some((Uuid::try_parse(text).ok()?, text.to_owned())))
        .unwrap_or_else(|| (fresh, fresh.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_one_comes_out_as_it_came_in_and_any_other_is_replaced() {
        let fresh = Uuid::from_u128(7);
        for good in ["0191f7a4-0000-7000-8000-00000000000a", "0191F7A4-0000-7000-8000-00000000000A"]
        {
            let (id, text) = taken_over(Some(good), fresh);
            assert_eq!((id, text.as_str()), (good.parse().unwrap(), good));
        }
        for bad in
            [None, Some(""), Some("x"), Some("0191f7a4000070008000000000000000a"), Some("{}\r\n")]
        {
            assert_eq!(taken_over(bad, fresh), (fresh, fresh.to_string()), "{bad:?}");
        }
    }
}
