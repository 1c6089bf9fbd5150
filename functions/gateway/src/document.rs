//! The document of all routes: without what only the gateway needs, and as a page.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bff::{Problem, ProblemKind};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use pages::assets;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

const SOURCE: &str = include_str!("../../../contracts/openapi.yaml");
/// What only the gateway reads: where requests go, and what it says by itself.
const PRIVATE: &str = "x-amazon-apigateway-";
/// What only this page has.
const STYLE: &str = include_str!("assets/style.css");

/// The document, in both its forms.
#[derive(Debug)]
pub struct Document {
    json: String,
    /// The title, version and description of the API.
    info: Value,
    /// The part of its page that is the same wherever the page is.
    reference: Markup,
    style: String,
    policy: String,
}

/// A page of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Here {
    Start,
    Reference,
    /// None of them.
    Nowhere,
}

impl Document {
    /// The document that the stack imports.
    ///
    /// # Errors
    ///
    /// Fails if it is not YAML, of which tests make sure that it is.
    pub fn of_the_platform() -> Result<Self, serde_yaml_ng::Error> {
        let document = described(public(serde_yaml_ng::from_str(SOURCE)?));
        let style = format!("{}{STYLE}", assets::STYLE);
        let hash = STANDARD.encode(Sha256::digest(&style));
        Ok(Self {
            json: document.to_string(),
            info: document["info"].clone(),
            reference: reference(&document),
            style,
            policy: format!(
                "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors 'none'"
            ),
        })
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// As a page. `root` leads to the API's own address.
    #[must_use]
    pub fn page(&self, root: &str) -> String {
        let Self { info, reference, .. } = self;
        let title = text(&info["title"]);
        let main = html! {
            h1 { (title) " API, version " (text(&info["version"])) }
            p {
                (text(&info["description"])) " "
                a href=(format!("{root}openapi.json")) { "The same as JSON" } "."
            }
            (reference)
        };
        self.frame(&format!("{title} · API"), Here::Reference, root, &main)
    }

    /// The page at the API's own address, which says where to go. `root` leads to that address.
    #[must_use]
    pub fn start_page(&self, root: &str) -> String {
        let main = html! {
            div .narrow {
                h1 { "Parkade" }
                p { "A parking-slot booking platform, and a reference implementation of microservice patterns." }
                ul {
                    li { a href=(format!("{root}web/")) { "Customer pages" } ": book a slot, pay, cancel and check out." }
                    li { a href=(format!("{root}operator/")) { "Operator console" } ": add slots, and watch bookings, circuit breakers, dead letters and projections." }
                    li { a href=(format!("{root}docs")) { "API documentation" } ": every route." }
                }
            }
        };
        self.frame("Parkade", Here::Start, root, &main)
    }

    /// What a browser shows instead of a page, if there is none or it cannot be shown.
    #[must_use]
    pub fn problem_page(&self, root: &str, problem: &Problem, correlation_id: &str) -> String {
        let (title, text) = match problem.kind() {
            ProblemKind::NotFound => ("Page not found", "This page does not exist."),
            ProblemKind::Validation => {
                ("Bad link", "The address has parameters that this page does not take.")
            }
            ProblemKind::Unauthenticated
            | ProblemKind::PaymentDeclined
            | ProblemKind::Forbidden
            | ProblemKind::Conflict
            | ProblemKind::PayloadTooLarge
            | ProblemKind::IdempotencyKeyReused
            | ProblemKind::ServiceUnavailable => {
                ("Page not available", "This page cannot be shown now. Try again in a moment.")
            }
        };
        let main = html! {
            div .narrow {
                h1 { (title) }
                p { (text) " The links above lead to the pages that exist." }
                p .hint { "If you need help, quote this ID: " code { (correlation_id) } }
            }
        };
        self.frame(&format!("{title} · Parkade"), Here::Nowhere, root, &main)
    }

    /// What a browser may do with the page: show it, in its own style.
    #[must_use]
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// What surrounds each page, with the page of the navigation that it is; `root` leads to the API's own address.
    fn frame(&self, title: &str, here: Here, root: &str, main: &Markup) -> String {
        let current = |page: Here| (page == here).then_some("page");
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) }
                    style { (PreEscaped(&self.style)) }
                }
                body {
                    header .top {
                        a .brand href=(root) aria-label="Parkade" { span .mark { "P" } "arkade" }
                        nav aria-label="Main" {
                            a href=(root) aria-current=[current(Here::Start)] { "Start" }
                            a href=(format!("{root}web/")) { "Customer pages" }
                            a href=(format!("{root}operator/")) { "Operator console" }
                            a href=(format!("{root}docs")) aria-current=[current(Here::Reference)] { "API documentation" }
                        }
                    }
                    main #main { (main) }
                }
            }
        };
        page.into_string()
    }
}

/// The same without the paths that only the gateway reads: whatever no route takes is no route to describe.
fn described(mut document: Value) -> Value {
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.retain(|_, item| item.as_object().is_none_or(|it| !it.is_empty()));
    }
    document
}

/// The same without what is private.
fn public(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().filter(|(name, _)| !name.starts_with(PRIVATE));
            Value::Object(members.map(|(name, value)| (name, public(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(public).collect()),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

// ---- The page ------------------------------------------------------------------------------------------------------

/// Every route and schema.
fn reference(document: &Value) -> Markup {
    html! {
        @for tag in tags(document) {
            section aria-label=(tag) {
                h2 { (tag) }
                @for (path, method, operation) in operations(document, &tag) {
                    (self::operation(document, path, method, operation))
                }
            }
        }
        section aria-label="Schemas" {
            h2 { "Schemas" }
            @for (name, schema) in members(&document["components"]["schemas"]) {
                (self::schema(name, schema))
            }
        }
    }
}

fn operation(document: &Value, path: &str, method: &str, operation: &Value) -> Markup {
    let id = text(&operation["operationId"]);
    let is_open = operation["security"].as_array().is_some_and(Vec::is_empty);
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let body = resolved(document, &operation["requestBody"]);
    html! {
        details .card #(id) {
            summary { strong .(method) { (method.to_uppercase()) } " " code { (path) } " " span { (text(&operation["summary"])) } }
            p .hint { @if is_open { "Open to all callers at the gateway." } @else { "Wants a bearer token." } }
            @if !parameters.is_empty() {
                h3 { "Parameters" }
                dl { @for it in parameters { (parameter(resolved(document, it))) } }
            }
            @if body.is_object() {
                h3 { "Body" }
                (content(&body["content"]))
            }
            h3 { "Responses" }
            dl {
                @for (status, response) in members(&operation["responses"]) {
                    @let response = resolved(document, response);
                    dt { code { (status) } }
                    dd { (text(&response["description"])) (content(&response["content"])) }
                }
            }
        }
    }
}

fn parameter(it: &Value) -> Markup {
    html! {
        dt { code { (text(&it["name"])) } }
        dd {
            (kind(&it["schema"])) ", in the " (text(&it["in"]))
            @if it["required"] == true { ", " strong { "required" } }
            @if let Some(said) = it["description"].as_str() { ". " (said) }
        }
    }
}

fn content(content: &Value) -> Markup {
    html! {
        @for (media_type, it) in members(content) {
            div { code { (media_type) } ": " (kind(&it["schema"])) }
            @if !it["example"].is_null() { (example(&it["example"])) }
            @for (_, named) in members(&it["examples"]) { (example(&named["value"])) }
        }
    }
}

fn example(value: &Value) -> Markup {
    html! { pre tabindex="0" { (serde_json::to_string_pretty(value).unwrap_or_default()) } }
}

fn schema(name: &str, schema: &Value) -> Markup {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    html! {
        details .card #(format!("schema-{name}")) {
            summary { code { (name) } }
            p { (kind(schema)) @if let Some(said) = schema["description"].as_str() { ". " (said) } }
            @if schema["properties"].is_object() {
                dl {
                    @for (property, it) in members(&schema["properties"]) {
                        dt { code { (property) } }
                        dd {
                            (kind(it))
                            @if required.contains(&property.as_str()) { ", " strong { "required" } }
                            @if let Some(said) = it["description"].as_str() { ". " (said) }
                        }
                    }
                }
            }
        }
    }
}

/// What a schema lets through, in one line.
fn kind(schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"].as_str().and_then(|it| it.rsplit('/').next()) {
        return html! { a href=(format!("#schema-{name}")) { (name) } };
    }
    for (word, between) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        if let Some(all) = schema[word].as_array() {
            return html! {
                @for (at, it) in all.iter().enumerate() { @if at > 0 { (between) } (kind(it)) }
            };
        }
    }
    let bounds: Vec<String> = ["format", "pattern", "minLength", "maxLength", "minimum", "maximum"]
        .iter()
        .filter(|it| !schema[**it].is_null())
        .map(|it| format!("{it} {}", text(&schema[*it])))
        .collect();
    html! {
        @if schema["type"] == "array" { "array of " (kind(&schema["items"])) }
        @else if let Some(values) = schema["enum"].as_array() {
            @for (at, it) in values.iter().enumerate() { @if at > 0 { " | " } code { (text(it)) } }
        }
        @else { (schema["type"].as_str().unwrap_or("anything")) }
        @if !bounds.is_empty() { " (" (bounds.join(", ")) ")" }
    }
}

/// The tags, in the order in which the document comes upon them.
fn tags(document: &Value) -> Vec<String> {
    let mut tags = Vec::new();
    for (_, item) in members(&document["paths"]) {
        for (_, operation) in members(item) {
            let tag = text(&operation["tags"][0]);
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
    }
    tags
}

fn operations<'a>(
    document: &'a Value,
    tag: &'a str,
) -> impl Iterator<Item = (&'a str, &'a str, &'a Value)> {
    members(&document["paths"]).flat_map(move |(path, item)| {
        let ours = members(item).filter(move |(_, it)| text(&it["tags"][0]) == tag);
        ours.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// What a reference stands for.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let target = value["$ref"].as_str().and_then(|it| it.strip_prefix('#'));
    target.and_then(|it| document.pointer(it)).unwrap_or(value)
}

fn members(value: &Value) -> serde_json::map::Iter<'_> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    value.as_object().unwrap_or(&NONE).iter()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
