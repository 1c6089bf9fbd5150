//! The commands as a shell runs them, without a local cloud.

mod steps;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A folder for the state of a cloud that is not running; removed when dropped.
struct NoCloud(PathBuf);

impl NoCloud {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("parkade-{}-{name}", std::process::id())))
    }

    fn run(&self, arguments: &[&str]) -> Output {
        xtask().args(arguments).env("PARKADE_LOCAL", &self.0).output().expect("it starts")
    }
}

impl Drop for NoCloud {
    fn drop(&mut self) {
        // A command that fails early has not created it.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn xtask() -> Command {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_closed_stdout_ends_a_command_without_a_message() {
    let (reader, unread) = std::io::pipe().expect("a pipe");
    drop(reader);
    let xtask = xtask().args(["test", "--list"]).stdout(unread).output().expect("it starts");
    assert_eq!(stderr(&xtask), "");
    assert_eq!(xtask.status.code(), Some(128 + 13), "as if by SIGPIPE");
}

#[test]
fn a_selection_of_tests_that_runs_nothing_is_an_error() {
    let cloud = NoCloud::new("selection");
    for line in [&["--only", "e2e", "--skip", "cloud"][..], &["--skip", "clout"][..]] {
        let refused = cloud.run(&[&["test"], line].concat());
        assert_eq!(refused.status.code(), Some(1));
        assert!(stderr(&refused).contains("the steps format, lint, unit"), "{}", stderr(&refused));
    }
}

#[test]
fn the_version_is_printed() {
    let version = stdout(&NoCloud::new("version").run(&["--version"]));
    assert_eq!(version.trim(), format!("cargo xtask {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn each_shell_has_completions_for_the_alias() {
    let cloud = NoCloud::new("completions");
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&cloud.run(&["completions", shell]));
        for word in ["xtask", "simulate", "no-fail-fast"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let script = stdout(&cloud.run(&["completions", "bash"]));
    let source = format!("{script}\ncomplete -p xtask");
    let bash = Command::new("bash").args(["-c", &source]).output().expect("bash runs");
    assert!(stdout(&bash).ends_with(" xtask\n"), "{}{}", stdout(&bash), stderr(&bash));
}

#[test]
fn quiet_leaves_out_progress_and_keeps_errors() {
    let cloud = NoCloud::new("quiet");
    assert_ne!(stderr(&cloud.run(&["down"])), "");
    let quiet = cloud.run(&["down", "--quiet"]);
    assert!(quiet.status.success());
    assert_eq!(stderr(&quiet), "");
    let failed = cloud.run(&["--quiet", "logs"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(stderr(&failed).contains("cargo xtask up"), "{}", stderr(&failed));
}

#[test]
fn a_cloud_that_is_not_up_is_json_too() {
    let status = NoCloud::new("status").run(&["status", "--json"]);
    assert_eq!(status.status.code(), Some(1));
    let document: serde_json::Value = serde_json::from_slice(&status.stdout).expect("JSON");
    assert_eq!(document, serde_json::json!({"up": false}));
}

#[test]
fn a_subject_that_the_api_refuses_gets_no_token() {
    let cloud = NoCloud::new("subject");
    for (subject, reason) in
        [("", "empty"), (&*"a".repeat(256), "256 bytes"), ("ann\n", "control character")]
    {
        let refused = cloud.run(&["token", "customer", subject]);
        assert!(!refused.status.success() && refused.stdout.is_empty());
        assert!(stderr(&refused).contains(reason), "{}", stderr(&refused));
    }
    assert!(cloud.run(&["token", "customer", "ann"]).status.success());
}

#[test]
fn what_is_wrong_with_the_id_of_a_booking_is_said() {
    let refused = NoCloud::new("id").run(&["trace", "12345"]);
    assert!(!refused.status.success());
    assert!(stderr(&refused).contains("last eight characters"), "{}", stderr(&refused));
}

#[test]
fn invoking_without_a_watch_says_how_to_start_one() {
    let port = TcpListener::bind("127.0.0.1:0").expect("bound").local_addr().expect("bound").port();
    let port = port.to_string();
    let cloud = NoCloud::new("invoke");
    let failed = cloud.run(&["invoke", "booking-query", "--data", "{}", "--invoke-port", &port]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(stderr(&failed).contains("run `cargo xtask watch`"), "{}", stderr(&failed));
    let failed = cloud.run(&["invoke", "booking-query", "--data", "{oops"]);
    assert!(stderr(&failed).contains("--data is not JSON"), "{}", stderr(&failed));
}
