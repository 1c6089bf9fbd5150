//! Which browsers' pages may call: cross-origin resource sharing.

/// What a page may send beyond what every page may.
const METHODS: &str = "GET,POST";
const HEADERS: &str = "Authorization,Content-Type,Idempotency-Key,If-None-Match,X-Correlation-Id,traceparent,tracestate";
const EXPOSED: &str = "ETag,Location,Retry-After,X-Correlation-Id";
/// Chrome caches a preflight for at most two hours.
const MAX_AGE_SECONDS: &str = "7200";

/// The origins whose pages may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// All of them: callers prove themselves by a token that no browser sends by itself.
    Any,
    /// These.
    Listed(Vec<String>),
}

impl Origins {
    /// Reads a list with commas, or `*` for any.
    #[must_use]
    pub fn from_list(text: &str) -> Self {
        if text.trim() == "*" {
            return Self::Any;
        }
        let origins = text.split(',').map(str::trim).filter(|it| !it.is_empty());
        Self::Listed(origins.map(str::to_owned).collect())
    }

    fn allowed(&self, origin: &str) -> Option<String> {
        match self {
            Self::Any => Some("*".to_owned()),
            Self::Listed(origins) => {
                origins.iter().find(|it| it.eq_ignore_ascii_case(origin)).cloned()
            }
        }
    }

    /// The headers that let a page of this origin read the answer.
    pub(crate) fn headers(&self, origin: Option<&str>) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if let Self::Listed(_) = self {
            headers.push(("Vary", "Origin".to_owned()));
        }
        if let Some(allowed) = origin.and_then(|origin| self.allowed(origin)) {
            headers.push(("Access-Control-Allow-Origin", allowed));
            headers.push(("Access-Control-Expose-Headers", EXPOSED.to_owned()));
        }
        headers
    }

    /// The headers that answer a preflight; without an origin that may call, none that allow anything.
    pub(crate) fn preflight(&self, origin: Option<&str>) -> Vec<(&'static str, String)> {
        if origin.and_then(|origin| self.allowed(origin)).is_none() {
            return Vec::new();
        }
        [
            ("Access-Control-Allow-Methods", METHODS),
            ("Access-Control-Allow-Headers", HEADERS),
            ("Access-Control-Max-Age", MAX_AGE_SECONDS),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_listed_origins_may_read() {
        let origins = Origins::from_list("https://a.example, https://b.example");
        let names = |origin| {
            let headers = origins.headers(Some(origin)).into_iter();
            headers.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
        };
        assert!(
            names("https://b.example")
                .contains(&"Access-Control-Allow-Origin: https://b.example".to_owned())
        );
        assert_eq!(names("https://c.example"), ["Vary: Origin"]);
        assert!(origins.preflight(Some("https://c.example")).is_empty());
        assert!(origins.preflight(None).is_empty());
    }

    #[test]
    fn a_star_is_any_origin() {
        let headers = Origins::from_list("*").headers(Some("https://c.example"));
        assert_eq!(headers[0], ("Access-Control-Allow-Origin", "*".to_owned()));
        assert!(Origins::from_list("*").headers(None).is_empty());
    }
}
