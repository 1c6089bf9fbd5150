//! The response of the platform.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// A complete response.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, if it is JSON; otherwise null.
    pub body: Value,
    /// The body as text.
    pub text: String,
}

impl Reply {
    /// The body of a response with this status; any other status fails the test.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body
    }

    /// Checks an error of the contract: status, media type, and the slug at the end of its type.
    #[track_caller]
    pub fn expect_problem(self, status: u16, slug: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        let kind = self.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/problem+json"), "{kind}: {}", self.text);
        let named = self.body["type"].as_str().unwrap_or_default();
        assert!(named.ends_with(slug), "{}", self.text);
        assert_eq!(self.body["status"], status, "{}", self.text);
        self.body
    }

    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    }
}
