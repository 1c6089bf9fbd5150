//! CloudWatch Logs: reads the functions' log lines.

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Aws, Call, OrFail as _, Refusal};
use crate::failure::{Context as _, Result};

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogEvent {
    /// The unique id of the line.
    #[serde(default)]
    pub(crate) event_id: String,
    /// Milliseconds since 1970.
    pub(crate) timestamp: i64,
    /// What was printed.
    pub(crate) message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    events: Vec<LogEvent>,
    next_token: Option<String>,
}

impl Aws {
    /// The lines of a log group since a time, of those that contain `word` if it is given; none if the group does not exist.
    pub(crate) async fn log_events(
        &self,
        group: &str,
        since_ms: i64,
        word: Option<&str>,
    ) -> Result<Vec<LogEvent>> {
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let mut body = json!({"logGroupName": group, "startTime": since_ms});
            if let Some(word) = word {
                body["filterPattern"] = Value::String(format!("\"{word}\""));
            }
            if let Some(token) = token {
                body["nextToken"] = Value::String(token);
            }
            let response = match self.logs("FilterLogEvents", &body).await? {
                Err(refusal) if refusal.code == "ResourceNotFoundException" => return Ok(found),
                response => response.or_fail(|| format!("cannot read the logs of {group}"))?,
            };
            let page: Page = serde_json::from_value(response)
                .context(|| format!("cannot understand the logs of {group}"))?;
            // The local cloud accepts any pattern, and does not filter.
            let has_it = |it: &LogEvent| word.is_none_or(|word| it.message.contains(word));
            found.extend(page.events.into_iter().filter(has_it));
            token = page.next_token;
            if token.is_none() {
                return Ok(found);
            }
        }
    }

    async fn logs(&self, action: &str, body: &Value) -> Result<Result<Value, Refusal>> {
        let headers = vec![
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amz-target", format!("Logs_20140328.{action}")),
        ];
        let call =
            Call { service: "logs", method: Method::POST, path: "/", headers, body: Vec::new() };
        self.send_json(call, Some(body)).await
    }
}
