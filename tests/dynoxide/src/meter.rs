//! The cost of requests: calls, items, capacity units.

use std::collections::BTreeMap;

use dynoxide::DynoxideError;
use serde_json::Value;

/// The requests to a database, by operation.
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
    /// The number of calls of an operation (`PutItem`).
    #[must_use]
    pub fn calls(&self, operation: &str) -> u64 {
        self.operations.get(operation).map_or(0, |it| it.calls)
    }

    /// The number of items read by its queries and scans, before filters.
    #[must_use]
    pub fn items(&self, operation: &str) -> u64 {
        self.operations.get(operation).map_or(0, |it| it.items)
    }

    /// The capacity units consumed.
    #[must_use]
    pub fn units(&self, operation: &str) -> f64 {
        self.operations.get(operation).map_or(0.0, |it| it.units)
    }

    #[expect(clippy::float_arithmetic, reason = "units come in halves")]
    pub(crate) fn add(&mut self, operation: &str, result: &Result<String, DynoxideError>) {
        let spent = self.operations.entry(operation.to_owned()).or_default();
        spent.calls += 1;
        let Ok(result) = result else { return };
        let result: Value = serde_json::from_str(result).unwrap_or_default();
        spent.items += result["ScannedCount"].as_u64().unwrap_or_default();
        let consumed = &result["ConsumedCapacity"];
        // One for a table, several for a batch.
        let all = consumed.as_array().map_or(std::slice::from_ref(consumed), Vec::as_slice);
        spent.units += all.iter().filter_map(|it| it["CapacityUnits"].as_f64()).sum::<f64>();
    }
}

/// The request, with consumed capacity requested.
pub(crate) fn priced(body: &str) -> String {
    let Ok(Value::Object(mut request)) = serde_json::from_str(body) else { return body.to_owned() };
    request.entry("ReturnConsumedCapacity").or_insert_with(|| Value::from("TOTAL"));
    Value::Object(request).to_string()
}
