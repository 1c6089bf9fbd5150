//! The interpreter rejects definitions that it would not run as AWS does.

use serde_json::{Value, json};

use super::{DEFINITION, changed, machine};
use crate::asl::Machine;

#[track_caller]
fn check(pointer: &str, value: Value, expected: &str) {
    let refused = Machine::read(&changed(pointer, value)).map(|_| "nothing");
    assert_eq!(refused.map_err(|it| it.to_string()), Err(expected.to_owned()), "{pointer}");
}

/// A field of the first step.
#[track_caller]
fn check_task(pointer: &str, value: Value, expected: &str) {
    check(
        &format!("/States/BlockSlot/{pointer}"),
        value,
        &format!("state `BlockSlot`: {expected}"),
    );
}

#[test]
fn other_states_and_fields_of_a_machine_are_rejected() {
    let expected = "the machine: field `QueryLanguage` is not interpreted";
    check("/QueryLanguage", json!("JSONata"), expected);
    check("/StartAt", json!("X"), "the machine: `StartAt` names no state: `X`");
    let expected = "the machine: `TimeoutSeconds` is not a whole number of at least 1: 0";
    check("/TimeoutSeconds", json!(0), expected);
    let wait = json!({ "Type": "Wait" });
    check("/States/X", wait, "state `X`: type `Wait` is not interpreted");
    let choice = json!({ "Type": "Choice", "Choices": [] });
    check("/States/X", choice, "state `X`: field `Default` is missing");
    let compared = json!({ "Variable": "$.a", "NumericEquals": 1, "Next": "BlockSlot" });
    let choice = json!({ "Type": "Choice", "Choices": [compared], "Default": "BlockSlot" });
    let expected = "state `X`: `Choices[0]`: field `StringEquals` is missing";
    check("/States/X", choice, expected);
    let succeed = json!({ "Type": "Succeed", "OutputPath": "$.a" });
    check("/States/X", succeed, "state `X`: field `OutputPath` is not interpreted");
    let fail = json!({ "Type": "Fail", "Error": "E", "Cause": "C" });
    check("/States/X", fail, "state `X`: field `CausePath` is missing");
}

#[test]
fn other_fields_and_resources_of_a_task_are_rejected() {
    check_task("HeartbeatSeconds", json!(1), "field `HeartbeatSeconds` is not interpreted");
    check_task("Type", json!(1), "`Type` is not a text: 1");
    let waits = "arn:aws:states:::lambda:invoke.waitForTaskToken";
    check_task("Resource", json!(waits), &format!("resource `{waits}` is not interpreted"));
    check_task("ResultPath", json!("$.a"), "`ResultPath` other than null is not interpreted");
    check_task("Next", json!("X"), "`Next` names no state: `X`");
    let expected = "`Parameters`: field `Qualifier` is not interpreted";
    check_task("Parameters/Qualifier", json!("1"), expected);
    let expected = "`Parameters`: field `FunctionName.$` is not interpreted";
    check_task("Parameters/FunctionName.$", json!("$.a"), expected);
}

#[test]
fn other_references_in_a_payload_are_rejected() {
    let expected = "`Parameters`: `Payload`: `a` is nested, which is not interpreted";
    check_task("Parameters/Payload/a", json!({}), expected);
    let expected = "`Parameters`: `Payload`: `slotId` is given twice";
    check_task("Parameters/Payload/slotId", json!(1), expected);
    let paths = ["$", "$.", "$.a[0]", "$.a..b", "$.*", "$['a']", "$$.Execution.Id", "$a.b", "a"];
    for path in paths.into_iter().chain(["States.UUID()", "States.JsonToString($.a)"]) {
        let expected = format!("`Parameters`: `Payload`: `a.$` is not interpreted: \"{path}\"");
        check_task("Parameters/Payload/a.$", json!(path), &expected);
    }
}

#[test]
fn other_fields_of_a_retrier_are_rejected() {
    check_task("Retry", json!({}), "`Retry` is not a list: {}");
    check_task("Retry", json!([1]), "`Retry[0]`: is not an object");
    let retry = |field: &str, value: Value, expected: &str| {
        let mut retrier = json!({ "ErrorEquals": ["States.ALL"] });
        retrier[field] = value;
        check_task("Retry", json!([retrier]), &format!("`Retry[0]`: {expected}"));
    };
    retry("Else", json!(1), "field `Else` is not interpreted");
    retry("BackoffRate", json!(1.5), "`BackoffRate` is not a whole number of at least 1: 1.5");
    retry("IntervalSeconds", json!(0), "`IntervalSeconds` is not a whole number of at least 1: 0");
    retry("JitterStrategy", json!("HALF"), "jitter \"HALF\" is not interpreted");
    retry("ErrorEquals", json!([]), "`ErrorEquals` is not a list of names");
    retry("ErrorEquals", json!([1]), "`ErrorEquals` is not a list of names");
    let expected = "error `States.Permissions` is not interpreted";
    retry("ErrorEquals", json!(["States.Permissions"]), expected);
}

#[test]
fn other_fields_of_a_catcher_are_rejected() {
    let check_catch = |field: &str, value: Value, expected: &str| {
        let mut catcher = json!({
            "ErrorEquals": ["States.ALL"], "ResultPath": null, "Next": "UnblockSlot",
        });
        catcher[field] = value;
        check_task("Catch", json!([catcher]), expected);
    };
    check_catch("Next", json!("X"), "`Next` names no state: `X`");
    check_catch("Output", json!({}), "`Catch[0]`: field `Output` is not interpreted");
    for path in ["$", "$.a.b", "$a"] {
        let expected = format!("`Catch[0]`: `ResultPath` is not interpreted: \"{path}\"");
        check_catch("ResultPath", json!(path), &expected);
    }
    let expected = "`Catch[0]`: `Assign`: `a.$` is not interpreted: \"$.Error\"";
    check_catch("Assign", json!({ "a.$": "$.Error" }), expected);
    let expected = "`Catch[0]`: `Assign`: `a` is not interpreted: {\"b.$\":\"$.Error\"}";
    check_catch("Assign", json!({ "a": { "b.$": "$.Error" } }), expected);
}

#[test]
fn a_wildcard_must_be_alone_and_last() {
    let all = json!({ "ErrorEquals": ["States.ALL"], "ResultPath": null, "Next": "UnblockSlot" });
    let mut both = all.clone();
    both["ErrorEquals"] = json!(["States.ALL", "Rejected"]);
    let expected = "`Catch[0]`: `States.ALL` is not alone and last";
    check_task("Catch", json!([both]), expected);
    check_task("Catch", json!([all, all]), expected);
    let all = json!({ "ErrorEquals": ["States.ALL"] });
    let expected = "`Retry[0]`: `States.ALL` is not alone and last";
    check_task("Retry", json!([all, all]), expected);
}

#[test]
fn other_functions_in_a_cause_are_rejected() {
    for cause in [
        "$reason",
        "States.Hash($.a, 'MD5')",
        "States.Format($.template)",
        "States.Format('{}')",
        "States.Format('', $.a)",
        "States.Format('{')",
        r"States.Format('\{}', $.a)",
        "States.Format('{}', 'a')",
        "States.Format('{}', $.a",
        "States.JsonToString($.a, $.b)",
        "States.JsonToString($.a) b",
    ] {
        let expected = format!("state `BookingFailed`: `CausePath` is not interpreted: `{cause}`");
        check("/States/BookingFailed/CausePath", json!(cause), &expected);
    }
}

#[test]
fn the_destination_of_a_result_has_no_default() {
    for state in ["/States/BlockSlot", "/States/BlockSlot/Catch/0"] {
        let mut definition: Value = serde_json::from_str(DEFINITION).expect("a definition is JSON");
        let fields = definition.pointer_mut(state).and_then(Value::as_object_mut);
        fields.expect("the saga has it").remove("ResultPath");
        let refused = Machine::read(&definition.to_string()).map(|_| "nothing");
        let refused = refused.expect_err("the default is not interpreted");
        assert_eq!(refused.what, "field `ResultPath` is missing");
    }
}

#[test]
fn invalid_json_is_rejected() {
    let refused = Machine::read("{").map(|_| "nothing").expect_err("it has no end");
    assert_eq!(refused.place, "the machine");
}

#[test]
fn a_comment_is_allowed_everywhere_except_in_parameters() {
    assert_eq!(machine().states().count(), 12);
    let mut commented = vec!["", "/States/BlockSlot", "/States/BookingCompleted"];
    commented.extend(["/States/RefundPayment/Retry/0", "/States/RefundPayment/Catch/0"]);
    let mut definition: Value = serde_json::from_str(DEFINITION).expect("a definition is JSON");
    for place in commented {
        definition.pointer_mut(place).expect("the saga has it")["Comment"] = json!("why");
    }
    let read = Machine::read(&definition.to_string()).map(|it| it.states().count());
    assert_eq!(read, Ok(12));
    let expected = "`Parameters`: field `Comment` is not interpreted";
    check_task("Parameters/Comment", json!("why"), expected);
}
