//! The README's lines for one function at a time, and cargo-lambda with a function of each role.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use platform::{Platform, root, within, xtask};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use uuid::Uuid;

/// The functions are built already, so cargo only checks that.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The README's section with the lines.
const SECTION: &str = "## One function at a time";

/// A line of the README that a user types, and what the README shows as its output.
#[derive(Debug)]
struct Line {
    words: Vec<String>,
    output: String,
}

impl Line {
    /// Whether it is `cargo xtask` with this command, or `cargo lambda` with it.
    fn is(&self, tool: &str, command: &str) -> bool {
        self.words.get(..3).is_some_and(|it| it == ["cargo", tool, command])
    }

    /// What follows the command.
    fn rest(&self) -> &[String] {
        &self.words[3..]
    }
}

/// All lines of the section's `console` blocks.
fn lines() -> Vec<Line> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let section = readme.split(SECTION).nth(1).unwrap().split("\n## ").next().unwrap();
    let mut lines: Vec<Line> = Vec::new();
    let mut is_inside = false;
    for line in section.lines() {
        if line.starts_with("```") {
            is_inside = line == "```console";
        } else if is_inside {
            match line.strip_prefix("$ ") {
                Some(typed) => {
                    // No word of a line has a space or a number sign in it.
                    let typed = typed.split('#').next().unwrap();
                    let words = typed.split_whitespace().map(str::to_owned).collect();
                    lines.push(Line { words, output: String::new() });
                }
                None => lines.last_mut().unwrap().output.push_str(line),
            }
        }
    }
    lines
}

/// `cargo xtask watch`, until it is dropped.
struct Watch {
    child: Child,
    port: String,
    /// What it prints.
    log: PathBuf,
}

impl Watch {
    /// Starts the README's line; only a port of its own is added, as 9000 may be in use.
    async fn start(line: &Line) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let port = port.to_string();
        let log = std::env::temp_dir().join(format!("parkade-watch-{}.log", Uuid::new_v4()));
        let child = xtask()
            .arg("watch")
            .args(line.rest())
            .args(["--invoke-port", &port, "--", "--ignore-changes"])
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let watch = Self { child, port, log };
        // It may have to fetch cargo-lambda.
        within(Duration::from_secs(180), "cargo-lambda listens", async || {
            watch.connect().await.ok()
        })
        .await;
        watch
    }

    async fn connect(&self) -> std::io::Result<()> {
        TcpStream::connect(format!("127.0.0.1:{}", self.port)).await.map(drop)
    }

    /// The response of a function to its example event.
    async fn invoke(&self, package: &str, function: &str) -> Value {
        parsed(&self.output(package, function).await)
    }

    /// `cargo xtask invoke` with the example; it finds the port itself.
    async fn output(&self, package: &str, function: &str) -> Output {
        let example = format!("functions/{package}/events/{function}.json");
        output(xtask().args(["invoke", function, "--data-file", &example])).await
    }

    fn printed(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Ctrl-C; the command ends what it has started.
    fn interrupt(&self) {
        if let Some(pid) = self.child.id() {
            // An error means that the process has ended already.
            drop(std::process::Command::new("kill").args(["-INT", &pid.to_string()]).status());
        }
    }

    async fn stop(mut self) {
        self.interrupt();
        let ended = self.child.wait().await.unwrap();
        assert!(ended.success(), "Ctrl-C is the normal end of a watch: {ended}");
        within(Duration::from_secs(10), "cargo-lambda is gone", async || {
            self.connect().await.err().map(drop)
        })
        .await;
    }
}

/// A test that fails leaves nothing running either: a kill would leave what the command has started.
impl Drop for Watch {
    fn drop(&mut self) {
        self.interrupt();
        drop(std::fs::remove_file(&self.log));
    }
}

async fn output(command: &mut Command) -> Output {
    tokio::time::timeout(TIMEOUT, command.output()).await.unwrap().unwrap()
}

fn parsed(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What cargo prints when it compiles a package.
fn compiled(printed: &str) -> Vec<&str> {
    printed.lines().filter(|it| it.contains("Compiling ") || it.contains("Dirty ")).collect()
}

/// The folder of the cargo-lambda that `watch` uses, first on PATH, as for a user who has installed it.
fn path_with_cargo_lambda() -> std::ffi::OsString {
    let fetched = root().join(".local/cargo-lambda/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let rest = std::env::split_paths(&path);
    std::env::join_paths(std::iter::once(fetched).chain(rest)).unwrap()
}

/// A platform in use has more to show than the README's, but what the README shows is there.
fn has_members(response: &Value, shown: &str) {
    let shown: Value = serde_json::from_str(shown).unwrap();
    for (name, value) in shown.as_object().unwrap() {
        assert_eq!(response[name].is_array(), value.is_array(), "{name}: {response}");
        assert!(!response[name].is_null(), "{name}: {response}");
    }
}

/// One test for all, so that there is one watch: each would serve every function.
#[tokio::test]
async fn the_commands_in_the_readme_work_and_a_function_of_each_role_responds_to_its_example() {
    Platform::up();
    let lines = lines();
    let line = |tool: &str, command: &str| lines.iter().find(|it| it.is(tool, command)).unwrap();

    let started = output(xtask().arg("up").args(line("xtask", "up").rest())).await;
    assert!(started.status.success(), "{}", stderr(&started));
    let watch = Watch::start(line("xtask", "watch")).await;

    let readme = line("xtask", "invoke");
    let response = parsed(&output(xtask().arg("invoke").args(readme.rest())).await);
    has_members(&response, &readme.output);
    let readme = line("lambda", "invoke");
    let invoke = Command::new("cargo")
        .current_dir(root())
        .args(&readme.words[1..])
        .args(["-P", &watch.port])
        .env("PATH", path_with_cargo_lambda())
        .output();
    let response = parsed(&tokio::time::timeout(TIMEOUT, invoke).await.unwrap().unwrap());
    has_members(&response, &readme.output);
    let hint = watch.printed();
    let hint = hint.lines().find_map(|it| it.trim().strip_prefix("cargo xtask ")).unwrap();
    parsed(&output(xtask().args(hint.split_whitespace())).await);

    let refused = watch.output("gateway", "gateway-authorize").await;
    assert!(!refused.status.success(), "the example's token has expired");
    assert!(stderr(&refused).contains("Unauthorized"), "{}", stderr(&refused));

    let health = watch.invoke("mobile-bff", "mobile-bff").await;
    assert_eq!(health["statusCode"], 200, "{health}");

    let refused = watch.invoke("payment-provider", "payment-provider").await;
    assert_eq!(refused["statusCode"], 401, "the example's key is unknown");

    let slot = watch.invoke("parking", "parking-command").await;
    assert_eq!(slot["name"], "A1", "{slot}");

    let listed = watch.invoke("booking", "booking-query").await;
    assert!(listed["items"].is_array(), "{listed}");

    let nothing_failed = json!({ "batchItemFailures": [] });
    for role in ["project", "publish", "react"] {
        let response = watch.invoke("billing", &format!("billing-{role}")).await;
        assert_eq!(response, nothing_failed, "{role}");
    }

    // `up` has built the functions before, and builds them again now: neither command destroys the other's work.
    let printed = watch.printed();
    assert_eq!(compiled(&printed), Vec::<&str>::new(), "watch has compiled what `up` had built");
    let built = output(xtask().arg("build")).await;
    assert!(built.status.success(), "{}", stderr(&built));
    let printed = stderr(&built);
    assert_eq!(
        compiled(&printed),
        Vec::<&str>::new(),
        "the build has compiled what watch had built"
    );
    watch.stop().await;
}

/// The examples that the README names are in the repository.
#[test]
fn the_readme_names_existing_events() {
    for line in lines() {
        for file in line.words.iter().filter(|it| it.ends_with(".json")) {
            assert!(root().join(Path::new(file)).exists(), "{file}");
        }
    }
}
