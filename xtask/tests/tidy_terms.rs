//! Checks that the terms which the project has retired do not return; `retired-terms.tsv` lists them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::{fs, thread};

use regex_automata::dfa::regex::Regex;
use regex_automata::util::syntax;

/// One term per line: a regular expression, a tab, what to write instead, and optionally another tab and the paths
/// in which the term is still allowed, separated by commas.
const LIST: &str = include_str!("retired-terms.tsv");

const ENDINGS: [&str; 9] = ["rs", "md", "py", "yaml", "yml", "json", "js", "css", "toml"];

/// Files in which retired terms stay: the glossary maps them to the standard ones, and stored data never changes.
const QUOTING: [&str; 2] = ["docs/glossary.md", "contracts/samples/"];

struct Term {
    pattern: &'static str,
    standard: &'static str,
    /// Beginnings of the paths in which the term is still allowed.
    exceptions: Vec<&'static str>,
    /// Matches bytes, so that `\b` and `\w` mean ASCII letters and need no tables of Unicode.
    regex: Regex,
}

impl Term {
    fn parse(line: &'static str) -> Self {
        let mut columns = line.split('\t');
        let pattern = columns.next().expect("a line has at least one column");
        let standard = columns.next().unwrap_or_default();
        let exceptions = columns.next().unwrap_or_default().split(',').map(str::trim);
        assert!(!standard.is_empty(), "`{pattern}` has no standard term after a tab");
        assert!(columns.next().is_none(), "`{pattern}` has more than three columns");
        let regex = Regex::builder()
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .build(pattern)
            .unwrap_or_else(|error| unreachable!("`{pattern}`: {error}"));
        let exceptions = exceptions.filter(|it| !it.is_empty()).collect();
        Self { pattern, standard, exceptions, regex }
    }

    /// The lines of a text that use this term, as `path:line: found, write: standard`.
    fn uses(&self, path: &str, text: &Text) -> Vec<String> {
        let is_used = self.regex.is_match(&text.plain) || self.regex.is_match(&text.spaced);
        if !is_used || self.exceptions.iter().any(|it| path.starts_with(it)) {
            return Vec::new();
        }
        let lines = (1..).zip(text.plain.lines().zip(text.spaced.lines()));
        let uses = lines.filter_map(|(number, (plain, spaced))| {
            let found = self.regex.find(plain).or_else(|| self.regex.find(spaced))?;
            let found = plain.get(found.range()).unwrap_or(plain).trim();
            Some(format!("{path}:{number}: `{found}`, write: {}", self.standard))
        });
        uses.collect()
    }
}

/// A file, and the same with the names of several words spelt as these words; positions are the same in both.
struct Text {
    plain: String,
    spaced: String,
}

impl Text {
    fn new(plain: String) -> Self {
        Self { spaced: plain.replace('_', " "), plain }
    }
}

static TERMS: LazyLock<Vec<Term>> = LazyLock::new(|| {
    let lines = LIST.lines().filter(|it| !it.is_empty() && !it.starts_with('#'));
    lines.map(Term::parse).collect()
});

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// The text files that git tracks, relative to the root; `None` outside of a git repository, for example in an archive.
fn tracked() -> Option<Vec<String>> {
    let output = Command::new("git").arg("ls-files").current_dir(root()).output().ok()?;
    let listed = String::from_utf8(output.stdout).expect("paths here are UTF-8");
    let is_text = |it: &&str| {
        let ending = Path::new(it).extension().and_then(|it| it.to_str()).unwrap_or_default();
        ENDINGS.contains(&ending) && !QUOTING.iter().any(|quoting| it.starts_with(quoting))
    };
    let found: Vec<_> = listed.lines().filter(is_text).map(str::to_owned).collect();
    output.status.success().then_some(found)
}

/// The uses of all retired terms in a file.
fn uses(path: &str) -> Vec<String> {
    let full: PathBuf = root().join(path);
    // A tracked file may be deleted in the work tree.
    let Ok(text) = fs::read_to_string(full) else { return Vec::new() };
    let text = Text::new(text);
    TERMS.iter().flat_map(|it| it.uses(path, &text)).collect()
}

#[test]
fn no_file_uses_a_retired_term() {
    let Some(files) = tracked() else { return };
    assert!(files.len() > 500, "the files are found");
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let found: Vec<_> = thread::scope(|scope| {
        let chunks = files.chunks(files.len().div_ceil(threads));
        let running: Vec<_> = chunks
            .map(|chunk| scope.spawn(|| chunk.iter().flat_map(|it| uses(it)).collect::<Vec<_>>()))
            .collect();
        running.into_iter().flat_map(|it| it.join().expect("no thread panics")).collect()
    });
    assert!(found.is_empty(), "{} uses of retired terms:\n{}", found.len(), found.join("\n"));
}

#[test]
fn a_use_is_reported_with_its_line_and_the_standard_term() {
    let term = Term::parse("(?i)\\bold words?\\b\tnew term\tcrates/old/");
    let text = "first line\nan Old Word here\nno old wordings\nfn an_old_word_in_a_name() {";
    let text = &Text::new(text.to_owned());
    let expected = ["2: `Old Word`", "4: `old_word`"];
    let expected = expected.map(|it| format!("docs/page.md:{it}, write: new term"));
    assert_eq!(term.uses("docs/page.md", text), expected);
    assert_eq!(term.uses("crates/old/src/lib.rs", text), [""; 0], "its path is an exception");
}

#[test]
fn the_list_has_each_term_once_and_names_paths_that_exist() {
    let patterns: BTreeSet<_> = TERMS.iter().map(|it| it.pattern).collect();
    assert_eq!(patterns.len(), TERMS.len(), "a term is listed twice");
    for term in TERMS.iter() {
        for path in &term.exceptions {
            assert!(root().join(path).exists(), "`{}`: {path} does not exist", term.pattern);
        }
    }
}
