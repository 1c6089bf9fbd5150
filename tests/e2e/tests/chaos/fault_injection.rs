//! What is done to the platform meanwhile: its processes die, its messages come twice, late and in another order.
//!
//! Nothing is ever lost by it, wherever this program ends: a copy is sent before the original is taken away.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sqs::types::Message;
use fastrand::Rng;
use platform::Platform;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::catcher::{Catcher, Caught};
use crate::progress::Progress;
use crate::{BUS, queue_url};

/// Where the services are told of each other's events.
const QUEUES: [&str; 3] = ["booking", "parking", "billing"];
/// Of so many events, one is told again.
const RETOLD_ONE_OF: usize = 3;
/// The latest that a copy comes.
const LATE_MS: u64 = 6_000;
const LATE_SECONDS: i32 = 5;
/// Who steals messages lets most of them pass.
const THEFT_PAUSE_MS: std::ops::RangeInclusive<u64> = 150..=600;
/// Somebody is busy within this time, or an idle one is killed.
const BUSY_WITHIN: Duration = Duration::from_secs(2);
/// Who has run in between two looks is busy.
const LOOKS_APART: Duration = Duration::from_millis(15);
/// The last copy has been sent so long after the end.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// Kills functions.
#[derive(Debug)]
pub(crate) struct Killer {
    cloud: i32,
}

/// A process that is a function of the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Process {
    pid: i32,
    name: String,
    /// How often it has run.
    runs: u64,
}

impl Killer {
    /// Of the functions that this platform's local cloud has started.
    pub(crate) fn new(platform: &Platform) -> Self {
        let record = platform.state().join("cloud.json");
        let record = fs::read_to_string(&record)
            .unwrap_or_else(|error| unreachable!("{}: {error}", record.display()));
        let record: Value = serde_json::from_str(&record).unwrap();
        let own = format!(":{}", record["port"]);
        assert!(platform.endpoint().ends_with(&own), "the cloud at {own} is another one");
        let cloud = record["process"]["pid"].as_i64().unwrap();
        Self { cloud: i32::try_from(cloud).unwrap() }
    }

    /// Kills one after a while: of those that have something to do then, since of those that have not nothing is left half
    /// done.
    pub(crate) async fn strike(&self, after: Duration, victim: usize, progress: &Progress) {
        sleep(after).await;
        let deadline = Instant::now() + BUSY_WITHIN;
        loop {
            let before = self.functions();
            sleep(LOOKS_APART).await;
            let mut now = self.functions();
            if Instant::now() < deadline {
                now.retain(|it| !before.contains(it));
            }
            let mut names: Vec<_> = now.iter().map(|it| it.name.clone()).collect();
            names.sort();
            names.dedup();
            let name = names.get(victim.checked_rem(names.len()).unwrap_or_default());
            let found = now.iter().find(|it| Some(&it.name) == name);
            if let Some(process) = found
                && self.kill(process)
            {
                progress.killed(process.name.trim_start_matches("parkade-local-"));
                return;
            }
            let is_late = Instant::now() > deadline + BUSY_WITHIN;
            assert!(!is_late, "process {} has no functions to be killed", self.cloud);
        }
    }

    fn functions(&self) -> Vec<Process> {
        let all = fs::read_dir("/proc").unwrap();
        let pids = all.filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok());
        pids.filter_map(|pid| self.function(pid)).collect()
    }

    /// The process with this number, if it is a function of this cloud.
    fn function(&self, pid: i32) -> Option<Process> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| status.lines().find_map(|it| it.strip_prefix(name)?.trim().into());
        if field("PPid:")? != self.cloud.to_string() || field("State:")?.starts_with('Z') {
            return None;
        }
        let runs: u64 = field("voluntary_ctxt_switches:")?.parse().ok()?;
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let mut lines = environment.split(|it| *it == 0).filter_map(|it| str::from_utf8(it).ok());
        let name = lines.find_map(|it| it.strip_prefix("AWS_LAMBDA_FUNCTION_NAME="))?;
        name.starts_with("parkade-local-").then(|| Process { pid, name: name.to_owned(), runs })
    }

    /// Whether it was there to be killed: another that has its number by now is left alone.
    fn kill(&self, process: &Process) -> bool {
        let pid = Pid::from_raw(process.pid).unwrap();
        let Ok(held) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
        let is_it = self.function(process.pid).is_some_and(|it| it.name == process.name);
        is_it && pidfd_send_signal(&held, Signal::KILL).is_ok()
    }
}

/// Copies and delays messages until it is told to end.
#[derive(Debug)]
pub(crate) struct Postman {
    tasks: JoinSet<()>,
    goes_on: watch::Sender<bool>,
}

impl Postman {
    pub(crate) async fn begin(
        platform: &Platform,
        seed: u64,
        catcher: &Catcher,
        progress: &Arc<Progress>,
    ) -> Self {
        let (goes_on, told) = watch::channel(true);
        let mut dice = Rng::with_seed(seed ^ 1);
        let mut tasks = JoinSet::new();
        for queue in QUEUES {
            let thief = Thief {
                queues: platform.sqs(),
                url: queue_url(platform, queue).await,
                dice: dice.fork(),
                goes_on: told.clone(),
                progress: Arc::clone(progress),
            };
            tasks.spawn(thief.steal());
        }
        let events = platform.eventbridge();
        let (mut fresh, progress) = (catcher.fresh(), Arc::clone(progress));
        tasks.spawn(async move {
            let mut told = told;
            let mut late = JoinSet::new();
            loop {
                let event: Caught = tokio::select! {
                    event = fresh.recv() => event.unwrap(),
                    ended = told.wait_for(|it| !*it) => break drop(ended.unwrap()),
                };
                if dice.usize(..RETOLD_ONE_OF) == 0 {
                    let after = Duration::from_millis(dice.u64(..LATE_MS));
                    let (events, progress) = (events.clone(), Arc::clone(&progress));
                    late.spawn(async move {
                        sleep(after).await;
                        retell(&events, &event).await;
                        progress.retold();
                    });
                }
            }
            late.join_all().await;
        });
        Self { tasks, goes_on }
    }

    /// From then on nothing is done any more.
    pub(crate) async fn end(self) {
        self.goes_on.send_replace(false);
        let ended = timeout(ENDS_WITHIN, self.tasks.join_all()).await;
        assert!(ended.is_ok(), "the last copies were not sent within {ENDS_WITHIN:?}");
    }
}

/// Publishes an event once more, as it was.
async fn retell(events: &aws_sdk_eventbridge::Client, event: &Caught) {
    let entry = PutEventsRequestEntry::builder().event_bus_name(BUS).source(&event.source);
    let entry = entry.detail_type(&event.kind).detail(event.detail.to_string()).build();
    let put = events.put_events().entries(entry).send().await.unwrap();
    assert_eq!(put.failed_entry_count, 0, "{put:?}");
}

/// Takes messages out of a queue before its function does.
struct Thief {
    queues: aws_sdk_sqs::Client,
    url: String,
    dice: Rng,
    goes_on: watch::Receiver<bool>,
    progress: Arc<Progress>,
}

impl Thief {
    async fn steal(mut self) {
        while *self.goes_on.borrow() {
            // If this program dies, what it holds comes back after this second.
            let receive = self.queues.receive_message().queue_url(&self.url).visibility_timeout(1);
            let received = receive.max_number_of_messages(2).wait_time_seconds(1).send().await;
            for message in received.unwrap().messages.unwrap_or_default() {
                self.mistreat(&message).await;
            }
            sleep(Duration::from_millis(self.dice.u64(THEFT_PAUSE_MS))).await;
        }
    }

    async fn mistreat(&mut self, message: &Message) {
        let body = message.body.as_deref().unwrap();
        let late = self.dice.i32(0..=LATE_SECONDS);
        self.send(body, late).await;
        let is_copied = self.dice.bool();
        if is_copied {
            self.send(body, 0).await;
        }
        // The original goes even if it is only copied: the queue counts how often it was received, and gives it up.
        let handle = message.receipt_handle.as_deref().unwrap();
        let delete = self.queues.delete_message().queue_url(&self.url).receipt_handle(handle);
        delete.send().await.unwrap();
        if is_copied { self.progress.copied() } else { self.progress.postponed() }
    }

    async fn send(&self, body: &str, after_seconds: i32) {
        let send = self.queues.send_message().queue_url(&self.url).message_body(body);
        send.delay_seconds(after_seconds).send().await.unwrap();
    }
}

/// What lies in the queues of the platform, but for dead letters; nothing of those that are empty.
pub(crate) async fn lying(platform: &Platform) -> BTreeMap<String, String> {
    use aws_sdk_sqs::types::QueueAttributeName::{
        ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed,
        ApproximateNumberOfMessagesNotVisible,
    };
    let (queues, prefix) = (platform.sqs(), "parkade-local-");
    let listed = queues.list_queues().queue_name_prefix(prefix).send().await.unwrap();
    let mut lying = BTreeMap::new();
    for url in listed.queue_urls.unwrap_or_default() {
        let name = url.rsplit_once(prefix).unwrap().1;
        if name.ends_with("-dead-letters") {
            continue;
        }
        let names = [
            ApproximateNumberOfMessages,
            ApproximateNumberOfMessagesNotVisible,
            ApproximateNumberOfMessagesDelayed,
        ];
        let told = queues.get_queue_attributes().queue_url(&url);
        let told = told.set_attribute_names(Some(names.to_vec())).send().await.unwrap();
        let told = told.attributes.unwrap_or_default();
        let [waiting, taken, delayed] = names.map(|it| told[&it].clone());
        if [&waiting, &taken, &delayed].iter().any(|it| *it != "0") {
            let lie = format!("{waiting} wait, {taken} are being handled, {delayed} are delayed");
            lying.insert(name.to_owned(), lie);
        }
    }
    lying
}
