//! Lambda: lists functions and updates their code.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Aws, Call, OrFail as _, Refusal};
use crate::failure::{Context as _, Result};

/// A deployed function.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Function {
    /// Its name.
    pub(crate) function_name: String,
    /// `Active`, once it can be invoked.
    #[serde(default)]
    pub(crate) state: String,
    /// `Successful`, once the latest code runs.
    #[serde(default)]
    pub(crate) last_update_status: String,
    #[serde(default)]
    environment: Environment,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Environment {
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

impl Function {
    /// Its environment variables.
    pub(crate) fn variables(&self) -> &BTreeMap<String, String> {
        &self.environment.variables
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    functions: Vec<Function>,
}

impl Aws {
    /// All functions whose names begin with `prefix`.
    pub(crate) async fn functions(&self, prefix: &str) -> Result<Vec<Function>> {
        // One page holds 50 functions; the signature here supports no query, so no further page can be read.
        let response = self.lambda(Method::GET, "/2015-03-31/functions/", None).await?;
        let page: Page =
            serde_json::from_value(response.or_fail(|| "cannot list the functions".into())?)
                .context(|| "cannot understand the list of functions".into())?;
        let mut found = page.functions;
        found.retain(|it| it.function_name.starts_with(prefix));
        found.sort_by(|a, b| a.function_name.cmp(&b.function_name));
        Ok(found)
    }

    /// One function.
    pub(crate) async fn function(&self, name: &str) -> Result<Function> {
        let path = format!("/2015-03-31/functions/{name}/configuration");
        let response = self.lambda(Method::GET, &path, None).await?;
        serde_json::from_value(response.or_fail(|| format!("cannot read the function {name}"))?)
            .context(|| format!("cannot understand the function {name}"))
    }

    /// Starts an update of the function's code.
    pub(crate) async fn update_function_code(&self, name: &str, bucket: &str, key: &str) -> Result {
        let path = format!("/2015-03-31/functions/{name}/code");
        let body = json!({"S3Bucket": bucket, "S3Key": key});
        let response = self.lambda(Method::PUT, &path, Some(&body)).await?;
        response.or_fail(|| format!("cannot update the code of the function {name}")).map(drop)
    }

    async fn lambda(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Result<Value, Refusal>> {
        let headers = vec![("content-type", "application/json".to_owned())];
        self.send_json(Call { service: "lambda", method, path, headers, body: Vec::new() }, body)
            .await
    }
}
