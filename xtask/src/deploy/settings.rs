//! The values of the templates' parameters: what a local cloud needs, and what was asked for with `--set`.

use std::collections::{BTreeMap, BTreeSet};

use super::template::Template;
use crate::failure::{Failure, Outcome};
use crate::keys::Keys;
use crate::layout::Layout;
use crate::token::Issuer;

/// The stage of a local cloud.
pub(crate) const STAGE: &str = "local";
/// LocalStack's bucket whose keys are folders: nothing is zipped or uploaded.
pub(crate) const CODE_BUCKET: &str = "hot-reload";
const ISSUER: &str = "https://issuer.parkade.local";
const AUDIENCE: &str = "parkade";
/// What follows from how a local cloud is deployed, and is no matter of choice.
const DECIDED: [&str; 6] =
    ["Stage", "CodeBucket", "CodePrefix", "CodeSuffix", "Architecture", "PaymentProviderUrl"];

/// What every stack is given of what it declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    values: BTreeMap<String, String>,
}

impl Settings {
    /// The values for a local cloud.
    pub(crate) fn local(layout: &Layout, keys: &Keys, asked: &BTreeMap<String, String>) -> Self {
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
        values.extend(asked.clone());
        Self { values }
    }

    /// Adds a value that only shows while deploying.
    pub(crate) fn insert(&mut self, name: &str, value: String) {
        self.values.insert(name.to_owned(), value);
    }

    /// What this template is given.
    pub(crate) fn for_template(&self, template: &Template) -> BTreeMap<String, String> {
        let declared = template.parameters();
        self.values
            .iter()
            .filter(|(name, _)| declared.contains(*name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Who issues this cloud's tokens.
    pub(crate) fn issuer(&self) -> Issuer {
        let value = |name: &str| self.values.get(name).cloned().unwrap_or_default();
        Issuer { name: value("JwtIssuer"), audience: value("JwtAudience") }
    }
}

/// Adds what `--set` asks for to what was asked for before; an empty value takes the template's default again.
pub(crate) fn merge(kept: &mut BTreeMap<String, String>, asked: &[(String, String)]) {
    for (name, value) in asked {
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
) -> Outcome {
    let mut declared: BTreeSet<_> = templates.iter().flat_map(Template::parameters).collect();
    for name in DECIDED {
        declared.remove(name);
    }
    for name in names {
        if DECIDED.contains(&name.as_str()) {
            return Err(Failure::new(format!("{name} is not yours to set on the local cloud")));
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
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("write it as Name=value, such as BillDueSeconds=20".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{merge, parse};

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
