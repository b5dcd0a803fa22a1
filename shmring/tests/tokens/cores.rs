//! Processes whose core files are being written.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use shmring::{ProcessState, Segment};

use crate::common::child::{self, pause, say};
use crate::common::watchdog;
use crate::scene::Scene;

/// Takes the kernel some tens of milliseconds to write.
const BALLAST_BYTES: usize = 128 << 20;
/// This process may not run while the kernel writes.
const TRIES: u32 = 10;

/// A directory for core files, removed in the end.
struct Cores(PathBuf);

impl Cores {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = path.join(format!("shmring-test-{}-cores", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// In a child: has the producer and a lot of memory, and crashes.
pub(crate) fn crash(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    let _tx = segment.producer().unwrap();
    std::env::set_current_dir(&args[1]).unwrap();
    let ballast = vec![1_u8; BALLAST_BYTES];
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: sets a limit of this process.
    if unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) } != 0 {
        say("skipped: core files may not be made");
    } else {
        say("holds");
    }
    pause();
    std::hint::black_box(&ballast);
    std::process::abort();
}

/// Catches a crash that looks like a process at work while the kernel writes its core file:
/// it counts as alive for so long, and nothing would show why.
#[test]
fn a_process_that_dumps_core_is_reported() {
    let _watchdog = watchdog("a_process_that_dumps_core_is_reported");
    let cores = Cores::new();
    for _ in 0..TRIES {
        let mut scene = Scene::new();
        let mut child = child::start("crash", &[&scene.name, cores.0.to_str().unwrap()]);
        let said = child.hear();
        if said.starts_with("skipped") {
            return println!("{said}");
        }
        let pid = child.pid();
        child.go();
        let mut seen = false;
        while scene.listed(pid).iter().any(|listed| listed.alive) {
            let state = scene.listed(pid).first().and_then(|it| it.process()).map(|it| it.state);
            if state == Some(ProcessState::DumpingCore) {
                let refused = scene.segment.producer().map_err(|error| error.to_string());
                seen |= refused.is_err_and(|error| error.contains("core file"));
            }
        }
        scene.assert_found_dead(pid);
        if !child.wait().core_dumped() {
            return println!("skipped: no core file was made");
        }
        if seen {
            return;
        }
    }
    panic!("never seen, in {TRIES} crashes");
}
