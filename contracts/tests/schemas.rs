//! What was published stays readable: the schemas of all events, checked against the files in `schemas/`.
//!
//! The files follow the types: `UPDATE_SCHEMAS=1 cargo test -p contracts` writes them. It rejects changes that break a
//! consumer which reads old events, or reads new events with old code: such a change is a new version of the event.

use std::fs;
use std::path::{Path, PathBuf};

use schemars::schema_for;
use serde_json::{Map, Value, json};

fn published() -> [(&'static str, Value); 3] {
    [
        ("booking", schema_for!(contracts::booking::Event).into()),
        ("parking", schema_for!(contracts::parking::Event).into()),
        ("billing", schema_for!(contracts::billing::Event).into()),
    ]
}

fn file(service: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/{service}-events.json"))
}

#[test]
fn the_schemas_on_file_are_those_of_the_types() {
    #[expect(clippy::disallowed_methods, reason = "a test has no config.rs")]
    let is_update = std::env::var("UPDATE_SCHEMAS").is_ok();
    for (service, schema) in published() {
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        let kept = fs::read_to_string(file(service)).unwrap_or_default();
        if kept == text {
            continue;
        }
        if let Ok(kept) = serde_json::from_str(&kept) {
            let breaks = breaks(&kept, &schema);
            assert!(breaks.is_empty(), "{service}: needs a new version: {breaks:#?}");
        }
        assert!(is_update, "{service} differs: UPDATE_SCHEMAS=1 cargo test -p contracts");
        fs::write(file(service), text).unwrap();
    }
}

/// What in a schema a reader of the other one would stumble over.
///
/// New are allowed: an event, and a field that may be absent. Everything else is a change of what was promised.
fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", old, new, &mut found);
    found
}

fn compare(at: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    let nothing = Map::new();
    let object = |it: &'_ Value| it.as_object().cloned().unwrap_or_else(|| nothing.clone());
    let (old, new) = (object(old), object(new));
    for (name, old) in &old {
        let at = format!("{at}/{name}");
        let new = new.get(name).unwrap_or(&Value::Null);
        match name.as_str() {
            "description" | "title" | "$schema" => {}
            "properties" | "$defs" => each(&at, old, new, found),
            "oneOf" => variants(&at, old, new, found),
            "items" => compare(&at, old, new, found),
            "required" => {
                let names = |it: &Value| it.as_array().cloned().unwrap_or_default();
                let (old, new) = (names(old), names(new));
                let lost = old.iter().filter(|it| !new.contains(it));
                found.extend(lost.map(|it| format!("{at}: {it} may be absent")));
                let more = new.iter().filter(|it| !old.contains(it));
                found.extend(more.map(|it| format!("{at}: {it} may not be absent")));
            }
            _ if old != new => found.push(format!("{at}: {old} became {new}")),
            _ => {}
        }
    }
    let known = |name: &String| old.contains_key(name) || name == "description" || name == "$defs";
    let added = new.keys().filter(|name| !known(name));
    found.extend(added.map(|name| format!("{at}/{name}: there was none")));
}

/// Of things with names none may go; another may come.
fn each(at: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    for (name, old) in old.as_object().into_iter().flatten() {
        match new.get(name) {
            Some(new) => compare(&format!("{at}/{name}"), old, new, found),
            None => found.push(format!("{at}/{name}: is gone")),
        }
    }
}

/// Events are known by their `type`; the values of an enumeration by what they are.
fn variants(at: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    let tag = |it: &Value| it.pointer("/properties/type/const").or(it.get("const")).cloned();
    let list = |it: &Value| it.as_array().cloned().unwrap_or_default();
    let (old, new) = (list(old), list(new));
    for variant in &old {
        let tag_of_it = tag(variant);
        match new.iter().find(|it| tag(it) == tag_of_it) {
            Some(new) => compare(&format!("{at}/{tag_of_it:?}"), variant, new, found),
            None => found.push(format!("{at}/{tag_of_it:?}: is gone")),
        }
    }
    // A consumer counts an event that it does not know and goes on; a value within one it can't read.
    let is_event = |it: &Value| it.pointer("/properties/type/const").is_some();
    let added = new.iter().filter(|it| !is_event(it) && !old.iter().any(|old| tag(old) == tag(it)));
    found.extend(added.map(|it| format!("{at}/{:?}: is new", tag(it))));
}

#[test]
fn a_change_that_breaks_a_reader_is_found() {
    let old = json!({
        "oneOf": [
            {"properties": {"type": {"const": "Made"}, "data": {"$ref": "#/$defs/Made"}}},
            {"properties": {"type": {"const": "Lost"}}},
        ],
        "$defs": {
            "Made": {
                "type": "object",
                "properties": {"id": {"type": "string", "format": "uuid"}, "note": {"type": "string"}},
                "required": ["id"],
            },
            "Reason": {"oneOf": [{"const": "late", "type": "string"}]},
            "Kind": {"enum": ["a", "b"]},
        },
    });
    let changed = |pointer: &str, value: Value| {
        let mut new = old.clone();
        *new.pointer_mut(pointer).unwrap() = value;
        breaks(&old, &new).len()
    };
    assert_eq!(breaks(&old, &old), Vec::<String>::new());
    // Compatible changes.
    let (properties, required) = ("/$defs/Made/properties", "/$defs/Made/required");
    let id = json!({"type": "string", "format": "uuid"});
    let note = json!({"type": "string"});
    assert_eq!(changed(properties, json!({"id": id, "note": note, "more": note})), 0);
    let mut another = old["oneOf"].clone();
    another.as_array_mut().unwrap().push(json!({"properties": {"type": {"const": "Found"}}}));
    assert_eq!(changed("/oneOf", another), 0);
    // Breaking changes.
    assert_eq!(changed(properties, json!({"id": id})), 1, "a field is gone");
    assert_eq!(changed("/$defs/Made/properties/id/type", json!("integer")), 1, "another type");
    assert_eq!(changed("/$defs/Made/properties/id", json!({"type": "string"})), 1, "a format less");
    assert_eq!(changed(required, json!(["id", "note"])), 1, "needed all at once");
    assert_eq!(changed(required, json!([])), 1, "needed no longer");
    assert_eq!(changed("/oneOf/1/properties/type/const", json!("Gone")), 1, "an event is gone");
    assert_eq!(changed("/$defs/Kind/enum", json!(["a", "b", "c"])), 1, "a value is new");
    let reasons = json!([{"const": "late", "type": "string"}, {"const": "lost", "type": "string"}]);
    assert_eq!(changed("/$defs/Reason/oneOf", reasons), 1, "a reason is new");
}
