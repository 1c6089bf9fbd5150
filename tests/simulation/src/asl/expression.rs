//! Expressions of a definition: references to a state's input and to variables, and texts composed of them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::TaskError;

/// The values that a state can refer to.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) input: Value,
    pub(super) variables: Map<String, Value>,
    /// The name of the execution.
    pub(super) name: Value,
}

/// A field of a payload.
#[derive(Debug)]
pub(super) enum Field {
    Literal(Value),
    Reference(Reference),
}

/// `$.field.of.field`, `$variable` or `$$.Execution.Name`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reference {
    Input(Vec<String>),
    Variable(String),
    ExecutionName,
}

/// How a text is composed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expression {
    Reference(Reference),
    JsonToString(Reference),
    /// One piece more than there are arguments, which go between them.
    Format {
        pieces: Vec<String>,
        arguments: Vec<Expression>,
    },
}

pub(super) fn fill(payload: &BTreeMap<String, Field>, scope: &Scope) -> Result<Value, TaskError> {
    let mut filled = Map::new();
    for (name, field) in payload {
        let value = match field {
            Field::Literal(value) => value,
            Field::Reference(reference) => reference.value(scope)?,
        };
        filled.insert(name.clone(), value.clone());
    }
    Ok(filled.into())
}

/// Whether it names a variable, or a field that needs no brackets in a path.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
        && text.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
}

impl Reference {
    pub(super) fn read(text: &str) -> Option<Self> {
        if text == "$$.Execution.Name" {
            return Some(Self::ExecutionName);
        }
        let name = |text: &str| is_name(text).then(|| text.to_owned());
        match text.strip_prefix("$.") {
            Some(path) => path.split('.').map(name).collect::<Option<_>>().map(Self::Input),
            None => text.strip_prefix('$').and_then(name).map(Self::Variable),
        }
    }

    pub(super) fn value<'a>(&self, scope: &'a Scope) -> Result<&'a Value, TaskError> {
        match self {
            Self::Input(path) => path
                .iter()
                .try_fold(&scope.input, |value, name| value.get(name))
                .ok_or_else(|| runtime(format!("the input has no `$.{}`", path.join(".")))),
            Self::Variable(name) => scope
                .variables
                .get(name)
                .ok_or_else(|| runtime(format!("nothing has assigned `${name}`"))),
            Self::ExecutionName => Ok(&scope.name),
        }
    }
}

impl Expression {
    /// Parses one of the intrinsic functions that return a text.
    pub(super) fn read(text: &str) -> Option<Self> {
        match expression(text)? {
            // The simulation does not decide whether a plain variable is allowed where a text is required.
            (Self::Reference(_), _) => None,
            (read, rest) => rest.is_empty().then_some(read),
        }
    }

    pub(super) fn text(&self, scope: &Scope) -> Result<String, TaskError> {
        match self {
            Self::Reference(reference) => match reference.value(scope)? {
                Value::String(text) => Ok(text.clone()),
                value @ (Value::Null | Value::Bool(_) | Value::Number(_)) => Ok(value.to_string()),
                // AWS writes these in its own format, which no parser reads.
                Value::Array(_) | Value::Object(_) => Err(runtime(
                    "a list or an object is no text, and `States.JsonToString` has to make it one"
                        .to_owned(),
                )),
            },
            Self::JsonToString(reference) => Ok(reference.value(scope)?.to_string()),
            Self::Format { pieces, arguments } => {
                let mut text = String::new();
                let mut arguments = arguments.iter();
                for piece in pieces {
                    text.push_str(piece);
                    if let Some(argument) = arguments.next() {
                        text.push_str(&argument.text(scope)?);
                    }
                }
                Ok(text)
            }
        }
    }
}

/// Parses an expression at the beginning of a text, and returns the rest of the text.
fn expression(text: &str) -> Option<(Expression, &str)> {
    if let Some(rest) = text.strip_prefix("States.JsonToString(") {
        let (reference, rest) = rest.split_once(')')?;
        return Some((Expression::JsonToString(Reference::read(reference.trim())?), rest));
    }
    if let Some(rest) = text.strip_prefix("States.Format('") {
        let (template, mut rest) = rest.split_once('\'')?;
        let mut arguments = Vec::new();
        while let Some(more) = rest.trim_start().strip_prefix(',') {
            let (argument, more) = expression(more.trim_start())?;
            arguments.push(argument);
            rest = more;
        }
        let rest = rest.trim_start().strip_prefix(')')?;
        let pieces: Vec<String> = template.split("{}").map(str::to_owned).collect();
        // Escapes are not interpreted, and a single brace would need one.
        let is_plain = !template.contains('\\') && !pieces.iter().any(|it| it.contains(['{', '}']));
        let is_whole = pieces.len() == arguments.len() + 1;
        return (is_plain && is_whole).then_some((Expression::Format { pieces, arguments }, rest));
    }
    let (reference, rest) = text.split_at(text.find([',', ')']).unwrap_or(text.len()));
    Some((Expression::Reference(Reference::read(reference.trim_end())?), rest))
}

/// An error that no retrier and no catcher handles.
fn runtime(cause: String) -> TaskError {
    TaskError { error: "States.Runtime".to_owned(), cause }
}
