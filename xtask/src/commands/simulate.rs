//! `simulate`: runs the simulation, and checks that it finds planted faults.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cli::SimulateArgs;
use crate::command::Program;
use crate::failure::{Context as _, Failure, Result};
use crate::files;
use crate::layout::Layout;
use crate::ui::Ui;

/// The workspace's manifest.
const MANIFEST: &str = "Cargo.toml";
/// The versions of all packages.
const LOCK: &str = "Cargo.lock";
/// The list of planted faults.
const PLANTED: &str = "tests/simulation/planted-faults.yaml";
/// A fault that this many runs do not show counts as not found.
const MAX_RUNS: &str = "2000";
/// Runs without a planted fault, so that a copy that is broken by itself does not seem to find every fault.
const RUNS_WITHOUT_FAULT: &str = "300";
/// The runs take seconds; a fault that keeps one from ending is reported after this time.
const TIMEOUT: Duration = Duration::from_secs(300);
/// The version of our crates in the copy. Cargo names its artefacts by package and version, not by folder: with the same
/// version, the copy's would replace the repository's, and the next build would compile all of them again.
const COPY_VERSION: &str = "0.0.0-planted";
/// The first seed. Always the same, so that the result does not depend on chance.
const FIRST_SEED: &str = "1";

/// A planted fault.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    name: String,
    /// What is wrong, in a sentence.
    what: String,
    file: PathBuf,
    /// A text that occurs once in the file.
    find: String,
    /// Its replacement, in which `PLANTED` becomes a condition that is true if this fault is enabled.
    replace: String,
}

pub(crate) async fn run(layout: &Layout, ui: Ui, arguments: &SimulateArgs) -> Result<ExitCode> {
    if arguments.planted_faults {
        let found = planted_faults(layout, ui).await?;
        if arguments.json {
            ui.print_json(&found)?;
        }
        require_all_found(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let profile = if arguments.release { "release" } else { "local" };
    let program = build(&layout.root, layout, ui, profile).await?;
    let mut simulate = Program::new(program, &layout.root);
    for (name, value) in [
        ("--seeds", arguments.seeds),
        ("--from", arguments.from),
        ("--seed", arguments.seed),
        ("--jobs", arguments.jobs),
    ] {
        if let Some(value) = value {
            simulate = simulate.arg(name).arg(value.to_string());
        }
    }
    for (flag, is_given) in [("--compare", arguments.compare), ("--json", arguments.json)] {
        if is_given {
            simulate = simulate.arg(flag);
        }
    }
    simulate
        .run()
        .await
        .map_err(|failure| failure.advise("--seed prints the event log of one run"))?;
    Ok(ExitCode::SUCCESS)
}

/// Builds the program from the tree at `root`; returns its path.
async fn build(root: &Path, layout: &Layout, ui: Ui, profile: &str) -> Result<PathBuf> {
    // No package is named: so that cargo unites the features of the same packages each time, and builds nothing twice.
    let cargo = Program::cargo(root).quiet(ui.is_quiet()).args([
        "build",
        "--profile",
        profile,
        "--workspace",
        "--locked",
    ]);
    let target = layout.target();
    let cargo = cargo.args(["--bin", "simulate", "--target-dir"]).arg(&target);
    // With `--json`, the results have stdout to themselves.
    cargo.stdout_to_stderr().run().await?;
    Ok(target.join(profile).join("simulate"))
}

/// Whether a planted fault was found, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct FaultFound {
    name: String,
    what: String,
    found: bool,
    /// What the simulation reported.
    report: Option<String>,
}

/// Fails if a fault was not found.
pub(crate) fn require_all_found(faults: &[FaultFound]) -> Result {
    let missed: Vec<_> = faults.iter().filter(|it| !it.found).map(|it| it.name.as_str()).collect();
    if missed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("{MAX_RUNS} runs do not show: {}", missed.join(", ")))
        .advise("an invariant is missing, or no run reaches the fault"))
}

/// Plants every fault in a copy of the repository, and looks for each.
pub(crate) async fn planted_faults(layout: &Layout, ui: Ui) -> Result<Vec<FaultFound>> {
    let faults: Vec<Fault> =
        serde_yaml_ng::from_str(&files::read_text(&layout.root.join(PLANTED))?)
            .context(|| format!("cannot parse {PLANTED}"))?;
    let folder = layout.tools.join("planted");
    let tree = folder.join("tree");
    copy(layout, &tree, &faults).await?;
    let step = ui.loud_step(format!("Build the simulation with {} faults planted", faults.len()));
    let built = build(&tree, layout, ui, "local").await?;
    // The next build of the repository itself takes its place.
    let program = folder.join("simulate");
    let content = std::fs::read(&built).context(|| format!("cannot read {}", built.display()))?;
    files::replace(&program, &content, files::PROGRAM)?;
    step.done("");
    let step = ui.step(format!("{RUNS_WITHOUT_FAULT} runs with none of them"));
    simulate(&program, layout, None, RUNS_WITHOUT_FAULT).await?;
    step.done("all invariants hold");
    let mut all = Vec::new();
    for Fault { name, what, .. } in &faults {
        let step = ui.step(format!("{name}: {what}"));
        let report = match simulate(&program, layout, Some(name), MAX_RUNS).await {
            Ok(_) => {
                step.done("not found");
                None
            }
            Err(failure) => match violation(&failure.to_string()) {
                Some(found) => {
                    step.done(&found);
                    Some(found)
                }
                // It stopped for another reason than a violation.
                None => return Err(failure),
            },
        };
        let found = report.is_some();
        all.push(FaultFound { name: name.clone(), what: what.clone(), found, report });
    }
    Ok(all)
}

async fn simulate(
    program: &Path,
    layout: &Layout,
    planted: Option<&str>,
    runs: &str,
) -> Result<String> {
    let simulate = Program::new(program, &layout.root)
        .args(["--from", FIRST_SEED, "--seeds", runs, "--fail-fast"])
        .env("PLANTED", planted.unwrap_or_default());
    tokio::time::timeout(TIMEOUT, simulate.read())
        .await
        .context(|| {
            format!("{runs} runs do not end with {}", planted.unwrap_or("no fault planted"))
        })
        .flatten()
}

/// The first violation in the output of the simulation, if there is one.
fn violation(output: &str) -> Option<String> {
    let mut lines =
        output.lines().map(|line| line.trim().trim_start_matches("because ").trim_start());
    let violation = lines.find(|line| line.starts_with("seed ") && line.contains(": "))?;
    Some(violation.chars().take(100).collect())
}

/// Brings the copy up to date: what is as it was is not compiled again.
async fn copy(layout: &Layout, tree: &Path, faults: &[Fault]) -> Result {
    let listed = Program::new("git", &layout.root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .read()
        .await?;
    let mut by_file: BTreeMap<&Path, Vec<&Fault>> = BTreeMap::new();
    for fault in faults {
        by_file.entry(&fault.file).or_default().push(fault);
    }
    let mut kept = BTreeSet::new();
    for name in listed.split('\0').filter(|it| !it.is_empty()) {
        let Some(mut content) = files::read_optional(&layout.root.join(name))? else { continue };
        if let Some(faults) = by_file.remove(Path::new(name)) {
            let text =
                String::from_utf8(content).context(|| format!("{name} is not a text file"))?;
            content = plant(&text, &faults)?.into_bytes();
        }
        if let MANIFEST | LOCK = name {
            let text =
                String::from_utf8(content).context(|| format!("{name} is not a text file"))?;
            content = with_version_of_the_copy(name, &text)?.into_bytes();
        }
        let path = tree.join(name);
        files::replace_if_changed(&path, &content, files::PUBLIC)?;
        kept.insert(path);
    }
    prune(tree, &kept)?;
    match by_file.first_key_value() {
        Some((file, _)) => Err(Failure::new(format!("there is no {}", file.display()))),
        None => Ok(()),
    }
}

/// The workspace's manifest or lock file with another version of our crates.
fn with_version_of_the_copy(name: &str, text: &str) -> Result<String> {
    // A section ends where the next one begins. In the lock file, only crates of other people have a source.
    let is_ours = |section: &str| match name {
        MANIFEST => section.starts_with("workspace.package]\n"),
        _ => section.starts_with("[package]]\n") && !section.contains("\nsource = "),
    };
    let mut changed = 0;
    let sections = text.split("\n[").map(|section| {
        let version = section.lines().find(|it| it.starts_with("version = "));
        match version.filter(|_| is_ours(section)) {
            Some(version) => {
                changed += 1;
                section.replacen(version, &format!("version = \"{COPY_VERSION}\""), 1)
            }
            None => section.to_owned(),
        }
    });
    let text = sections.collect::<Vec<_>>().join("\n[");
    if changed == 0 {
        return Err(Failure::new(format!("{name} has no version of our crates")));
    }
    Ok(text)
}

/// Removes what an earlier copy has left and the repository has no more.
fn prune(folder: &Path, kept: &BTreeSet<PathBuf>) -> Result {
    let unreadable = || format!("cannot read {}", folder.display());
    for entry in std::fs::read_dir(folder).context(unreadable)? {
        let path = entry.context(unreadable)?.path();
        if path.is_dir() {
            prune(&path, kept)?;
        } else if !kept.contains(&path) {
            files::remove(&path)?;
        }
    }
    Ok(())
}

fn plant(text: &str, faults: &[&Fault]) -> Result<String> {
    let mut planted = text.to_owned();
    for Fault { name, file, find, replace, .. } in faults {
        let times = text.matches(find.as_str()).count();
        if times != 1 {
            let file = file.display();
            return Err(Failure::new(format!("{name}: its text occurs {times} times in {file}"))
                .advise(format!("update {PLANTED}")));
        }
        let condition = format!("std::env::var_os(\"PLANTED\").is_some_and(|it| it == \"{name}\")");
        planted = planted.replacen(find.as_str(), &replace.replace("PLANTED", &condition), 1);
    }
    Ok(planted)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{
        COPY_VERSION, Fault, LOCK, MANIFEST, PLANTED, plant, prune, violation,
        with_version_of_the_copy,
    };
    use crate::failure::Failure;
    use crate::files;
    use crate::layout::Layout;

    #[test]
    fn the_text_of_every_planted_fault_occurs_once() {
        let layout = Layout::find();
        let text = files::read_text(&layout.root.join(PLANTED)).expect("it is there");
        let faults: Vec<Fault> = serde_yaml_ng::from_str(&text).expect("it can be parsed");
        assert!(faults.len() >= 12);
        for fault in &faults {
            let text = files::read_text(&layout.root.join(&fault.file)).expect("it is there");
            let planted = plant(&text, &[fault]).expect("its text is there");
            assert!(planted.contains(&fault.name), "{} has no condition", fault.name);
        }
    }

    /// Otherwise the artefacts of the copy replace those of the repository, which cargo then compiles again.
    #[test]
    fn our_crates_have_another_version_in_the_copy_and_no_other_crate_has() {
        let layout = Layout::find();
        let read = |name: &str| files::read_text(&layout.root.join(name)).expect("it is there");
        let manifest = with_version_of_the_copy(MANIFEST, &read(MANIFEST)).expect("changed");
        let changed = format!("version = \"{COPY_VERSION}\"");
        let changes = |before: &str, after: &str| {
            let lines = before.lines().zip(after.lines()).filter(|(before, after)| before != after);
            let lines: Vec<_> = lines.map(|(_, after)| after.to_owned()).collect();
            assert!(lines.iter().all(|it| *it == changed), "{lines:?}");
            lines.len()
        };
        assert_eq!(changes(&read(MANIFEST), &manifest), 1);
        let lock = with_version_of_the_copy(LOCK, &read(LOCK)).expect("changed");
        let packages = read(LOCK).matches("[[package]]").count();
        let foreign = read(LOCK).matches("\nsource = ").count();
        assert_eq!(changes(&read(LOCK), &lock), packages - foreign);
        assert!(packages > foreign);
        assert!(with_version_of_the_copy(MANIFEST, "[package]\nversion = \"1.0.0\"\n").is_err());
    }

    #[test]
    fn a_file_removed_from_the_repository_is_removed_from_the_copy() {
        let tree = std::env::temp_dir().join(format!("parkade-{}-prune", std::process::id()));
        let (kept, left) = (tree.join("a/kept"), tree.join("a/b/left"));
        for path in [&kept, &left] {
            files::replace(path, b"x", files::PUBLIC).expect("written");
        }
        prune(&tree, &BTreeSet::from([kept.clone()])).expect("pruned");
        assert!(kept.exists() && !left.exists());
        files::remove(&tree).expect("removed");
    }

    #[test]
    fn a_crashed_simulation_has_found_no_violation() {
        let failure =
            |output: &str| Failure::new("`simulate` did not succeed").because(output).to_string();
        let output = "Invariants violated in 1 runs, such as\n  seed 8: slot 1 is booked twice\nEvent log: x";
        assert_eq!(violation(&failure(output)).as_deref(), Some("seed 8: slot 1 is booked twice"));
        let first = "  seed 8: slot 1 is booked twice\nEvent log: cargo xtask simulate --seed 8";
        assert!(violation(&failure(first)).is_some());
        assert_eq!(violation(&failure("thread 'main' panicked: no templates")), None);
        assert_eq!(violation(&failure("")), None);
    }

    #[test]
    fn a_fault_whose_text_does_not_occur_once_is_rejected() {
        let fault = Fault {
            name: "one".to_owned(),
            what: String::new(),
            file: "a".into(),
            find: "x".to_owned(),
            replace: "PLANTED || x".to_owned(),
        };
        assert!(plant("x x", &[&fault]).is_err());
        assert!(plant("y", &[&fault]).is_err());
        let planted = plant("x", &[&fault]).expect("once");
        assert_eq!(planted, r#"std::env::var_os("PLANTED").is_some_and(|it| it == "one") || x"#);
    }
}
