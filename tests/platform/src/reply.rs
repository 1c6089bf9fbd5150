//! What the platform has answered.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Reply {
    /// As HTTP has it.
    pub status: u16,
    /// All of them.
    pub headers: HeaderMap,
    /// What it says, if that is JSON; null otherwise.
    pub body: Value,
    /// What it says, as it came.
    pub text: String,
}

impl Reply {
    /// The body of an answer of this status; anything else ends the test.
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
