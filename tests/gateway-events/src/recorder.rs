//! Responses as text, for snapshots: status, headers by name, and body. What differs between two runs is replaced.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regex_lite::{Captures, Regex};

use crate::response::Received;

/// A shorter body is written again, because a reference to it would be no shorter.
const REPEATED_FROM: usize = 300;
/// The ids that the tests choose begin like this; every other time-ordered id is generated.
const CHOSEN_IDS: &str = "0191f7a4-";
/// The times that the tests choose are of this month; every other time comes from the clock.
const CHOSEN_TIMES: &str = "2025-03-";
/// Headers whose value is a list without an order. `true`: a list of header names, which have no case.
const LISTS: [(&str, bool); 5] = [
    ("access-control-allow-headers", true),
    ("access-control-allow-methods", false),
    ("access-control-expose-headers", true),
    ("allow", false),
    ("vary", true),
];

/// The responses of one snapshot.
#[derive(Clone, Debug)]
pub struct Record {
    text: String,
    /// The titles of the bodies that are in it.
    bodies: BTreeMap<String, String>,
    /// What is written in the place of the contents of files.
    files: Vec<(&'static str, String)>,
    /// What is written in the place of values.
    names: Vec<(String, String)>,
}

impl Record {
    /// A record without responses. A body that is one of these files is written as the file's name.
    #[must_use]
    pub fn new(files: &[(&'static str, &str)]) -> Self {
        let files = files.iter().map(|(name, content)| (*name, (*content).to_owned())).collect();
        Self { text: String::new(), bodies: BTreeMap::new(), files, names: Vec::new() }
    }

    /// Writes this name in the place of a value, in headers and in bodies. If one value contains another, name the longer one
    /// first.
    #[must_use]
    pub fn with_name(mut self, name: &str, value: &str) -> Self {
        self.names.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes down a response. A body that an earlier one of this snapshot has is only referred to.
    pub fn add(&mut self, title: &str, response: &Received) {
        let headers = self.headers(response);
        self.text.push_str(&format!("## {title}\n{}\n{headers}\n", response.status_code));
        let body = self.body(response);
        if body.is_empty() {
            self.text.push('\n');
            return;
        }
        let shown = match self.bodies.get(&body) {
            Some(earlier) if body.len() >= REPEATED_FROM => format!("(the body of “{earlier}”)"),
            Some(_) | None => body.clone(),
        };
        self.bodies.entry(body).or_insert_with(|| title.to_owned());
        self.text.push_str(&format!("\n{shown}\n\n"));
    }

    /// The snapshot.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    fn body(&self, response: &Received) -> String {
        if let Some((name, _)) = self.files.iter().find(|(_, content)| *content == response.body) {
            return format!("(the content of {name})");
        }
        let body = self.stable(&response.body);
        // One tag a line, so that a difference is seen.
        if is_html(response) { body.replace("><", ">\n<") } else { body }
    }

    fn headers(&self, response: &Received) -> String {
        let mut all = BTreeMap::<&str, Vec<&str>>::new();
        for (name, value) in response.headers.lines() {
            all.entry(name).or_default().push(value);
        }
        let lines = all.into_iter().flat_map(|(name, values)| {
            let list = LISTS.iter().find(|(list, _)| *list == name);
            let mut values: Vec<String> = match list {
                Some((_, of_names)) => vec![sorted(&values.join(","), *of_names)],
                None => values.into_iter().map(|value| self.header(name, value)).collect(),
            };
            // Cookies of different names have no order.
            if name == "set-cookie" {
                values.sort();
            }
            values.into_iter().map(move |value| format!("{name}: {value}"))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn header(&self, name: &str, value: &str) -> String {
        match name {
            // How long each part took; in the order in which they came.
            "server-timing" => sorted(&pattern(";dur=[0-9.]+").replace_all(value, ""), false),
            "set-cookie" => {
                let readable = |found: &Captures<'_>| format!("={}", readable(&found[1]));
                self.stable(&pattern("=([^;]*)").replace(value, readable))
            }
            _ => self.stable(value),
        }
    }

    /// A text with the names of values, and without the hashes of files, generated ids, and times of the clock.
    fn stable(&self, text: &str) -> String {
        let names = self.names.iter();
        let text = names.fold(text.to_owned(), |text, (name, value)| text.replace(value, name));
        let hash = pattern(r"assets/([a-z]+)\.[0-9a-f]{12}\.");
        let text = hash.replace_all(&text, "assets/$1.(hash).");
        let id = pattern("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
        let text = id.replace_all(&text, |found: &Captures<'_>| {
            if found[0].starts_with(CHOSEN_IDS) {
                found[0].to_owned()
            } else {
                "(new id)".to_owned()
            }
        });
        let time = pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z");
        let text = time.replace_all(&text, |found: &Captures<'_>| {
            if found[0].starts_with(CHOSEN_TIMES) {
                found[0].to_owned()
            } else {
                "(now)".to_owned()
            }
        });
        text.into_owned()
    }
}

fn is_html(response: &Received) -> bool {
    response.headers.all("Content-Type").iter().any(|it| it.starts_with("text/html"))
}

fn sorted(list: &str, of_names: bool) -> String {
    let written = |it: &str| if of_names { it.to_lowercase() } else { it.to_owned() };
    let mut items: Vec<_> = list.split(',').map(|it| written(it.trim())).collect();
    items.sort();
    items.join(", ")
}

/// The value of a cookie as JSON, if it is JSON in base64. Of a signed token, its claims: no two signatures are the same.
fn readable(value: &str) -> String {
    let json = |encoded: &str| {
        let decoded = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        String::from_utf8(decoded).ok().filter(|it| it.starts_with('{'))
    };
    let shown = match *value.split('.').collect::<Vec<_>>() {
        [only] => json(only).map(|it| format!("(base64 of {it})")),
        [_, claims, _] => json(claims).map(|it| format!("(token of {it})")),
        _ => None,
    };
    shown.unwrap_or_else(|| value.to_owned())
}

fn pattern(written: &str) -> Regex {
    Regex::new(written).expect("a pattern")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn recorded(record: Record, headers: serde_json::Value, body: &str) -> String {
        let mut record = record;
        let response = json!({"statusCode": 200, "multiValueHeaders": headers, "body": body});
        record.add("it", &Received::from(&response));
        record.into_text()
    }

    #[test]
    fn a_response_is_written_with_its_headers_by_name_and_a_page_with_one_tag_a_line() {
        let headers = json!({"Vary": ["Cookie, Accept"], "Content-Type": ["text/html"]});
        let text = recorded(Record::new(&[]), headers, "<p>ada</p><p>x</p>");
        let text = text.split_once('\n').expect("a title").1;
        assert_eq!(
            text,
            "200\ncontent-type: text/html\nvary: accept, cookie\n\n<p>ada</p>\n<p>x</p>\n\n"
        );
    }

    #[test]
    fn what_differs_between_two_runs_is_replaced_and_nothing_else() {
        let body = "0191f7a4-0000-7000-8000-000000000001 2025-03-12T19:46:25Z \
            01923456-0000-7000-8000-000000000001 2026-01-01T00:00:00.1Z assets/style.0123456789ab.css";
        let text = recorded(Record::new(&[]), json!({}), body);
        let kept = "0191f7a4-0000-7000-8000-000000000001 2025-03-12T19:46:25Z";
        assert!(text.contains(&format!("{kept} (new id) (now) assets/style.(hash).css")), "{text}");
    }

    #[test]
    fn a_cookie_shows_what_is_in_it_and_a_value_its_name() {
        let json = URL_SAFE_NO_PAD.encode(r#"{"sub":"ada"}"#);
        let cookies =
            [format!("b=e30.{json}.c2ln; Path=/"), format!("a={json}"), "c=; Max-Age=0".to_owned()];
        let record = Record::new(&[("the icon", "<svg/>")]).with_name("(user)", "ada");
        let text = recorded(record, json!({"Set-Cookie": cookies}), "<svg/>");
        let cookies: Vec<_> =
            text.lines().filter_map(|it| it.strip_prefix("set-cookie: ")).collect();
        let claims = r#"{"sub":"(user)"}"#;
        let expected = [
            format!("a=(base64 of {claims})"),
            format!("b=(token of {claims}); Path=/"),
            "c=; Max-Age=0".to_owned(),
        ];
        assert_eq!(cookies, expected);
        assert!(text.ends_with("\n(the content of the icon)\n\n"), "{text}");
    }

    #[test]
    fn a_long_body_is_written_once() {
        let response = json!({"statusCode": 200, "body": "x".repeat(REPEATED_FROM)});
        let mut record = Record::new(&[]);
        for title in ["first", "second"] {
            record.add(title, &Received::from(&response));
        }
        assert!(record.into_text().ends_with("## second\n200\n\n\n(the body of “first”)\n\n"));
    }
}
