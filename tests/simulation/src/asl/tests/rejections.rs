//! What the interpreter would not run as AWS does, it does not read.

use serde_json::{Value, json};

use super::{DEFINITION, changed, machine};
use crate::asl::Machine;

#[track_caller]
fn check(pointer: &str, value: Value, told: &str) {
    let refused = Machine::read(&changed(pointer, value)).map(|_| "nothing");
    assert_eq!(refused.map_err(|it| it.to_string()), Err(told.to_owned()), "{pointer}");
}

/// A field of the first step.
#[track_caller]
fn check_task(pointer: &str, value: Value, told: &str) {
    check(&format!("/States/BlockSlot/{pointer}"), value, &format!("state `BlockSlot`: {told}"));
}

#[test]
fn a_machine_has_no_other_states_and_fields() {
    let told = "the machine: field `QueryLanguage` is not interpreted";
    check("/QueryLanguage", json!("JSONata"), told);
    check("/StartAt", json!("X"), "the machine: `StartAt` names no state: `X`");
    let told = "the machine: `TimeoutSeconds` is no whole number from 1 on: 0";
    check("/TimeoutSeconds", json!(0), told);
    let wait = json!({ "Type": "Wait" });
    check("/States/X", wait, "state `X`: type `Wait` is not interpreted");
    let choice = json!({ "Type": "Choice", "Choices": [] });
    check("/States/X", choice, "state `X`: field `Default` is missing");
    let compared = json!({ "Variable": "$.a", "NumericEquals": 1, "Next": "BlockSlot" });
    let choice = json!({ "Type": "Choice", "Choices": [compared], "Default": "BlockSlot" });
    let told = "state `X`: `Choices[0]`: field `StringEquals` is missing";
    check("/States/X", choice, told);
    let succeed = json!({ "Type": "Succeed", "OutputPath": "$.a" });
    check("/States/X", succeed, "state `X`: field `OutputPath` is not interpreted");
    let fail = json!({ "Type": "Fail", "Error": "E", "Cause": "C" });
    check("/States/X", fail, "state `X`: field `CausePath` is missing");
}

#[test]
fn a_task_has_no_other_fields_and_no_other_resource() {
    check_task("HeartbeatSeconds", json!(1), "field `HeartbeatSeconds` is not interpreted");
    check_task("Type", json!(1), "`Type` is no text: 1");
    let waits = "arn:aws:states:::lambda:invoke.waitForTaskToken";
    check_task("Resource", json!(waits), &format!("resource `{waits}` is not interpreted"));
    check_task("ResultPath", json!("$.a"), "`ResultPath` other than null is not interpreted");
    check_task("Next", json!("X"), "`Next` names no state: `X`");
    let told = "`Parameters`: field `Qualifier` is not interpreted";
    check_task("Parameters/Qualifier", json!("1"), told);
    let told = "`Parameters`: field `FunctionName.$` is not interpreted";
    check_task("Parameters/FunctionName.$", json!("$.a"), told);
}

#[test]
fn a_payload_has_no_other_references() {
    let told = "`Parameters`: `Payload`: `a` is nested, which is not interpreted";
    check_task("Parameters/Payload/a", json!({}), told);
    let told = "`Parameters`: `Payload`: `slotId` is given twice";
    check_task("Parameters/Payload/slotId", json!(1), told);
    let paths = ["$", "$.", "$.a[0]", "$.a..b", "$.*", "$['a']", "$$.Execution.Id", "$a.b", "a"];
    for path in paths.into_iter().chain(["States.UUID()", "States.JsonToString($.a)"]) {
        let told = format!("`Parameters`: `Payload`: `a.$` is not interpreted: \"{path}\"");
        check_task("Parameters/Payload/a.$", json!(path), &told);
    }
}

#[test]
fn a_retrier_has_no_other_fields() {
    check_task("Retry", json!({}), "`Retry` is no list: {}");
    check_task("Retry", json!([1]), "`Retry[0]`: is no object");
    let retry = |field: &str, value: Value, told: &str| {
        let mut retrier = json!({ "ErrorEquals": ["States.ALL"] });
        retrier[field] = value;
        check_task("Retry", json!([retrier]), &format!("`Retry[0]`: {told}"));
    };
    retry("Else", json!(1), "field `Else` is not interpreted");
    retry("BackoffRate", json!(1.5), "`BackoffRate` is no whole number from 1 on: 1.5");
    retry("IntervalSeconds", json!(0), "`IntervalSeconds` is no whole number from 1 on: 0");
    retry("JitterStrategy", json!("HALF"), "jitter \"HALF\" is not interpreted");
    retry("ErrorEquals", json!([]), "`ErrorEquals` is no list of names");
    retry("ErrorEquals", json!([1]), "`ErrorEquals` is no list of names");
    let told = "error `States.Permissions` is not interpreted";
    retry("ErrorEquals", json!(["States.Permissions"]), told);
}

#[test]
fn a_catcher_has_no_other_fields() {
    let check_catch = |field: &str, value: Value, told: &str| {
        let mut catcher = json!({
            "ErrorEquals": ["States.ALL"], "ResultPath": null, "Next": "UnblockSlot",
        });
        catcher[field] = value;
        check_task("Catch", json!([catcher]), told);
    };
    check_catch("Next", json!("X"), "`Next` names no state: `X`");
    check_catch("Output", json!({}), "`Catch[0]`: field `Output` is not interpreted");
    for path in ["$", "$.a.b", "$a"] {
        let told = format!("`Catch[0]`: `ResultPath` is not interpreted: \"{path}\"");
        check_catch("ResultPath", json!(path), &told);
    }
    let told = "`Catch[0]`: `Assign`: `a.$` is not interpreted: \"$.Error\"";
    check_catch("Assign", json!({ "a.$": "$.Error" }), told);
    let told = "`Catch[0]`: `Assign`: `a` is not interpreted: {\"b.$\":\"$.Error\"}";
    check_catch("Assign", json!({ "a": { "b.$": "$.Error" } }), told);
}

#[test]
fn a_wildcard_stands_alone_and_last() {
    let all = json!({ "ErrorEquals": ["States.ALL"], "ResultPath": null, "Next": "UnblockSlot" });
    let mut both = all.clone();
    both["ErrorEquals"] = json!(["States.ALL", "Rejected"]);
    let told = "`Catch[0]`: `States.ALL` does not stand alone and last";
    check_task("Catch", json!([both]), told);
    check_task("Catch", json!([all, all]), told);
    let all = json!({ "ErrorEquals": ["States.ALL"] });
    let told = "`Retry[0]`: `States.ALL` does not stand alone and last";
    check_task("Retry", json!([all, all]), told);
}

#[test]
fn a_cause_is_made_by_no_other_functions() {
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
        let told = format!("state `BookingFailed`: `CausePath` is not interpreted: `{cause}`");
        check("/States/BookingFailed/CausePath", json!(cause), &told);
    }
}

#[test]
fn nothing_that_decides_where_a_result_goes_is_left_to_a_default() {
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
fn what_is_no_json_is_refused() {
    let refused = Machine::read("{").map(|_| "nothing").expect_err("it has no end");
    assert_eq!(refused.place, "the machine");
}

#[test]
fn a_comment_may_stand_everywhere_but_in_what_is_sent() {
    assert_eq!(machine().states().count(), 12);
    let mut commented = vec!["", "/States/BlockSlot", "/States/BookingCompleted"];
    commented.extend(["/States/RefundPayment/Retry/0", "/States/RefundPayment/Catch/0"]);
    let mut definition: Value = serde_json::from_str(DEFINITION).expect("a definition is JSON");
    for place in commented {
        definition.pointer_mut(place).expect("the saga has it")["Comment"] = json!("why");
    }
    let read = Machine::read(&definition.to_string()).map(|it| it.states().count());
    assert_eq!(read, Ok(12));
    let told = "`Parameters`: field `Comment` is not interpreted";
    check_task("Parameters/Comment", json!("why"), told);
}
