//! Real kills, a few of each case.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::Command;

use shmring_bench::{Error as Harness, Options};
use shmring_torture::Error;
use shmring_torture::deaths::{self, deaths};

const KILLS: u32 = 3;

fn executable() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_shmring-torture"))
}

fn options(test: &str) -> Options {
    Options {
        executable: executable(),
        segment_prefix: format!("torture-deaths-{test}"),
        ..Options::default()
    }
}

fn left_in_shared_memory(prefix: &str) -> Vec<String> {
    let entries = fs::read_dir("/dev/shm").expect("/dev/shm");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with(prefix)).collect()
}

// Catches a survivor that loses a message, gets one twice or out of order, or hangs after a death,
// in any case; a kill at the wrong place; and a segment that is left behind.
#[test]
fn every_case_survives_its_kills() {
    let options = options("all");
    let measured = deaths(&deaths::ALL, &options, KILLS, &mut || ControlFlow::Continue(()));
    let measured = measured.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((measured.kills, measured.cases.len()), (KILLS, deaths::ALL.len()));
    for (case, figures) in deaths::ALL.iter().zip(&measured.cases) {
        let waited = figures.waited_ms;
        assert_eq!(figures.case, case.to_string());
        assert!(0.0 < waited.p50 && waited.p50 <= waited.p99 && waited.p99 <= waited.max);
    }
    assert_eq!(left_in_shared_memory(&options.segment_prefix), [] as [&str; 0]);
}

// Catches a measurement that cannot be stopped, or then leaves its segment behind.
#[test]
fn it_can_be_stopped_in_the_middle() {
    let options = options("stop");
    let mut asked = 0;
    let stopped = deaths(&deaths::ALL, &options, u32::MAX, &mut || {
        asked += 1;
        if asked > 50 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(stopped, Err(Error::Harness(Harness::Stopped))), "{stopped:?}");
    assert_eq!(left_in_shared_memory(&options.segment_prefix), [] as [&str; 0]);
}

// Catches a measurement of no case that succeeds.
#[test]
fn nothing_to_measure_is_refused() {
    for (cases, kills) in [(&deaths::ALL[..0], 1), (&deaths::ALL[..], 0)] {
        let refused = deaths(cases, &options("none"), kills, &mut || ControlFlow::Continue(()));
        assert!(matches!(refused, Err(Error::Harness(Harness::Options { .. }))), "{refused:?}");
    }
}

// Catches options without effect, and JSON that is not the result.
#[test]
fn the_command_measures_what_it_is_asked_for() {
    let mut command = Command::new(executable());
    command.args(["deaths", "--kills", "2", "--only", "mpmc ring, a producer before", "--json"]);
    let output = command.output().expect("the command");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let measured: deaths::Deaths = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((measured.kills, measured.cases.len()), (2, 2));
    assert!(measured.cases.iter().all(|figures| figures.ring == "mpmc"));
}
