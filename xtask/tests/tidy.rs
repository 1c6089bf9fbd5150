//! Rules of the tree that the compiler cannot see; each test is one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Roles of functions: a closed list. A crate that responds to clients or replaces another company
/// has a single binary, which is named after its package.
const ROLES: [&str; 10] = [
    "command",
    "query",
    "project",
    "publish",
    "react",
    "rebuild",
    "resume",
    "authorize",
    "breaker",
    "docs",
];
/// Wiring, and nothing else.
const BIN_LINES_MAX: usize = 30;
/// Long enough to say what a file is for.
const COMMENT_LENGTH_MIN: usize = 16;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| unreachable!("{}: {error}", path.display()))
}

/// A path as a reader of the repository knows it.
fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// What lies in a folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<_> = entries.map(|it| it.expect("entry is readable").path()).collect();
    found.sort();
    found
}

/// Files below a folder with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in entries(folder) {
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|it| it == ending) {
            found.push(path);
        }
    }
    found
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|it| it.to_str()).expect("names here are UTF-8")
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|it| it.to_str()).expect("names here are UTF-8")
}

/// The source without its comments and without its unit tests, line by line.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .filter(|line| !line.trim_start().starts_with("//"))
}

fn has_part(path: &Path, part: &str) -> bool {
    path.components().any(|it| it.as_os_str() == part)
}

/// Every binary of every service.
fn binaries() -> Vec<PathBuf> {
    let all = files(&root().join("functions"), "rs");
    all.into_iter().filter(|it| it.parent().is_some_and(|it| it.ends_with("src/bin"))).collect()
}

/// `functions/<service>` of a file within.
fn service(path: &Path) -> PathBuf {
    let below = path.strip_prefix(root().join("functions")).expect("lies in functions/");
    root().join("functions").join(below.components().next().expect("a service"))
}

/// The role that a binary is named after; `None` if it is its whole package.
fn role(binary: &Path) -> Option<String> {
    let package = service(binary);
    if stem(binary) == name(&package) {
        return None;
    }
    let rest = stem(binary).strip_prefix(name(&package)).and_then(|it| it.strip_prefix('-'));
    Some(
        rest.unwrap_or_else(|| unreachable!("{} is not named after its service", shown(binary)))
            .to_owned(),
    )
}

/// `cargo metadata` of a workspace, with all dependencies or with its own packages alone.
fn metadata(workspace: &str, extra: &[&str]) -> Value {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(extra)
        .current_dir(root().join(workspace))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What cargo builds of others' packages, each with its features.
fn built(extra: &[&str]) -> BTreeSet<String> {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--prefix", "none", "--format", "{p} {f}"])
        .args(extra)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("cargo speaks UTF-8");
    // Our own come with the folder that they lie in, and what was listed before with a star.
    let lines = printed.lines().filter(|it| !it.contains("(/"));
    lines.map(|it| it.trim_end_matches(" (*)").to_owned()).collect()
}

/// The system that this is compiled on, as rustc spells it.
fn host() -> String {
    let rustc = Command::new("rustc").arg("-vV").output().expect("rustc runs").stdout;
    let printed = String::from_utf8(rustc).expect("rustc speaks UTF-8");
    let host = printed.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc names its host").to_owned()
}

#[test]
fn every_file_says_what_it_is_for() {
    for folder in ["benches", "crates", "contracts", "functions", "tests", "xtask"] {
        for path in files(&root().join(folder), "rs") {
            if has_part(&path, "target") {
                continue;
            }
            let text = read(&path);
            let first = text.lines().next().unwrap_or_default();
            let has_purpose = first.starts_with("#![doc = include_str!")
                || (first.starts_with("//! ") && first.len() >= COMMENT_LENGTH_MIN);
            assert!(has_purpose, "{} does not begin with what it is for", shown(&path));
        }
    }
    for path in files(&root().join("localstack"), "py") {
        let text = read(&path);
        assert!(
            text.trim().is_empty() || text.starts_with("\"\"\""),
            "{} does not either",
            shown(&path)
        );
    }
}

#[test]
fn the_domain_knows_no_aws_no_runtime_no_clock_and_nothing_around_it() {
    const FORBIDDEN: [&str; 9] = [
        "aws_",
        "lambda_",
        "tokio",
        "async ",
        "SystemTime",
        "Timestamp::now",
        "crate::adapters",
        "crate::handlers",
        "function::",
    ];
    let mut domains = 0;
    for path in files(&root().join("functions"), "rs") {
        if has_part(&path, "domain") {
            domains += 1;
            for line in code(&read(&path)) {
                for word in FORBIDDEN {
                    assert!(
                        !line.contains(word),
                        "{}: `{word}` in `{}`",
                        shown(&path),
                        line.trim()
                    );
                }
            }
        }
    }
    assert!(domains > 0, "there is a domain to look at");
}

#[test]
fn a_binary_is_wiring_of_at_most_thirty_lines() {
    for path in binaries() {
        let lines = read(&path).lines().count();
        assert!(lines <= BIN_LINES_MAX, "{} has {lines} lines", shown(&path));
    }
}

#[test]
fn every_binary_writes_its_metrics_before_each_response() {
    for path in binaries() {
        let text = read(&path);
        let is_written = text.contains("function::run(") || text.contains("function::flushing(");
        assert!(is_written, "{} loses its metrics", shown(&path));
    }
}

#[test]
fn every_binary_has_a_handler_of_its_role() {
    for path in binaries() {
        let handlers = service(&path).join("src/handlers");
        match role(&path) {
            Some(role) => {
                assert!(ROLES.contains(&role.as_str()), "{} has no role of the list", shown(&path));
                let handler = handlers.join(format!("{role}.rs"));
                assert!(handler.exists(), "{} has no {}", shown(&path), shown(&handler));
            }
            None => {
                let binaries = entries(path.parent().expect("src/bin")).len();
                assert_eq!(binaries, 1, "{} is not the only binary of its package", shown(&path));
                assert!(handlers.join("mod.rs").exists(), "{} has no handlers", shown(&path));
            }
        }
    }
}

#[test]
fn every_role_of_a_service_has_its_binary() {
    for package in entries(&root().join("functions")) {
        for role in ROLES {
            if package.join("src/handlers").join(format!("{role}.rs")).exists() {
                let binary = package.join("src/bin").join(format!("{}-{role}.rs", name(&package)));
                assert!(binary.exists(), "{} does not exist", shown(&binary));
            }
        }
    }
}

#[test]
fn each_binary_has_an_example_event() {
    let mut expected = BTreeSet::new();
    for path in binaries() {
        let event = service(&path).join("events").join(format!("{}.json", stem(&path)));
        assert!(event.exists(), "{} is missing", shown(&event));
        let parsed: Result<Value, _> = serde_json::from_str(&read(&event));
        assert!(parsed.is_ok_and(|it| it.is_object()), "{} is no JSON object", shown(&event));
        expected.insert(event);
    }
    for package in entries(&root().join("functions")) {
        for event in entries(&package.join("events")) {
            assert!(expected.contains(&event), "{} is for no binary", shown(&event));
        }
    }
}

#[test]
fn only_adapters_binaries_and_files_named_after_a_technology_name_an_aws_sdk() {
    const NAMES: [&str; 3] = ["aws_sdk_", "aws_config::", "aws_smithy"];
    const TECHNOLOGIES: [&str; 6] = ["aws", "dynamodb", "eventbridge", "lambda", "sfn", "sqs"];
    for folder in ["crates", "contracts", "functions"] {
        for path in files(&root().join(folder), "rs") {
            let may = has_part(&path, "adapters")
                || has_part(&path, "bin")
                || has_part(&path, "tests")
                || TECHNOLOGIES.contains(&stem(&path));
            for line in code(&read(&path)).filter(|_| !may) {
                for word in NAMES {
                    assert!(!line.contains(word), "{}: `{}`", shown(&path), line.trim());
                }
            }
        }
    }
}

#[test]
fn no_pattern_crate_knows_parking() {
    // Whole words of the platform's language; a crate may still park a record that it can't apply.
    const WORDS: [&str; 6] =
        ["parking", "slots", "booking", "bookings", "billing", "parkade_local"];
    for ending in ["rs", "md", "toml"] {
        for path in files(&root().join("crates"), ending) {
            // Tests may take their examples from where they like.
            let text = read(&path);
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for line in text.lines().filter(|_| !has_part(&path, "tests")) {
                let line = line.to_lowercase();
                for word in line.split(|it: char| !it.is_alphanumeric() && it != '_') {
                    assert!(
                        !WORDS.contains(&word),
                        "{} speaks of `{word}`: {}",
                        shown(&path),
                        line.trim()
                    );
                }
            }
        }
    }
}

#[test]
fn dependencies_point_one_way() {
    let metadata = metadata(".", &["--no-deps"]);
    let packages = metadata["packages"].as_array().expect("packages");
    let folder = |package: &Value| {
        let manifest = package["manifest_path"].as_str().expect("a path");
        let below = Path::new(manifest).strip_prefix(root()).expect("in the workspace");
        below.components().next().expect("a folder").as_os_str().to_string_lossy().into_owned()
    };
    let layers: BTreeMap<_, _> =
        packages.iter().map(|it| (it["name"].as_str().expect("a name"), folder(it))).collect();
    let may = |from: &str, to: &str| match from {
        "functions" => matches!(to, "crates" | "contracts"),
        "contracts" | "crates" => to == "crates",
        // They look at the whole.
        "tests" | "xtask" => true,
        _ => false,
    };
    for package in packages {
        let from = folder(package);
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let name = dependency["name"].as_str().expect("a name");
            // A package may name itself, to turn on its own features for its tests.
            let is_own = package["name"] == dependency["name"];
            // Tests may be helped by what stands in tests/.
            let is_for_tests = dependency["kind"] == "dev";
            if let Some(to) =
                layers.get(name).filter(|to| !(is_own || is_for_tests && *to == "tests"))
            {
                assert!(
                    may(&from, to),
                    "{} ({from}) must not depend on {name} ({to})",
                    package["name"]
                );
            }
        }
    }
}

#[test]
fn what_functions_tests_and_commands_share_is_compiled_once() {
    let functions = built(&["--edges", "normal,build"]);
    let tests = built(&["--workspace", "--edges", "normal,build,dev"]);
    assert!(!functions.is_empty(), "there is something to share");
    let twice: Vec<_> = functions.difference(&tests).collect();
    assert!(twice.is_empty(), "with other features in tests than in functions: {twice:#?}");
}

#[test]
fn versions_stand_in_the_root_manifest_alone() {
    for manifest in files(root(), "toml").into_iter().filter(|it| it.ends_with("Cargo.toml")) {
        if manifest.parent() == Some(root())
            || has_part(&manifest, "target")
            || has_part(&manifest, ".local")
        {
            continue;
        }
        let text = read(&manifest);
        // A workspace of its own: cargo allows none among the members of this one.
        if text.contains("[workspace]\n") {
            continue;
        }
        let mut is_dependencies = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                is_dependencies = line.contains("dependencies");
            } else if is_dependencies && line.contains(" = ") && !line.starts_with('#') {
                let is_shared = line.contains("workspace = true") || line.contains("path = \".\"");
                assert!(is_shared, "{}: `{line}`", shown(&manifest));
            }
        }
        assert!(text.contains("[lints]\nworkspace = true"), "{} takes no lints", shown(&manifest));
    }
}

#[test]
fn licences_are_those_that_deny_toml_allows() {
    let deny = read(&root().join("deny.toml"));
    let list =
        deny.split_once("allow = [").and_then(|(_, rest)| rest.split_once(']')).expect("a list").0;
    let allowed: Vec<_> = list.split('"').skip(1).step_by(2).collect();
    // What other systems need is not downloaded for it; `cargo deny` looks at that.
    let on_this = ["--filter-platform", &host()];
    for workspace in [".", "tests/browser"] {
        let metadata = metadata(workspace, &on_this);
        for package in metadata["packages"].as_array().expect("packages") {
            let name = &package["name"];
            let licence = package["license"]
                .as_str()
                .unwrap_or_else(|| unreachable!("{name} has no licence"));
            // Old manifests write a slash for OR.
            let parsed = spdx::Expression::parse_mode(licence, spdx::ParseMode::LAX);
            let expression =
                parsed.unwrap_or_else(|error| unreachable!("{name}: {licence}: {error}"));
            let is_allowed = expression
                .evaluate(|it| it.license.id().is_some_and(|id| allowed.contains(&id.name)));
            assert!(is_allowed, "{name} is under {licence}, which deny.toml does not allow");
        }
    }
}

#[test]
fn samples_of_what_was_stored_are_only_ever_added() {
    for arguments in [
        ["log", "--format=", "--name-only", "--diff-filter=MDRT"].as_slice(),
        &["diff", "HEAD", "--name-only", "--diff-filter=MDRT"],
    ] {
        let git = Command::new("git")
            .args(arguments)
            .args(["--", "contracts/samples/*.json"])
            .current_dir(root())
            .output();
        // An archive of the repository has no history to look at.
        let Ok(output) = git.map(|it| String::from_utf8_lossy(&it.stdout).into_owned()) else {
            return;
        };
        assert_eq!(output.trim(), "", "changed or removed: {arguments:?}");
    }
}

#[test]
fn each_planted_fault_has_its_one_place_in_the_code() {
    let list = read(&root().join("tests/simulation/planted-faults.yaml"));
    let faults: Vec<BTreeMap<String, String>> =
        serde_yaml_ng::from_str(&list).expect("a list of faults");
    assert!(!faults.is_empty(), "there are planted faults");
    for fault in faults {
        let places = read(&root().join(&fault["file"])).matches(&fault["find"]).count();
        assert_eq!(places, 1, "places of {} in {}", fault["name"], fault["file"]);
    }
}

#[test]
fn everything_listens_on_this_machine_alone() {
    for folder in ["crates", "functions", "localstack", "xtask/src"] {
        for ending in ["rs", "py"] {
            for path in files(&root().join(folder), ending) {
                for line in code(&read(&path)) {
                    let binds = line.contains("bind(")
                        && (line.contains("0.0.0.0") || line.contains("[::]"));
                    assert!(!binds, "{}: `{}`", shown(&path), line.trim());
                }
            }
        }
    }
}

/// What the modules of the commands import by `crate::…`, by the path of each; parents and their children aside.
fn imports_of_the_commands() -> BTreeMap<String, BTreeSet<String>> {
    let source = root().join("xtask/src");
    let name_of = |path: &Path| {
        let below = path.strip_prefix(&source).expect("lies in xtask/src").with_extension("");
        let name = below.to_string_lossy().replace('/', "::");
        name.trim_end_matches("::mod").to_owned()
    };
    let paths = files(&source, "rs");
    let modules: BTreeSet<_> = paths.iter().map(|it| name_of(it)).collect();
    let mut imports = BTreeMap::new();
    for path in &paths {
        let name = name_of(path);
        let text = code(&read(path)).collect::<Vec<_>>().join("\n");
        // `use crate::{a, b}` is `crate::a` and `crate::b`.
        let listed = text.split("use crate::{").skip(1).flat_map(|it| {
            it.split_once("};").map_or("", |it| it.0).split(',').map(|it| it.trim().to_owned())
        });
        let single = text.split("crate::").skip(1).map(|it| {
            let end = it.find(|it: char| !it.is_alphanumeric() && it != '_' && it != ':');
            it.get(..end.unwrap_or(it.len())).unwrap_or_default().to_owned()
        });
        let module = |mut path: String| loop {
            path = path.trim_end_matches(':').to_owned();
            if modules.contains(&path) {
                return Some(path);
            }
            path = path.rsplit_once("::")?.0.to_owned();
        };
        let is_related = |it: &String| it.starts_with(&name) || name.starts_with(it.as_str());
        let imported = listed.chain(single).filter_map(module).filter(|it| !is_related(it));
        imports.insert(name.clone(), imported.collect());
    }
    imports
}

#[test]
fn no_two_modules_of_the_commands_import_each_other_in_a_circle() {
    let mut left = imports_of_the_commands();
    assert!(left.len() > 40, "the modules are found");
    loop {
        let before = left.len();
        let modules: BTreeSet<_> = left.keys().cloned().collect();
        // A module that imports none of the others, or that none of the others imports, is in no circle.
        left.retain(|_, imported| !imported.is_disjoint(&modules));
        let imported: BTreeSet<_> = left.values().flatten().cloned().collect();
        left.retain(|module, _| imported.contains(module));
        if left.len() == before {
            break;
        }
    }
    assert!(left.is_empty(), "circles among: {left:#?}");
}
