//! Reads the templates as CloudFormation would: every `!Ref`, `!Sub` and `!ImportValue` becomes the text it stands for.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;

use crate::{files, read, root, stem};

const REGION: &str = "us-east-1";
const ACCOUNT: &str = "000000000000";

/// All stacks of one stage.
pub(crate) struct Platform {
    resources: Vec<Resource>,
    templates: BTreeMap<String, Value>,
}

/// One resource, with nothing left to resolve.
pub(crate) struct Resource {
    pub(crate) stack: String,
    pub(crate) name: String,
    body: Value,
}

/// What a role may do, and to what.
pub(crate) struct Statement {
    pub(crate) actions: Vec<String>,
    pub(crate) resources: Vec<String>,
}

impl Platform {
    /// Reads `infra/*.yaml` as they would be deployed for a stage, with the parameters' defaults.
    pub(crate) fn of_stage(stage: &str) -> Self {
        let templates: BTreeMap<String, Value> = files(&root().join("infra"), ".yaml")
            .iter()
            .map(|path| {
                let yaml: Yaml = serde_yaml_ng::from_str(&read(path)).expect("template is YAML");
                (stem(path), long_form(yaml))
            })
            .collect();
        let reader = Reader { templates: &templates, stage };
        let resources = templates
            .iter()
            .flat_map(|(stack, template)| {
                let reader = &reader;
                entries(&template["Resources"]).map(move |(name, body)| Resource {
                    stack: stack.clone(),
                    name: name.clone(),
                    body: reader.resolve(stack, &with_globals(body, &template["Globals"])),
                })
            })
            .collect();
        Self { resources, templates }
    }

    /// Every resource of a type, in all stacks.
    pub(crate) fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Resource> + 'a {
        self.resources.iter().filter(move |resource| resource.kind() == kind)
    }

    /// Every resource there is.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.resources.iter()
    }

    /// Every template as written, by the name of its stack.
    pub(crate) fn templates(&self) -> &BTreeMap<String, Value> {
        &self.templates
    }

    /// The one resource that has this ARN.
    pub(crate) fn by_arn(&self, arn: &str) -> &Resource {
        self.resources
            .iter()
            .find(|resource| resource.arn().is_some_and(|own| own == arn))
            .unwrap_or_else(|| unreachable!("no stack makes {arn}"))
    }

    /// The role that a function runs as.
    pub(crate) fn role_of(&self, function: &Resource) -> &Resource {
        self.by_arn(function.text("Role"))
    }
}

const BUS: &str = "AWS::Events::EventBus";
pub(crate) const TOPIC: &str = "AWS::SNS::Topic";
pub(crate) const ALARM: &str = "AWS::CloudWatch::Alarm";
pub(crate) const API: &str = "AWS::Serverless::Api";
pub(crate) const DASHBOARD: &str = "AWS::CloudWatch::Dashboard";
pub(crate) const FUNCTION: &str = "AWS::Serverless::Function";
pub(crate) const LOG_GROUP: &str = "AWS::Logs::LogGroup";
pub(crate) const PERMISSION: &str = "AWS::Lambda::Permission";
pub(crate) const QUEUE: &str = "AWS::SQS::Queue";
pub(crate) const QUEUE_POLICY: &str = "AWS::SQS::QueuePolicy";
pub(crate) const ROLE: &str = "AWS::IAM::Role";
pub(crate) const RULE: &str = "AWS::Events::Rule";
pub(crate) const STATE_MACHINE: &str = "AWS::StepFunctions::StateMachine";
pub(crate) const TABLE: &str = "AWS::DynamoDB::Table";

impl Resource {
    pub(crate) fn kind(&self) -> &str {
        self.body["Type"].as_str().expect("a resource has a type")
    }

    /// How a message names it.
    pub(crate) fn label(&self) -> String {
        format!("{}.{}", self.stack, self.name)
    }

    /// An attribute next to the properties, such as `DeletionPolicy`.
    pub(crate) fn attribute(&self, name: &str) -> &Value {
        &self.body[name]
    }

    pub(crate) fn property(&self, name: &str) -> &Value {
        &self.body["Properties"][name]
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.property(name)
            .as_str()
            .unwrap_or_else(|| unreachable!("{} has no {name}", self.label()))
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        let value = self.property(name);
        value
            .as_u64()
            .or_else(|| value.as_str()?.parse().ok())
            .unwrap_or_else(|| unreachable!("{} has no number {name}", self.label()))
    }

    pub(crate) fn arn(&self) -> Option<String> {
        made(self.kind(), &self.label(), "Arn", |property| self.text(property).to_owned())
    }

    /// The binary that a function runs.
    pub(crate) fn binary(&self) -> &str {
        let key = self.property("CodeUri")["Key"].as_str().expect("code has a key");
        key.rsplit('/').next().unwrap_or_default()
    }

    /// The environment of a function.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&String, &str)> {
        entries(&self.property("Environment")["Variables"])
            .map(|(name, value)| (name, value.as_str().unwrap_or_default()))
    }

    /// The event sources of a function that are of one type.
    pub(crate) fn sources(&self, kind: &str) -> impl Iterator<Item = &Value> {
        entries(self.property("Events"))
            .map(|(_, source)| source)
            .filter(move |source| source["Type"] == kind)
            .map(|source| &source["Properties"])
    }

    /// What a role may do.
    pub(crate) fn statements(&self) -> Vec<Statement> {
        list(self.property("Policies"))
            .flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]))
            .map(|statement| {
                assert_eq!(statement["Effect"], "Allow", "{} denies", self.label());
                Statement {
                    actions: texts(&statement["Action"]),
                    resources: texts(&statement["Resource"]),
                }
            })
            .collect()
    }

    /// Whether a role may do this to that.
    pub(crate) fn may(&self, action: &str, resource: &str) -> bool {
        self.statements().iter().any(|statement| {
            statement.actions.iter().any(|own| own == action)
                && statement.resources.iter().any(|own| covers(own, resource))
        })
    }

    /// All texts in a resource, however deep.
    pub(crate) fn every_text(&self) -> Vec<&str> {
        let mut found = Vec::new();
        collect_texts(&self.body, &mut found);
        found
    }
}

fn collect_texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, found)),
        Value::Object(map) => map.values().for_each(|inner| collect_texts(inner, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether an ARN with `*` in it means this one.
pub(crate) fn covers(pattern: &str, arn: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == arn,
        Some((head, tail)) => arn.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| covers(tail, rest)))
        }),
    }
}

/// The items of a list; a single value counts as a list of one, an absent one as none.
pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    let items: &[Value] = match value {
        Value::Null => &[],
        Value::Array(items) => items,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            std::slice::from_ref(value)
        }
    };
    items.iter()
}

/// The texts of a list, or the one text.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    list(value).map(|item| item.as_str().expect("a text").to_owned()).collect()
}

/// The entries of a mapping; of anything else, none.
pub(crate) fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Turns `!Ref x` into `{"Ref": "x"}`, and so on for every tag.
fn long_form(value: Yaml) -> Value {
    match value {
        Yaml::Null => Value::Null,
        Yaml::Bool(truth) => Value::Bool(truth),
        Yaml::Number(number) => number.as_u64().map_or_else(|| json!(number.as_f64()), Value::from),
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => items.into_iter().map(long_form).collect(),
        Yaml::Mapping(map) => map
            .into_iter()
            .map(|(key, value)| {
                (key.as_str().expect("keys are texts").to_owned(), long_form(value))
            })
            .collect(),
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let tag = tag.trim_start_matches('!');
            let name = if tag == "Ref" { tag.to_owned() } else { format!("Fn::{tag}") };
            json!({ name: long_form(tagged.value) })
        }
    }
}

/// What SAM adds to each function from the template's globals.
fn with_globals(body: &Value, globals: &Value) -> Value {
    let mut whole = body.clone();
    if body["Type"] == FUNCTION {
        let mut properties = globals["Function"].clone();
        merge(&mut properties, &body["Properties"]);
        whole["Properties"] = properties;
    }
    whole
}

fn merge(under: &mut Value, over: &Value) {
    for (key, value) in entries(over) {
        if value.is_object() && under[key].is_object() {
            merge(&mut under[key], value);
        } else {
            under[key] = value.clone();
        }
    }
}

struct Reader<'a> {
    templates: &'a BTreeMap<String, Value>,
    stage: &'a str,
}

impl Reader<'_> {
    fn resolve(&self, stack: &str, value: &Value) -> Value {
        if let Some((name, argument)) = single(value) {
            let text = |value: &Value| Value::String(self.text(stack, value));
            match name {
                "Ref" => {
                    return json!(self.reference(stack, argument.as_str().expect("a name"), "Ref"));
                }
                "Fn::GetAtt" => return json!(self.get_att(stack, argument)),
                "Fn::Sub" => {
                    return json!(self.substitute(stack, argument.as_str().expect("a text")));
                }
                "Fn::ImportValue" => return json!(self.import(&self.text(stack, argument))),
                "Fn::If" => {
                    let condition = argument[0].as_str().expect("a condition");
                    let branch = if self.holds(stack, condition) { 1 } else { 2 };
                    return self.resolve(stack, &argument[branch]);
                }
                // The deployer puts the file in the place of the call.
                "Fn::Transform" => {
                    let file = argument["Parameters"]["Location"].as_str().expect("a file");
                    let text = read(&root().join("infra").join(file));
                    let yaml = serde_yaml_ng::from_str(&text).expect("the file is YAML");
                    return self.resolve(stack, &long_form(yaml));
                }
                "Fn::Join" => {
                    let parts: Vec<String> =
                        list(&argument[1]).map(|part| self.text(stack, part)).collect();
                    return json!(parts.join(argument[0].as_str().expect("a separator")));
                }
                "Fn::Equals" => return json!(text(&argument[0]) == text(&argument[1])),
                _ => {}
            }
        }
        match value {
            Value::Array(items) => items.iter().map(|item| self.resolve(stack, item)).collect(),
            Value::Object(map) => {
                let resolved: Map<String, Value> = map
                    .iter()
                    .map(|(key, inner)| (key.clone(), self.resolve(stack, inner)))
                    .collect();
                Value::Object(resolved)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        }
    }

    fn text(&self, stack: &str, value: &Value) -> String {
        self.resolve(stack, value).as_str().expect("it stands for a text").to_owned()
    }

    fn holds(&self, stack: &str, condition: &str) -> bool {
        let condition = &self.templates[stack]["Conditions"][condition];
        self.resolve(stack, condition).as_bool().expect("a condition is true or false")
    }

    fn get_att(&self, stack: &str, argument: &Value) -> String {
        let path = argument.as_str().map_or_else(|| texts(argument).join("."), str::to_owned);
        let (name, attribute) = path.split_once('.').expect("an attribute has a resource");
        self.reference(stack, name, attribute)
    }

    fn substitute(&self, stack: &str, text: &str) -> String {
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (inner, after) = after.split_once('}').expect("a brace is closed");
            let (name, attribute) = inner.split_once('.').unwrap_or((inner, "Ref"));
            result += before;
            result += &self.reference(stack, name, attribute);
            rest = after;
        }
        result + rest
    }

    /// What another stack exports under a name.
    fn import(&self, export: &str) -> String {
        self.templates
            .iter()
            .flat_map(|(stack, template)| {
                entries(&template["Outputs"]).map(move |(_, output)| (stack, output))
            })
            .filter(|(_, output)| !output["Export"].is_null())
            .find(|(stack, output)| self.text(stack, &output["Export"]["Name"]) == export)
            .map(|(stack, output)| self.text(stack, &output["Value"]))
            .unwrap_or_else(|| unreachable!("no stack exports {export}"))
    }

    fn reference(&self, stack: &str, name: &str, attribute: &str) -> String {
        match name {
            "AWS::Region" => return REGION.to_owned(),
            "AWS::AccountId" => return ACCOUNT.to_owned(),
            "AWS::Partition" => return "aws".to_owned(),
            "AWS::URLSuffix" => return "amazonaws.com".to_owned(),
            "Stage" => return self.stage.to_owned(),
            _ => {}
        }
        let template = &self.templates[stack];
        let parameter = &template["Parameters"][name];
        if !parameter.is_null() {
            let default = &parameter["Default"];
            return default.as_str().map_or_else(
                || if default.is_null() { format!("<{name}>") } else { default.to_string() },
                str::to_owned,
            );
        }
        let resource = &template["Resources"][name];
        let kind =
            resource["Type"].as_str().unwrap_or_else(|| unreachable!("{stack} has no {name}"));
        made(kind, &format!("{stack}.{name}"), attribute, |property| {
            self.text(stack, &resource["Properties"][property])
        })
        .unwrap_or_else(|| unreachable!("{stack}.{name} has no {attribute}"))
    }
}

/// The name and the argument of what looks like a function.
fn single(value: &Value) -> Option<(&str, &Value)> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    map.iter().next().map(|(name, argument)| (name.as_str(), argument))
}

/// What AWS makes of a resource: the value of `!Ref` (here the attribute `Ref`) and of `!GetAtt`.
fn made(
    kind: &str,
    label: &str,
    attribute: &str,
    property: impl Fn(&str) -> String,
) -> Option<String> {
    let arn = |service: &str, rest: String| format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}");
    Some(match (kind, attribute) {
        (TABLE, "Ref") => property("TableName"),
        (TABLE, "Arn") => arn("dynamodb", format!("table/{}", property("TableName"))),
        (TABLE, "StreamArn") => {
            arn("dynamodb", format!("table/{}/stream/now", property("TableName")))
        }
        (QUEUE, "Ref") => {
            format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{}", property("QueueName"))
        }
        (QUEUE, "Arn") => arn("sqs", property("QueueName")),
        (QUEUE, "QueueName") => property("QueueName"),
        (LOG_GROUP, "Arn") => arn("logs", format!("log-group:{}:*", property("LogGroupName"))),
        (FUNCTION, "Ref") => property("FunctionName"),
        (FUNCTION, "Arn") => arn("lambda", format!("function:{}", property("FunctionName"))),
        (STATE_MACHINE, "Ref" | "Arn") => {
            arn("states", format!("stateMachine:{}", property("StateMachineName")))
        }
        (BUS, "Ref") => property("Name"),
        (BUS, "Arn") => arn("events", format!("event-bus/{}", property("Name"))),
        (TOPIC, "Ref" | "Arn") => arn("sns", property("TopicName")),
        // AWS invents these names.
        (RULE, "Arn") => arn("events", format!("rule/{label}")),
        (ROLE, "Arn") => format!("arn:aws:iam::{ACCOUNT}:role/{label}"),
        (_, "Ref") => label.to_owned(),
        _ => return None,
    })
}
