//! Data: encrypted, recoverable, and outliving its stack.

use std::collections::BTreeMap;

use serde_json::Value;

use super::platform;
use crate::cloudformation::{TABLE, entries};

#[test]
fn tables_are_encrypted_recoverable_and_outlive_their_stack() {
    let platform = platform();
    assert!(platform.all(TABLE).count() > 0);
    for table in platform.all(TABLE) {
        let label = table.label();
        assert_eq!(table.property("SSESpecification")["SSEEnabled"], true, "{label}");
        let recovery = table.property("PointInTimeRecoverySpecification");
        assert_eq!(recovery["PointInTimeRecoveryEnabled"], true, "{label}");
        assert_eq!(table.attribute("DeletionPolicy"), "Retain", "{label}");
        assert_eq!(table.attribute("UpdateReplacePolicy"), "Retain", "{label}");
        assert_eq!(table.property("BillingMode"), "PAY_PER_REQUEST", "{label}");
    }
}

#[test]
fn a_secret_has_no_default() {
    for (stack, template) in platform().templates() {
        for (name, parameter) in entries(&template["Parameters"]) {
            if parameter["NoEcho"] == true {
                // `none` is no secret: it says that there is none, and the functions take it for that.
                let default = &parameter["Default"];
                let is_known = !default.is_null() && default != "none";
                assert!(!is_known, "{stack}: {name} has a public default");
            } else {
                assert!(!name.ends_with("Key"), "{stack}: {name} would be shown");
            }
        }
    }
}

#[test]
fn a_parameter_means_the_same_in_every_stack() {
    let platform = platform();
    let mut known: BTreeMap<&String, (&String, &Value)> = BTreeMap::new();
    for (stack, template) in platform.templates() {
        for (name, parameter) in entries(&template["Parameters"]) {
            let (first, before) = known.entry(name).or_insert((stack, parameter));
            for key in ["Type", "Default", "AllowedValues", "AllowedPattern"] {
                assert_eq!(before[key], parameter[key], "{key} of {name} in {first} and {stack}");
            }
        }
    }
}
