//! Real transfers and probes between real processes, and what is left when they are aborted.

use std::fs;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shmring_bench::contenders::{MIXED, PIPE, RECORD_RING};
use shmring_bench::{Comparison, Contestant, Error, Options, compare, probe, report, transfer};

/// Far longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

fn executable() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_shmring-bench"))
}

fn options(test: &str) -> Options {
    Options {
        total_bytes: 8_000_000,
        capacity_bytes: 1 << 18,
        executable: executable(),
        segment_prefix: format!("bench-test-{test}"),
        ..Options::default()
    }
}

/// Objects in shared memory whose names begin so.
fn left_in_shared_memory(prefix: &str) -> Vec<String> {
    let entries = fs::read_dir("/dev/shm").expect("/dev/shm");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with(prefix)).collect()
}

fn moves_everything(contender: &Contestant, options: &Options) {
    let mut latest = 0;
    let transfer = transfer(contender, options, &mut |progress| {
        assert!(
            progress.bytes_received >= latest && progress.bytes_received <= progress.bytes_total
        );
        latest = progress.bytes_received;
        ControlFlow::Continue(())
    });
    let transfer = transfer.unwrap();
    assert!(transfer.verified);
    assert!(transfer.bytes >= options.total_bytes && transfer.messages > 100);
    assert!(transfer.seconds > 0.0 && transfer.mb_per_s > 0.0);
    assert!(transfer.cpu_ns_per_message() > 0.0);
}

#[test]
fn a_pipe_moves_everything() {
    moves_everything(&PIPE, &options("pipe"));
}

#[test]
fn a_record_ring_moves_everything_and_leaves_no_segment() {
    let options = options("ring");
    moves_everything(&RECORD_RING, &options);
    assert_eq!(left_in_shared_memory(&options.segment_prefix), [] as [&str; 0]);
}

#[test]
fn capacities_as_small_as_a_page_do() {
    for contender in &MIXED {
        let small = Options { capacity_bytes: 4096, total_bytes: 500_000, ..options("page") };
        moves_everything(contender, &small);
    }
}

#[test]
fn a_capacity_that_holds_no_message_and_a_run_of_no_bytes_are_refused() {
    let cramped = Options { capacity_bytes: 64, ..options("none") };
    let empty = Options { total_bytes: 0, ..options("none") };
    for useless in [cramped, empty] {
        let outcome = transfer(&PIPE, &useless, &mut |_| ControlFlow::Continue(()));
        assert!(matches!(outcome, Err(Error::Options { .. })), "{outcome:?}");
    }
}

#[test]
fn a_probe_gives_a_figure() {
    // None is a right answer too: on one CPU, or when other tests hold both for too long.
    if let Some(probe) = probe(&executable()).unwrap() {
        assert!(probe.one_way_ns > 1.0, "{probe:?}");
    }
}

#[test]
fn a_comparison_has_every_run_of_every_contender() {
    let options = options("compare");
    let mut seen = Vec::new();
    let comparison = compare(&MIXED, &options, 2, &mut |progress| {
        seen.push((progress.round, progress.contender));
        ControlFlow::Continue(())
    });
    let comparison = comparison.unwrap();
    seen.dedup();
    assert_eq!(seen, [(1, "record ring"), (1, "pipe"), (2, "pipe"), (2, "record ring")]);
    for summary in &comparison.contenders {
        assert_eq!(summary.runs.len(), 2);
        assert!(summary.mb_per_s.min <= summary.mb_per_s.median);
    }
    let json = serde_json::to_string(&comparison).unwrap();
    let back: Comparison = serde_json::from_str(&json).unwrap();
    assert_eq!(report::text(&back), report::text(&comparison));
}

#[test]
fn a_watch_that_says_stop_ends_the_run_and_leaves_nothing() {
    for contender in &MIXED {
        let endless = Options { total_bytes: u64::MAX / 2, ..options("stop") };
        let outcome = transfer(contender, &endless, &mut |progress| {
            if progress.bytes_received > 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert!(matches!(outcome, Err(Error::Stopped)), "{outcome:?}");
        assert_eq!(left_in_shared_memory(&endless.segment_prefix), [] as [&str; 0]);
    }
}

/// `shmring-bench` with work for hours. Dropped, it is killed.
struct Bench {
    process: Child,
}

impl Bench {
    /// Starts it.
    fn start() -> Bench {
        let mut command = Command::new(executable());
        command.args(["quick", "--only", "throughput, 64 KiB", "--rounds", "1000000"]);
        let process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        Bench { process }
    }

    /// Stops it while workers run that have opened their ends, after which no name is left in
    /// shared memory; returns them. Standing still, it starts no others.
    fn stop_amid_work(&self) -> Vec<i32> {
        let pid = Pid::from_raw(self.process.id().cast_signed());
        let deadline = Instant::now() + LIMIT;
        loop {
            kill(pid, Signal::SIGSTOP).unwrap();
            let workers = children(self.process.id());
            let names = left_in_shared_memory(&format!("shmring-bench-{pid}-"));
            if !workers.is_empty() && names.is_empty() {
                return workers;
            }
            kill(pid, Signal::SIGCONT).unwrap();
            assert!(Instant::now() < deadline, "no workers at work");
            sleep(Duration::from_millis(3));
        }
    }

    /// Ends it by a signal; returns its exit code and last words, when all its workers are gone.
    fn end(mut self, signal: Signal) -> (Option<i32>, String) {
        let pid = Pid::from_raw(self.process.id().cast_signed());
        let workers = self.stop_amid_work();
        kill(pid, signal).unwrap();
        kill(pid, Signal::SIGCONT).unwrap();
        let mut words = String::new();
        self.process.stdout.take().unwrap().read_to_string(&mut words).unwrap();
        let status = self.process.wait().unwrap();
        let deadline = Instant::now() + LIMIT;
        while workers.iter().any(|pid| parent_and_state(*pid).is_some_and(|(_, runs)| runs)) {
            assert!(Instant::now() < deadline, "workers outlived their parent");
            sleep(Duration::from_millis(10));
        }
        assert_eq!(left_in_shared_memory(&format!("shmring-bench-{pid}-")), [] as [&str; 0]);
        (status.code(), words)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Process ids of the live children of a process.
fn children(parent: u32) -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("/proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut pids: Vec<i32> =
        pids.filter(|pid| parent_and_state(*pid) == Some((parent, true))).collect();
    pids.sort_unstable();
    pids
}

/// The parent of a process, and whether it runs (a zombie does not).
fn parent_and_state(pid: i32) -> Option<(u32, bool)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let runs = fields.next()? != "Z";
    Some((fields.next()?.parse().ok()?, runs))
}

#[test]
fn killing_the_parent_leaves_no_workers_and_no_segment() {
    assert_eq!(Bench::start().end(Signal::SIGKILL), (None, String::new()));
}

#[test]
fn interrupting_the_parent_ends_it_in_order() {
    let (code, words) = Bench::start().end(Signal::SIGINT);
    assert_eq!(code, Some(0));
    assert!(words.contains("of 1000000 rounds, as it was interrupted"), "{words}");
}
