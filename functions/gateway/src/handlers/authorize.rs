//! The Lambda authorizer: decides which calls a bearer token allows.

use std::collections::HashMap;

use api_gateway::policy::{AuthorizerResponse, Grant, InvalidMethodArn};
use api_gateway::token::{Principal, Refusal, bearer};
use api_gateway::verifier::{FetchError, KeySource, Verifier, VerifyError};
use function::handle_request;
use lambda_runtime::Diagnostic;
use serde::Deserialize;
use trace_context::TraceFields;

/// The paths that each role may call. The names of the roles are those of the configuration. Pages are not included: their
/// functions verify the token themselves, and redirect to the sign-in.
const GRANTS: [Grant<'_>; 2] = [
    Grant { role: "customer", paths: &["mobile"] },
    Grant { role: "operator", paths: &["operator"] },
];

/// The request to a Lambda authorizer of a REST API, of either type.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizerRequest {
    method_arn: String,
    /// The header's value, if the authorizer is of type `TOKEN`.
    authorization_token: Option<String>,
    /// All headers, if it is of type `REQUEST`.
    multi_value_headers: Option<HashMap<String, Vec<String>>>,
}

/// Why the call is not authorized.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizeError {
    /// The caller has no valid token: 401.
    #[error("Unauthorized")]
    Unauthorized,
    /// The keys of the issuer are unavailable: 500, and the caller may retry.
    #[error("keys of the issuer are missing")]
    Keys(#[source] FetchError),
    /// The request has no valid ARN of a method: 500.
    #[error("request is unreadable")]
    InvalidRequest(#[from] InvalidMethodArn),
}

impl From<AuthorizeError> for Diagnostic {
    fn from(error: AuthorizeError) -> Self {
        let error_type = match error {
            AuthorizeError::Unauthorized => "Rejected",
            AuthorizeError::Keys(_) => "Transient",
            AuthorizeError::InvalidRequest(_) => "Permanent",
        };
        // The gateway responds with 401 if the message is this word, and with 500 for any other message.
        Self { error_type: error_type.to_owned(), error_message: error.to_string() }
    }
}

impl AuthorizerRequest {
    /// The value of the single `Authorization` header; none if there are several.
    fn authorization(&self) -> Option<&str> {
        if let Some(token) = &self.authorization_token {
            return Some(token);
        }
        self.header("authorization")
    }

    /// The value of a header; of one that was sent twice, none.
    fn header(&self, wanted: &str) -> Option<&str> {
        let mut values = self
            .multi_value_headers
            .iter()
            .flatten()
            .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .flat_map(|(_, values)| values);
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }
}

/// Decides what the caller may call.
///
/// # Errors
///
/// Fails when the caller has no valid token, or when the token cannot be checked.
pub async fn handle<S: KeySource>(
    verifier: &Verifier<S>,
    stage: &str,
    request: AuthorizerRequest,
) -> Result<AuthorizerResponse, AuthorizeError> {
    let trace = TraceFields::read(|name| request.header(name).map(str::to_owned));
    let correlation_id = request.header("x-correlation-id").and_then(|it| it.parse().ok());
    let run = run(verifier, stage, &request);
    handle_request("gateway-authorize", &trace, correlation_id, None, run).await
}

async fn run<S: KeySource>(
    verifier: &Verifier<S>,
    stage: &str,
    request: &AuthorizerRequest,
) -> Result<AuthorizerResponse, AuthorizeError> {
    let token = request.authorization().and_then(bearer).ok_or(AuthorizeError::Unauthorized)?;
    match verifier.verify(token, function::now()).await {
        Ok(principal) => {
            let response = AuthorizerResponse::allow(&request.method_arn, &principal, &GRANTS)?;
            Ok(response.counted_under(plan_of(stage, &principal)))
        }
        // The issuer knows the caller, but no role grants anything here: a 403, since a retry with this token is pointless.
        Err(VerifyError::Refused(Refusal::RoleUnknown)) => {
            Ok(AuthorizerResponse::deny(&request.method_arn)?
                .counted_under(key_of(stage, "customers")))
        }
        Err(VerifyError::Refused(refusal)) => {
            tracing::info!(reason = refusal.slug(), "token rejected");
            Err(AuthorizeError::Unauthorized)
        }
        Err(VerifyError::Keys(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "keys missing");
            Err(AuthorizeError::Keys(error))
        }
    }
}

fn plan_of(stage: &str, principal: &Principal) -> String {
    key_of(stage, if principal.is("operator") { "operators" } else { "customers" })
}

/// The usage plans' keys are named after the stage and who is counted under them.
fn key_of(stage: &str, plan: &str) -> String {
    format!("parkade-{stage}-{plan}")
}

#[cfg(test)]
mod tests {
    use api_gateway::issuer::Issuer;
    use api_gateway::token::Expectations;
    use api_gateway::verifier::Inline;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;

    const STAGE: &str = "arn:aws:execute-api:us-east-1:000000000000:a1b2c3/v1";
    const EXAMPLE: &str = include_str!("../../events/gateway-authorize.json");
    /// An event of type `REQUEST` as the gateway sends it.
    const REQUEST: &str = include_str!("authorize-request.json");

    fn issuer() -> Issuer {
        Issuer::from_pkcs8(&Issuer::generate().unwrap()).unwrap()
    }

    fn verifier(jwks: &str) -> Verifier<Inline> {
        let expectations = Expectations {
            issuer: "https://issuer.parkade.local".to_owned(),
            audience: "parkade".to_owned(),
            roles: vec!["customer".to_owned(), "operator".to_owned()],
        };
        Verifier::new(Inline(jwks.to_owned()), expectations)
    }

    fn token(issuer: &Issuer, scope: &str, ttl_seconds: i64) -> String {
        let claims = json!({
            "iss": "https://issuer.parkade.local", "aud": "parkade", "sub": "ada", "scope": scope,
            "exp": function::now().as_second() + ttl_seconds,
        });
        issuer.sign(&claims).unwrap()
    }

    /// The example event with another header.
    fn request(authorization: &str) -> AuthorizerRequest {
        let mut event: Value = serde_json::from_str(EXAMPLE).unwrap();
        event["authorizationToken"] = json!(authorization);
        serde_json::from_value(event).unwrap()
    }

    /// A part of a token, decoded.
    fn part(token: &str, place: usize) -> Value {
        let part = token.split('.').nth(place).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    /// What the gateway receives: a policy, or an error's message.
    async fn authorize(issuer: &Issuer, request: AuthorizerRequest) -> Result<Value, String> {
        let response = handle(&verifier(&issuer.jwks()), "local", request).await;
        response
            .map(|it| serde_json::to_value(it).unwrap())
            .map_err(|error| Diagnostic::from(error).error_message)
    }

    #[tokio::test]
    async fn a_customer_opens_the_customers_paths() {
        let issuer = issuer();
        let token = token(&issuer, "customer", 60);
        let response = authorize(&issuer, request(&format!("Bearer {token}"))).await.unwrap();
        assert_eq!(response["principalId"], "ada");
        let expiry = &part(&token, 1)["exp"];
        let context = json!({ "sub": "ada", "role": "customer", "exp": expiry.to_string() });
        assert_eq!(response["context"], context);
        assert_eq!(response["usageIdentifierKey"], "parkade-local-customers");
        let statement = &response["policyDocument"]["Statement"][0];
        assert_eq!(statement["Effect"], "Allow");
        let resources = statement["Resource"].as_array().unwrap();
        assert!(resources.contains(&json!(format!("{STAGE}/GET/mobile/*"))));
        assert!(resources.contains(&json!(format!("{STAGE}/POST/mobile/*"))));
        assert!(resources.iter().all(|it| !it.as_str().unwrap().contains("operator")));
    }

    #[tokio::test]
    async fn the_scheme_has_no_case() {
        let issuer = issuer();
        let token = token(&issuer, "customer", 60);
        for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
            let response = authorize(&issuer, request(&format!("{scheme} {token}"))).await;
            assert!(response.is_ok(), "{scheme}");
        }
    }

    #[tokio::test]
    async fn an_operator_opens_the_operators_paths() {
        let issuer = issuer();
        let token = token(&issuer, "operator", 60);
        let response = authorize(&issuer, request(&format!("Bearer {token}"))).await.unwrap();
        assert_eq!(response["context"]["role"], "operator");
        assert_eq!(response["usageIdentifierKey"], "parkade-local-operators");
        let resources = response["policyDocument"]["Statement"][0]["Resource"].as_array().unwrap();
        assert!(resources.iter().all(|it| it.as_str().unwrap().ends_with("/operator/*")));
    }

    #[tokio::test]
    async fn an_authoriser_of_type_request_is_supported_too() {
        let issuer = issuer();
        let token = token(&issuer, "customer", 60);
        let mut event: Value = serde_json::from_str(REQUEST).unwrap();
        event["multiValueHeaders"]["authorization"] = json!([format!("Bearer {token}")]);
        let one: AuthorizerRequest = serde_json::from_value(event.clone()).unwrap();
        assert_eq!(authorize(&issuer, one).await.unwrap()["principalId"], "ada");

        // It is undefined which of the two counts, even if both are valid.
        event["multiValueHeaders"]["Authorization"] = json!([format!("Bearer {token}")]);
        let two: AuthorizerRequest = serde_json::from_value(event.clone()).unwrap();
        assert_eq!(authorize(&issuer, two).await, Err("Unauthorized".to_owned()));

        event["multiValueHeaders"] = json!(null);
        let none: AuthorizerRequest = serde_json::from_value(event).unwrap();
        assert_eq!(authorize(&issuer, none).await, Err("Unauthorized".to_owned()));
    }

    #[tokio::test]
    async fn a_bad_token_gets_the_one_word_that_the_gateway_knows() {
        let (mine, other) = (issuer(), issuer());
        for header in [
            "".to_owned(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            "Bearer a.b.c".to_owned(),
            format!("Basic {}", token(&mine, "customer", 60)),
            token(&mine, "customer", 60),
            format!("Bearer {}", token(&mine, "customer", -1)),
            format!("Bearer {}", token(&other, "customer", 60)),
            format!("Bearer {}", "x".repeat(100_000)),
        ] {
            let response = authorize(&mine, request(&header)).await;
            assert_eq!(response, Err("Unauthorized".to_owned()), "{header}");
        }
    }

    #[tokio::test]
    async fn the_example_is_refused() {
        let example = serde_json::from_str(EXAMPLE).unwrap();
        assert_eq!(authorize(&issuer(), example).await, Err("Unauthorized".to_owned()));
    }

    #[tokio::test]
    async fn a_user_without_a_role_is_denied_every_path() {
        let issuer = issuer();
        let token = token(&issuer, "openid", 60);
        let response = authorize(&issuer, request(&format!("Bearer {token}"))).await.unwrap();
        let statement = &response["policyDocument"]["Statement"][0];
        assert_eq!(statement["Effect"], "Deny");
        assert_eq!(statement["Resource"], json!([format!("{STAGE}/*")]));
    }

    #[tokio::test]
    async fn a_fault_is_an_error_with_another_word() {
        let issuer = issuer();
        let request = request(&format!("Bearer {}", token(&issuer, "customer", 60)));
        let no_keys = handle(&verifier("<html>"), "local", request.clone()).await.unwrap_err();
        assert_eq!(Diagnostic::from(no_keys).error_message, "keys of the issuer are missing");

        let unreadable = AuthorizerRequest { method_arn: "GET /".to_owned(), ..request };
        assert_eq!(authorize(&issuer, unreadable).await, Err("request is unreadable".to_owned()));
    }
}
