//! An answer on its way to the client.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::compose::Composition;
use crate::request::Request;

/// What a client gets for its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// An answer in JSON, which nobody keeps.
    #[must_use]
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_string(body).expect("an answer has texts for keys");
        Self {
            status,
            headers: vec![
                ("Content-Type", "application/json".to_owned()),
                ("Cache-Control", "no-store".to_owned()),
            ],
            body,
        }
    }

    /// A page, which nobody keeps.
    #[must_use]
    pub fn html(status: u16, page: impl Into<String>) -> Self {
        Self::text("text/html; charset=utf-8", page)
            .status(status)
            .with("Cache-Control", "no-store")
    }

    /// A text of some media type, with 200; how long it is kept is for the caller to say.
    #[must_use]
    pub fn text(media_type: &str, body: impl Into<String>) -> Self {
        let headers = vec![("Content-Type", media_type.to_owned())];
        Self { status: 200, headers, body: body.into() }
    }

    /// What was asked for has been done, and is to be looked at there.
    #[must_use]
    pub fn see_other(location: impl Into<String>) -> Self {
        Self::empty(303).with("Location", location).with("Cache-Control", "no-store")
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// Sets a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(it, _)| *it != name);
        self.headers.push((name, value.into()));
        self
    }

    /// Tells how long each part has taken that it is made of: `Server-Timing`, which browsers show beside the request.
    #[must_use]
    pub fn timed(self, composition: &Composition) -> Self {
        self.with("Server-Timing", composition.server_timing())
    }

    /// Names the body by an `ETag`, and does not send it to a client that has it: 304.
    ///
    /// The tag is a weak one: the gateway may compress the body on its way, and a strong tag would speak of its bytes.
    #[must_use]
    pub fn unless_known(self, request: &Request) -> Self {
        let hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(&self.body)[..16]);
        let known = request.header("If-None-Match").is_some_and(|it| names(it, &hash));
        let answer = if known { Self::empty(304) } else { self };
        // To be kept by the client alone, and asked about each time.
        answer.with("Cache-Control", "private, no-cache").with("ETag", format!("W/\"{hash}\""))
    }
}

/// Whether a list of tags has this one, weakly compared, or stands for all.
fn names(list: &str, hash: &str) -> bool {
    list.split(',').map(str::trim).any(|tag| {
        tag == "*"
            || tag
                .strip_prefix("W/")
                .unwrap_or(tag)
                .strip_prefix('"')
                .and_then(|it| it.strip_suffix('"'))
                == Some(hash)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn asked(if_none_match: Option<&str>) -> Answer {
        let headers = if_none_match.map(|it| json!({"if-none-match": it}));
        let event = serde_json::from_value(json!({"headers": headers})).unwrap();
        Answer::json(200, &json!({"a": 1})).unless_known(&Request::new(event, Uuid::nil()))
    }

    fn tag(answer: &Answer) -> String {
        let found = answer.headers.iter().find(|(name, _)| *name == "ETag");
        found.map(|(_, value)| value.clone()).unwrap()
    }

    #[test]
    fn who_has_it_already_is_told_so_and_no_more() {
        let first = asked(None);
        let tag = tag(&first);
        assert_eq!(first.status, 200);
        for known in [tag.clone(), tag.replace("W/", ""), format!("\"x\", {tag}"), "*".to_owned()] {
            let again = asked(Some(&known));
            assert_eq!((again.status, again.body.as_str()), (304, ""), "{known}");
            assert_eq!(self::tag(&again), tag);
        }
        for unknown in ["", "\"x\"", "W/", tag.trim_matches('"')] {
            assert_eq!(asked(Some(unknown)).status, 200, "{unknown}");
        }
    }
}
