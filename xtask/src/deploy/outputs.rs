//! The addresses of a deployed platform and the functions' environment, written to files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::settings::{STAGE, Settings};
use super::stack;
use crate::aws::{Aws, LOCAL_ACCOUNT, LOCAL_REGION};
use crate::cloud::Cloud;
use crate::failure::{Failure, Result};
use crate::files;
use crate::keys::Keys;
use crate::layout::Layout;

/// The addresses of a deployed platform, and what its tests need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Outputs {
    /// The public API.
    pub(crate) api_url: String,
    /// The payment provider.
    pub(crate) payment_provider_url: String,
    /// The local cloud itself.
    pub(crate) cloud_url: String,
    region: String,
    account: String,
    stage: String,
    /// `iss` of a token.
    jwt_issuer: String,
    /// `aud` of a token.
    jwt_audience: String,
    /// `kid` of a token.
    jwt_key_id: String,
    /// The private key that signs tokens, as a PEM file.
    jwt_key_file: String,
    /// The settings of `--set`.
    settings: BTreeMap<String, String>,
}

impl Outputs {
    /// Reads the outputs of the stacks.
    pub(super) async fn read(
        layout: &Layout,
        cloud: &Cloud,
        keys: &Keys,
        settings: &Settings,
    ) -> Result<Self> {
        let issuer = settings.issuer();
        Ok(Self {
            api_url: stack::url(&cloud.aws, "edge").await?,
            payment_provider_url: stack::url(&cloud.aws, "payment-provider").await?,
            cloud_url: cloud.aws.endpoint().to_owned(),
            region: LOCAL_REGION.to_owned(),
            account: LOCAL_ACCOUNT.to_owned(),
            stage: STAGE.to_owned(),
            jwt_issuer: issuer.name,
            jwt_audience: issuer.audience,
            jwt_key_id: keys.id.clone(),
            jwt_key_file: layout.keys().join("signing-key.pem").to_string_lossy().into_owned(),
            settings: cloud.record.settings.clone(),
        })
    }

    /// The addresses, or a failure that says how to deploy.
    pub(crate) fn require(layout: &Layout) -> Result<Self> {
        Self::load(layout)?.ok_or_else(|| {
            Failure::new("the platform is not deployed").advise("run `cargo xtask up`")
        })
    }

    /// What an earlier command wrote; `None` if there is nothing.
    pub(crate) fn load(layout: &Layout) -> Result<Option<Self>> {
        files::read_json(&layout.outputs())
    }

    /// Writes the addresses, and the environment of all functions together.
    pub(super) async fn write(&self, layout: &Layout, aws: &Aws) -> Result {
        let functions = aws.functions(&format!("parkade-{STAGE}-")).await?;
        let mut environment = BTreeMap::new();
        for function in &functions {
            merge(&mut environment, &function.function_name, function.variables())?;
        }
        for (name, value) in [
            ("AWS_ENDPOINT_URL", aws.endpoint()),
            ("AWS_REGION", LOCAL_REGION),
            ("AWS_DEFAULT_REGION", LOCAL_REGION),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ] {
            environment.insert(name.to_owned(), value.to_owned());
        }
        let mut text = String::new();
        for (name, value) in &environment {
            text += &assignment(name, value)?;
        }
        files::replace_if_changed(&layout.functions_env(), text.as_bytes(), files::SECRET)?;
        files::write_json(&layout.outputs(), self, files::PUBLIC)
    }
}

/// One line of an env file. The value is quoted, as cargo-lambda accepts no bare JSON, and has no escapes.
fn assignment(name: &str, value: &str) -> Result<String> {
    ['\'', '"', '`']
        .into_iter()
        .find(|quote| !value.contains([*quote, '\n']))
        .map(|quote| format!("{name}={quote}{value}{quote}\n"))
        .ok_or_else(|| Failure::new(format!("the variable {name} cannot be written to a file")))
}

/// Merges the variables of a function. A name must have one value in all functions, as there is one file for all.
fn merge(
    all: &mut BTreeMap<String, String>,
    function: &str,
    variables: &BTreeMap<String, String>,
) -> Result {
    for (name, value) in variables {
        let known = all.entry(name.clone()).or_insert_with(|| value.clone());
        if known != value {
            return Err(Failure::new(format!("the variable {name} has two values"))
                .because(format!("{function} has {value}, another function {known}"))
                .advise(
                    "give one of them another name, in infra/ and in the function's config.rs",
                ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{assignment, merge};

    #[test]
    fn a_value_is_quoted_by_what_it_lacks() {
        let line = |value| assignment("A", value).ok();
        assert_eq!(line("b c").as_deref(), Some("A='b c'\n"));
        assert_eq!(line(r#"{"b":1}"#).as_deref(), Some("A='{\"b\":1}'\n"));
        assert_eq!(line("it's").as_deref(), Some("A=\"it's\"\n"));
        assert_eq!(line("b\nc"), None);
    }

    #[test]
    fn a_variable_with_two_meanings_is_refused() {
        let one = BTreeMap::from([("TABLE".to_owned(), "a".to_owned())]);
        let two = BTreeMap::from([("TABLE".to_owned(), "b".to_owned())]);
        let mut all = BTreeMap::new();
        merge(&mut all, "f", &one).expect("new");
        merge(&mut all, "g", &one).expect("the same");
        assert!(merge(&mut all, "h", &two).is_err());
    }
}
