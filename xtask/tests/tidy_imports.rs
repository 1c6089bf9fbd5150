//! Checks that no two modules of a package import each other in a circle.
//!
//! A module is a file. It imports another one if it names an item of it, in a `use` or in its code, by a path that begins
//! with `crate`, `self`, `super` or a child module. A name that a `mod.rs` or `lib.rs` re-exports counts as an import of
//! the module that defines it. A module may import items of its own ancestors, as Rust modules do; that makes no circle.
//! Unit tests are left out, because they may import everything, and so is `tests/`: the simulator's parts are one world.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A path as its segments, such as `crate`, `view`, `Row`.
type Segments = Vec<String>;

/// One source file.
struct Module {
    /// Its own path below the crate, such as `handlers`, `command`; none for `lib.rs`.
    path: Segments,
    /// The paths that its code names.
    mentions: Vec<Segments>,
    /// What it re-exports: the name, and the path that it stands for.
    exports: BTreeMap<String, Segments>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is in the workspace")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Every folder with a `src`, whose modules may import each other.
fn packages() -> Vec<PathBuf> {
    let mut packages = vec![root().join("contracts"), root().join("xtask")];
    for folder in ["crates", "functions"] {
        let entries = fs::read_dir(root().join(folder)).expect("the folder exists");
        packages.extend(entries.map(|it| it.expect("a folder can be listed").path()));
    }
    packages.retain(|it| it.join("src").is_dir());
    packages.sort();
    packages
}

/// The code without comments, text in quotes, and unit tests.
fn code(text: &str) -> String {
    let mut code = String::new();
    for line in text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")) {
        let mut is_quoted = false;
        let mut rest = line.chars().peekable();
        while let Some(letter) = rest.next() {
            match letter {
                '\\' if is_quoted => drop(rest.next()),
                '"' => is_quoted = !is_quoted,
                '/' if !is_quoted && rest.peek() == Some(&'/') => break,
                _ if is_quoted => {}
                _ => code.push(letter),
            }
        }
        code.push('\n');
    }
    code
}

/// The leaves of what stands after `use`, such as `crate::{a::B, c}`.
fn leaves(tree: &str, prefix: &[String], found: &mut Vec<Segments>) {
    let tree = tree.trim();
    if let Some((head, group)) = tree.split_once('{') {
        let mut prefix = prefix.to_vec();
        prefix
            .extend(head.split("::").map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned));
        let group = group.rsplit_once('}').map_or(group, |(group, _)| group);
        let (mut depth, mut start) = (0_usize, 0);
        for (place, letter) in group.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                ',' if depth == 0 => {
                    leaves(group.get(start..place).unwrap_or_default(), &prefix, found);
                    start = place + 1;
                }
                _ => {}
            }
        }
        leaves(group.get(start..).unwrap_or_default(), &prefix, found);
    } else if !tree.is_empty() {
        let plain = tree.split(" as ").next().unwrap_or_default();
        let mut path = prefix.to_vec();
        path.extend(plain.split("::").map(|it| it.trim().to_owned()));
        if path.last().is_some_and(|it| it == "self") {
            path.pop();
        }
        found.push(path);
    }
}

/// The name under which the end of a `use` tree is known.
fn alias(tree: &str, path: &[String]) -> String {
    let name = path.last().cloned().unwrap_or_default();
    let renamed = tree.split(&format!("{name} as ")).nth(1);
    renamed.map_or(name, |it| {
        it.split(|it: char| !it.is_alphanumeric() && it != '_')
            .next()
            .unwrap_or_default()
            .to_owned()
    })
}

/// Every path in code outside of `use`: two or more names joined by `::`.
fn paths(code: &str) -> Vec<Segments> {
    let mut found = Vec::new();
    for word in code.split(|it: char| !it.is_alphanumeric() && it != '_' && it != ':') {
        let path: Segments = word.split("::").map(str::to_owned).collect();
        if path.len() > 1 && path.iter().all(|it| !it.is_empty() && !it.contains(':')) {
            found.push(path);
        }
    }
    found
}

fn module(package: &Path, file: &Path) -> Option<Module> {
    let below = file.strip_prefix(package.join("src")).expect("a source of the package");
    let mut path: Segments =
        below.with_extension("").iter().map(|it| it.to_string_lossy().into_owned()).collect();
    // Binaries are crates of their own, and unit tests may import everything.
    if path.first().is_some_and(|it| it == "bin") || path.iter().any(|it| it == "tests") {
        return None;
    }
    if matches!(path.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        path.pop();
    }
    let code = code(&fs::read_to_string(file).expect("a source is text"));
    let (mut mentions, mut exports) = (Vec::new(), BTreeMap::new());
    let mut body = String::new();
    let mut remaining = code.as_str();
    while let Some(place) = find_use(remaining) {
        let (before, from) = remaining.split_at(place);
        let end = from.find(';').unwrap_or(from.len());
        let (statement, after) = from.split_at(end);
        let tree = statement.trim_start().trim_start_matches("use ");
        let mut found = Vec::new();
        leaves(tree, &[], &mut found);
        let visibility = before.trim_end().rsplit(char::is_whitespace).next().unwrap_or_default();
        if visibility.starts_with("pub") {
            exports.extend(found.iter().map(|path| (alias(tree, path), path.clone())));
        } else {
            mentions.extend(found);
        }
        body.push_str(before);
        remaining = after;
    }
    body.push_str(remaining);
    mentions.extend(paths(&body));
    Some(Module { path, mentions, exports })
}

/// Where the next `use` statement begins.
fn find_use(code: &str) -> Option<usize> {
    code.match_indices("use ").map(|(place, _)| place).find(|place| {
        let before = code.get(..*place).unwrap_or_default();
        before.chars().next_back().is_none_or(char::is_whitespace)
    })
}

/// The module that defines what a path names, as seen from a module; nothing for a path into another crate.
fn target(
    modules: &BTreeMap<Segments, Module>,
    from: &[String],
    path: &[String],
) -> Option<Segments> {
    let mut at = from.to_vec();
    let mut rest = path.iter().peekable();
    match path.first().map(String::as_str)? {
        "crate" => {
            at.clear();
            rest.next();
        }
        "self" => drop(rest.next()),
        "super" => {
            while rest.next_if(|it| *it == "super").is_some() {
                at.pop();
            }
        }
        first => {
            let mut child = at.clone();
            child.push(first.to_owned());
            if !modules.contains_key(&child) {
                return None;
            }
        }
    }
    while let Some(name) = rest.peek() {
        let mut child = at.clone();
        child.push((*name).clone());
        if !modules.contains_key(&child) {
            break;
        }
        at = child;
        rest.next();
    }
    let exported = rest.peek().and_then(|name| modules.get(&at)?.exports.get(*name));
    match exported {
        // One that leads into another crate is the module's own.
        Some(path) => target(modules, &at, path).or(Some(at)),
        None => Some(at),
    }
}

/// Groups of modules that import each other, directly or through others.
fn circles(edges: &BTreeMap<Segments, BTreeSet<Segments>>) -> BTreeSet<BTreeSet<Segments>> {
    let reachable = |from: &Segments| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(next) = open.pop() {
            for target in edges.get(&next).into_iter().flatten() {
                if seen.insert(target.clone()) {
                    open.push(target.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&Segments, BTreeSet<Segments>> =
        edges.keys().map(|it| (it, reachable(it))).collect();
    let circle_of = |module: &Segments| -> BTreeSet<Segments> {
        let there = reached.get(module).into_iter().flatten();
        let back = |it: &Segments| reached.get(it).is_some_and(|it| it.contains(module));
        there.filter(|it| back(it)).cloned().collect()
    };
    edges.keys().map(circle_of).filter(|it| it.len() > 1).collect()
}

fn circles_of(package: &Path) -> BTreeSet<String> {
    let files = sources(&package.join("src"));
    let modules: BTreeMap<Segments, Module> = files
        .iter()
        .filter_map(|file| module(package, file))
        .map(|module| (module.path.clone(), module))
        .collect();
    let mut edges = BTreeMap::new();
    for (path, module) in &modules {
        let mut targets: BTreeSet<Segments> =
            module.mentions.iter().filter_map(|it| target(&modules, path, it)).collect();
        // The module itself, and its ancestors.
        targets.retain(|it| !path.starts_with(it));
        edges.insert(path.clone(), targets);
    }
    let name = package.strip_prefix(root()).expect("in the workspace").display();
    let named = circles(&edges).into_iter().map(|circle| {
        let modules: Vec<String> = circle
            .iter()
            .map(|it| if it.is_empty() { "crate".to_owned() } else { it.join("::") })
            .collect();
        format!("{name}: {}", modules.join(", "))
    });
    named.collect()
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let found: BTreeSet<String> = packages().iter().flat_map(|it| circles_of(it)).collect();
    assert!(found.is_empty(), "modules import each other in a circle: {found:#?}");
}

#[test]
fn a_circle_is_found_across_use_trees_super_and_re_exports() {
    let folder = std::env::temp_dir().join(format!("tidy-imports-{}", std::process::id()));
    let write = |name: &str, text: &str| {
        let path = folder.join("src").join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
        fs::write(path, text).expect("a file can be written");
    };
    write("lib.rs", "pub mod a; pub mod b; pub mod c;");
    write("a.rs", "use crate::{b::{self, B}, c::X};\n#[cfg(test)]\nmod tests { use crate::c::Y; }");
    write("b.rs", "// use crate::a::A;\nfn b() -> &'static str { \"crate::a::A\" }");
    write("c/mod.rs", "mod inner; pub use inner::X;");
    write("c/inner.rs", "fn x() { super::super::b::b(); }");
    let circles_in = || {
        let files = sources(&folder.join("src"));
        let modules: BTreeMap<Segments, Module> = files
            .iter()
            .filter_map(|file| module(&folder, file))
            .map(|module| (module.path.clone(), module))
            .collect();
        let edges = modules.iter().map(|(path, module)| {
            let targets = module.mentions.iter().filter_map(|it| target(&modules, path, it));
            (path.clone(), targets.filter(|it| !path.starts_with(it)).collect())
        });
        circles(&edges.collect())
    };
    assert!(circles_in().is_empty());
    write("b.rs", "fn b() { super::a::a(); }");
    let names = |names: &[&[&str]]| -> BTreeSet<Segments> {
        names.iter().map(|it| it.iter().map(|it| (*it).to_owned()).collect()).collect()
    };
    let found = circles_in();
    fs::remove_dir_all(&folder).expect("a folder can be removed");
    assert_eq!(found, BTreeSet::from([names(&[&["a"], &["b"], &["c", "inner"]])]));
}
