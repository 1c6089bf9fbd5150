//! The edge: routes that reach their functions, limits, logs.

use std::collections::BTreeSet;

use serde_json::Value;

use super::platform;
use crate::cloudformation::{API, PERMISSION, list};

#[test]
fn the_gateway_may_invoke_every_function_that_its_document_names() {
    let platform = platform();
    for api in platform.all(API) {
        let named: BTreeSet<&str> = api
            .every_text()
            .into_iter()
            .filter_map(|text| text.strip_suffix("/invocations"))
            .filter_map(|text| text.rsplit('/').next())
            .collect();
        let allowed: BTreeSet<String> = platform
            .all(PERMISSION)
            .filter(|permission| permission.stack == api.stack)
            .filter(|permission| {
                permission.text("SourceArn").contains(&format!(":{}/", api.label()))
            })
            .map(|permission| permission.text("FunctionName").to_owned())
            .collect();
        let named: BTreeSet<String> =
            named.iter().map(|arn| platform.by_arn(arn).text("FunctionName").to_owned()).collect();
        assert_eq!(named, allowed, "{}", api.label());
    }
}

#[test]
fn the_edge_is_throttled_counted_and_logged() {
    let platform = platform();
    let edge = platform.all(API).find(|api| api.stack == "edge").expect("the edge has an API");
    let all = |setting: &&Value| setting["HttpMethod"] == "*" && setting["ResourcePath"] == "/*";
    let all = list(edge.property("MethodSettings")).find(all).expect("every route has a setting");
    assert!(!all["ThrottlingRateLimit"].is_null() && !all["ThrottlingBurstLimit"].is_null());
    let line = edge.property("AccessLogSetting")["Format"].as_str().expect("a format");
    let line: Value = serde_json::from_str(line).expect("a line of the access log is JSON");
    assert_eq!(line["status"], "$context.status");
    assert!(edge.property("MinimumCompressionSize").is_u64(), "long responses are compressed");
    // Who is counted is the authorizer's to say, so that a caller needs no key besides its token.
    assert_eq!(edge.property("DefinitionBody")["x-amazon-apigateway-api-key-source"], "AUTHORIZER");
    let keys: BTreeSet<&str> =
        platform.all("AWS::ApiGateway::ApiKey").map(|key| key.text("Value")).collect();
    assert_eq!(keys, BTreeSet::from(["parkade-prod-customers", "parkade-prod-operators"]));
    for plan in platform.all("AWS::ApiGateway::UsagePlan") {
        assert!(!plan.property("Quota")["Limit"].is_null(), "{} has no end", plan.label());
        let stages = list(plan.property("ApiStages"));
        assert_eq!(stages.filter(|it| it["Stage"] == edge.text("StageName")).count(), 1);
    }
}
