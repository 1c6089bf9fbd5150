//! Deploys templates and binaries to the local cloud, only where they differ from what is deployed.

mod outputs;
pub(crate) mod settings;
mod stack;
mod stamp;
pub(crate) mod template;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::aws::Aws;
use crate::build::Built;
use crate::clock;
use crate::cloud::Cloud;
use crate::failure::{Failure, Result};
use crate::files;
use crate::keys::Keys;
use crate::layout::Layout;
use crate::ui::{Step, Ui};

pub(crate) use outputs::Outputs;
use settings::{CODE_BUCKET, STAGE, Settings};
use stack::Change;
use stamp::Stamp;
use template::{Target, Template};

/// The stacks, each wave after those that it depends on.
pub(crate) const WAVES: [&[&str]; 4] =
    [&["bus", "payment-provider"], &["parking", "billing"], &["booking"], &["edge"]];
/// New code runs within 0.3 s; a machine under load takes longer.
const CODE_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// The templates of all stacks.
pub(crate) fn templates(layout: &Layout) -> Result<Vec<Template>> {
    let infra = layout.root.join("infra");
    WAVES.concat().into_iter().map(|name| Template::read(&infra, name, Target::Local)).collect()
}

/// The name that a stack has in its account.
pub(crate) fn stack_name(name: &str) -> String {
    format!("parkade-{STAGE}-{name}")
}

/// The name that a function has in its account.
pub(crate) fn function_name(binary: &str) -> String {
    format!("parkade-{STAGE}-{binary}")
}

/// Deploys what differs, and writes the outputs.
pub(crate) async fn deploy(
    layout: &Layout,
    ui: Ui,
    cloud: &Cloud,
    keys: &Keys,
    built: &Built,
) -> Result<Outputs> {
    let templates = templates(layout)?;
    settings::check(cloud.record.settings.keys(), &templates)?;
    require_binaries(&templates, built)?;
    let settings = Settings::local(layout, keys, &cloud.record.settings);
    let stamp = Stamp::read(layout, &cloud.record.process)?;
    let step = ui.step("Deploy");
    let mut deployment =
        Deployment { layout, aws: &cloud.aws, built, settings, stamp, step, replaces: false };
    let changes = deployment.run(&templates).await?;
    let Deployment { settings, step, .. } = deployment;
    step.done(summary(&changes));
    if changes.iter().any(|(_, change)| *change == Change::Replaced) {
        ui.say(ui.paint.note(
            "  a stack that cannot be updated in place was replaced: the data in its tables is lost",
        ));
    }
    let outputs = Outputs::read(layout, cloud, keys, &settings).await?;
    outputs.write(layout, &cloud.aws).await?;
    Ok(outputs)
}

/// Fails if a template deploys a binary that no package builds.
fn require_binaries(templates: &[Template], built: &Built) -> Result {
    for template in templates {
        for binary in template.binaries() {
            if !built.hashes.contains_key(&binary) {
                return Err(Failure::new(format!("infra/{}.yaml deploys {binary}", template.name))
                    .because("no package in functions/ has a binary of this name"));
            }
        }
    }
    Ok(())
}

fn summary(changes: &[(String, Change)]) -> String {
    let named = |which: Change, words: &str| {
        let names: Vec<_> =
            changes.iter().filter(|(_, it)| *it == which).map(|(name, _)| name.as_str()).collect();
        (!names.is_empty()).then(|| format!("{words} {}", names.join(", ")))
    };
    let parts: Vec<_> = [
        named(Change::Created, "created"),
        named(Change::Updated, "updated"),
        named(Change::Replaced, "replaced"),
        named(Change::Code, "new code for"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() { "nothing changed".to_owned() } else { parts.join("; ") }
}

struct Deployment<'a> {
    layout: &'a Layout,
    aws: &'a Aws,
    built: &'a Built,
    settings: Settings,
    stamp: Stamp,
    step: Step,
    /// Whether stacks are replaced even if they could be updated.
    replaces: bool,
}

impl Deployment<'_> {
    async fn run(&mut self, templates: &[Template]) -> Result<Vec<(String, Change)>> {
        let mut changes = Vec::new();
        for wave in WAVES {
            let wave: Vec<_> =
                templates.iter().filter(|it| wave.contains(&it.name.as_str())).collect();
            changes.extend(self.wave(&wave).await?);
            // The rules of other stacks are deleted with the bus, so those stacks are replaced too.
            self.replaces =
                changes.iter().any(|(name, it)| name == "bus" && *it == Change::Replaced);
            if wave.iter().any(|it| it.name == "payment-provider") {
                let url = stack::url(self.aws, "payment-provider").await?;
                self.settings.provide(settings::PROVIDER_URL, url);
            }
        }
        changes.extend(self.code().await?);
        Ok(changes)
    }

    /// Creates, updates or replaces the stacks of one wave at the same time.
    async fn wave(&mut self, wave: &[&Template]) -> Result<Vec<(String, Change)>> {
        let mut pending = Vec::new();
        for template in wave {
            let parameters = self.settings.for_template(template);
            let text = template.text();
            let fingerprint = fingerprint(&text, &parameters);
            if self.replaces || self.stamp.stacks.get(&template.name) != Some(&fingerprint) {
                // Until the deployment has succeeded, its state is unknown.
                self.stamp.forget(template);
                pending.push((*template, text, parameters, fingerprint));
            }
        }
        if pending.is_empty() {
            return Ok(Vec::new());
        }
        self.stamp.write(self.layout)?;
        let names: Vec<_> = pending.iter().map(|(it, ..)| it.name.as_str()).collect();
        self.step.at(names.join(" and "));
        let mut works = tokio::task::JoinSet::new();
        for (template, text, parameters, fingerprint) in pending {
            let (aws, template, replaces) = (self.aws.clone(), template.clone(), self.replaces);
            works.spawn(async move {
                let name = &template.name;
                let change = stack::apply(&aws, name, &text, &parameters, replaces).await;
                (template, fingerprint, change)
            });
        }
        let mut changes = Vec::new();
        while let Some(work) = works.join_next().await {
            let (template, fingerprint, change) = work.map_err(|error| {
                Failure::new("a part of the deployment was aborted").because(error)
            })?;
            let change = change?;
            let is_fresh = matches!(change, Change::Created | Change::Replaced);
            self.stamp.remember(&template, fingerprint, is_fresh.then_some(&self.built.hashes));
            self.stamp.write(self.layout)?;
            changes.push((template.name, change));
        }
        changes.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(changes)
    }

    /// Gives functions whose binary has changed their new code.
    async fn code(&mut self) -> Result<Vec<(String, Change)>> {
        let mut works = tokio::task::JoinSet::new();
        for (binary, hash) in &self.built.hashes {
            let deployed = self.stamp.functions.get(binary);
            if deployed.is_some_and(|it| it != hash) {
                let (aws, binary, hash) = (self.aws.clone(), binary.clone(), hash.clone());
                let key = self.layout.lambda().join(&binary).to_string_lossy().into_owned();
                works.spawn(async move { (replace_code(&aws, &binary, &key).await, binary, hash) });
            }
        }
        if !works.is_empty() {
            self.step.at(format!("new code for {} functions", works.len()));
        }
        let mut changes = Vec::new();
        while let Some(work) = works.join_next().await {
            let (done, binary, hash) = work.map_err(|error| {
                Failure::new("a part of the deployment was aborted").because(error)
            })?;
            done?;
            self.stamp.functions.insert(binary.clone(), hash);
            self.stamp.write(self.layout)?;
            changes.push((binary, Change::Code));
        }
        changes.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(changes)
    }
}

async fn replace_code(aws: &Aws, binary: &str, key: &str) -> Result {
    let name = function_name(binary);
    aws.update_function_code(&name, CODE_BUCKET, key).await?;
    let started = clock::start();
    while started.elapsed() < CODE_LIMIT {
        let function = aws.function(&name).await?;
        match function.last_update_status.as_str() {
            "InProgress" => tokio::time::sleep(POLL).await,
            "Failed" => return Err(Failure::new(format!("the update of {binary} failed"))),
            _ => return Ok(()),
        }
    }
    Err(Failure::new(format!(
        "{binary} still runs its old code after {}",
        clock::human(CODE_LIMIT)
    )))
}

/// Two stacks with the same fingerprint are the same stack.
fn fingerprint(text: &str, parameters: &BTreeMap<String, String>) -> String {
    files::hash(format!("{text}\n{parameters:?}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{Change, summary};

    #[test]
    fn the_changes_are_summarised_in_one_line() {
        assert_eq!(summary(&[]), "nothing changed");
        let changes = [
            ("bus".to_owned(), Change::Created),
            ("edge".to_owned(), Change::Created),
            ("parking-react".to_owned(), Change::Code),
        ];
        assert_eq!(summary(&changes), "created bus, edge; new code for parking-react");
    }
}
