//! Parses a definition, and rejects everything that it would not run as AWS does.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::expression::{Expression, Field, Reference, is_name};
use super::{
    ALL, Catcher, Choice, Errors, Jitter, Machine, Retrier, State, TASK_FAILED, TIMEOUT, Task,
    TaskAction,
};

const INVOKE: &str = "arn:aws:states:::lambda:invoke";
const SEND: &str = "arn:aws:states:::sqs:sendMessage";

/// A part of a definition that is not interpreted, or a transition to no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Unsupported {
    /// Where it is.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

type Result<T> = std::result::Result<T, Unsupported>;

pub(super) fn machine(definition: &str) -> Result<Machine> {
    let place = "the machine".to_owned();
    let definition = serde_json::from_str(definition)
        .map_err(|error| Unsupported { place: place.clone(), what: error.to_string() })?;
    let mut fields = Fields::with_comment(place, definition)?;
    let start_at = fields.text("StartAt")?;
    let timeout = fields.seconds("TimeoutSeconds")?;
    let mut states = BTreeMap::new();
    for (name, value) in fields.object("States")? {
        let state = state(Fields::with_comment(format!("state `{name}`"), value)?)?;
        states.insert(name, state);
    }
    if !states.contains_key(&start_at) {
        return Err(fields.refuse(format!("`StartAt` names no state: `{start_at}`")));
    }
    fields.end()?;
    let machine = Machine { start_at, timeout, states };
    every_exit_exists(&machine)?;
    Ok(machine)
}

fn every_exit_exists(machine: &Machine) -> Result<()> {
    for (name, state) in &machine.states {
        let exits: Vec<&String> = match state {
            State::Task(task) => {
                std::iter::once(&task.next).chain(task.catch.iter().map(|it| &it.next)).collect()
            }
            State::Choice { choices, default } => {
                std::iter::once(default).chain(choices.iter().map(|it| &it.next)).collect()
            }
            State::Succeed | State::Fail { .. } => continue,
        };
        for next in exits {
            if !machine.states.contains_key(next) {
                let what = format!("`Next` names no state: `{next}`");
                return Err(Unsupported { place: format!("state `{name}`"), what });
            }
        }
    }
    Ok(())
}

fn state(mut fields: Fields) -> Result<State> {
    let state = match fields.text("Type")?.as_str() {
        "Task" => State::Task(task(&mut fields)?),
        "Choice" => {
            let choices = fields.list("Choices")?.into_iter().map(choice);
            let choices = choices.collect::<Result<Vec<_>>>()?;
            // Without it, AWS ends an execution in which no choice matches.
            State::Choice { choices, default: fields.text("Default")? }
        }
        "Succeed" => State::Succeed,
        "Fail" => {
            let error = fields.text("Error")?;
            let cause = fields.text("CausePath")?;
            let cause = Expression::read(&cause).ok_or_else(|| {
                fields.refuse(format!("`CausePath` is not interpreted: `{cause}`"))
            })?;
            State::Fail { error, cause }
        }
        other => return Err(fields.refuse(format!("type `{other}` is not interpreted"))),
    };
    fields.end()?;
    Ok(state)
}

fn choice(mut fields: Fields) -> Result<Choice> {
    let variable = fields.text("Variable")?;
    let variable = Reference::read(&variable)
        .ok_or_else(|| fields.refuse(format!("`Variable` is not interpreted: `{variable}`")))?;
    let choice =
        Choice { variable, equals: fields.text("StringEquals")?, next: fields.text("Next")? };
    fields.end()?;
    Ok(choice)
}

fn task(fields: &mut Fields) -> Result<Task> {
    let resource = fields.text("Resource")?;
    let (action, target, what) = match resource.as_str() {
        INVOKE => (TaskAction::Function, "FunctionName", "Payload"),
        SEND => (TaskAction::Queue, "QueueUrl", "MessageBody"),
        _ => return Err(fields.refuse(format!("resource `{resource}` is not interpreted"))),
    };
    // No comment here: all of `Parameters` is sent.
    let mut parameters = fields.inner("Parameters")?;
    let target = parameters.text(target)?;
    let payload = payload(&mut parameters, what)?;
    parameters.end()?;
    // Without it the result would replace the input.
    if fields.required("ResultPath")? != Value::Null {
        return Err(fields.refuse("`ResultPath` other than null is not interpreted"));
    }
    let retry = fields.list("Retry")?.into_iter().map(retrier).collect::<Result<Vec<_>>>()?;
    let catch = fields.list("Catch")?.into_iter().map(catcher).collect::<Result<Vec<_>>>()?;
    all_comes_last(fields, "Retry", retry.iter().map(|it| &it.errors))?;
    all_comes_last(fields, "Catch", catch.iter().map(|it| &it.errors))?;
    let timeout = fields.seconds("TimeoutSeconds")?;
    Ok(Task { action, target, payload, timeout, retry, catch, next: fields.text("Next")? })
}

fn payload(parameters: &mut Fields, what: &str) -> Result<BTreeMap<String, Field>> {
    let mut payload = BTreeMap::new();
    for (key, value) in parameters.object(what)? {
        let (name, field) = match key.strip_suffix(".$") {
            Some(name) => {
                let reference = value.as_str().and_then(Reference::read).ok_or_else(|| {
                    parameters.refuse(format!("`{what}`: `{key}` is not interpreted: {value}"))
                })?;
                (name.to_owned(), Field::Reference(reference))
            }
            None if value.is_object() || value.is_array() => {
                let refused = format!("`{what}`: `{key}` is nested, which is not interpreted");
                return Err(parameters.refuse(refused));
            }
            None => (key, Field::Literal(value)),
        };
        if payload.contains_key(&name) {
            return Err(parameters.refuse(format!("`{what}`: `{name}` is given twice")));
        }
        payload.insert(name, field);
    }
    Ok(payload)
}

fn retrier(mut fields: Fields) -> Result<Retrier> {
    let jitter = match fields.optional("JitterStrategy") {
        None => Jitter::None,
        Some(strategy) => match strategy.as_str() {
            Some("FULL") => Jitter::Full,
            Some("NONE") => Jitter::None,
            _ => return Err(fields.refuse(format!("jitter {strategy} is not interpreted"))),
        },
    };
    let retrier = Retrier {
        errors: errors(&mut fields)?,
        // The defaults of the language.
        interval_ms: fields.whole("IntervalSeconds", 1)?.unwrap_or(1).saturating_mul(1000),
        backoff_rate: fields.whole("BackoffRate", 1)?.unwrap_or(2),
        retries_max: fields.whole("MaxAttempts", 0)?.unwrap_or(3),
        delay_max_ms: fields
            .whole("MaxDelaySeconds", 1)?
            .map_or(u64::MAX, |it| it.saturating_mul(1000)),
        jitter,
    };
    fields.end()?;
    Ok(retrier)
}

fn catcher(mut fields: Fields) -> Result<Catcher> {
    let errors = errors(&mut fields)?;
    let assign =
        if fields.fields.contains_key("Assign") { fields.object("Assign")? } else { Map::new() };
    for (name, value) in &assign {
        if !is_name(name) || value.is_object() || value.is_array() {
            return Err(fields.refuse(format!("`Assign`: `{name}` is not interpreted: {value}")));
        }
    }
    // Without it the error would replace the input.
    let path = fields.required("ResultPath")?;
    let result = match path.as_str().map(Reference::read) {
        None if path.is_null() => None,
        Some(Some(Reference::Input(names))) if names.len() == 1 => names.into_iter().next(),
        _ => return Err(fields.refuse(format!("`ResultPath` is not interpreted: {path}"))),
    };
    let next = fields.text("Next")?;
    fields.end()?;
    Ok(Catcher { errors, assign, result, next })
}

fn errors(fields: &mut Fields) -> Result<Errors> {
    let value = fields.required("ErrorEquals")?;
    let names: Option<Vec<String>> = value
        .as_array()
        .and_then(|it| it.iter().map(|it| it.as_str().map(str::to_owned)).collect());
    let Some(names) = names.filter(|names| !names.is_empty()) else {
        return Err(fields.refuse("`ErrorEquals` is not a list of names"));
    };
    let known = |name: &str| [ALL, TASK_FAILED, TIMEOUT].contains(&name);
    if let Some(name) = names.iter().find(|it| it.starts_with("States.") && !known(it)) {
        return Err(fields.refuse(format!("error `{name}` is not interpreted")));
    }
    Ok(Errors(names))
}

/// AWS rejects a definition in which the wildcard is not alone and last.
fn all_comes_last<'a>(
    fields: &Fields,
    list: &str,
    errors: impl ExactSizeIterator<Item = &'a Errors>,
) -> Result<()> {
    let last = errors.len().saturating_sub(1);
    for (at, Errors(names)) in errors.enumerate() {
        let has_all = names.iter().any(|name| name == ALL);
        if has_all && (names.len() > 1 || at != last) {
            let what = format!("`{list}[{at}]`: `{ALL}` is not alone and last");
            return Err(fields.refuse(what));
        }
    }
    Ok(())
}

/// The fields of an object. Each is removed as it is parsed, so the rest was not understood.
struct Fields {
    place: String,
    fields: Map<String, Value>,
}

impl Fields {
    fn of(place: String, value: Value) -> Result<Self> {
        match value {
            Value::Object(fields) => Ok(Self { place, fields }),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Err(Unsupported { place, what: "is not an object".to_owned() }),
        }
    }

    fn with_comment(place: String, value: Value) -> Result<Self> {
        let mut fields = Self::of(place, value)?;
        fields.optional("Comment");
        Ok(fields)
    }

    fn refuse(&self, what: impl Into<String>) -> Unsupported {
        Unsupported { place: self.place.clone(), what: what.into() }
    }

    /// No field may be left.
    fn end(self) -> Result<()> {
        match self.fields.keys().next() {
            Some(name) => Err(self.refuse(format!("field `{name}` is not interpreted"))),
            None => Ok(()),
        }
    }

    fn optional(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name)
    }

    /// A field that is null exists, which matters for a path.
    fn required(&mut self, name: &str) -> Result<Value> {
        self.optional(name).ok_or_else(|| self.refuse(format!("field `{name}` is missing")))
    }

    fn text(&mut self, name: &str) -> Result<String> {
        let value = self.required(name)?;
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| self.refuse(format!("`{name}` is not a text: {value}")))
    }

    fn whole(&mut self, name: &str, least: u64) -> Result<Option<u64>> {
        let Some(value) = self.optional(name) else { return Ok(None) };
        value.as_u64().filter(|it| *it >= least).map(Some).ok_or_else(|| {
            self.refuse(format!("`{name}` is not a whole number of at least {least}: {value}"))
        })
    }

    fn seconds(&mut self, name: &str) -> Result<Duration> {
        let seconds = self.whole(name, 1)?;
        seconds
            .map(Duration::from_secs)
            .ok_or_else(|| self.refuse(format!("field `{name}` is missing")))
    }

    fn inner(&mut self, name: &str) -> Result<Self> {
        let value = self.required(name)?;
        Self::of(format!("{}: `{name}`", self.place), value)
    }

    fn object(&mut self, name: &str) -> Result<Map<String, Value>> {
        self.inner(name).map(|inner| inner.fields)
    }

    fn list(&mut self, name: &str) -> Result<Vec<Self>> {
        let value = self.required(name)?;
        let Value::Array(items) = value else {
            return Err(self.refuse(format!("`{name}` is not a list: {value}")));
        };
        let place = |at| format!("{}: `{name}[{at}]`", self.place);
        items.into_iter().enumerate().map(|(at, it)| Self::with_comment(place(at), it)).collect()
    }
}
