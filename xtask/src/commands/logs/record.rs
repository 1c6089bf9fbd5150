//! One log line as a record: a readable line, or the JSON as it was logged.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::cli::Level;
use crate::ui::Paint;

/// The members of a record that have a place of their own in the line, or repeat others.
const NOT_FIELDS: [&str; 6] = ["timestamp", "level", "message", "target", "span", "spans"];
/// What is shown of the spans that a record is in.
const IDS: [&str; 2] = ["correlationId", "traceId"];
/// Lines that Lambda itself writes about each invocation.
const PLATFORM: [&str; 4] =
    ["START RequestId:", "END RequestId:", "REPORT RequestId:", "INIT_START "];
/// The end of an id that is shown, as on the pages.
const SHORT_LENGTH: usize = 8;

/// A line of a function's log.
#[derive(Debug)]
pub(super) struct Record<'a> {
    function: &'a str,
    epoch_ms: i64,
    content: Content<'a>,
}

#[derive(Debug)]
enum Content<'a> {
    /// Written by the function's logger.
    Fields(Map<String, Value>),
    /// Written by Lambda, or metrics.
    Platform(&'a str),
    /// Anything else that the process printed, such as a panic.
    Text(&'a str),
}

impl<'a> Record<'a> {
    pub(super) fn read(function: &'a str, epoch_ms: i64, message: &'a str) -> Self {
        let message = message.trim_end();
        let content = match serde_json::from_str(message) {
            Ok(Value::Object(fields)) if fields.contains_key("level") => Content::Fields(fields),
            // Lambda's own lines as JSON, and metrics in CloudWatch's embedded format.
            Ok(Value::Object(fields))
                if fields.contains_key("record") || fields.contains_key("_aws") =>
            {
                Content::Platform(message)
            }
            _ if PLATFORM.iter().any(|it| message.starts_with(it)) => Content::Platform(message),
            _ => Content::Text(message),
        };
        Self { function, epoch_ms, content }
    }

    /// Lambda's own lines and metrics are shown only with everything else as it was logged. Text that is no record has no level, and
    /// is shown at any: it is most often a crash.
    pub(super) fn is_shown(&self, level: Option<Level>, everything: bool) -> bool {
        match &self.content {
            Content::Platform(_) => everything && level.is_none(),
            Content::Text(text) => !text.is_empty(),
            Content::Fields(fields) => {
                let is_enough = |wanted| level_of(fields).is_none_or(|it| it <= wanted);
                level.is_none_or(is_enough)
            }
        }
    }

    /// Time, function, level, message and fields.
    pub(super) fn line(&self, paint: Paint) -> String {
        let time = paint.faint(time_of_day(self.epoch_ms));
        let function = paint.name(format!("{:<17}", self.function));
        match &self.content {
            Content::Platform(text) | Content::Text(text) => {
                format!("{time} {function} {:<5} {}", "-", text.replace('\n', "\n    "))
            }
            Content::Fields(fields) => {
                let level = fields.get("level").and_then(Value::as_str).unwrap_or_default();
                let level = coloured(paint, level_of(fields), &format!("{level:<5}"));
                let message = fields.get("message").map(plain).unwrap_or_default();
                let mut line = format!("{time} {function} {level} {message}");
                for (name, value) in
                    fields.iter().filter(|(it, _)| !NOT_FIELDS.contains(&it.as_str()))
                {
                    line.push_str(&paint.faint(format!(" {name}=")));
                    line.push_str(&field(value));
                }
                for (name, value) in IDS.iter().filter_map(|it| Some((it, id(fields, it)?))) {
                    line.push_str(&paint.faint(format!(" {name}=")));
                    line.push_str(&field(value));
                }
                line
            }
        }
    }

    /// One JSON object, with the function's name and, if it was plain text, the time.
    pub(super) fn json(&self) -> String {
        let time = Timestamp::from_millisecond(self.epoch_ms).unwrap_or_default().to_string();
        match &self.content {
            Content::Platform(text) | Content::Text(text) => {
                json!({"timestamp": time, "function": self.function, "message": text}).to_string()
            }
            Content::Fields(fields) => {
                let mut fields = fields.clone();
                fields.insert("function".to_owned(), self.function.into());
                Value::Object(fields).to_string()
            }
        }
    }
}

/// An id that the record's spans have; the innermost one knows it best.
fn id<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let spans = fields.get("spans")?.as_array()?;
    spans.iter().rev().find_map(|it| it.get(name))
}

fn level_of(fields: &Map<String, Value>) -> Option<Level> {
    match fields.get("level")?.as_str()? {
        "ERROR" | "FATAL" => Some(Level::Error),
        "WARN" => Some(Level::Warn),
        "INFO" => Some(Level::Info),
        "DEBUG" => Some(Level::Debug),
        "TRACE" => Some(Level::Trace),
        _ => None,
    }
}

fn coloured(paint: Paint, level: Option<Level>, text: &str) -> String {
    match level {
        Some(Level::Error) => paint.bad(text),
        Some(Level::Warn) => paint.note(text),
        Some(Level::Info | Level::Debug | Level::Trace) | None => paint.faint(text),
    }
}

/// A value as a word: ids are shortened, text with spaces is quoted.
fn field(value: &Value) -> String {
    let text = plain(value);
    if Uuid::parse_str(&text).is_ok() {
        let start = text.len().saturating_sub(SHORT_LENGTH);
        return format!("…{}", text.get(start..).unwrap_or(&text));
    }
    if value.is_string() && (text.is_empty() || text.contains(char::is_whitespace)) {
        return value.to_string();
    }
    text
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |it| it.replace('\n', " "))
}

fn time_of_day(epoch_ms: i64) -> String {
    let time = Timestamp::from_millisecond(epoch_ms).unwrap_or_default();
    time.strftime("%H:%M:%S%.3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::Record;
    use crate::cli::Level;
    use crate::ui::Paint;

    const LOGGED: &str = r#"{"timestamp":"2026-11-26T14:37:38.125650Z","level":"INFO","message":"happened",
        "event":"SlotReserved","event_id":"01a2184a-63cb-7000-8000-00000000abcd","reason":"two words","version":3,
        "spans":[{"requestId":"r","name":"Lambda runtime invoke"},{"correlationId":"01a2184a-63cb-7000-8000-00000000b00c",
        "traceId":"4bf92f3577b34da6a3ce929d0e0e4736","name":"handler"}]}"#;

    fn record(message: &str) -> Record<'_> {
        Record::read("parking-react", 1_000, message)
    }

    #[test]
    fn a_record_is_one_readable_line() {
        assert_eq!(
            record(LOGGED).line(Paint::of(false)),
            "00:00:01.000 parking-react     INFO  happened event=SlotReserved event_id=…0000abcd \
             reason=\"two words\" version=3 correlationId=…0000b00c traceId=…0e0e4736"
        );
    }

    #[test]
    fn lambdas_own_lines_and_metrics_are_only_in_the_raw_output() {
        for line in [
            "START RequestId: 8f5 Version: $LATEST",
            "END RequestId: 8f5",
            "REPORT RequestId: 8f5\tDuration: 1.00 ms",
            r#"{"time":"t","type":"platform.report","record":{}}"#,
            r#"{"_aws":{"CloudWatchMetrics":[]},"LagSeconds":0}"#,
        ] {
            assert!(!record(line).is_shown(None, false), "{line}");
            assert!(record(line).is_shown(None, true), "{line}");
        }
    }

    #[test]
    fn a_level_shows_itself_and_what_is_more_severe() {
        let warning = record(r#"{"level":"WARN","message":"m"}"#);
        assert!(warning.is_shown(Some(Level::Warn), false));
        assert!(warning.is_shown(Some(Level::Info), false));
        assert!(!warning.is_shown(Some(Level::Error), false));
        let panic = record("thread 'main' panicked at src/main.rs:1:1");
        assert!(panic.is_shown(Some(Level::Error), false), "a crash is never hidden");
    }

    #[test]
    fn the_raw_output_is_json_with_all_fields() {
        let raw: serde_json::Value = serde_json::from_str(&record(LOGGED).json()).expect("JSON");
        assert_eq!(raw["event_id"], "01a2184a-63cb-7000-8000-00000000abcd");
        assert_eq!(
            (&raw["function"], &raw["spans"][1]["name"]),
            (&"parking-react".into(), &"handler".into())
        );
        let text: serde_json::Value = serde_json::from_str(&record("oh").json()).expect("JSON");
        assert_eq!(
            (&text["message"], &text["timestamp"]),
            (&"oh".into(), &"1970-01-01T00:00:01Z".into())
        );
    }
}
