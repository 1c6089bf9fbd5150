//! What a REST API's proxy integration sends to a function, and what it takes back.
//!
//! Read leniently: whatever a client can put into a header or a path arrives here, and a function that cannot read its
//! event has no way to say what was wrong with it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A request, in the form of API Gateway's proxy integration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyEvent {
    /// The method.
    pub http_method: String,
    /// The requested path, without the stage.
    pub path: String,
    /// The path of the route that matches, with its parameters' names in braces.
    pub resource: Option<String>,
    /// The last value of each header.
    pub headers: Option<BTreeMap<String, String>>,
    /// Every value of each header.
    pub multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    /// The last value of each parameter of the query.
    pub query_string_parameters: Option<BTreeMap<String, String>>,
    /// Every value of each parameter of the query.
    pub multi_value_query_string_parameters: Option<BTreeMap<String, Vec<String>>>,
    /// The values of the route's parameters.
    pub path_parameters: Option<BTreeMap<String, String>>,
    /// The gateway's context of the request.
    pub request_context: Option<ProxyContext>,
    /// The body, as text.
    pub body: Option<String>,
    /// Whether that text is base64.
    pub is_base64_encoded: bool,
}

/// The gateway's context of a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyContext {
    /// The authorizer's context of the caller.
    pub authorizer: Option<Map<String, Value>>,
    /// The host of the request.
    pub domain_name: Option<String>,
    /// The full requested path, with the stage.
    pub path: Option<String>,
    /// When the gateway received the request, in milliseconds since 1970.
    pub request_time_epoch: Option<i64>,
}

/// Why a body is unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It has more bytes than allowed.
    #[error("the body is too large")]
    TooLarge,
    /// It says that it is base64 and is not.
    #[error("the body cannot be read")]
    Unreadable,
}

impl ProxyEvent {
    /// Every value of a header; names have no case.
    pub fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let all = self.multi_value_headers.iter().flatten();
        let mut values: Vec<&str> = all
            .filter(|(it, _)| it.eq_ignore_ascii_case(name))
            .flat_map(|(_, values)| values.iter().map(String::as_str))
            .collect();
        if values.is_empty() {
            let single = self.headers.iter().flatten();
            values = single
                .filter(|(it, _)| it.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.as_str())
                .collect();
        }
        values.into_iter()
    }

    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    /// The one value of a header; nothing if there are two, because it is undefined which of them counts.
    #[must_use]
    pub fn only_header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// Every parameter of the query, as often as it comes.
    pub fn query(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.multi_value_query_string_parameters.as_ref();
        // Clouds that know of one value for each say so in the other field.
        let single = self.query_string_parameters.as_ref().filter(|_| all.is_none());
        let all = all.into_iter().flatten().flat_map(|(name, values)| {
            values.iter().map(move |value| (name.as_str(), value.as_str()))
        });
        all.chain(single.into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// The body's bytes; none if there is none.
    ///
    /// # Errors
    ///
    /// See [`BodyError`].
    pub fn bytes(&self, at_most: usize) -> Result<Cow<'_, [u8]>, BodyError> {
        let text = self.body.as_deref().unwrap_or_default();
        if !self.is_base64_encoded {
            let fits = text.len() <= at_most;
            return fits.then_some(Cow::Borrowed(text.as_bytes())).ok_or(BodyError::TooLarge);
        }
        // Four characters carry three bytes: what is longer need not be decoded to be too long.
        if text.len() > at_most / 3 * 4 + 4 {
            return Err(BodyError::TooLarge);
        }
        match STANDARD.decode(text) {
            Ok(bytes) if bytes.len() <= at_most => Ok(Cow::Owned(bytes)),
            Ok(_) => Err(BodyError::TooLarge),
            Err(_) => Err(BodyError::Unreadable),
        }
    }
}

/// A response, in the form of API Gateway's proxy integration, which rejects unknown fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyAnswer {
    /// The HTTP status.
    pub status_code: u16,
    /// The headers.
    pub headers: BTreeMap<&'static str, String>,
    /// The body; always text.
    pub body: String,
    /// Always false.
    pub is_base64_encoded: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(value: Value) -> ProxyEvent {
        serde_json::from_value(value).expect("every field is optional")
    }

    #[test]
    fn a_header_is_found_in_any_case_and_both_fields() {
        for headers in [
            json!({"headers": {"x-one": "1"}}),
            json!({"multiValueHeaders": {"X-ONE": ["1"]}}),
            json!({"headers": {"X-One": "2"}, "multiValueHeaders": {"X-One": ["1"]}}),
        ] {
            assert_eq!(event(headers.clone()).only_header("X-One"), Some("1"), "{headers}");
        }
        assert_eq!(event(json!({})).header("X-One"), None);
        let twice = event(json!({"multiValueHeaders": {"X-One": ["1", "2"]}}));
        assert_eq!((twice.header("x-one"), twice.only_header("x-one")), (Some("1"), None));
    }

    #[test]
    fn a_parameter_comes_as_often_as_it_was_sent() {
        let twice = event(json!({
            "queryStringParameters": {"a": "2"}, "multiValueQueryStringParameters": {"a": ["1", "2"]}
        }));
        assert_eq!(twice.query().collect::<Vec<_>>(), [("a", "1"), ("a", "2")]);
        let single = event(json!({"queryStringParameters": {"a": "2"}}));
        assert_eq!(single.query().collect::<Vec<_>>(), [("a", "2")]);
        assert_eq!(event(json!({"queryStringParameters": null})).query().count(), 0);
    }

    #[test]
    fn a_body_is_measured_decoded() {
        let plain = event(json!({"body": "abcd"}));
        assert_eq!(plain.bytes(4).as_deref(), Ok(b"abcd".as_slice()));
        assert_eq!(plain.bytes(3), Err(BodyError::TooLarge));
        let encoded = event(json!({"body": "YWJjZA==", "isBase64Encoded": true}));
        assert_eq!(encoded.bytes(4).as_deref(), Ok(b"abcd".as_slice()));
        assert_eq!(encoded.bytes(3), Err(BodyError::TooLarge));
        let neither = event(json!({"body": "%%%", "isBase64Encoded": true}));
        assert_eq!(neither.bytes(4), Err(BodyError::Unreadable));
        assert_eq!(event(json!({})).bytes(0).as_deref(), Ok(b"".as_slice()));
    }
}
