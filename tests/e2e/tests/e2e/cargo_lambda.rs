//! cargo-lambda's own commands, for one function of each role, against the local cloud.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use platform::{root, within, xtask};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// The functions are built already, so cargo only has to check that.
const RESPONSE_WITHIN: Duration = Duration::from_secs(60);

/// `cargo xtask watch`, until it is dropped.
struct Watch {
    child: Child,
    port: String,
}

impl Watch {
    async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let port = port.to_string();
        let mut watch = xtask();
        // The variables of a test run would make cargo rebuild crates that read them.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|it| {
                it.starts_with("CARGO_") && !["CARGO_HOME", "CARGO_TARGET_DIR"].contains(&it)
            }) {
                watch.env_remove(name);
            }
        }
        let child = watch
            .args(["watch", "--invoke-port", &port, "--", "--ignore-changes"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let watch = Self { child, port };
        // It may have to download cargo-lambda.
        within(Duration::from_secs(120), "cargo-lambda listens", async || {
            watch.connect().await.ok()
        })
        .await;
        watch
    }

    async fn connect(&self) -> std::io::Result<()> {
        TcpStream::connect(format!("127.0.0.1:{}", self.port)).await.map(drop)
    }

    /// The response of a function to its example.
    async fn invoke(&self, package: &str, function: &str) -> Value {
        let output = self.output(package, function).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// `cargo lambda invoke` with the example.
    async fn output(&self, package: &str, function: &str) -> Output {
        let example = root().join(format!("functions/{package}/events/{function}.json"));
        let fetched = root().join(".local/cargo-lambda/bin/cargo-lambda");
        let program = if fetched.exists() { fetched } else { PathBuf::from("cargo-lambda") };
        let invoke = Command::new(program)
            .current_dir(root())
            .args(["lambda", "invoke", function])
            .args(["--invoke-address", "127.0.0.1", "--invoke-port", &self.port, "--data-file"])
            .arg(example)
            .output();
        tokio::time::timeout(RESPONSE_WITHIN, invoke).await.unwrap().unwrap()
    }

    /// Ctrl-C; the command must stop the processes that it has started.
    fn interrupt(&self) {
        if let Some(pid) = self.child.id() {
            // The process may have exited already.
            drop(std::process::Command::new("kill").args(["-INT", &pid.to_string()]).status());
        }
    }

    async fn stop(mut self) {
        self.interrupt();
        self.child.wait().await.unwrap();
        within(Duration::from_secs(10), "cargo-lambda has exited", async || {
            self.connect().await.err().map(drop)
        })
        .await;
    }
}

/// A failed test leaves no processes either: a kill would leave those that the command has started.
impl Drop for Watch {
    fn drop(&mut self) {
        self.interrupt();
    }
}

/// One test for all, so that there is one watch: each would serve every function.
#[tokio::test]
async fn cargo_lambda_serves_a_function_of_each_role_with_its_example() {
    let watch = Watch::start().await;

    let rejected = watch.output("gateway", "gateway-authorize").await;
    let output = String::from_utf8_lossy(&rejected.stderr).into_owned();
    assert!(!rejected.status.success(), "the example's token has expired");
    assert!(output.contains("Unauthorized"), "{output}");

    let health = watch.invoke("mobile-bff", "mobile-bff").await;
    assert_eq!(health["statusCode"], 200, "{health}");

    let rejected = watch.invoke("payment-provider", "payment-provider").await;
    assert_eq!(rejected["statusCode"], 401, "the example's key is invalid");

    let slot = watch.invoke("parking", "parking-command").await;
    assert_eq!(slot["name"], "A1", "{slot}");

    let listed = watch.invoke("booking", "booking-query").await;
    assert!(listed["items"].is_array(), "{listed}");

    let nothing_failed = json!({ "batchItemFailures": [] });
    for role in ["project", "publish", "react"] {
        let response = watch.invoke("billing", &format!("billing-{role}")).await;
        assert_eq!(response, nothing_failed, "{role}");
    }
    watch.stop().await;
}
