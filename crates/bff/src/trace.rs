//! Traces of callers who follow one: `traceparent` of [W3C Trace Context](https://www.w3.org/TR/trace-context/), passed on
//! with every question that a request leads to.

use std::future::Future;

use serde::Serialize;
use serde_json::Value;

/// The header that carries it in, and the field that carries it on.
pub(crate) const HEADER: &str = "traceparent";
/// Version, trace, parent and flags, in hexadecimal digits.
const PARTS: [usize; 4] = [2, 32, 16, 2];

tokio::task_local! {
    static CURRENT: Option<String>;
}

/// Carries out what belongs to a trace; to none, if the header is none of the form that is known.
pub(crate) async fn within<T>(header: Option<&str>, work: impl Future<Output = T>) -> T {
    CURRENT.scope(header.filter(|it| is_good(it)).map(str::to_owned), work).await
}

/// A question as JSON, with the trace that it belongs to.
pub(crate) fn with_trace(question: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let current = CURRENT.try_with(Clone::clone).ok().flatten();
    let Some(traceparent) = current else { return serde_json::to_vec(question) };
    let mut question = serde_json::to_value(question)?;
    if let Value::Object(fields) = &mut question {
        fields.insert(HEADER.to_owned(), Value::String(traceparent));
    }
    serde_json::to_vec(&question)
}

fn is_good(text: &str) -> bool {
    let is_hex = |it: &str| it.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == PARTS.len()
        && parts.iter().zip(PARTS).all(|(it, length)| it.len() == length && is_hex(it))
        // These say that there is none.
        && parts[0] != "ff"
        && !parts[1..3].iter().any(|it| it.bytes().all(|it| it == b'0'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[tokio::test]
    async fn what_belongs_to_a_trace_says_so_and_nothing_else_does() {
        let asked = async || with_trace(&json!({"a": 1})).unwrap();
        let read = |it: Vec<u8>| serde_json::from_slice::<Value>(&it).unwrap();
        let told = read(within(Some(GOOD), asked()).await);
        assert_eq!(told, json!({"a": 1, "traceparent": GOOD}));
        let (none, zeros) =
            (GOOD.replace("00-4", "ff-4"), GOOD.replace("00f067aa0ba902b7", "0000000000000000"));
        for header in
            [None, Some(""), Some("x"), Some(&*GOOD.to_uppercase()), Some(&none), Some(&zeros)]
        {
            assert_eq!(read(within(header, asked()).await), json!({"a": 1}), "{header:?}");
        }
        assert_eq!(read(asked().await), json!({"a": 1}));
        assert_eq!(within(Some(GOOD), async { with_trace(&1).unwrap() }).await, b"1");
    }
}
