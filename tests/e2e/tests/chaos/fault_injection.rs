//! Fault injection: kills processes, and duplicates, delays and reorders messages.
//!
//! No message is lost, even if this program stops at any time: a copy is sent before the original is deleted.

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

use crate::progress::Progress;
use crate::recorder::{Recorded, Recorder};
use crate::{BUS, queue_url};

/// The queues that receive other services' events.
const QUEUES: [&str; 3] = ["booking", "parking", "billing"];
/// One event in this many is published again.
const REPUBLISHED_ONE_OF: usize = 3;
/// The longest delay of a duplicate.
const MAX_DELAY_MS: u64 = 6_000;
const MAX_DELAY_SECONDS: i32 = 5;
/// Most messages pass untouched.
const PAUSE_MS: std::ops::RangeInclusive<u64> = 150..=600;
/// If no function is busy within this time, an idle one is killed.
const BUSY_WITHIN: Duration = Duration::from_secs(2);
/// A process that has run between two observations is busy.
const OBSERVATION_TIME: Duration = Duration::from_millis(15);
/// The last duplicates are sent within this time.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// Kills processes of functions.
#[derive(Debug)]
pub(crate) struct Killer {
    cloud: i32,
}

/// A process that runs a function of the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Process {
    pid: i32,
    name: String,
    /// The number of its voluntary context switches.
    runs: u64,
}

impl Killer {
    /// Finds the local cloud of this platform, whose child processes are the functions.
    pub(crate) fn new(platform: &Platform) -> Self {
        let record = platform.state().join("cloud.json");
        let record = fs::read_to_string(&record)
            .unwrap_or_else(|error| unreachable!("{}: {error}", record.display()));
        let record: Value = serde_json::from_str(&record).unwrap();
        let own = format!(":{}", record["port"]);
        assert!(
            platform.endpoint().ends_with(&own),
            "the cloud at {own} is not that of the platform"
        );
        let cloud = record["process"]["pid"].as_i64().unwrap();
        Self { cloud: i32::try_from(cloud).unwrap() }
    }

    /// Kills a function after a delay: preferably a busy one, because killing an idle one interrupts nothing.
    pub(crate) async fn kill_one(&self, after: Duration, choice: usize, progress: &Progress) {
        sleep(after).await;
        let deadline = Instant::now() + BUSY_WITHIN;
        loop {
            let before = self.functions();
            sleep(OBSERVATION_TIME).await;
            let mut now = self.functions();
            if Instant::now() < deadline {
                now.retain(|it| !before.contains(it));
            }
            let mut names: Vec<_> = now.iter().map(|it| it.name.clone()).collect();
            names.sort();
            names.dedup();
            let name = names.get(choice.checked_rem(names.len()).unwrap_or_default());
            let found = now.iter().find(|it| Some(&it.name) == name);
            if let Some(process) = found
                && self.kill(process)
            {
                progress.killed(process.name.trim_start_matches("parkade-local-"));
                return;
            }
            let is_late = Instant::now() > deadline + BUSY_WITHIN;
            assert!(!is_late, "process {} has no functions to kill", self.cloud);
        }
    }

    fn functions(&self) -> Vec<Process> {
        let all = fs::read_dir("/proc").unwrap();
        let pids = all.filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok());
        pids.filter_map(|pid| self.function(pid)).collect()
    }

    /// The process with this id, if it is a function of this cloud.
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

    /// Whether it was killed; another process that has reused its id is left running.
    fn kill(&self, process: &Process) -> bool {
        let pid = Pid::from_raw(process.pid).unwrap();
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
        let is_same = self.function(process.pid).is_some_and(|it| it.name == process.name);
        is_same && pidfd_send_signal(&handle, Signal::KILL).is_ok()
    }
}

/// Duplicates and delays messages until it is stopped.
#[derive(Debug)]
pub(crate) struct Duplicator {
    tasks: JoinSet<()>,
    is_running: watch::Sender<bool>,
}

impl Duplicator {
    pub(crate) async fn start(
        platform: &Platform,
        seed: u64,
        recorder: &Recorder,
        progress: &Arc<Progress>,
    ) -> Self {
        let (is_running, running) = watch::channel(true);
        let mut rng = Rng::with_seed(seed ^ 1);
        let mut tasks = JoinSet::new();
        for queue in QUEUES {
            let interceptor = Interceptor {
                queues: platform.sqs(),
                url: queue_url(platform, queue).await,
                rng: rng.fork(),
                is_running: running.clone(),
                progress: Arc::clone(progress),
            };
            tasks.spawn(interceptor.intercept());
        }
        let events = platform.eventbridge();
        let (mut new_events, progress) = (recorder.new_events(), Arc::clone(progress));
        tasks.spawn(async move {
            let mut running = running;
            let mut pending = JoinSet::new();
            loop {
                let event: Recorded = tokio::select! {
                    event = new_events.recv() => event.unwrap(),
                    ended = running.wait_for(|it| !*it) => break drop(ended.unwrap()),
                };
                if rng.usize(..REPUBLISHED_ONE_OF) == 0 {
                    let after = Duration::from_millis(rng.u64(..MAX_DELAY_MS));
                    let (events, progress) = (events.clone(), Arc::clone(&progress));
                    pending.spawn(async move {
                        sleep(after).await;
                        republish(&events, &event).await;
                        progress.republished();
                    });
                }
            }
            pending.join_all().await;
        });
        Self { tasks, is_running }
    }

    /// Stops, after all duplicates were sent.
    pub(crate) async fn end(self) {
        self.is_running.send_replace(false);
        let ended = timeout(ENDS_WITHIN, self.tasks.join_all()).await;
        assert!(ended.is_ok(), "the last duplicates were not sent within {ENDS_WITHIN:?}");
    }
}

/// Publishes a copy of an event.
async fn republish(events: &aws_sdk_eventbridge::Client, event: &Recorded) {
    let entry = PutEventsRequestEntry::builder().event_bus_name(BUS).source(&event.source);
    let entry = entry.detail_type(&event.kind).detail(event.detail.to_string()).build();
    let put = events.put_events().entries(entry).send().await.unwrap();
    assert_eq!(put.failed_entry_count, 0, "{put:?}");
}

/// Receives messages of a queue before its function does.
struct Interceptor {
    queues: aws_sdk_sqs::Client,
    url: String,
    rng: Rng,
    is_running: watch::Receiver<bool>,
    progress: Arc<Progress>,
}

impl Interceptor {
    async fn intercept(mut self) {
        while *self.is_running.borrow() {
            // If this program stops, the message becomes visible again after this second.
            let receive = self.queues.receive_message().queue_url(&self.url).visibility_timeout(1);
            let received = receive.max_number_of_messages(2).wait_time_seconds(1).send().await;
            for message in received.unwrap().messages.unwrap_or_default() {
                self.delay_or_duplicate(&message).await;
            }
            sleep(Duration::from_millis(self.rng.u64(PAUSE_MS))).await;
        }
    }

    async fn delay_or_duplicate(&mut self, message: &Message) {
        let body = message.body.as_deref().unwrap();
        let delay = self.rng.i32(0..=MAX_DELAY_SECONDS);
        self.send(body, delay).await;
        let is_duplicated = self.rng.bool();
        if is_duplicated {
            self.send(body, 0).await;
        }
        // The original is deleted even if it was only duplicated: the receive would count against its limit.
        let handle = message.receipt_handle.as_deref().unwrap();
        let delete = self.queues.delete_message().queue_url(&self.url).receipt_handle(handle);
        delete.send().await.unwrap();
        if is_duplicated { self.progress.duplicated() } else { self.progress.delayed() }
    }

    async fn send(&self, body: &str, after_seconds: i32) {
        let send = self.queues.send_message().queue_url(&self.url).message_body(body);
        send.delay_seconds(after_seconds).send().await.unwrap();
    }
}

/// The messages in the queues of the platform except dead-letter queues, by queue; without empty queues.
pub(crate) async fn waiting_messages(platform: &Platform) -> BTreeMap<String, String> {
    use aws_sdk_sqs::types::QueueAttributeName::{
        ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed,
        ApproximateNumberOfMessagesNotVisible,
    };
    let (queues, prefix) = (platform.sqs(), "parkade-local-");
    let listed = queues.list_queues().queue_name_prefix(prefix).send().await.unwrap();
    let mut found = BTreeMap::new();
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
        let request = queues.get_queue_attributes().queue_url(&url);
        let response = request.set_attribute_names(Some(names.to_vec())).send().await.unwrap();
        let attributes = response.attributes.unwrap_or_default();
        let [visible, in_flight, delayed] = names.map(|it| attributes[&it].clone());
        if [&visible, &in_flight, &delayed].iter().any(|it| *it != "0") {
            let counts = format!("{visible} visible, {in_flight} in flight, {delayed} delayed");
            found.insert(name.to_owned(), counts);
        }
    }
    found
}
