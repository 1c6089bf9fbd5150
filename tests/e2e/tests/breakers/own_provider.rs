//! A payment provider of the user's own, as README.md shows it: started on a local port, and set with `up --set`.

use std::fs::File;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures::FutureExt as _;
use platform::{Platform, root, within, xtask};
use serde_json::Value;
use uuid::Uuid;

use super::{PROVIDER, book};

/// The example may have to be compiled.
const STARTED_WITHIN: Duration = Duration::from_secs(170);
/// The port in the README.
const README_PORT: &str = "8081";
/// Where the README's platform has its keys.
const README_STATE: &str = ".local/";

/// A line of the README that begins with this text, without the prompt.
fn readme_line(start: &str) -> String {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut lines = readme.lines().filter_map(|it| it.strip_prefix("$ "));
    lines.find(|it| it.starts_with(start)).unwrap().to_owned()
}

/// The README's provider, until it is dropped.
struct OwnProvider {
    /// Its process group.
    group: u32,
    log: PathBuf,
}

impl OwnProvider {
    /// Runs the README's line in a shell, with the tests' port and state.
    async fn start(platform: &Platform, port: u16) -> Self {
        let state = format!("{}/", platform.state().display());
        let line = readme_line("PAYMENT_PROVIDER_KEY=");
        assert!(line.contains(README_STATE) && line.ends_with(README_PORT), "{line}");
        let line = line.replace(README_STATE, &state).replace(README_PORT, &port.to_string());
        let log = std::env::temp_dir().join(format!("parkade-provider-{}.log", Uuid::new_v4()));
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).current_dir(root()).stdout(File::create(&log).unwrap());
        for (name, _) in std::env::vars_os() {
            // Build scripts that depend on what a test runner sets would run again.
            let is_set_by_a_runner = name.to_str().is_some_and(|it| {
                ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "NEXTEST"]
                    .iter()
                    .any(|prefix| it.starts_with(prefix))
                    || it == "CARGO"
            });
            if is_set_by_a_runner {
                shell.env_remove(name);
            }
        }
        std::os::unix::process::CommandExt::process_group(&mut shell, 0);
        let group = shell.stdin(Stdio::null()).spawn().unwrap().id();
        let provider = Self { group, log };
        within(STARTED_WITHIN, "the provider listens", async || {
            provider.printed().contains("serving").then_some(())
        })
        .await;
        provider
    }

    fn printed(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// What it has carried out for this reference.
    fn carried_out(&self, reference: &str) -> Vec<String> {
        let printed = self.printed();
        let records = printed.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok());
        records
            .filter(|it| it["message"] == "carried out" && it["reference"] == reference)
            .map(|it| it["kind"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for OwnProvider {
    fn drop(&mut self) {
        let group = format!("-{}", self.group);
        // An error means that it has ended already.
        drop(Command::new("kill").args(["-TERM", "--", &group]).status());
        drop(std::fs::remove_file(&self.log));
    }
}

async fn up(setting: &str) {
    let up = xtask().args(["up", "--set", setting]).output().await.unwrap();
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
}

#[tokio::test]
async fn the_readmes_own_payment_provider_accepts_the_deployed_key() {
    let platform = Platform::up();
    platform.reset_circuit(PROVIDER).await;
    let customer = platform.customer().await;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let provider = OwnProvider::start(&platform, port).await;
    let line = readme_line("cargo xtask up --set PaymentProviderUrl=");
    let setting = line.rsplit(' ').next().unwrap();
    assert!(setting.ends_with(README_PORT), "{line}");
    up(&setting.replace(README_PORT, &port.to_string())).await;
    let booked = AssertUnwindSafe(book(&platform, &customer, "tok_visa")).catch_unwind().await;
    up("PaymentProviderUrl=").await;
    let (slot, booking, finished) = booked.unwrap_or_else(|failed| resume_unwind(failed));
    assert_eq!(finished["status"], "completed", "{finished}\n{}", provider.printed());
    let reference = format!("{slot}:{booking}");
    assert_eq!(provider.carried_out(&reference), ["charge"], "{}", provider.printed());
    assert_eq!(platform.money(&reference).await, (vec![], vec![]), "of the deployed provider");
    // And back again.
    let (slot, booking, finished) = book(&platform, &customer, "tok_visa").await;
    assert_eq!(finished["status"], "completed", "{finished}");
    assert_eq!(platform.net(&format!("{slot}:{booking}")).await, 10_000);
}
