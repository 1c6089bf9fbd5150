//! `invoke`: one invocation of a function that `cargo xtask watch` serves.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use super::watch;
use crate::aws::http_client_within;
use crate::cli::{INVOKE_PORT, InvokeArgs};
use crate::failure::{Context as _, Failure, Result};
use crate::files;
use crate::layout::Layout;
use crate::ui::Ui;

/// The first invocation waits until cargo has built the function.
const TIMEOUT: Duration = Duration::from_secs(900);

pub(crate) async fn run(layout: &Layout, ui: Ui, arguments: &InvokeArgs) -> Result<ExitCode> {
    let event = event(arguments)?;
    let port = match arguments.invoke_port {
        Some(port) => port,
        None => watch::running(layout)?.map_or(INVOKE_PORT, |it| it.port),
    };
    let function = &arguments.function;
    let url = format!("http://127.0.0.1:{port}/2015-03-31/functions/{function}/invocations");
    let sent = http_client_within(TIMEOUT)?.post(&url).body(event).send().await;
    let response = match sent {
        Err(error) if error.is_connect() => {
            return Err(Failure::new(format!("nothing serves functions on 127.0.0.1:{port}"))
                .because("`cargo xtask watch` is not running, or serves on another port")
                .advise("run `cargo xtask watch` in another terminal, and invoke again"));
        }
        sent => sent.context(|| format!("cannot invoke {function}"))?,
    };
    let status = response.status();
    let text =
        response.text().await.context(|| format!("cannot read the response of {function}"))?;
    if status.is_success() && !is_error(&text) {
        ui.print(text)?;
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::new(format!("{function} returned an error")).because(text))
}

/// The event to send; it must be JSON.
fn event(arguments: &InvokeArgs) -> Result<String> {
    let (text, source) = match (&arguments.data, &arguments.data_file) {
        (Some(data), _) => (data.clone(), "--data".to_owned()),
        (None, Some(path)) => (files::read_text(path)?, path.display().to_string()),
        (None, None) => return Err(Failure::new("an event is needed: --data-file or --data")),
    };
    let parsed: Result<Value, _> = serde_json::from_str(&text);
    parsed.context(|| format!("{source} is not JSON"))?;
    Ok(text)
}

/// Lambda reports an error of a function as an object with exactly these members.
fn is_error(response: &str) -> bool {
    let Ok(Value::Object(members)) = serde_json::from_str(response) else { return false };
    members.contains_key("errorType") && members.contains_key("errorMessage")
}

#[cfg(test)]
mod tests {
    use super::is_error;

    #[test]
    fn an_error_of_a_function_is_recognised() {
        assert!(is_error(r#"{"errorType":"Rejected","errorMessage":"slot-unavailable"}"#));
        assert!(!is_error(r#"{"items":[]}"#));
        assert!(!is_error("[]"));
    }
}
