//! The values of the templates' parameters: those of a local cloud, and those that users set with `--set`.

use std::collections::{BTreeMap, BTreeSet};

use super::template::Template;
use crate::failure::{Failure, Result};
use crate::keys::Keys;
use crate::layout::Layout;
use crate::token::Issuer;

/// The stage of a local cloud.
pub(crate) const STAGE: &str = "local";
/// LocalStack's bucket whose keys are folders: nothing is zipped or uploaded.
pub(crate) const CODE_BUCKET: &str = "hot-reload";
const ISSUER: &str = "https://issuer.parkade.local";
const AUDIENCE: &str = "parkade";
/// Parameters that a local cloud determines, so that users cannot set them.
const FIXED: [&str; 5] = ["Stage", "CodeBucket", "CodePrefix", "CodeSuffix", "Architecture"];
/// Where billing finds the payment provider: the sandbox unless users set another.
pub(crate) const PROVIDER_URL: &str = "PaymentProviderUrl";

/// The values of the templates' parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    values: BTreeMap<String, String>,
}

impl Settings {
    /// The values for a local cloud.
    pub(crate) fn local(
        layout: &Layout,
        keys: &Keys,
        requested: &BTreeMap<String, String>,
    ) -> Self {
        let mut values: BTreeMap<_, _> = [
            ("Stage", STAGE),
            ("CodeBucket", CODE_BUCKET),
            ("CodePrefix", &layout.lambda().to_string_lossy()),
            ("CodeSuffix", ""),
            ("Architecture", if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }),
            ("JwtIssuer", ISSUER),
            ("JwtAudience", AUDIENCE),
            ("Jwks", &keys.jwks),
            ("LocalSigningKey", &keys.local_signing_key),
            ("CursorKey", &keys.cursor_key),
            ("PaymentProviderKey", &keys.payment_provider_key),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        values.extend(requested.clone());
        Self { values }
    }

    /// Adds a value that is known only during the deployment, unless users have set another.
    pub(crate) fn provide(&mut self, name: &str, value: String) {
        self.values.entry(name.to_owned()).or_insert(value);
    }

    /// The values of the parameters that this template declares.
    pub(crate) fn for_template(&self, template: &Template) -> BTreeMap<String, String> {
        let declared = template.parameters();
        self.values
            .iter()
            .filter(|(name, _)| declared.contains(*name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// The issuer of this cloud's tokens.
    pub(crate) fn issuer(&self) -> Issuer {
        let value = |name: &str| self.values.get(name).cloned().unwrap_or_default();
        Issuer { name: value("JwtIssuer"), audience: value("JwtAudience") }
    }
}

/// Merges the settings of `--set` into the kept ones; an empty value restores the template's default.
pub(crate) fn merge(kept: &mut BTreeMap<String, String>, requested: &[(String, String)]) {
    for (name, value) in requested {
        if value.is_empty() {
            kept.remove(name);
        } else {
            kept.insert(name.clone(), value.clone());
        }
    }
}

/// Refuses names that no template declares, before anything is deployed.
pub(crate) fn check<'a>(
    names: impl IntoIterator<Item = &'a String>,
    templates: &[Template],
) -> Result {
    let mut declared: BTreeSet<_> = templates.iter().flat_map(Template::parameters).collect();
    for name in FIXED {
        declared.remove(name);
    }
    for name in names {
        if FIXED.contains(&name.as_str()) {
            return Err(Failure::new(format!("{name} cannot be set on the local cloud")));
        }
        if !declared.contains(name) {
            let names: Vec<_> = declared.into_iter().collect();
            return Err(Failure::new(format!("there is no setting {name}"))
                .because("no template in infra/ has such a parameter")
                .advise(format!("one of {}", names.join(", "))));
        }
    }
    Ok(())
}

/// Reads `Name=value`.
pub(crate) fn parse(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((PROVIDER_URL, url)) if !url.is_empty() => {
            if !url.starts_with("http://") && !url.starts_with("https://") {
                return Err(format!(
                    "{PROVIDER_URL} is an address that begins with http:// or https://"
                ));
            }
            // Billing appends the paths.
            Ok((PROVIDER_URL.to_owned(), url.trim_end_matches('/').to_owned()))
        }
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("write it as Name=value, such as BillDueSeconds=20".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{PROVIDER_URL, Settings, check, merge, parse};
    use crate::deploy::templates;
    use crate::layout::Layout;

    #[test]
    fn users_may_bring_their_own_payment_provider() {
        let (name, url) = parse("PaymentProviderUrl=http://127.0.0.1:8080/").expect("read");
        assert_eq!(url, "http://127.0.0.1:8080", "billing appends the paths");
        let templates = templates(&Layout::find()).expect("the templates are read");
        check([&name], &templates).expect("it may be set");
        let mut settings = Settings { values: BTreeMap::from([(name, url.clone())]) };
        settings.provide(PROVIDER_URL, "http://the.sandbox".to_owned());
        let billing = templates.iter().find(|it| it.name == "billing").expect("there is billing");
        assert_eq!(settings.for_template(billing).get(PROVIDER_URL), Some(&url));
    }

    #[test]
    fn billing_finds_the_sandbox_unless_another_provider_is_set() {
        let mut settings = Settings { values: BTreeMap::new() };
        settings.provide(PROVIDER_URL, "http://the.sandbox".to_owned());
        assert_eq!(settings.values[PROVIDER_URL], "http://the.sandbox");
        assert!(parse("PaymentProviderUrl=127.0.0.1:8080").is_err(), "it is no address");
        assert!(parse("PaymentProviderUrl=").is_ok(), "the sandbox again");
    }

    #[test]
    fn what_the_local_cloud_determines_cannot_be_set() {
        let templates = templates(&Layout::find()).expect("the templates are read");
        let said = check([&"Stage".to_owned()], &templates).expect_err("refused").to_string();
        assert!(said.contains("Stage cannot be set"), "{said}");
    }

    #[test]
    fn a_setting_holds_until_it_is_set_to_nothing() {
        let mut kept = BTreeMap::new();
        merge(&mut kept, &[parse("A=1").expect("read"), parse("B=x=y").expect("read")]);
        merge(&mut kept, &[parse("A=").expect("read")]);
        assert_eq!(kept, BTreeMap::from([("B".to_owned(), "x=y".to_owned())]));
        assert!(parse("A").is_err());
        assert!(parse("=1").is_err());
    }
}
