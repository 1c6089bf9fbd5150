//! What a REST API's proxy integration sends to a function, and what it takes back.
//!
//! Read leniently: whatever a client can put into a header or a path arrives here, and a function that cannot read its
//! event has no way to say what was wrong with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One request, as API Gateway hands it over.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyEvent {
    pub(crate) http_method: String,
    pub(crate) resource: Option<String>,
    pub(crate) headers: Option<BTreeMap<String, String>>,
    pub(crate) multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    pub(crate) query_string_parameters: Option<BTreeMap<String, String>>,
    pub(crate) multi_value_query_string_parameters: Option<BTreeMap<String, Vec<String>>>,
    pub(crate) path_parameters: Option<BTreeMap<String, String>>,
    pub(crate) request_context: Option<ProxyContext>,
    pub(crate) body: Option<String>,
    pub(crate) is_base64_encoded: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ProxyContext {
    pub(crate) authorizer: Option<Map<String, Value>>,
}

/// One answer, as API Gateway takes it. It refuses fields that it does not know.
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
