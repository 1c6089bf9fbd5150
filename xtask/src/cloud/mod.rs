//! The process of the local cloud: starts it, finds it, and stops it with everything that it started.

mod record;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use std::os::unix::process::CommandExt as _;

use rustix::process::Signal;

use crate::aws::{Aws, http_client};
use crate::clock;
use crate::command::last_lines;
use crate::failure::{Context as _, Failure, Result};
use crate::files;
use crate::layout::Layout;
use crate::proc::{self, Process};
use crate::python;
use crate::ui::Ui;

pub(crate) use record::Record;

/// LocalStack's default port, which other tools use too.
pub(crate) const DEFAULT_PORT: u16 = 4566;
/// It takes 2 s; a machine under load, or one that has yet to compile its Python, takes longer.
const START_LIMIT: Duration = Duration::from_secs(90);
/// It takes 1 s; after this it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(8);
/// A killed process ends as soon as the kernel handles the signal.
const KILL_LIMIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// A running local cloud.
#[derive(Debug, Clone)]
pub(crate) struct Cloud {
    /// Its process, port and settings.
    pub(crate) record: Record,
    /// How to call it.
    pub(crate) aws: Aws,
}

/// A cloud that this command started; it is stopped again unless the command succeeds.
#[derive(Debug)]
pub(crate) struct Started {
    layout: Layout,
    record: Record,
    ui: Ui,
    stays: bool,
}

impl Started {
    /// The command has succeeded.
    pub(crate) fn stay(mut self) {
        self.stays = true;
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        let step = self.ui.step("Stop the local cloud again");
        match stop(&self.layout, &self.record) {
            Ok(()) => drop(step.done("")),
            Err(failure) => {
                drop(step);
                self.ui.say(failure);
            }
        }
    }
}

/// The cloud of this clone, if it runs.
pub(crate) fn find(layout: &Layout) -> Result<Option<Cloud>> {
    let Some(record) = Record::read(layout)?.filter(Record::is_running) else { return Ok(None) };
    let aws = Aws::local(record.port)?;
    Ok(Some(Cloud { record, aws }))
}

/// The cloud of this clone, or a failure that says how to start it.
pub(crate) fn require(layout: &Layout) -> Result<Cloud> {
    find(layout)?.ok_or_else(|| {
        Failure::new("the local cloud is not running").advise("run `cargo xtask up`")
    })
}

/// A free port.
pub(crate) fn free_port() -> Result<u16> {
    let listener =
        std::net::TcpListener::bind("127.0.0.1:0").context(|| "cannot find a free port".into())?;
    Ok(listener.local_addr().context(|| "cannot find a free port".into())?.port())
}

/// Fails with the process that uses the port, if it is in use.
pub(crate) fn require_free(port: u16) -> Result {
    let Some(listener) = proc::listener(port) else { return Ok(()) };
    let who = match listener.pid {
        Some(pid) => format!("process {pid} listens there: {}", listener.command),
        None => "another user's process listens there".to_owned(),
    };
    Err(Failure::new(format!("port {port} is in use"))
        .because(who)
        .advise(format!("stop it, or choose another port: `cargo xtask up --port {}`", port ^ 1)))
}

/// Starts the cloud and waits until it responds.
pub(crate) async fn start(
    layout: &Layout,
    ui: Ui,
    interpreter: &Path,
    mut record: Record,
) -> Result<(Cloud, Started)> {
    require_free(record.port)?;
    let step = ui.step(format!("Start the local cloud on 127.0.0.1:{}", record.port));
    // Nothing of an earlier cloud can be used.
    forget(layout)?;
    files::make_folder(&layout.cloud())?;
    record.process = spawn(layout, interpreter, record.port)?;
    let started = Started { layout: layout.clone(), record: record.clone(), ui, stays: false };
    record.write(layout)?;
    wait_until_ready(layout, &record).await?;
    let aws = Aws::local(record.port)?;
    step.done(format!("process {}", record.process.pid));
    Ok((Cloud { record, aws }, started))
}

fn spawn(layout: &Layout, interpreter: &Path, port: u16) -> Result<Process> {
    let log = layout.cloud_log();
    let what = || format!("cannot open {}", log.display());
    let out = File::create(&log).context(what)?;
    let err = out.try_clone().context(what)?;
    let child = Command::new(interpreter)
        .args(["-m", "parkade_localstack", "--port"])
        .arg(port.to_string())
        .arg("--state-dir")
        .arg(layout.cloud())
        .env("PYTHONPATH", python::package_path(layout)?)
        .current_dir(&layout.root)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        // A Ctrl-C in the terminal is for the command that runs there.
        .process_group(0)
        .spawn()
        .context(|| format!("cannot run {}", interpreter.display()))?;
    i32::try_from(child.id())
        .ok()
        .and_then(Process::of)
        .ok_or_else(|| why_not_started(layout, "the local cloud ended at once"))
}

async fn wait_until_ready(layout: &Layout, record: &Record) -> Result {
    let http = http_client()?;
    let health = format!("http://127.0.0.1:{}/_localstack/health", record.port);
    let started = clock::start();
    while started.elapsed() < START_LIMIT {
        if let Ok(response) = http.get(&health).send().await
            && response.status().is_success()
        {
            return Ok(());
        }
        if !record.is_running() {
            return Err(why_not_started(layout, "the local cloud ended before it was ready"));
        }
        tokio::time::sleep(POLL).await;
    }
    let what = format!("the local cloud was not ready after {}", clock::human(START_LIMIT));
    Err(why_not_started(layout, &what))
}

fn why_not_started(layout: &Layout, what: &str) -> Failure {
    let log = layout.cloud_log();
    let said = fs::read_to_string(&log).unwrap_or_default();
    Failure::new(what)
        .because(format!("the end of its log is\n{}", last_lines(&said, 12)))
        .advise(format!("read {}", layout.shown(&log)))
}

/// Stops the cloud and everything that it started, and removes its files.
pub(crate) fn stop(layout: &Layout, record: &Record) -> Result {
    let mut left = record.process.descendants();
    left.push(record.process.clone());
    record.process.signal(Signal::TERM);
    wait_for_end(&mut left, STOP_LIMIT);
    if !left.is_empty() {
        record.process.signal_group(Signal::KILL);
        for process in &left {
            process.signal(Signal::KILL);
        }
        wait_for_end(&mut left, KILL_LIMIT);
    }
    wait_for_port(record.port, KILL_LIMIT);
    // Processes that it started after they were listed.
    let mut strays = functions(layout, record.port);
    for process in &strays {
        process.signal_group(Signal::KILL);
    }
    wait_for_end(&mut strays, KILL_LIMIT);
    left.append(&mut strays);
    if !left.is_empty() {
        let who: Vec<_> = left.iter().map(|it| format!("{} {}", it.pid, it.command())).collect();
        return Err(
            Failure::new("processes of the local cloud are still there").because(who.join("\n"))
        );
    }
    forget(layout)
}

/// Processes of functions that this port's cloud started.
pub(crate) fn functions(layout: &Layout, port: u16) -> Vec<Process> {
    proc::running_below(&layout.lambda(), &format!("AWS_ENDPOINT_URL=http://127.0.0.1:{port}"))
}

/// A process counts as ended when its first thread is; its sockets close with its last.
fn wait_for_port(port: u16, limit: Duration) {
    let started = clock::start();
    while proc::listener(port).is_some() && started.elapsed() < limit {
        std::thread::sleep(POLL);
    }
}

fn wait_for_end(processes: &mut Vec<Process>, limit: Duration) {
    let started = clock::start();
    loop {
        processes.retain(Process::is_alive);
        if processes.is_empty() || started.elapsed() > limit {
            return;
        }
        std::thread::sleep(POLL);
    }
}

/// Removes the files of a running cloud; the tools, the keys and the log stay.
fn forget(layout: &Layout) -> Result {
    for path in [
        layout.cloud(),
        layout.cloud_record(),
        layout.deployed(),
        layout.outputs(),
        layout.functions_env(),
    ] {
        files::remove(&path)?;
    }
    Ok(())
}
