//! Processes in `/proc`: their identity, their children, their ports.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};

/// A process, identified by its number and start time, since numbers are reused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Process {
    /// Its number.
    pub(crate) pid: i32,
    /// Clock ticks from boot to its start.
    start_ticks: u64,
    /// The boot that these ticks are counted from.
    boot: String,
}

/// The fields of `/proc/<pid>/stat` that are used.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    parent: i32,
    start_ticks: u64,
}

impl Stat {
    /// Reads one line; the name in it may hold spaces and parentheses itself.
    fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        // The start is the 22nd field of the line, and the 19th after the state.
        let start_ticks = fields.nth(17)?.parse().ok()?;
        Some(Self { state, parent, start_ticks })
    }

    fn read(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Ended, but not yet waited for by its parent.
    fn is_over(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

impl Process {
    /// The process that has this number now.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let stat = Stat::read(pid).filter(|it| !it.is_over())?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(Self { pid, start_ticks: stat.start_ticks, boot: boot.trim().to_owned() })
    }

    /// This process.
    pub(crate) fn current() -> Self {
        let pid =
            i32::try_from(std::process::id()).expect("Linux numbers processes up to 4 million");
        Self::of(pid).expect("this process runs")
    }

    /// Whether it still runs; another process with its number does not count.
    pub(crate) fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Its command line.
    pub(crate) fn command(&self) -> String {
        command(self.pid)
    }

    /// The program that it runs.
    pub(crate) fn program(&self) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/exe", self.pid)).ok()
    }

    /// How much memory it holds.
    pub(crate) fn resident_mb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).unwrap_or_default();
        line.split_whitespace().next().and_then(|it| it.parse::<u64>().ok()).unwrap_or_default()
            / 1024
    }

    /// Sends a signal, if it is still this process.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            // An error means that it has ended since the check.
            kill_process(pid, signal).unwrap_or_default();
        }
    }

    /// Sends a signal to its process group.
    pub(crate) fn signal_group(&self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            kill_group(pid, signal);
        }
    }

    /// All its descendants.
    pub(crate) fn descendants(&self) -> Vec<Self> {
        let mut children = BTreeMap::<i32, Vec<i32>>::new();
        for pid in pids() {
            if let Some(stat) = Stat::read(pid) {
                children.entry(stat.parent).or_default().push(pid);
            }
        }
        let (mut found, mut ahead) = (Vec::new(), vec![self.pid]);
        while let Some(parent) = ahead.pop() {
            for pid in children.remove(&parent).unwrap_or_default() {
                ahead.push(pid);
                found.extend(Self::of(pid));
            }
        }
        found
    }
}

/// Sends a signal to the process group of a leader.
pub(crate) fn kill_group(leader: Pid, signal: Signal) {
    if kill_process_group(leader, signal).is_err() {
        // They have ended already.
    }
}

/// The program and the arguments of a process.
fn command(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = line
        .split(|it| *it == 0)
        .filter(|it| !it.is_empty())
        .map(String::from_utf8_lossy)
        .collect();
    words.join(" ")
}

fn pids() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// Processes that run a program below `folder` with this line in their environment.
pub(crate) fn running_below(folder: &Path, environment: &str) -> Vec<Process> {
    let here = |pid: &i32| {
        fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|it| it.starts_with(folder))
            && fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|it| it.split(|byte| *byte == 0).any(|it| it == environment.as_bytes()))
    };
    pids().iter().filter(|pid| here(pid)).filter_map(|pid| Process::of(*pid)).collect()
}

/// The process that listens on a port of this machine.
#[derive(Debug)]
pub(crate) struct Listener {
    /// The process, unless it is another user's.
    pub(crate) pid: Option<i32>,
    /// Its command line.
    pub(crate) command: String,
}

/// Finds the process that listens on `port`.
pub(crate) fn listener(port: u16) -> Option<Listener> {
    let sockets: BTreeSet<_> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_sockets(&table, port))
        .collect();
    if sockets.is_empty() {
        return None;
    }
    let holder =
        pids().into_iter().find(|pid| open_files(*pid).iter().any(|it| sockets.contains(it)));
    Some(Listener { pid: holder, command: holder.map(command).unwrap_or_default() })
}

/// The sockets of `/proc/net/tcp` that listen on `port`, named as `/proc/<pid>/fd` names them.
fn listening_sockets(table: &str, port: u16) -> Vec<String> {
    const LISTENS: &str = "0A";
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            (local.ends_with(&suffix) && *state == LISTENS).then(|| format!("socket:[{inode}]"))
        })
        .collect()
}

fn open_files(pid: i32) -> Vec<String> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let target = |path: PathBuf| Some(fs::read_link(path).ok()?.to_string_lossy().into_owned());
    entries.filter_map(|it| target(it.ok()?.path())).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::process::{Command, Stdio};

    use super::{Process, Stat, listener, listening_sockets};

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "77 (a (b) c) S 12 77 77 0 -1 4194560 1 0 0 0 3 1 0 0 20 0 1 0 987654 1 2 3";
        assert_eq!(Stat::parse(line), Some(Stat { state: 'S', parent: 12, start_ticks: 987_654 }));
        assert_eq!(Stat::parse("nonsense"), None);
    }

    #[test]
    fn a_process_is_known_by_its_start_and_not_by_its_number_alone() {
        let me = Process::of(i32::try_from(std::process::id()).expect("small")).expect("runs");
        assert!(me.is_alive());
        let before = Process { start_ticks: me.start_ticks - 1, ..me.clone() };
        assert!(!before.is_alive(), "its number has been given to another");
    }

    #[test]
    fn what_a_process_started_is_found_and_is_gone_once_it_has_ended() {
        let mut child =
            Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().expect("sleep starts");
        let me = Process::of(i32::try_from(std::process::id()).expect("small")).expect("runs");
        let pid = i32::try_from(child.id()).expect("small");
        let found = me.descendants().into_iter().find(|it| it.pid == pid).expect("found");
        child.kill().expect("killed");
        assert!(child.wait().is_ok());
        assert!(!found.is_alive());
    }

    #[test]
    fn the_process_that_uses_a_port_is_found() {
        let held = TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = held.local_addr().expect("bound").port();
        let found = listener(port).expect("found");
        assert_eq!(found.pid, i32::try_from(std::process::id()).ok());
        assert!(!found.command.is_empty());
        drop(held);
        assert!(listener(port).is_none());
    }

    #[test]
    fn a_connection_from_the_port_does_not_listen_on_it() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:11D6 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n\
             1: 0100007F:11D6 0100007F:BEEF 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n";
        assert_eq!(listening_sockets(table, 4566), ["socket:[4711]"]);
    }
}
