//! Reads templates like CloudFormation, and knows the place of each value.
//!
//! A value is resolved when it is read, so only the values used by the wiring have to be understood.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use serde_yaml_ng::Value as Yaml;

use super::WiringError;

type Outcome<T> = Result<T, WiringError>;

/// The stage, unless the settings name another. It must not be the local stage.
const STAGE: &str = "simulation";
const STAGE_LOCAL: &str = "local";
/// The error for a property that may change the behaviour and is not modelled.
pub(super) const UNKNOWN: &str = "unknown to the simulation";

/// The templates of all stacks, and the values of their parameters.
pub(super) struct Templates {
    documents: BTreeMap<String, Value>,
    settings: BTreeMap<String, String>,
}

/// One value of a template.
#[derive(Clone)]
pub(super) struct Place<'a> {
    templates: &'a Templates,
    stack: &'a str,
    path: String,
    value: &'a Value,
}

/// A resource of a template.
pub(super) struct Resource<'a> {
    /// Stack and logical name.
    pub(super) key: String,
    pub(super) kind: &'a str,
    pub(super) body: Place<'a>,
}

/// What a value resolves to.
enum Meaning<'a> {
    Plain(&'a Value),
    Text(String),
    Attribute(Resource<'a>, String),
}

impl Templates {
    pub(super) fn parse(
        templates: &[(&str, &str)],
        settings: &BTreeMap<String, String>,
    ) -> Outcome<Self> {
        let mut documents = BTreeMap::new();
        for (stack, text) in templates {
            let yaml: Yaml = serde_yaml_ng::from_str(text)
                .map_err(|cause| WiringError::Yaml { stack: (*stack).to_owned(), cause })?;
            if documents.insert((*stack).to_owned(), long_form(yaml, stack)?).is_some() {
                return Err(rejected(stack, "two templates of one name"));
            }
        }
        let mut settings = settings.clone();
        let declared =
            |name: &str| documents.values().any(|it| it["Parameters"].get(name).is_some());
        if let Some(name) = settings.keys().find(|name| !declared(name)) {
            return Err(rejected(name, "no template has such a parameter"));
        }
        let stage = settings.entry("Stage".to_owned()).or_insert_with(|| STAGE.to_owned());
        if stage == STAGE_LOCAL {
            return Err(rejected("Stage", "the wiring is read as for AWS"));
        }
        Ok(Self { documents, settings })
    }

    /// The roots of all templates.
    pub(super) fn roots(&self) -> impl Iterator<Item = Place<'_>> {
        self.documents.iter().map(move |(stack, value)| Place {
            templates: self,
            stack,
            path: stack.clone(),
            value,
        })
    }

    fn root(&self, stack: &str) -> Option<Place<'_>> {
        self.roots().find(|root| root.stack == stack)
    }
}

impl<'a> Place<'a> {
    /// An error at this place.
    pub(super) fn rejected(&self, reason: impl Into<String>) -> WiringError {
        rejected(&self.path, reason)
    }

    /// The path of this place.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The template of this place.
    pub(super) fn root(&self) -> Outcome<Place<'a>> {
        self.templates.root(self.stack).ok_or_else(|| self.rejected("is in no template"))
    }

    /// The value of a key, if there is one.
    pub(super) fn find(&self, key: &str) -> Outcome<Option<Self>> {
        self.map()?.get(key).map(|value| self.inside(key, value)).transpose()
    }

    /// The value of a required key.
    pub(super) fn at(&self, key: &str) -> Outcome<Self> {
        self.find(key)?.ok_or_else(|| self.rejected(format!("has no {key}")))
    }

    /// Rejects every key that is not one of these.
    pub(super) fn only(&self, known: &[&str]) -> Outcome<()> {
        let unknown = self.map()?.keys().find(|key| !known.contains(&key.as_str()));
        let unknown = unknown.map(|key| rejected(&format!("{}/{key}", self.path), UNKNOWN));
        unknown.map_or(Ok(()), Err)
    }

    /// The entries of a mapping.
    pub(super) fn entries(&self) -> Outcome<Vec<(&'a str, Self)>> {
        let entries = self.map()?.iter();
        entries.map(|(key, value)| Ok((key.as_str(), self.inside(key, value)?))).collect()
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Outcome<Vec<Self>> {
        let items = self.value.as_array().ok_or_else(|| self.rejected("not a list"))?;
        let items = items.iter().enumerate();
        items.map(|(index, item)| self.inside(&index.to_string(), item)).collect()
    }

    /// The text that it resolves to.
    pub(super) fn text(&self) -> Outcome<String> {
        match self.meaning()? {
            Meaning::Plain(Value::String(text)) => Ok(text.clone()),
            Meaning::Text(text) => Ok(text),
            Meaning::Plain(_) | Meaning::Attribute(..) => Err(self.rejected("not a text")),
        }
    }

    /// Rejects every text but this.
    pub(super) fn must_be(&self, text: &str) -> Outcome<()> {
        if self.text()? == text { Ok(()) } else { Err(self.rejected(format!("not {text}"))) }
    }

    /// The number that it resolves to; a parameter's is written as a text.
    pub(super) fn number<T: TryFrom<u64>>(&self) -> Outcome<T> {
        let number = match self.meaning()? {
            Meaning::Plain(value) => {
                value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()))
            }
            Meaning::Text(text) => text.parse().ok(),
            Meaning::Attribute(..) => None,
        };
        let number = number.and_then(|it| T::try_from(it).ok());
        number.ok_or_else(|| self.rejected("not a number, or too great"))
    }

    pub(super) fn truth(&self) -> Outcome<bool> {
        self.value.as_bool().ok_or_else(|| self.rejected("neither true nor false"))
    }

    /// Its text, parsed as JSON.
    pub(super) fn json(&self) -> Outcome<Value> {
        serde_json::from_str(&self.text()?)
            .map_err(|cause| WiringError::Json { place: self.path.clone(), cause })
    }

    /// The value as written.
    pub(super) fn raw(&self) -> &'a Value {
        self.value
    }

    /// The resource that it refers to by one of its attributes (`Ref` for `!Ref`).
    pub(super) fn resource(&self, kind: &str, attribute: &str) -> Outcome<Resource<'a>> {
        match self.meaning()? {
            Meaning::Attribute(it, own) if it.kind == kind && own == attribute => Ok(it),
            Meaning::Attribute(..) | Meaning::Plain(_) | Meaning::Text(_) => {
                Err(self.rejected(format!("not the {attribute} of an {kind}")))
            }
        }
    }

    /// A nested value; for an `Fn::If`, the branch that applies.
    fn inside(&self, key: &str, value: &'a Value) -> Outcome<Self> {
        let path = format!("{}/{key}", self.path);
        let mut place = Self { path, value, ..self.clone() };
        while let Some(("Fn::If", argument)) = call(place.value) {
            let branch = match argument.as_array().map(Vec::as_slice) {
                Some([Value::String(condition), yes, no]) => {
                    if place.holds(condition)? {
                        yes
                    } else {
                        no
                    }
                }
                Some(_) | None => return Err(place.rejected("Fn::If without two branches")),
            };
            place.value = branch;
        }
        Ok(place)
    }

    fn holds(&self, condition: &str) -> Outcome<bool> {
        let condition = self.root()?.at("Conditions")?.at(condition)?;
        let Some(("Fn::Equals", sides)) = call(condition.value) else {
            return Err(condition.rejected("not an Fn::Equals"));
        };
        let sides = condition.inside("Fn::Equals", sides)?.items()?;
        let [left, right] = sides.as_slice() else {
            return Err(condition.rejected("Fn::Equals without two sides"));
        };
        Ok(left.text()? == right.text()?)
    }

    /// The mapping that it is. A function is rejected: otherwise the values it adds would be missed silently.
    fn map(&self) -> Outcome<&'a Map<String, Value>> {
        match call(self.value) {
            Some((function, _)) => Err(self.rejected(format!("{function} is {UNKNOWN}"))),
            None => self.value.as_object().ok_or_else(|| self.rejected("not a mapping")),
        }
    }

    fn meaning(&self) -> Outcome<Meaning<'a>> {
        let Some((function, argument)) = call(self.value) else {
            return Ok(Meaning::Plain(self.value));
        };
        let argument = self.inside(function, argument)?;
        match function {
            "Ref" => self.named(&argument.text()?),
            "Fn::Sub" => Ok(Meaning::Text(self.filled(&argument.text()?)?)),
            "Fn::ImportValue" => self.imported(&argument.text()?),
            "Fn::GetAtt" => {
                let path = argument.text()?;
                let found = path.split_once('.').map(|(name, attribute)| {
                    Ok(self.sibling(name)?.map(|it| Meaning::Attribute(it, attribute.to_owned())))
                });
                found.transpose()?.flatten().ok_or_else(|| self.rejected(format!("no {path}")))
            }
            unknown => Err(self.rejected(format!("{unknown} is {UNKNOWN}"))),
        }
    }

    /// The value of `!Ref`.
    fn named(&self, name: &str) -> Outcome<Meaning<'a>> {
        if let Some(text) = self.parameter(name)? {
            return Ok(Meaning::Text(text));
        }
        let resource = self.sibling(name)?.ok_or_else(|| self.rejected(format!("no {name}")))?;
        Ok(Meaning::Attribute(resource, "Ref".to_owned()))
    }

    /// A text with its parameters substituted; references to resources in it are not supported.
    fn filled(&self, text: &str) -> Outcome<String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) =
                after.split_once('}').ok_or_else(|| self.rejected("a brace is not closed"))?;
            filled += before;
            filled += &self
                .parameter(name)?
                .ok_or_else(|| self.rejected(format!("{name} is not a parameter")))?;
            rest = after;
        }
        Ok(filled + rest)
    }

    /// The value of a parameter; `None` if the template declares none of that name.
    fn parameter(&self, name: &str) -> Outcome<Option<String>> {
        let declared = self.root()?.value["Parameters"].get(name);
        let Some(declared) = declared else { return Ok(None) };
        if let Some(setting) = self.templates.settings.get(name) {
            return Ok(Some(setting.clone()));
        }
        match &declared["Default"] {
            Value::String(text) => Ok(Some(text.clone())),
            Value::Number(number) => Ok(Some(number.to_string())),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                Err(self.rejected(format!("{name} is neither set nor has it a default")))
            }
        }
    }

    /// A resource of the same stack.
    fn sibling(&self, name: &str) -> Outcome<Option<Resource<'a>>> {
        let found = self.root()?.at("Resources")?.find(name)?;
        found.map(|body| body.into_resource(name)).transpose()
    }

    /// The resource that it describes.
    pub(super) fn into_resource(self, name: &str) -> Outcome<Resource<'a>> {
        let kind = self.at("Type")?;
        let kind = kind.value.as_str().ok_or_else(|| kind.rejected("not a text"))?;
        Ok(Resource { key: format!("{}/{name}", self.stack), kind, body: self })
    }

    /// The value that another stack exports under a name.
    fn imported(&self, name: &str) -> Outcome<Meaning<'a>> {
        for root in self.templates.roots() {
            let Some(outputs) = root.find("Outputs")? else { continue };
            for (_, output) in outputs.entries()? {
                let Some(export) = output.find("Export")? else { continue };
                if export.at("Name")?.text()? == name {
                    return output.at("Value")?.meaning();
                }
            }
        }
        Err(self.rejected(format!("no stack exports {name}")))
    }
}

fn rejected(place: &str, reason: impl Into<String>) -> WiringError {
    WiringError::Refused { place: place.to_owned(), reason: reason.into() }
}

/// The name and the argument of an intrinsic function.
fn call(value: &Value) -> Option<(&str, &Value)> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    let (name, argument) = map.iter().next()?;
    (name == "Ref" || name.starts_with("Fn::")).then_some((name, argument))
}

/// Converts YAML to JSON, and CloudFormation's short tags to the functions they stand for.
fn long_form(yaml: Yaml, place: &str) -> Outcome<Value> {
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(truth) => Value::Bool(truth),
        Yaml::Number(number) => serde_json::to_value(number)
            .map_err(|cause| WiringError::Json { place: place.to_owned(), cause })?,
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => {
            let items = items.into_iter().enumerate();
            let items = items.map(|(index, item)| long_form(item, &format!("{place}/{index}")));
            Value::Array(items.collect::<Outcome<_>>()?)
        }
        Yaml::Mapping(entries) => {
            let entries = entries.into_iter().map(|(key, value)| {
                let key = key.as_str().ok_or_else(|| rejected(place, "a key is not a text"))?;
                Ok((key.to_owned(), long_form(value, &format!("{place}/{key}"))?))
            });
            Value::Object(entries.collect::<Outcome<_>>()?)
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let tag = tag.trim_start_matches('!');
            let name = if tag == "Ref" { tag.to_owned() } else { format!("Fn::{tag}") };
            let argument = long_form(tagged.value, place)?;
            Value::Object(Map::from_iter([(name, argument)]))
        }
    })
}
