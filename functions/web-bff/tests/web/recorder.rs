//! Responses as text, for snapshots: status, headers by name, and body. What differs between two runs is replaced.

use std::collections::BTreeMap;

use regex_lite::{Captures, Regex};

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

/// A response, without the type that the function returns it in. A header may occur more than once.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// The responses of one snapshot.
pub(crate) struct Record {
    text: String,
    /// The titles of the bodies that are in it.
    bodies: BTreeMap<String, String>,
    /// What stands for the contents of files.
    files: Vec<(&'static str, String)>,
}

impl Record {
    /// `files` are named after what is written in the place of their contents.
    pub(crate) fn new(files: &[(&'static str, &str)]) -> Self {
        let files = files.iter().map(|(name, content)| (*name, (*content).to_owned())).collect();
        Self { text: String::new(), bodies: BTreeMap::new(), files }
    }

    /// Writes down a response. A body that an earlier one of this snapshot has is only referred to.
    pub(crate) fn add(&mut self, title: &str, response: &Response) {
        self.text.push_str(&format!("## {title}\n{}\n{}\n", response.status, headers(response)));
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

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn body(&self, response: &Response) -> String {
        if let Some((name, _)) = self.files.iter().find(|(_, content)| *content == response.body) {
            return format!("(the content of {name})");
        }
        let body = stable(&response.body);
        let proof = pattern(r#"name="proof" value="[^"]+""#);
        let body = proof.replace_all(&body, r#"name="proof" value="(proof)""#);
        // One tag a line, so that a difference is seen.
        if is_html(response) { body.replace("><", ">\n<") } else { body.into_owned() }
    }
}

fn is_html(response: &Response) -> bool {
    let is_it = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("content-type") && value.starts_with("text/html")
    };
    response.headers.iter().any(is_it)
}

fn headers(response: &Response) -> String {
    let mut values = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in &response.headers {
        values.entry(name.to_lowercase()).or_default().push(value.clone());
    }
    let lines = values.into_iter().flat_map(|(name, values)| {
        let list = LISTS.iter().find(|(list, _)| *list == name);
        let values = match list {
            Some((_, of_names)) => vec![sorted(&values.join(","), *of_names)],
            None => values,
        };
        values.into_iter().map(move |value| format!("{name}: {}", header(&name, &value)))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn sorted(list: &str, of_names: bool) -> String {
    let written = |it: &str| if of_names { it.to_lowercase() } else { it.to_owned() };
    let mut items: Vec<_> = list.split(',').map(|it| written(it.trim())).collect();
    items.sort();
    items.join(", ")
}

fn header(name: &str, value: &str) -> String {
    match name {
        // How long each part took; in the order in which they came.
        "server-timing" => sorted(&pattern(";dur=[0-9.]+").replace_all(value, ""), false),
        "set-cookie" => {
            let value = pattern("^([^=]+)=[^;~]+").replace(value, "$1=(value)");
            pattern("~[^;]+").replace(&value, "~(form)").into_owned()
        }
        "location" => {
            let random = pattern("(state|code_challenge)=[^&]+");
            random.replace_all(&stable(value), "$1=(random)").into_owned()
        }
        _ => stable(value),
    }
}

/// A text without the hashes of files, generated ids, and times of the clock.
fn stable(text: &str) -> String {
    let hash = pattern(r"assets/([a-z]+)\.[0-9a-f]{12}\.");
    let text = hash.replace_all(text, "assets/$1.(hash).");
    let id = pattern("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
    let text = id.replace_all(&text, |found: &Captures<'_>| {
        if found[0].starts_with(CHOSEN_IDS) { found[0].to_owned() } else { "(new id)".to_owned() }
    });
    let time = pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z");
    let text = time.replace_all(&text, |found: &Captures<'_>| {
        if found[0].starts_with(CHOSEN_TIMES) { found[0].to_owned() } else { "(now)".to_owned() }
    });
    text.into_owned()
}

fn pattern(written: &str) -> Regex {
    Regex::new(written).expect("a pattern")
}
