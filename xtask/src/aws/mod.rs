//! The AWS calls that a deployment needs, over plain HTTP.
//!
//! Three SDK crates would do the same, and add five minutes to the first build.

mod cloudformation;
mod lambda;
mod logs;
mod s3;
mod signature;

use std::fmt;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

pub(crate) use cloudformation::Stack;

use crate::clock;
use crate::failure::{Context as _, Failure, Result};

/// The local cloud's account.
pub(crate) const LOCAL_ACCOUNT: &str = "000000000000";
/// The local cloud's region.
pub(crate) const LOCAL_REGION: &str = "us-east-1";
/// Far longer than any call here takes; a cloud that takes longer hangs.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The length to which an error message is shortened, in characters.
const MESSAGE_MAX: usize = 600;

/// An AWS account that can be called.
#[derive(Debug, Clone)]
pub(crate) struct Aws {
    http: reqwest::Client,
    endpoint: String,
    region: String,
    credentials: Credentials,
}

/// The caller's credentials.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    access_key: String,
    secret_key: String,
}

/// One call.
#[derive(Debug)]
struct Call<'a> {
    service: &'a str,
    method: Method,
    path: &'a str,
    headers: Vec<(&'a str, String)>,
    body: Vec<u8>,
}

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Such as `ValidationError`.
    pub(crate) code: String,
    /// AWS's message.
    pub(crate) message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Some messages repeat the whole request, and name the error at the end.
        let characters = self.message.chars().count();
        if characters <= MESSAGE_MAX {
            return write!(f, "{}: {}", self.code, self.message);
        }
        let begin: String = self.message.chars().take(MESSAGE_MAX / 2).collect();
        let end: String = self.message.chars().skip(characters - MESSAGE_MAX / 2).collect();
        write!(f, "{}: {begin} [...] {end}", self.code)
    }
}

impl std::error::Error for Refusal {}

/// The body of a response, or AWS's error.
type Response = Result<String, Refusal>;

/// An HTTP client for addresses on this machine.
pub(crate) fn http_client() -> Result<reqwest::Client> {
    http_client_within(TIMEOUT)
}

/// The same with another limit for a whole request.
pub(crate) fn http_client_within(timeout: Duration) -> Result<reqwest::Client> {
    // reqwest needs a TLS provider even without TLS. A second call is an error that changes nothing.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .timeout(timeout)
        // Proxies are for other machines.
        .no_proxy()
        .build()
        .context(|| "cannot make an HTTP client".into())
}

impl Aws {
    /// The local cloud on this port.
    pub(crate) fn local(port: u16) -> Result<Self> {
        Ok(Self {
            http: http_client()?,
            endpoint: format!("http://127.0.0.1:{port}"),
            region: LOCAL_REGION.to_owned(),
            credentials: Credentials {
                access_key: "test".to_owned(),
                secret_key: "test".to_owned(),
            },
        })
    }

    /// Its address.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The address of a REST API with an id of its own choice on the local cloud (`localstack/README.md`).
    pub(crate) fn named_api(&self, api: &str, stage: &str) -> String {
        format!("{}/{api}/{stage}", self.endpoint)
    }

    async fn send(&self, call: Call<'_>) -> Result<Response> {
        let url = format!("{}{}", self.endpoint, call.path);
        let what = || format!("cannot call {} at {}", call.service, self.endpoint);
        let host = self.endpoint.trim_start_matches("http://").trim_start_matches("https://");
        let signed = signature::headers(
            &signature::Request {
                service: call.service,
                region: &self.region,
                method: call.method.as_str(),
                path: call.path,
                host,
                body: &call.body,
            },
            &self.credentials,
            clock::now(),
        );
        let mut request = self.http.request(call.method.clone(), &url).body(call.body);
        for (name, value) in signed.into_iter().filter(|(name, _)| *name != "host") {
            request = request.header(name, value);
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.context(what)?;
        let status = response.status();
        let text = response.text().await.context(what)?;
        Ok(if status.is_success() { Ok(text) } else { Err(refusal(status.as_u16(), &text)) })
    }

    /// Sends JSON, as Lambda and CloudWatch Logs take it.
    async fn send_json(
        &self,
        mut call: Call<'_>,
        body: Option<&Value>,
    ) -> Result<Result<Value, Refusal>> {
        if let Some(body) = body {
            call.body = body.to_string().into_bytes();
        }
        let service = call.service.to_owned();
        match self.send(call).await? {
            Err(refusal) => Ok(Err(refusal)),
            Ok(text) if text.is_empty() => Ok(Ok(Value::Null)),
            Ok(text) => Ok(Ok(serde_json::from_str(&text)
                .context(|| format!("the response of {service} is not JSON"))?)),
        }
    }
}

/// Reads an error's code and message from JSON, XML or plain text.
fn refusal(status: u16, text: &str) -> Refusal {
    if let Ok(json) = serde_json::from_str::<Value>(text) {
        let word =
            |names: &[&str]| names.iter().find_map(|name| json[*name].as_str()).map(str::to_owned);
        let code = word(&["__type", "code", "Code", "Type"]).unwrap_or_else(|| status.to_string());
        let code = code.rsplit('#').next().unwrap_or(&code).to_owned();
        return Refusal { code, message: word(&["message", "Message"]).unwrap_or_default() };
    }
    if let Ok(xml) = roxmltree::Document::parse(text) {
        let word = |name: &str| {
            xml.descendants().find(|it| it.has_tag_name_any(name)).and_then(|it| it.text())
        };
        if let Some(code) = word("Code") {
            return Refusal {
                code: code.to_owned(),
                message: word("Message").unwrap_or_default().to_owned(),
            };
        }
    }
    Refusal { code: status.to_string(), message: text.to_owned() }
}

/// XML by names alone: namespaces differ between AWS and the local cloud.
trait NamedNode {
    fn has_tag_name_any(&self, name: &str) -> bool;
}

impl NamedNode for roxmltree::Node<'_, '_> {
    fn has_tag_name_any(&self, name: &str) -> bool {
        self.tag_name().name() == name
    }
}

/// Turns an error of AWS into a failure.
pub(crate) trait OrFail<T> {
    /// Turns AWS's error into the failure of `what`.
    fn or_fail(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> OrFail<T> for Result<T, Refusal> {
    fn or_fail(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|refusal| Failure::new(what()).because(refusal))
    }
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn an_error_is_read_whichever_way_it_is_written() {
        let xml = "<ErrorResponse xmlns=\"http://x/\"><Error><Code>ValidationError</Code>\
                   <Message>no stack</Message></Error></ErrorResponse>";
        assert_eq!(refusal(400, xml).to_string(), "ValidationError: no stack");
        let json = r#"{"__type":"com.amazonaws#ResourceNotFoundException","message":"no group"}"#;
        assert_eq!(refusal(400, json).to_string(), "ResourceNotFoundException: no group");
        assert_eq!(refusal(500, "oh").to_string(), "500: oh");
        let long = refusal(400, &format!("{}the end", "x".repeat(9_999))).to_string();
        assert!(long.len() < 1_000 && long.ends_with("the end"), "{long}");
    }
}
