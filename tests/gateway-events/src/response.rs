//! A response, as API Gateway receives it.

use std::collections::BTreeMap;
use std::ops::Index;

use serde_json::Value;

/// A response, as API Gateway receives it.
#[derive(Clone, Debug)]
pub struct Received {
    /// The HTTP status.
    pub status_code: u16,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: String,
}

/// The values of each header, whose names have no case.
#[derive(Clone, Debug)]
pub struct Headers(BTreeMap<String, Vec<String>>);

impl Headers {
    /// Whether there is such a header.
    #[must_use]
    pub fn contains_key(&self, name: &str) -> bool {
        self.0.contains_key(&name.to_lowercase())
    }

    /// Every value of a header, in the order of its lines.
    #[must_use]
    pub fn all(&self, name: &str) -> &[String] {
        self.0.get(&name.to_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// Every line: a name in lower case and a value, sorted by names.
    pub fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .flat_map(|(name, values)| values.iter().map(|it| (name.as_str(), it.as_str())))
    }
}

/// The only value of a header; panics for one that is missing or comes more than once.
impl Index<&str> for Headers {
    type Output = String;

    fn index(&self, name: &str) -> &String {
        let [value] = self.all(name) else { unreachable!("not one {name}: {:?}", self.all(name)) };
        value
    }
}

impl Received {
    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| unreachable!("no JSON: {}", self.body))
    }

    /// Status and slug of a problem document.
    ///
    /// # Panics
    ///
    /// If the response is none, or the document contradicts it.
    #[must_use]
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(self.headers["Content-Type"], "application/problem+json", "{}", self.body);
        let document = self.json();
        assert_eq!(document["status"], self.status_code);
        assert_eq!(document["correlationId"], self.headers["X-Correlation-Id"].as_str());
        assert_eq!(self.headers.contains_key("Retry-After"), self.status_code == 503);
        let slug = document["type"].as_str().expect("a type").rsplit('/').next();
        (self.status_code, slug.expect("a slug").to_owned())
    }

    /// Where a redirect after a form leads to.
    ///
    /// # Panics
    ///
    /// If the response is no such redirect.
    #[must_use]
    pub fn see_other(&self) -> &str {
        assert_eq!(self.status_code, 303, "{}", self.body);
        &self.headers["Location"]
    }

    /// The cookies that the response sets: name, value, and the rest of the header.
    #[must_use]
    pub fn cookies(&self) -> Vec<(&str, &str, &str)> {
        let all = self.headers.all("Set-Cookie").iter();
        all.filter_map(|it| {
            let (pair, attributes) = it.split_once(';').unwrap_or((it, ""));
            let (name, value) = pair.split_once('=')?;
            Some((name, value, attributes))
        })
        .collect()
    }

    /// The value of a cookie that the response sets; `None` for one that it does not set.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies().into_iter().find(|it| it.0 == name).map(|it| it.1)
    }

    /// The response as text: status, headers by name, body. Values that the clock decides are left out.
    #[must_use]
    pub fn recorded(&self, correlation_id: &str) -> String {
        let mut headers: Vec<String> = self
            .headers
            .lines()
            .map(|(name, value)| match name {
                "server-timing" => "server-timing: …".to_owned(),
                "x-correlation-id" if value != correlation_id => {
                    "x-correlation-id: (new)".to_owned()
                }
                name => format!("{name}: {value}"),
            })
            .collect();
        headers.sort();
        let body = if self.body.is_empty() { String::new() } else { format!("\n{}\n", self.body) };
        format!("{}\n{}\n{body}", self.status_code, headers.join("\n"))
    }
}

impl From<&Value> for Received {
    fn from(response: &Value) -> Self {
        let headers = response["multiValueHeaders"].as_object().into_iter().flatten();
        let headers = headers.map(|(name, values)| {
            let values = values.as_array().into_iter().flatten();
            let values = values.filter_map(|it| it.as_str().map(str::to_owned)).collect();
            (name.to_lowercase(), values)
        });
        let status = response["statusCode"].as_u64().unwrap_or_default();
        Self {
            status_code: status.try_into().unwrap_or_default(),
            headers: Headers(headers.collect()),
            body: response["body"].as_str().unwrap_or_default().to_owned(),
        }
    }
}
