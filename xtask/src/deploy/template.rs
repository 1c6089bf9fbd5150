//! A template as CloudFormation takes it: the files it names inlined, its short tags written out, as JSON.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value as Json, json};
use serde_yaml_ng::Value as Yaml;

use crate::failure::{Context as _, Failure, Result};
use crate::files;

/// A template with everything that it includes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template {
    /// The stack's name within its stage.
    pub(crate) name: String,
    document: Json,
}

/// Where the template goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The local cloud, which keeps nothing when it stops: deleting a stack deletes everything in it, so that its names are
    /// free again, and APIs have fixed ids.
    Local,
}

impl Template {
    /// Reads a template and the files that it names.
    pub(crate) fn read(infra: &Path, name: &str, target: Target) -> Result<Self> {
        let path = infra.join(format!("{name}.yaml"));
        let document = read_yaml(&path)?;
        let mut document = inline(document, infra)?;
        match target {
            Target::Local => {
                drop_retention(&mut document);
                tag_apis(&mut document, &api_id(name));
            }
        }
        Ok(Self { name: name.to_owned(), document })
    }

    /// The template's text.
    pub(crate) fn text(&self) -> String {
        self.document.to_string()
    }

    /// The parameters that it declares.
    pub(crate) fn parameters(&self) -> BTreeSet<String> {
        let declared = self.document["Parameters"].as_object();
        declared.map(|it| it.keys().cloned().collect()).unwrap_or_default()
    }

    /// The binaries that it deploys as functions.
    pub(crate) fn binaries(&self) -> BTreeSet<String> {
        let resources = self.document["Resources"].as_object();
        resources
            .into_iter()
            .flat_map(|it| it.values())
            .filter(|it| it["Type"] == "AWS::Serverless::Function")
            .filter_map(|it| it["Properties"]["CodeUri"]["Key"]["Fn::Sub"].as_str())
            .filter_map(|key| key.strip_prefix("${CodePrefix}/")?.strip_suffix("${CodeSuffix}"))
            .map(str::to_owned)
            .collect()
    }
}

fn read_yaml(path: &Path) -> Result<Json> {
    let text = files::read_text(path)?;
    let yaml: Yaml = serde_yaml_ng::from_str(&text)
        .context(|| format!("cannot understand {}", path.display()))?;
    to_json(yaml).map_err(|failure| failure.because(format!("it stands in {}", path.display())))
}

/// Writes YAML as JSON, and CloudFormation's short tags as the functions they stand for.
fn to_json(yaml: Yaml) -> Result<Json> {
    Ok(match yaml {
        Yaml::Null => Json::Null,
        Yaml::Bool(it) => Json::Bool(it),
        Yaml::Number(it) => serde_json::to_value(it).context(|| "cannot write a number".into())?,
        Yaml::String(it) => Json::String(it),
        Yaml::Sequence(items) => {
            Json::Array(items.into_iter().map(to_json).collect::<Result<_>>()?)
        }
        Yaml::Mapping(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                map.insert(key_text(key)?, to_json(value)?);
            }
            Json::Object(map)
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let tag = tag.trim_start_matches('!');
            let value = to_json(tagged.value)?;
            match (tag, value) {
                ("Ref" | "Condition", value) => json!({ tag: value }),
                ("GetAtt", Json::String(path)) => {
                    let (resource, attribute) = path.split_once('.').ok_or_else(|| {
                        Failure::new(format!("!GetAtt {path} names no attribute"))
                    })?;
                    json!({"Fn::GetAtt": [resource, attribute]})
                }
                (tag, value) => {
                    let mut map = Map::new();
                    map.insert(format!("Fn::{tag}"), value);
                    Json::Object(map)
                }
            }
        }
    })
}

/// A key of a mapping: the document of an API has numbers among them.
fn key_text(key: Yaml) -> Result<String> {
    match to_json(key)? {
        Json::String(text) => Ok(text),
        key @ (Json::Number(_) | Json::Bool(_)) => Ok(key.to_string()),
        key @ (Json::Null | Json::Array(_) | Json::Object(_)) => {
            Err(Failure::new(format!("{key} is no key of a mapping")))
        }
    }
}

/// Includes the files that the template names: the document of its API, the definition of its state machine.
fn inline(value: Json, infra: &Path) -> Result<Json> {
    match value {
        Json::Array(items) => {
            Ok(Json::Array(items.into_iter().map(|it| inline(it, infra)).collect::<Result<_>>()?))
        }
        Json::Object(mut map) => {
            if let Some(location) = included(&map) {
                return read_yaml(&infra.join(location));
            }
            if let Some(Json::String(path)) = map.get("DefinitionS3Location") {
                let text = files::read_text(&infra.join(path))?;
                map.remove("DefinitionS3Location");
                map.insert("DefinitionString".to_owned(), Json::String(text));
            }
            let entries = map.into_iter().map(|(key, value)| Ok((key, inline(value, infra)?)));
            Ok(Json::Object(entries.collect::<Result<_>>()?))
        }
        scalar @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) => Ok(scalar),
    }
}

fn included(map: &Map<String, Json>) -> Option<&str> {
    let transform = map.get("Fn::Transform")?;
    (transform["Name"] == "AWS::Include")
        .then(|| transform["Parameters"]["Location"].as_str())
        .flatten()
}

/// The id of a stack's API on the local cloud: the same after every start, so that addresses are too.
pub(crate) fn api_id(stack: &str) -> String {
    match stack {
        "edge" => "parkade".to_owned(),
        other => other.to_owned(),
    }
}

/// Adds the tag by which LocalStack chooses an API's id. No template has two APIs.
fn tag_apis(document: &mut Json, id: &str) {
    let resources = document.get_mut("Resources").and_then(Json::as_object_mut);
    let apis = resources.into_iter().flat_map(|it| it.values_mut());
    for api in apis.filter(|it| it["Type"] == "AWS::Serverless::Api") {
        if let Some(properties) = api.get_mut("Properties").and_then(Json::as_object_mut) {
            let tags = properties.entry("Tags").or_insert_with(|| json!({}));
            tags["_custom_id_"] = id.into();
            // By itself SAM tags only the stage.
            properties.insert("PropagateTags".to_owned(), true.into());
        }
    }
}

/// Removes the policies that keep a table when its stack is deleted.
fn drop_retention(document: &mut Json) {
    let resources = document.get_mut("Resources").and_then(Json::as_object_mut);
    for resource in resources.into_iter().flat_map(|it| it.values_mut()) {
        if let Some(resource) = resource.as_object_mut() {
            resource.remove("DeletionPolicy");
            resource.remove("UpdateReplacePolicy");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use serde_json::{Value, json};

    use super::{Target, Template, to_json};

    fn json_of(yaml: &str) -> Value {
        to_json(serde_yaml_ng::from_str(yaml).expect("YAML")).expect("converted")
    }

    #[test]
    fn short_tags_are_written_out() {
        for (yaml, json) in [
            ("!Ref A", json!({"Ref": "A"})),
            ("!Condition C", json!({"Condition": "C"})),
            ("!GetAtt A.B.C", json!({"Fn::GetAtt": ["A", "B.C"]})),
            ("!Sub '${A}'", json!({"Fn::Sub": "${A}"})),
            ("!If [C, !Ref A, 1]", json!({"Fn::If": ["C", {"Ref": "A"}, 1]})),
            ("Version: '2012-10-17'", json!({"Version": "2012-10-17"})),
            ("200: {a: true}", json!({"200": {"a": true}})),
        ] {
            assert_eq!(json_of(yaml), json, "{yaml}");
        }
    }

    #[test]
    fn what_a_template_names_is_put_in_and_it_says_what_it_takes() {
        let folder = std::env::temp_dir().join(format!("parkade-{}-template", std::process::id()));
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join("m.json"), "{\"States\": {\"A\": null}}").expect("written");
        fs::write(folder.join("api.yaml"), "paths:\n  /a: {get: {x: {Fn::Sub: '${F.Arn}'}}}\n")
            .expect("written");
        let template = "
Parameters:
  Stage: {Type: String}
Resources:
  Machine:
    Type: AWS::StepFunctions::StateMachine
    Properties: {DefinitionS3Location: m.json}
  Table:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
  Api:
    Type: AWS::Serverless::Api
    Properties:
      DefinitionBody: {Fn::Transform: {Name: AWS::Include, Parameters: {Location: api.yaml}}}
  F:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: {Bucket: b, Key: !Sub '${CodePrefix}/a-command${CodeSuffix}'}}
";
        fs::write(folder.join("t.yaml"), template).expect("written");
        let template = Template::read(&folder, "t", Target::Local).expect("read");
        fs::remove_dir_all(folder).expect("removed");
        let resources = &template.document["Resources"];
        let machine = json!({"DefinitionString": "{\"States\": {\"A\": null}}"});
        assert_eq!(resources["Machine"]["Properties"], machine, "verbatim");
        assert_eq!(resources["Table"], json!({"Type": "AWS::DynamoDB::Table"}));
        let tags = &resources["Api"]["Properties"]["Tags"];
        assert_eq!(tags, &json!({"_custom_id_": "t"}), "its address is the same each time");
        let body = &resources["Api"]["Properties"]["DefinitionBody"];
        assert_eq!(body["paths"]["/a"]["get"]["x"], json!({"Fn::Sub": "${F.Arn}"}));
        assert_eq!(template.parameters(), BTreeSet::from(["Stage".to_owned()]));
        assert_eq!(template.binaries(), BTreeSet::from(["a-command".to_owned()]));
    }
}
