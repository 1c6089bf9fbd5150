//! The two fields of a trace context in a carrier: HTTP headers, JSON members, message attributes.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::context::TraceContext;

/// The name of the field with trace id, parent id and flags.
pub const TRACEPARENT: &str = "traceparent";
/// The name of the field with what vendors add.
pub const TRACESTATE: &str = "tracestate";

/// A trace context as a carrier has it, not checked. By default there is none.
///
/// Flatten it into a message: it adds up to two members. A member that is no text counts as absent, so that a context can
/// never make a message unreadable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceFields {
    /// `traceparent` as it was received.
    #[serde(default, deserialize_with = "text_or_none", skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// `tracestate` as it was received.
    #[serde(default, deserialize_with = "text_or_none", skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<String>,
}

impl TraceFields {
    /// Fields with a `traceparent` alone.
    pub fn new(traceparent: impl Into<String>) -> Self {
        Self { traceparent: Some(traceparent.into()), tracestate: None }
    }

    /// The fields that a carrier has, by name.
    pub fn read(field: impl Fn(&'static str) -> Option<String>) -> Self {
        Self { traceparent: field(TRACEPARENT), tracestate: field(TRACESTATE) }
    }

    /// The context, if it is valid.
    #[must_use]
    pub fn context(&self) -> Option<TraceContext> {
        TraceContext::parse(self.traceparent.as_deref()?, self.tracestate.as_deref())
    }

    /// The fields that are present, each as name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [(TRACEPARENT, &self.traceparent), (TRACESTATE, &self.tracestate)];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }
}

impl From<&TraceContext> for TraceFields {
    fn from(context: &TraceContext) -> Self {
        let tracestate = context.state().map(str::to_owned);
        Self { traceparent: Some(context.to_string()), tracestate }
    }
}

fn text_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Message {
        number: u64,
        #[serde(flatten)]
        trace: TraceFields,
    }

    fn read(message: Value) -> TraceFields {
        serde_json::from_value::<Message>(message).unwrap().trace
    }

    #[test]
    fn a_message_carries_the_fields_as_members_next_to_its_own() {
        let message = Message { number: 1, trace: TraceFields::new("p") };
        assert_eq!(
            serde_json::to_value(&message).unwrap(),
            json!({"number": 1, "traceparent": "p"})
        );
        let message = Message { number: 1, trace: TraceFields::default() };
        assert_eq!(serde_json::to_value(&message).unwrap(), json!({"number": 1}));
        let both = read(json!({"number": 1, "traceparent": "p", "tracestate": "s"}));
        assert_eq!(both.iter().collect::<Vec<_>>(), [("traceparent", "p"), ("tracestate", "s")]);
    }

    #[test]
    fn a_malformed_context_makes_no_message_unreadable() {
        for malformed in [json!(null), json!(7), json!({"a": 1}), json!(["x"]), json!("x")] {
            let fields =
                read(json!({"number": 1, "traceparent": malformed, "tracestate": malformed}));
            assert_eq!(fields.context(), None, "{malformed}");
        }
    }
}
