//! What requests cost: calls, items, capacity units.

use std::collections::BTreeMap;

use dynoxide::DynoxideError;
use serde_json::Value;

/// What was asked of a database, by operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spent {
    operations: BTreeMap<String, Operation>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Operation {
    calls: u64,
    items: u64,
    units: f64,
}

impl Spent {
    /// How often an operation (`PutItem`) was asked for.
    #[must_use]
    pub fn calls(&self, operation: &str) -> u64 {
        self.operations.get(operation).map_or(0, |it| it.calls)
    }

    /// How many items its queries and scans have read, before any filter.
    #[must_use]
    pub fn items(&self, operation: &str) -> u64 {
        self.operations.get(operation).map_or(0, |it| it.items)
    }

    /// The capacity units that it has consumed.
    #[must_use]
    pub fn units(&self, operation: &str) -> f64 {
        self.operations.get(operation).map_or(0.0, |it| it.units)
    }

    #[expect(clippy::float_arithmetic, reason = "units come in halves")]
    pub(crate) fn add(&mut self, operation: &str, answer: &Result<String, DynoxideError>) {
        let spent = self.operations.entry(operation.to_owned()).or_default();
        spent.calls += 1;
        let Ok(answer) = answer else { return };
        let answer: Value = serde_json::from_str(answer).unwrap_or_default();
        spent.items += answer["ScannedCount"].as_u64().unwrap_or_default();
        let consumed = &answer["ConsumedCapacity"];
        // One for a table, several for a batch.
        let all = consumed.as_array().map_or(std::slice::from_ref(consumed), Vec::as_slice);
        spent.units += all.iter().filter_map(|it| it["CapacityUnits"].as_f64()).sum::<f64>();
    }
}

/// The request, asking for its price if it does not already.
pub(crate) fn priced(body: &str) -> String {
    let Ok(Value::Object(mut request)) = serde_json::from_str(body) else { return body.to_owned() };
    request.entry("ReturnConsumedCapacity").or_insert_with(|| Value::from("TOTAL"));
    Value::Object(request).to_string()
}
