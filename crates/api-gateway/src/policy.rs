//! What the authorizer tells the gateway: which calls the roles of a caller open.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::token::Principal;

/// The methods that a grant opens, each by its name.
///
/// A wildcard for the method would match slashes too: `*/books/*` opens `DELETE/loans/books/7`.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// What one role opens: everything under these first segments of a path.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// The role, as [`crate::token::Expectations`] name it.
    pub role: &'a str,
    /// First segments of paths, without slashes.
    pub paths: &'a [&'a str],
}

/// The response of a Lambda authorizer of a REST API.
///
/// The gateway caches it for the token and uses it for other calls. So it allows everything that the token grants, not only
/// the requested call, and has the time at which the token expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizerResponse {
    principal_id: String,
    policy_document: Document,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    context: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_identifier_key: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    version: &'static str,
    statement: [Statement; 1],
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: Effect,
    action: &'static str,
    resource: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Effect {
    Allow,
    Deny,
}

/// A text that does not name a method of a REST API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the ARN of a REST API's method: {arn}")]
pub struct InvalidMethodArn {
    arn: String,
}

impl AuthorizerResponse {
    /// Allows what the caller's roles grant, in the API and stage of the call.
    ///
    /// The services behind the gateway find `sub`, `role` and `exp` in the request's context. The gateway may cache the
    /// response for longer than the token is valid, so they compare `exp` (seconds since 1970) with the time of the request: a token that
    /// has expired is then 401. A condition in the policy would make it 403.
    ///
    /// # Errors
    ///
    /// Refuses an ARN that is not of a REST API's method.
    pub fn allow(
        method_arn: &str,
        principal: &Principal,
        grants: &[Grant<'_>],
    ) -> Result<Self, InvalidMethodArn> {
        let stage = stage_of(method_arn)?;
        let opened = grants.iter().filter(|grant| principal.is(grant.role));
        let resources = opened
            .flat_map(|grant| grant.paths)
            .flat_map(|path| METHODS.map(|method| format!("{stage}/{method}/{path}/*")))
            .collect();
        let context = BTreeMap::from([
            ("sub", principal.subject.clone()),
            ("role", principal.roles.join(" ")),
            ("exp", principal.expires_at.as_second().to_string()),
        ]);
        Ok(Self { context, ..Self::new(&principal.subject, Effect::Allow, resources) })
    }

    /// Opens nothing: the caller is known, and has no business here.
    ///
    /// # Errors
    ///
    /// Refuses an ARN that is not of a REST API's method.
    pub fn deny(method_arn: &str) -> Result<Self, InvalidMethodArn> {
        Ok(Self::new("anonymous", Effect::Deny, vec![format!("{}/*", stage_of(method_arn)?)]))
    }

    /// Counts the caller's requests under the API key of a usage plan.
    #[must_use]
    pub fn counted_under(self, api_key: String) -> Self {
        Self { usage_identifier_key: Some(api_key), ..self }
    }

    /// Whether it lets a call pass, as the gateway would decide while the token lasts.
    #[must_use]
    pub fn allows(&self, method_arn: &str) -> bool {
        let [statement] = &self.policy_document.statement;
        // Every resource ends in the only wildcard.
        let named = statement.resource.iter().any(|resource| {
            resource.strip_suffix('*').is_some_and(|prefix| method_arn.starts_with(prefix))
        });
        named && statement.effect == Effect::Allow
    }

    fn new(principal_id: &str, effect: Effect, resource: Vec<String>) -> Self {
        let statement = Statement { effect, action: "execute-api:Invoke", resource };
        Self {
            principal_id: principal_id.to_owned(),
            policy_document: Document { version: "2012-10-17", statement: [statement] },
            context: BTreeMap::new(),
            usage_identifier_key: None,
        }
    }
}

/// `arn:aws:execute-api:region:account:api/stage/METHOD/path`, up to and with the stage.
fn stage_of(method_arn: &str) -> Result<&str, InvalidMethodArn> {
    let mut slashes = method_arn.match_indices('/').map(|(at, _)| at);
    let end = slashes.nth(1).filter(|_| {
        let mut parts = method_arn.split(':');
        parts.next() == Some("arn") && parts.nth(1) == Some("execute-api")
    });
    end.map(|end| &method_arn[..end]).ok_or_else(|| InvalidMethodArn { arn: method_arn.to_owned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STAGE: &str = "arn:aws:execute-api:us-east-1:000000000000:a1b2c3/v1";
    const GRANTS: [Grant<'_>; 2] = [
        Grant { role: "customer", paths: &["mobile", "web"] },
        Grant { role: "operator", paths: &["operator"] },
    ];

    fn principal(roles: &[&str]) -> Principal {
        Principal {
            subject: "ada".to_owned(),
            roles: roles.iter().map(|it| (*it).to_owned()).collect(),
            expires_at: "2026-01-01T12:00:00Z".parse().expect("a time"),
        }
    }

    fn response(roles: &[&str]) -> AuthorizerResponse {
        let requested = format!("{STAGE}/GET/mobile/slots");
        AuthorizerResponse::allow(&requested, &principal(roles), &GRANTS).expect("an ARN")
    }

    #[track_caller]
    fn check(roles: &[&str], call: &str, allowed: bool) {
        assert_eq!(response(roles).allows(&format!("{STAGE}/{call}")), allowed, "{roles:?} {call}");
    }

    #[test]
    fn a_role_opens_its_paths_and_no_others() {
        check(&["customer"], "GET/mobile/slots", true);
        check(&["customer"], "POST/mobile/bookings/7/cancel", true);
        check(&["customer"], "GET/web/", true);
        check(&["customer"], "GET/operator/slots", false);
        check(&["operator"], "POST/operator/slots", true);
        check(&["operator"], "GET/mobile/slots", false);
        check(&["customer", "operator"], "GET/operator/slots", true);
        check(&["customer", "operator"], "GET/mobile/slots", true);
        check(&[], "GET/mobile/slots", false);
    }

    #[test]
    fn a_path_that_only_looks_like_anothers_stays_shut() {
        check(&["customer"], "POST/operator/dead-letters/mobile/redrive", false);
        check(&["customer"], "GET/operator/bookings/web/events", false);
        check(&["customer"], "GET/mobilex/slots", false);
        check(&["customer"], "GET//mobile/slots", false);
        check(&["customer"], "OPTIONS/mobile/slots", false);
        let other = "arn:aws:execute-api:us-east-1:000000000000:a1b2c3/v2/GET/mobile/slots";
        assert!(!response(&["customer"]).allows(other));
        let other = "arn:aws:execute-api:us-east-1:000000000000:other/v1/GET/mobile/slots";
        assert!(!response(&["customer"]).allows(other));
    }

    #[test]
    fn the_response_is_the_same_for_every_call_so_it_can_be_cached() {
        let calls = ["GET/mobile/slots", "POST/web/bookings", "GET/operator/", "DELETE/"];
        for call in calls {
            let requested = format!("{STAGE}/{call}");
            let kept = AuthorizerResponse::allow(&requested, &principal(&["customer"]), &GRANTS)
                .expect("an ARN");
            assert_eq!(kept, response(&["customer"]), "{call}");
        }
    }

    #[test]
    fn it_is_written_as_the_gateway_reads_it() {
        let response = response(&["operator"]).counted_under("operators".to_owned());
        assert_eq!(
            serde_json::to_value(response).unwrap(),
            serde_json::json!({
                "principalId": "ada",
                "policyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{
                        "Effect": "Allow",
                        "Action": "execute-api:Invoke",
                        "Resource": METHODS.map(|method| format!("{STAGE}/{method}/operator/*")),
                    }],
                },
                "context": { "sub": "ada", "role": "operator", "exp": "1767268800" },
                "usageIdentifierKey": "operators",
            })
        );
    }

    #[test]
    fn a_refusal_shuts_the_whole_stage() {
        let response = AuthorizerResponse::deny(&format!("{STAGE}/GET/mobile/slots")).unwrap();
        let json = serde_json::to_value(&response).unwrap();
        let statement = &json["policyDocument"]["Statement"][0];
        assert_eq!(statement["Effect"], "Deny");
        assert_eq!(statement["Resource"], serde_json::json!([format!("{STAGE}/*")]));
        assert!(!response.allows(&format!("{STAGE}/GET/mobile/slots")));
    }

    #[test]
    fn what_is_no_method_is_a_fault() {
        for arn in [
            "",
            "arn",
            "a/b/c",
            "arn:aws:lambda:us-east-1:0:f/x/y",
            "arn:aws:execute-api:r:0:api/v1",
        ] {
            assert!(
                AuthorizerResponse::allow(arn, &principal(&["customer"]), &GRANTS).is_err(),
                "{arn}"
            );
            assert!(AuthorizerResponse::deny(arn).is_err(), "{arn}");
        }
    }

    proptest! {
        #[test]
        fn nothing_outside_its_paths_opens_for_a_role(path in "[a-z/*?.%]{0,24}") {
            let allowed = response(&["operator"]).allows(&format!("{STAGE}/GET/{path}"));
            prop_assert_eq!(allowed, path.starts_with("operator/"));
        }
    }
}
