//! CloudFormation: creates, updates, reads and deletes stacks.

use std::collections::BTreeMap;

use reqwest::Method;
use roxmltree::{Document, Node};

use super::{Aws, Call, NamedNode as _, OrFail as _, Refusal};
use crate::failure::{Context as _, Result};

const VERSION: &str = "2010-05-15";
/// The longest template that AWS accepts within a request.
const TEMPLATE_BODY_MAX: usize = 51_200;
/// The bucket for longer ones; on the local cloud its name is always free.
const TEMPLATE_BUCKET: &str = "parkade-templates";

/// The state of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stack {
    /// Its name.
    pub(crate) name: String,
    /// Its unique id.
    pub(crate) id: String,
    /// Such as `CREATE_COMPLETE`.
    pub(crate) status: String,
    /// Its outputs.
    pub(crate) outputs: BTreeMap<String, String>,
}

/// An event of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StackEvent {
    /// The resource, by its name in the template.
    pub(crate) resource: String,
    /// Such as `CREATE_FAILED`.
    pub(crate) status: String,
    /// The reason.
    pub(crate) reason: String,
}

impl Aws {
    /// Starts to create a stack.
    pub(crate) async fn create_stack(
        &self,
        name: &str,
        template: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Result<(), Refusal>> {
        let template = self.template_field(name, template).await?;
        let body = with_template("CreateStack", name, template, parameters);
        Ok(self.query(&body).await?.map(drop))
    }

    /// Starts to update a stack; `false` if there is nothing to update.
    pub(crate) async fn update_stack(
        &self,
        name: &str,
        template: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Result<bool, Refusal>> {
        let template = self.template_field(name, template).await?;
        let body = with_template("UpdateStack", name, template, parameters);
        Ok(match self.query(&body).await? {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.message.contains("No updates are to be performed") => Ok(false),
            Err(refusal) => Err(refusal),
        })
    }

    /// Starts to delete a stack.
    pub(crate) async fn delete_stack(&self, name: &str) -> Result<Result<(), Refusal>> {
        Ok(self.query(&form("DeleteStack", &[("StackName", name)])).await?.map(drop))
    }

    /// A stack by its name or id; `None` if there is none.
    pub(crate) async fn stack(&self, name: &str) -> Result<Option<Stack>> {
        match self.query(&form("DescribeStacks", &[("StackName", name)])).await? {
            Ok(xml) => Ok(stacks(&xml)?.into_iter().next()),
            Err(refusal) if refusal.message.contains("does not exist") => Ok(None),
            Err(refusal) => Err(refusal).or_fail(|| format!("cannot look at the stack {name}")),
        }
    }

    /// All stacks.
    pub(crate) async fn stacks(&self) -> Result<Vec<Stack>> {
        let response = self.query(&form("DescribeStacks", &[])).await?;
        stacks(&response.or_fail(|| "cannot list the stacks".into())?)
    }

    /// The events of a stack, latest first.
    pub(crate) async fn stack_events(&self, name: &str) -> Result<Vec<StackEvent>> {
        let response = self.query(&form("DescribeStackEvents", &[("StackName", name)])).await?;
        events(&response.or_fail(|| format!("cannot read what happened to the stack {name}"))?)
    }

    /// The template itself, or the address of one that is too long to be sent along.
    async fn template_field(&self, name: &str, template: &str) -> Result<(&'static str, String)> {
        if template.len() <= TEMPLATE_BODY_MAX {
            return Ok(("TemplateBody", template.to_owned()));
        }
        self.ensure_bucket(TEMPLATE_BUCKET).await?;
        let url = self.put_object(TEMPLATE_BUCKET, &format!("{name}.json"), template).await?;
        Ok(("TemplateURL", url))
    }

    async fn query(&self, body: &str) -> Result<Result<String, Refusal>> {
        self.send(Call {
            service: "cloudformation",
            method: Method::POST,
            path: "/",
            headers: vec![(
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8".to_owned(),
            )],
            body: body.as_bytes().to_vec(),
        })
        .await
    }
}

fn with_template(
    action: &str,
    name: &str,
    template: (&str, String),
    parameters: &BTreeMap<String, String>,
) -> String {
    let mut fields = vec![
        ("StackName".to_owned(), name.to_owned()),
        (template.0.to_owned(), template.1),
        ("Capabilities.member.1".to_owned(), "CAPABILITY_NAMED_IAM".to_owned()),
        ("Capabilities.member.2".to_owned(), "CAPABILITY_AUTO_EXPAND".to_owned()),
    ];
    for (number, (key, value)) in (1..).zip(parameters) {
        fields.push((format!("Parameters.member.{number}.ParameterKey"), key.clone()));
        fields.push((format!("Parameters.member.{number}.ParameterValue"), value.clone()));
    }
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    form(action, &fields)
}

/// A form as the query protocol wants it.
fn form(action: &str, fields: &[(&str, &str)]) -> String {
    [("Action", action), ("Version", VERSION)]
        .iter()
        .chain(fields)
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect::<Vec<_>>()
        .join("&")
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

fn parse(xml: &str) -> Result<Document<'_>> {
    Document::parse(xml).context(|| "the response of CloudFormation is not XML".into())
}

fn text(node: Node<'_, '_>, name: &str) -> String {
    let child = node.children().find(|it| it.has_tag_name_any(name));
    child.and_then(|it| it.text()).unwrap_or_default().to_owned()
}

/// The members of each list of this name.
fn members<'a, 'i>(node: Node<'a, 'i>, list: &str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.descendants()
        .filter(move |it| {
            it.has_tag_name_any("member") && it.parent().is_some_and(|it| it.has_tag_name_any(list))
        })
        .collect::<Vec<_>>()
        .into_iter()
}

fn stacks(xml: &str) -> Result<Vec<Stack>> {
    let document = parse(xml)?;
    Ok(members(document.root(), "Stacks")
        .map(|stack| Stack {
            name: text(stack, "StackName"),
            id: text(stack, "StackId"),
            status: text(stack, "StackStatus"),
            outputs: members(stack, "Outputs")
                .map(|output| (text(output, "OutputKey"), text(output, "OutputValue")))
                .collect(),
        })
        .collect())
}

fn events(xml: &str) -> Result<Vec<StackEvent>> {
    let document = parse(xml)?;
    Ok(members(document.root(), "StackEvents")
        .map(|event| StackEvent {
            resource: text(event, "LogicalResourceId"),
            status: text(event, "ResourceStatus"),
            reason: text(event, "ResourceStatusReason"),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{events, form, stacks, with_template};

    #[test]
    fn a_form_is_escaped() {
        assert_eq!(
            form("X", &[("A.member.1", "a b&c=ü")]),
            "Action=X&Version=2010-05-15&A.member.1=a%20b%26c%3D%C3%BC"
        );
    }

    #[test]
    fn parameters_are_numbered_from_one() {
        let parameters =
            BTreeMap::from([("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())]);
        let body =
            with_template("CreateStack", "s", ("TemplateBody", "{}".to_owned()), &parameters);
        assert!(
            body.contains(
                "Parameters.member.1.ParameterKey=A&Parameters.member.1.ParameterValue=1"
            )
        );
        assert!(
            body.contains(
                "Parameters.member.2.ParameterKey=B&Parameters.member.2.ParameterValue=2"
            )
        );
    }

    #[test]
    fn stacks_and_their_outputs_are_read() {
        let xml = "<R xmlns=\"http://x/\"><DescribeStacksResult><Stacks><member><StackId>arn</StackId>\
            <StackName>s</StackName><StackStatus>CREATE_COMPLETE</StackStatus><Outputs><member>\
            <OutputKey>ApiId</OutputKey><OutputValue>abc</OutputValue></member></Outputs></member></Stacks>\
            </DescribeStacksResult></R>";
        let found = stacks(xml).expect("read");
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), found[0].status.as_str()), ("s", "CREATE_COMPLETE"));
        assert_eq!(found[0].outputs["ApiId"], "abc");
    }

    #[test]
    fn events_are_read_with_their_reasons() {
        let xml = "<R><StackEvents><member><LogicalResourceId>Q</LogicalResourceId>\
            <ResourceStatus>CREATE_FAILED</ResourceStatus><ResourceStatusReason>no</ResourceStatusReason>\
            </member></StackEvents></R>";
        assert_eq!(events(xml).expect("read")[0].reason, "no");
    }
}
