//! Event patterns and filters of stream records: the part of EventBridge's language that the templates use.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::WiringError;
use super::template::UNKNOWN;

/// A pattern: nested fields, each with a list of texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    fields: Fields,
}

type Fields = BTreeMap<String, Node>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    AnyOf(Vec<String>),
    Fields(Fields),
}

impl Pattern {
    /// Parses a pattern at `place` that may use only these top-level fields.
    ///
    /// # Errors
    ///
    /// If it has anything but fields and lists of texts, or another top-level field.
    pub(super) fn read(value: &Value, place: &str, top: &[&str]) -> Result<Self, WiringError> {
        let map = value.as_object().ok_or_else(|| rejected(place, "a pattern has fields"))?;
        // A misspelt field would never match, and nothing would report it.
        if let Some(key) = map.keys().find(|key| !top.contains(&key.as_str())) {
            return Err(rejected(&format!("{place}/{key}"), UNKNOWN));
        }
        Ok(Self { fields: fields(map, place)? })
    }

    /// Whether an event (with `source`, `detail-type`, `detail`) or a stream record matches.
    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        has(&self.fields, event)
    }
}

fn fields(map: &Map<String, Value>, place: &str) -> Result<Fields, WiringError> {
    if map.is_empty() {
        return Err(rejected(place, "a pattern without fields"));
    }
    map.iter()
        .map(|(key, value)| {
            let place = format!("{place}/{key}");
            // `$or` is an operator, and `Ref` or `Fn::…` an unresolved value.
            if key.starts_with('$') || key.starts_with("Fn::") || key == "Ref" {
                return Err(rejected(&place, UNKNOWN));
            }
            Ok((key.clone(), node(value, &place)?))
        })
        .collect()
}

fn node(value: &Value, place: &str) -> Result<Node, WiringError> {
    match value {
        Value::Object(map) => Ok(Node::Fields(fields(map, place)?)),
        Value::Array(items) if items.is_empty() => Err(rejected(place, "an empty list")),
        Value::Array(items) => {
            let texts = items.iter().enumerate().map(|(index, item)| {
                // `prefix`, `anything-but` and all other operators are objects; numbers have rules of their own.
                let text = item.as_str().map(str::to_owned);
                text.ok_or_else(|| rejected(&format!("{place}/{index}"), "not a text"))
            });
            Ok(Node::AnyOf(texts.collect::<Result<_, _>>()?))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Err(rejected(place, "neither fields nor a list"))
        }
    }
}

fn rejected(place: &str, reason: &str) -> WiringError {
    WiringError::Refused { place: place.to_owned(), reason: reason.to_owned() }
}

/// Whether a value has all these fields; for a list, whether one item has them.
fn has(fields: &Fields, value: &Value) -> bool {
    if let Value::Array(items) = value {
        return items.iter().any(|item| has(fields, item));
    }
    fields.iter().all(|(key, node)| value.get(key).is_some_and(|inner| agrees(node, inner)))
}

fn agrees(node: &Node, value: &Value) -> bool {
    match (node, value) {
        (Node::Fields(fields), _) => has(fields, value),
        (Node::AnyOf(_), Value::Array(items)) => items.iter().any(|item| agrees(node, item)),
        (Node::AnyOf(texts), _) => {
            value.as_str().is_some_and(|it| texts.iter().any(|own| own == it))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Pattern;

    fn read(value: &Value) -> Result<Pattern, String> {
        Pattern::read(value, "here", &["source", "detail"]).map_err(|error| error.to_string())
    }

    #[test]
    fn all_fields_must_match_with_one_text_each() {
        let pattern = json!({"source": ["a", "b"], "detail": {"data": {"mode": ["x"]}}});
        let pattern = read(&pattern).expect("read");
        let event =
            |source: Value, data: Value| json!({"source": source, "detail": {"data": data}});
        for (event, matches) in [
            (event(json!("a"), json!({"mode": "x", "more": 1})), true),
            (event(json!("b"), json!({"mode": "x"})), true),
            (event(json!("c"), json!({"mode": "x"})), false),
            (event(json!("a"), json!({"mode": "y"})), false),
            (event(json!("a"), json!({"mode": null})), false),
            (event(json!("a"), json!({"mode": {"x": "x"}})), false),
            (event(json!("a"), json!({})), false),
            (event(json!("a"), json!("x")), false),
            (json!({"source": "a"}), false),
            (json!(null), false),
        ] {
            assert_eq!(pattern.matches(&event), matches, "{event}");
        }
    }

    #[test]
    fn one_item_of_a_list_must_match_alone() {
        let pattern = json!({"detail": {"tags": ["x"], "parts": {"a": ["1"], "b": ["2"]}}});
        let pattern = read(&pattern).expect("read");
        let event = |tags: Value, parts: Value| json!({"detail": {"tags": tags, "parts": parts}});
        let whole = json!([{"a": "0"}, {"a": "1", "b": "2"}]);
        assert!(pattern.matches(&event(json!(["y", "x"]), whole.clone())));
        assert!(!pattern.matches(&event(json!(["y"]), whole)));
        assert!(!pattern.matches(&event(json!(["x"]), json!([{"a": "1"}, {"b": "2"}]))));
    }

    #[test]
    fn an_unknown_element_is_rejected_with_its_place() {
        for (pattern, message) in [
            (json!("x"), "here: a pattern has fields"),
            (json!({}), "here: a pattern without fields"),
            (json!({"sauce": ["x"]}), "here/sauce: unknown to the simulation"),
            (json!({"source": []}), "here/source: an empty list"),
            (json!({"source": "x"}), "here/source: neither fields nor a list"),
            (json!({"source": [{"prefix": "x"}]}), "here/source/0: not a text"),
            (json!({"source": ["x", {"anything-but": ["y"]}]}), "here/source/1: not a text"),
            (json!({"source": [7]}), "here/source/0: not a text"),
            (json!({"detail": {"a": {}}}), "here/detail/a: a pattern without fields"),
            (
                json!({"detail": {"$or": [{"a": ["x"]}]}}),
                "here/detail/$or: unknown to the simulation",
            ),
            (
                json!({"source": {"Fn::GetAtt": ["A", "B"]}}),
                "here/source/Fn::GetAtt: unknown to the simulation",
            ),
        ] {
            assert_eq!(read(&pattern), Err(message.to_owned()), "{pattern}");
        }
    }
}
